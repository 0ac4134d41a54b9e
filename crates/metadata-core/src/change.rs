//! A command's effect, as it leaves the core: for history, for the SQL projection and for pushes.

use std::{collections::BTreeMap, sync::Arc};

use common::{Broker, BrokerStatus, MetadataVersion, Partition, Topic};
use serde::Serialize;

use crate::{Event, Outcome, Rejection, RequestId};

/// One event with its place in the change stream and what it replaced. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Raft index of the command.
    pub version: MetadataVersion,
    /// Position among the events of that command, from 0.
    pub seq: u32,
    /// The leader's clock when it proposed, in Unix milliseconds.
    pub time_ms: u64,
    /// Who asked.
    pub author: Arc<str>,
    /// The client's idempotency key.
    pub request_id: Option<RequestId>,
    /// What `event` changed, as it was before; in JSON `null` if it is new.
    pub before: Before,
    /// What happened.
    pub event: Arc<Event>,
}

/// What an event replaced. It is moved out of the state, not copied, so that taking it costs nothing; whoever
/// writes history serializes it (untagged: the event's kind says which it is).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Before {
    /// Nothing: the subject is new.
    Nothing,
    /// A deleted topic.
    Topic(Arc<Topic>),
    /// All settings of a topic, or of brokers.
    Configs(BTreeMap<String, String>),
    /// How many partitions a topic had.
    NumPartitions(usize),
    /// The changed partitions, in the event's order.
    Partitions(Vec<Partition>),
    /// A broker's former registration, or a removed broker.
    Broker(Box<Broker>),
    /// A broker's status.
    Status(BrokerStatus),
    /// The first producer id that was free.
    NextProducerId(i64),
    /// The feature level.
    FeatureLevel(u16),
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
