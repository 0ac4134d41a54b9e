//! `GET /api/v1/raft/status` and `/log`: the quorum as one node sees it.

use std::collections::BTreeMap;

use common::{MetadataVersion, NodeId, Term};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Role of a node in its quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RaftState {
    /// Leads.
    Leader,
    /// Follows, or waits for a leader.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Replicates without a vote.
    Learner,
}

/// Which database holds the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// A Postgres server.
    Postgres,
    /// An embedded SQLite file.
    Sqlite,
}

/// A member of the quorum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RaftMember {
    /// Its id.
    pub node_id: NodeId,
    /// Base URL of its REST API.
    pub url: String,
    /// Whether it votes; a learner does not.
    pub voter: bool,
}

/// When the leader was last told something by a member, and how far that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberContact {
    /// When the member last answered, in Unix milliseconds.
    pub last_answer: u64,
    /// When it last held all that the leader's log had, in Unix milliseconds; absent if it never did under this leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_caught_up: Option<u64>,
}

/// The state of one node's Raft. An index of 0 stands for "nothing yet".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RaftStatus {
    /// Who answers.
    pub node_id: NodeId,
    /// Its role.
    pub state: RaftState,
    /// Whether it leads.
    pub is_leader: bool,
    /// The highest term it has seen.
    pub current_term: Term,
    /// The leader it follows, if it knows one.
    pub leader_id: Option<NodeId>,
    /// Highest index that it knows to be committed.
    pub commit_index: u64,
    /// Highest index applied to its state.
    pub last_applied: u64,
    /// The version of that state: the index of the last entry that changed anything.
    #[serde(default)]
    pub metadata_version: MetadataVersion,
    /// Highest index in its log.
    pub last_log_index: u64,
    /// Last index that its newest snapshot covers.
    pub snapshot_index: u64,
    /// All entries up to here are gone from its log.
    pub purged_index: u64,
    /// Voters and learners by id.
    pub members: Vec<RaftMember>,
    /// On the leader: highest index that each member is known to hold. Empty elsewhere.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub replication: BTreeMap<NodeId, u64>,
    /// On the leader: when each member was last heard of. Empty elsewhere.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, MemberContact>)]
    pub contacts: BTreeMap<NodeId, MemberContact>,
    /// Where the log is kept.
    pub storage: StorageKind,
    /// A hash of its applied state, in hexadecimal. Two nodes that applied the same entries have the same.
    pub state_digest: String,
    /// The index of that state.
    pub state_digest_index: u64,
}

/// One entry of the Raft log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RaftLogEntry {
    /// Its index.
    pub index: u64,
    /// The term it was proposed in.
    pub term: Term,
    /// What it holds.
    pub kind: RaftLogKind,
    /// The proposal with its time and author, or the membership; `null` for a blank entry.
    pub payload: serde_json::Value,
}

/// What a log entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RaftLogKind {
    /// A command.
    Command,
    /// A change of the quorum's membership.
    Membership,
    /// Nothing: it commits what earlier terms left.
    Blank,
}
