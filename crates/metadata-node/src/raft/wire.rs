//! What goes between nodes, as JSON of our own: openraft's types are converted here and never serialized themselves,
//! so that the format changes only when somebody means it to. Every request carries a [`Header`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::{ClusterId, NodeId};
use openraft::EntryPayload as Payload;
use openraft::entry::RaftEntry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::types::{Entry, LogCommand, LogId, Member, Membership, StoredMembership, Vote};

/// Version of this format. A node refuses another one: rolling upgrades that change it must teach both.
pub(crate) const WIRE_VERSION: u16 = 1;

/// Who speaks to whom. Checked before anything else is looked at: a request for another cluster or another node
/// (a port that was given to somebody else, a copied configuration) must not reach Raft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Header {
    /// [`WIRE_VERSION`] of the sender.
    pub(crate) version: u16,
    /// The sender's cluster.
    pub(crate) cluster_id: ClusterId,
    /// The sender.
    pub(crate) from: NodeId,
    /// The database the sender keeps its log in.
    pub(crate) storage_id: Uuid,
    /// Whom it means.
    pub(crate) to: NodeId,
}

/// A request with its header.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request<T> {
    pub(crate) header: Header,
    pub(crate) body: T,
}

/// (term, index).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireLogId {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

impl From<LogId> for WireLogId {
    fn from(id: LogId) -> Self {
        Self { term: id.committed_leader_id().term, index: id.index }
    }
}

impl From<WireLogId> for LogId {
    fn from(id: WireLogId) -> Self {
        Self::new_term_index(id.term, id.index)
    }
}

/// A vote: for whom, in which term, and whether a quorum granted it (then `node` leads).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireVote {
    pub(crate) term: u64,
    pub(crate) node: NodeId,
    pub(crate) committed: bool,
}

impl From<Vote> for WireVote {
    fn from(vote: Vote) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.voted_for, committed: vote.committed }
    }
}

impl From<WireVote> for Vote {
    fn from(vote: WireVote) -> Self {
        if vote.committed {
            Self::new_committed(vote.term, vote.node)
        } else {
            Self::new(vote.term, vote.node)
        }
    }
}

/// Voters (two sets while the membership is joint) and all members with what is recorded of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WireMembership {
    /// One voter set, or two while the membership is joint.
    pub(crate) configs: Vec<BTreeSet<NodeId>>,
    /// Voters and learners.
    pub(crate) nodes: BTreeMap<NodeId, Member>,
}

impl From<&Membership> for WireMembership {
    fn from(membership: &Membership) -> Self {
        Self {
            configs: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(id, member)| (*id, member.clone())).collect(),
        }
    }
}

impl TryFrom<WireMembership> for Membership {
    type Error = WireError;

    fn try_from(wire: WireMembership) -> Result<Self, WireError> {
        Self::new(wire.configs, wire.nodes).map_err(|error| WireError::Membership(error.to_string()))
    }
}

/// A membership with the id of its entry, as a snapshot's header has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WireStoredMembership {
    pub(crate) log_id: Option<WireLogId>,
    pub(crate) membership: WireMembership,
}

impl From<&StoredMembership> for WireStoredMembership {
    fn from(stored: &StoredMembership) -> Self {
        Self { log_id: stored.log_id().map(Into::into), membership: stored.membership().into() }
    }
}

impl TryFrom<WireStoredMembership> for StoredMembership {
    type Error = WireError;

    fn try_from(wire: WireStoredMembership) -> Result<Self, WireError> {
        Ok(Self::new(wire.log_id.map(Into::into), wire.membership.try_into()?))
    }
}

/// Something that is JSON but makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// No membership.
    #[error("membership: {0}")]
    Membership(String),
    /// No entry.
    #[error("entry {index}: {reason}")]
    Entry {
        /// Its index.
        index: u64,
        /// What is wrong.
        reason: String,
    },
}

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum WireKind {
    Blank,
    Command,
    Membership,
}

/// A log entry. The payload is passed on as text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WireEntry {
    pub(crate) term: u64,
    pub(crate) index: u64,
    pub(crate) kind: WireKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Arc<RawValue>>,
}

impl WireEntry {
    pub(crate) fn from_entry(entry: Entry) -> Result<Self, WireError> {
        let WireLogId { term, index } = entry.log_id.into();
        let (kind, payload) = match entry.payload {
            Payload::Blank => (WireKind::Blank, None),
            Payload::Normal(command) => (WireKind::Command, Some(command.into_json())),
            Payload::Membership(membership) => {
                let json = serde_json::value::to_raw_value(&WireMembership::from(&membership))
                    .map_err(|error| WireError::Entry { index, reason: error.to_string() })?;
                (WireKind::Membership, Some(json.into()))
            }
        };
        Ok(Self { term, index, kind, payload })
    }

    pub(crate) fn into_entry(self) -> Result<Entry, WireError> {
        let log_id = LogId::new_term_index(self.term, self.index);
        let wrong = |reason: String| WireError::Entry { index: self.index, reason };
        let payload = match (self.kind, self.payload) {
            (WireKind::Blank, None) => Payload::Blank,
            (WireKind::Command, Some(json)) => Payload::Normal(LogCommand::from_shared(json)),
            (WireKind::Membership, Some(json)) => {
                let membership: WireMembership =
                    serde_json::from_str(json.get()).map_err(|error| wrong(error.to_string()))?;
                Payload::Membership(membership.try_into()?)
            }
            (kind, payload) => {
                let has = if payload.is_some() { "a" } else { "no" };
                return Err(wrong(format!("{kind:?} with {has} payload")));
            }
        };
        Ok(Entry::new(log_id, payload))
    }
}

