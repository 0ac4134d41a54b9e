//! What a node tells about its Raft state.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{MetadataVersion, NodeId, Term};
use http_api::{RaftMember, raft::MemberContact};
use serde_json::value::RawValue;

/// What a node is in its term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Leads.
    Leader,
    /// Follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Follows without a vote.
    Learner,
}

/// A node's Raft state. Indexes are 0 where there is nothing yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftStatus {
    /// This node.
    pub node_id: NodeId,
    /// What it is.
    pub role: Role,
    /// Its term.
    pub current_term: Term,
    /// Whom it follows, itself included.
    pub leader_id: Option<NodeId>,
    /// Last index it knows to be committed.
    pub commit_index: u64,
    /// Last index applied to its state.
    pub last_applied: u64,
    /// The version of that state.
    pub metadata_version: MetadataVersion,
    /// Last index in its log.
    pub last_log_index: u64,
    /// Last index covered by its snapshot.
    pub snapshot_index: u64,
    /// All entries up to here are purged.
    pub purged_index: u64,
    /// Voters and learners by id.
    pub members: Vec<RaftMember>,
    /// On the leader: last index each member is known to hold. Empty elsewhere.
    pub replication: BTreeMap<NodeId, u64>,
    /// On the leader: when each member was last heard of. Empty elsewhere.
    pub contacts: BTreeMap<NodeId, MemberContact>,
    /// `sqlite` or `postgres`.
    pub storage: &'static str,
    /// Digest of the applied state and the index it stands for, for comparing nodes.
    pub state_digest: (u64, u64),
}

/// One log entry, for people.
#[derive(Debug, Clone)]
pub struct LogEntryView {
    /// Its index.
    pub index: u64,
    /// The term of the leader that wrote it.
    pub term: Term,
    /// `blank`, `membership` or `command`.
    pub kind: &'static str,
    /// Its payload as stored; `None` for a blank.
    pub payload: Option<Arc<RawValue>>,
}
