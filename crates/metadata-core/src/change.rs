//! A command's effect, as it leaves the core: for history, for the SQL projection and for pushes.

use common::MetadataVersion;
use serde::{Deserialize, Serialize};

use crate::{Event, Outcome, Rejection, RequestId};

/// One event with its place in the change stream and what it replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Raft index of the command.
    pub version: MetadataVersion,
    /// Position among the events of that command, from 0.
    pub seq: u32,
    /// The leader's clock when it proposed, in Unix milliseconds.
    pub time_ms: u64,
    /// Who asked.
    pub author: String,
    /// The client's idempotency key.
    pub request_id: Option<RequestId>,
    /// What `event` changed, as it was before, as JSON; `null` if it is new.
    pub before: serde_json::Value,
    /// What happened.
    pub event: Event,
}

/// All that applying one command gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer for the proposer.
    pub result: Result<Outcome, Rejection>,
    /// `metadataVersion` after the command: its own index if it made an event, else as before.
    pub version: MetadataVersion,
    /// The events, in order. Empty for a rejection, a no-op, and a repeated request id.
    pub changes: Vec<Change>,
}
