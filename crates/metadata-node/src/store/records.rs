//! What is stored, as plain types: neither openraft's nor a database's.

use std::sync::Arc;

use common::{BrokerId, MetadataVersion, NodeId};
use metadata_core::Change;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Where an entry stands: the term of the leader that wrote it, and its index. Two logs that agree on one agree on
/// all before it (Raft, Log Matching).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition {
    /// Term of the leader that wrote it.
    pub term: u64,
    /// Index, dense.
    pub index: u64,
}

impl std::fmt::Display for LogPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}

/// For whom this node voted in a term, and whether a quorum did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteRecord {
    /// The term.
    pub term: u64,
    /// The candidate, or the leader.
    pub node: NodeId,
    /// Whether a quorum granted it: then `node` leads, or led, this term.
    pub committed: bool,
}

/// What an entry holds. The names are persisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Nothing: a new leader's first entry.
    Blank,
    /// A [`metadata_core::Proposal`].
    Command,
    /// Voters and learners.
    Membership,
}

impl EntryKind {
    /// Its name in the tables and in the REST API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Command => "command",
            Self::Membership => "membership",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Blank, Self::Command, Self::Membership].into_iter().find(|kind| kind.name() == name)
    }
}

/// A log entry as it is stored.
#[derive(Debug, Clone)]
pub struct LogRow {
    /// Its term and index.
    pub position: LogPosition,
    /// What it holds.
    pub kind: EntryKind,
    /// Its payload as JSON; `None` for a blank.
    pub payload: Option<Arc<RawValue>>,
}

impl LogRow {
    /// How much memory and how much of a message it takes, roughly, in bytes.
    pub fn bytes(&self) -> usize {
        64 + self.payload.as_ref().map_or(0, |payload| payload.get().len())
    }
}

/// One applied log entry, for the projection.
#[derive(Debug, Clone)]
pub struct AppliedEntry {
    /// Its term and index.
    pub position: LogPosition,
    /// What it changed; empty for blanks, memberships, rejections and no-ops.
    pub changes: Vec<Change>,
}

/// What is known of a snapshot beside its bytes.
#[derive(Debug, Clone)]
pub struct SnapshotRecord {
    /// The last entry it covers; `None`: it is of the empty state.
    pub last: Option<LogPosition>,
    /// The membership it covers with the position of its entry, as JSON.
    pub membership: Box<RawValue>,
    /// Version of the format of its bytes.
    pub format: u16,
    /// How its bytes are compressed, `zstd`.
    pub codec: String,
}

/// Which metadata events are wanted. The newest come first.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// Only of this topic.
    pub topic: Option<String>,
    /// Only of this broker.
    pub broker: Option<BrokerId>,
    /// Only later than this version. Then the oldest come first, so that a reader can follow on.
    pub since: Option<MetadataVersion>,
    /// At most so many.
    pub limit: usize,
}

/// One metadata event of the history.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// Raft index of the command.
    pub version: MetadataVersion,
    /// Position among the events of that command, from 0.
    pub seq: u32,
    /// The leader's clock when it proposed, in Unix milliseconds.
    pub time_ms: u64,
    /// Who asked.
    pub author: String,
    /// The client's idempotency key.
    pub request_id: Option<Uuid>,
    /// What happened, as [`metadata_core::Event`]'s `kind`.
    pub kind: String,
    /// What it happened to: `topic:orders`, `broker:101`, `cluster`.
    pub subject: String,
    /// What the event changed, as it was before; `None` if it is new.
    pub before: Option<Box<RawValue>>,
    /// The event.
    pub after: Option<Box<RawValue>>,
}
