//! The facade: everything the rest of the node does with the quorum.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use common::{ClusterId, MetadataVersion, NodeId};
use http_api::{RaftMember, raft::MemberContact};
use metadata_core::{Event, State};
use openraft::async_runtime::watch::WatchReceiver as _;
use runtime::clock;
use tokio::sync::watch;

use super::figures::RaftFigures;
use super::identity::Identity;
use super::machine::{Machine, Published};
use super::net::Peers;
use super::progress::{CaughtUp, Seen};
use super::settings::Timings;
use super::types::TypeConfig;
use super::{LeaderHint, LogEntryView, RaftStatus, ReadError, Role};
use crate::store::{Backend, HistoryEntry, HistoryQuery, Store};

/// A node's place in the quorum. Cheap to clone; all clones are the same node.
#[derive(Clone)]
pub struct Consensus {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) identity: Identity,
    pub(super) raft: openraft::Raft<TypeConfig, Machine>,
    pub(super) published: Arc<Published>,
    pub(super) store: Store,
    pub(super) backend: Backend,
    pub(super) peers: Peers,
    pub(super) timings: Timings,
    /// The voters of `services.json` with their URLs: what a new cluster is made of.
    pub(super) founders: BTreeMap<NodeId, String>,
    /// The database server, if it has an identity.
    pub(super) server_id: Option<u64>,
    /// Whether the database held a vote or any of the log at start: something that could have been forgotten.
    pub(super) has_history: bool,
    /// Whether this process took part in forming the cluster.
    pub(super) has_founded: AtomicBool,
    pub(super) hint: watch::Receiver<LeaderHint>,
    /// Whether this node may take part: its database is known to be the right one.
    pub(super) admitted: watch::Sender<bool>,
    /// Whether everything this node may have shown before its restart is applied again.
    pub(super) recovered: watch::Sender<bool>,
    /// Proposals that wait for their outcome.
    pub(super) waiting: AtomicUsize,
    /// As follower: when the leader was last heard of.
    pub(super) leader_heard: watch::Sender<Option<tokio::time::Instant>>,
    pub(super) figures: Arc<RaftFigures>,
    /// As leader: how far the members are.
    pub(super) progress: Arc<CaughtUp>,
    /// Held for each change of the membership that this node proposes: Raft takes them one by one, and what an operator
    /// wants is not refused because the [registrar](super::registrar) is just noting something down.
    pub(super) changing_members: tokio::sync::Mutex<()>,
}

impl Consensus {
    /// This node's id.
    pub fn node_id(&self) -> NodeId {
        self.inner.identity.node_id()
    }

    /// The cluster this node belongs to.
    pub fn cluster_id(&self) -> &ClusterId {
        self.inner.identity.cluster_id()
    }

    /// Who leads. A leader that no quorum has confirmed for longer than its lease (it was paused, or cut off) does
    /// not call itself one any more, although its Raft core may not have noticed yet. A follower names no leader
    /// that has been silent for two election timeouts: its core would, for as long as no other is elected.
    pub fn leader(&self) -> LeaderHint {
        let hint = self.inner.hint.borrow().clone();
        let is_fresh = if hint.is_self { self.inner.is_lease_fresh() } else { self.inner.is_leader_heard() };
        if is_fresh { hint } else { LeaderHint { leader: None, term: hint.term, is_self: false } }
    }

    /// Follows who leads.
    pub fn watch_leader(&self) -> watch::Receiver<LeaderHint> {
        self.inner.hint.clone()
    }

    /// Reads the applied state under a short read lock: copy out what is needed (`Arc`s), serialize after.
    pub fn read<R>(&self, f: impl FnOnce(&State) -> R) -> R {
        self.inner.published.read(|applied| f(&applied.state))
    }

    /// The events after `version`, or `None` if they are not held any more: give a full image.
    pub fn deltas_since(&self, version: MetadataVersion) -> Option<Vec<(MetadataVersion, Arc<Event>)>> {
        self.inner.published.read_changes(|changes| changes.since(version))
    }

    /// Follows the applied metadata version.
    pub fn watch_version(&self) -> watch::Receiver<MetadataVersion> {
        self.inner.published.watch_version()
    }

    /// Whether the cluster began with this very process, and others that did so with it: no older build has ever been part
    /// of it.
    pub fn has_founded(&self) -> bool {
        self.inner.has_founded.load(Ordering::Relaxed)
    }

    /// Whether everything that this node may have shown before its last restart is applied again. Before that its
    /// state may be older than what a client has seen already, so it serves no reads (etcd and openraft have both
    /// had this bug).
    pub fn is_recovered(&self) -> bool {
        *self.inner.recovered.borrow()
    }

    /// Follows [`Self::is_recovered`].
    pub fn watch_recovered(&self) -> watch::Receiver<bool> {
        self.inner.recovered.subscribe()
    }