/// AppendEntries; a heartbeat has no entries.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AppendEntries {
    pub(crate) vote: WireVote,
    pub(crate) prev_log_id: Option<WireLogId>,
    pub(crate) leader_commit: Option<WireLogId>,
    pub(crate) entries: Vec<WireEntry>,
}

/// Answer to [`AppendEntries`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum AppendAnswer {
    /// All entries are durable here.
    Success,
    /// Entries up to here are durable here.
    PartialSuccess { last_log_id: Option<WireLogId> },
    /// `prev_log_id` is not in this log.
    Conflict,
    /// This node follows, or voted for, somebody newer.
    HigherVote { vote: WireVote },
}

/// RequestVote, and the same for Pre-Vote (Raft thesis 9.6).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VoteRequest {
    pub(crate) vote: WireVote,
    pub(crate) last_log_id: Option<WireLogId>,
    /// The leader itself asked for this election (Raft thesis 4.2.3), so its lease does not stand against it.
    #[serde(default)]
    pub(crate) leadership_transfer: bool,
}

/// Answer to [`VoteRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VoteAnswer {
    pub(crate) vote: WireVote,
    pub(crate) granted: bool,
    pub(crate) last_log_id: Option<WireLogId>,
}

/// The leader hands over to `to`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TransferLeader {
    pub(crate) vote: WireVote,
    pub(crate) to: NodeId,
    pub(crate) last_log_id: Option<WireLogId>,
}

/// Answer to [`TransferLeader`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TransferAnswer {
    /// Why not; `None`: the election is on.
    pub(crate) refused: Option<String>,
}

/// Head of a snapshot transfer. The body of the request is the snapshot as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InstallSnapshot {
    pub(crate) vote: WireVote,
}

/// Answer to [`InstallSnapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SnapshotAnswer {
    pub(crate) vote: WireVote,
}

/// Answer to a ReadIndex question: the state is current once this index is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReadIndexAnswer {
    /// `None`: the node asked does not lead, or no quorum confirmed that it does.
    pub(crate) read_index: Option<u64>,
}

/// What a node says of itself, and of the node that asks, before they speak Raft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Hello {
    pub(crate) version: u16,
    pub(crate) cluster_id: ClusterId,
    pub(crate) node_id: NodeId,
    pub(crate) storage_id: Uuid,
    /// Whether its log or vote holds anything: it takes part in a cluster.
    pub(crate) initialized: bool,
    /// Whether it takes part already: whether it answers Raft's RPCs.
    #[serde(default)]
    pub(crate) admitted: bool,
    /// Its log holds the first entry and no more: the cluster has not had a leader yet.
    pub(crate) forming: bool,
    /// The database server its log is on, where that is known: two voters on one server share its fate.
    #[serde(default)]
    pub(crate) server_id: Option<u64>,
    /// Whom it would form a cluster of.
    pub(crate) founders: BTreeMap<NodeId, String>,
    /// What its committed membership records of the node that asks.
    pub(crate) committed: Standing,
    /// The database its log, committed or not, records for the node that asks.
    pub(crate) in_log: Option<Uuid>,
}

/// What a node's committed membership records of another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "standing", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Standing {
    /// Never was a member, as far as this node knows.
    Unknown,
    /// Is a member.
    Member {
        /// The database it is known by; `None`: the leader has not heard it yet.
        storage_id: Option<Uuid>,
    },
    /// Was a member and was removed. Its id is never used again.
    Removed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_the_wire() {
        let json = RawValue::from_string(r#"{"a":[1,2]}"#.to_owned()).unwrap();
        let membership = Membership::new(
            vec![BTreeSet::from([NodeId(1), NodeId(2)])],
            BTreeMap::from([
                (NodeId(1), Member { url: "http://a:1".into(), storage_id: Some(Uuid::from_u128(7)) }),
                (NodeId(2), Member { url: "http://b:2".into(), storage_id: None }),
            ]),
        )
        .unwrap();
        for payload in [
            Payload::Blank,
            Payload::Normal(LogCommand::from_shared(json.into())),
            Payload::Membership(membership),
        ] {
            let entry = Entry::new(LogId::new_term_index(3, 9), payload);
            let text = serde_json::to_string(&WireEntry::from_entry(entry.clone()).unwrap()).unwrap();
            let back = serde_json::from_str::<WireEntry>(&text).unwrap().into_entry().unwrap();
            assert_eq!(entry, back, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            r#"{"term":1,"index":1,"kind":"blank","payload":{}}"#,
            r#"{"term":1,"index":1,"kind":"command"}"#,
            r#"{"term":1,"index":1,"kind":"membership","payload":{"configs":[[1]],"nodes":{}}}"#,
        ] {
            let wire: WireEntry = serde_json::from_str(text).unwrap();
            assert!(wire.into_entry().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<WireEntry>(r#"{"term":1,"index":1,"kind":"blank","x":1}"#).is_err());
    }
}
