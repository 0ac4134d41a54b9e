//! What our log carries, and openraft's types filled in with it. Only `raft` and the log adapter of `store` use them.

use std::fmt;
use std::sync::Arc;

use common::NodeId;
use metadata_core::{Proposal, outcome::Decided};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

openraft::declare_raft_types!(
    /// Standard Raft: one leader per term, so that a log id is (term, index).
    pub(crate) TypeConfig:
        D = LogCommand,
        // `None` for blank and membership entries.
        R = Option<Decided>,
        NodeId = NodeId,
        Node = Member,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
        AsyncRuntime = openraft::impls::TokioRuntime,
);

/// (term, index) of an entry.
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
/// (term, candidate or leader, whether a quorum granted it).
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
/// A log entry.
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
/// Blank, command or membership.
pub(crate) type EntryPayload = openraft::EntryPayload<LogCommand, NodeId, Member>;
/// Voters and learners; joint while it changes.
pub(crate) type Membership = openraft::Membership<NodeId, Member>;
/// A membership with the id of its entry.
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;

/// What the membership records of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    /// Base URL of its REST API, without a trailing slash.
    pub(crate) url: String,
    /// Which database it keeps its log in (drawn when that was created): a node that comes back with another one
    /// has forgotten what it voted for and acknowledged, and must not take part under its old id.
    /// `None` until the leader has heard it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) storage_id: Option<Uuid>,
}

/// A command as it stands in the log. Serialized once, by the leader; the same text goes to the log and to the
/// followers. Where it was proposed it keeps its parsed form, so that only followers parse it.
#[derive(Clone)]
pub(crate) struct LogCommand {
    json: Arc<RawValue>,
    proposal: Option<Arc<Proposal>>,
}

impl LogCommand {
    /// Serializes a proposal, on the leader.
    pub(crate) fn new(proposal: Proposal) -> Result<Self, serde_json::Error> {
        Ok(Self { json: to_raw_value(&proposal)?.into(), proposal: Some(Arc::new(proposal)) })
    }

    /// Takes a command from the wire or from the log. It is parsed when it is applied.
    pub(crate) fn from_shared(json: Arc<RawValue>) -> Self {
        Self { json, proposal: None }
    }

    /// Its text.
    pub(crate) fn json(&self) -> &RawValue {
        &self.json
    }

    /// Its text, shared.
    pub(crate) fn into_json(self) -> Arc<RawValue> {
        self.json
    }

    /// Its meaning.
    pub(crate) fn proposal(&self) -> Result<Arc<Proposal>, serde_json::Error> {
        match &self.proposal {
            Some(proposal) => Ok(Arc::clone(proposal)),
            None => serde_json::from_str(self.json.get()).map(Arc::new),
        }
    }
}

impl PartialEq for LogCommand {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
}

impl Eq for LogCommand {}

impl fmt::Debug for LogCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for LogCommand {
    /// Its size only: openraft logs entries, and a command may be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "command of {} bytes", self.json.get().len())
    }
}