    /// Whether the Raft core runs. Once it has stopped (its database failed) it does not come back: the node ends.
    pub fn is_running(&self) -> bool {
        self.inner.raft.metrics().borrow_watched().running_state.is_ok()
    }

    /// A copy of the Raft state.
    pub fn status(&self) -> RaftStatus {
        let (digest, version, applied) = self.inner.published.read(|applied| {
            let last_applied = applied.last_applied.map_or(0, |last| last.index);
            (applied.state.digest(), applied.state.version(), last_applied)
        });
        let contacts = self.contacts();
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let voters: std::collections::BTreeSet<NodeId> = membership.voter_ids().collect();
        let members = membership
            .nodes()
            .map(|(id, member)| RaftMember {
                node_id: *id,
                url: member.url.clone(),
                voter: voters.contains(id),
            })
            .collect();
        let role = match metrics.state {
            openraft::ServerState::Leader => Role::Leader,
            openraft::ServerState::Candidate => Role::Candidate,
            openraft::ServerState::Learner => Role::Learner,
            openraft::ServerState::Follower | openraft::ServerState::Shutdown => Role::Follower,
        };
        let index = |id: &Option<super::types::LogId>| id.as_ref().map_or(0, |id| id.index);
        let replication = metrics.replication.iter().flatten();
        RaftStatus {
            node_id: self.node_id(),
            role,
            current_term: common::Term(metrics.current_term),
            // A leader that has lost its quorum still is one to its own Raft core, and must not call itself one.
            leader_id: self.leader().leader.map(|leader| leader.id),
            commit_index: index(&metrics.local_committed),
            last_applied: applied,
            metadata_version: version,
            last_log_index: metrics.last_log_index.unwrap_or(0),
            snapshot_index: index(&metrics.snapshot),
            purged_index: index(&metrics.purged),
            members,
            replication: replication.map(|(id, matched)| (*id, index(matched))).collect(),
            contacts,
            storage: self.inner.backend.name(),
            state_digest: (digest, applied),
        }
    }

    /// As leader: when each member was last heard of; this one now.
    fn contacts(&self) -> BTreeMap<NodeId, MemberContact> {
        let seen = super::leader::look(&self.inner.raft, &self.inner.progress).into_iter();
        let contact = |(id, (seen, last_caught_up)): (NodeId, (Seen, _))| {
            (id, MemberContact { last_answer: seen.answered_ms, last_caught_up })
        };
        let mut contacts: BTreeMap<_, _> = seen.map(contact).collect();
        if self.leader().is_self {
            let now_ms = clock::unix_ms();
            let own = MemberContact { last_answer: now_ms, last_caught_up: Some(now_ms) };
            contacts.insert(self.node_id(), own);
        }
        contacts
    }

    /// Metadata events, as the SQL projection keeps them. Everything applied before the call is in it.
    pub async fn history(&self, query: HistoryQuery) -> Result<Vec<HistoryEntry>, ReadError> {
        self.inner.store.history(query).await.map_err(|error| ReadError::Storage(error.to_string()))
    }

    /// Durable log entries from index `from` on, at most `limit`, oldest first.
    pub async fn log_entries(&self, from: u64, limit: usize) -> Result<Vec<LogEntryView>, ReadError> {
        let rows = self.inner.store.log(from, limit).await;
        let rows = rows.map_err(|error| ReadError::Storage(error.to_string()))?;
        Ok(rows
            .into_iter()
            .map(|row| LogEntryView {
                index: row.position.index,
                term: common::Term(row.position.term),
                kind: row.kind.name(),
                payload: row.payload,
            })
            .collect())
    }

    /// Figures of this node's Raft.
    pub fn figures(&self) -> &Arc<RaftFigures> {
        &self.inner.figures
    }

    /// Stops taking part. Nothing is answered afterwards.
    pub(super) async fn shutdown(&self) {
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(event = "raft.shutdown_failed", %error, "the Raft core did not end in good order");
        }
    }
}

impl Inner {
    /// As follower: whether the leader was heard of within two election timeouts.
    fn is_leader_heard(&self) -> bool {
        self.leader_heard.borrow().is_none_or(|at| at.elapsed() <= self.timings.election_max * 2)
    }

    /// As follower: the leader was heard of.
    pub(super) fn heard_leader(&self) {
        self.leader_heard.send_replace(Some(tokio::time::Instant::now()));
    }

    /// As leader: whether a quorum has confirmed it within the lease. No safety decision rests on this clock: writes
    /// need a commit and linearizable reads a ReadIndex; it only keeps a leader that was paused from claiming to be one.
    pub(super) fn is_lease_fresh(&self) -> bool {
        super::leader::silence_of_quorum(&self.raft) <= self.timings.election_max
    }
}
