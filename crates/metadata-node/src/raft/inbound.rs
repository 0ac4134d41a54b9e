//! RPCs of other nodes: checked, converted, handed to openraft.

use bytes::Bytes;
use common::NodeId;
use futures_util::Stream;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest};
use uuid::Uuid;

use super::consensus::{Consensus, Inner};
use super::identity::Misdirected;
use super::machine::SnapshotData;
use super::types::{LogId, TypeConfig, Vote};
use super::wire::{
    AppendAnswer, AppendEntries, Header, Hello, InstallSnapshot, ReadIndexAnswer, SnapshotAnswer, Standing,
    TransferAnswer, TransferLeader, VoteAnswer, VoteRequest, WIRE_VERSION, WireError,
};

/// Why an RPC was not let through to Raft.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is for somebody else.
    #[error(transparent)]
    Misdirected(#[from] Misdirected),
    /// Its sender was a member once. Its id will never be one again, so nothing it says can be of use.
    #[error("node {0} was removed from the quorum")]
    Removed(NodeId),
    /// Its sender has another database than the one the quorum knows it by.
    #[error(
        "node {id} speaks with database {found}, but the quorum knows it by {known}: it has lost what it voted for \
         and acknowledged; remove it and add the node under a new id"
    )]
    ForeignStorage {
        /// Who.
        id: NodeId,
        /// What the membership records.
        known: Uuid,
        /// What the request says.
        found: Uuid,
    },
    /// This node does not know yet whether it may take part.
    #[error("this node is not admitted to the quorum yet")]
    NotAdmitted,
    /// Its content makes no sense.
    #[error(transparent)]
    Nonsense(#[from] WireError),
    /// The snapshot is damaged, or the transfer broke.
    #[error("snapshot: {0}")]
    Snapshot(std::io::Error),
    /// The Raft core has stopped.
    #[error("this node is shutting down")]
    Stopped,
}

impl Consensus {
    /// The database this node keeps its log in; it stands in every answer.
    pub(crate) fn storage_id(&self) -> Uuid {
        self.inner.identity.storage_id()
    }

    /// Who is here, and what is known of the node that asks? Answered also before this node takes part.
    pub(crate) fn hello(&self, header: &Header) -> Result<Hello, Refusal> {
        self.inner.identity.check(header)?;
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let effective = metrics.membership_config.membership();
        let has_log = metrics.last_log_index.is_some();
        Ok(Hello {
            version: WIRE_VERSION,
            cluster_id: self.cluster_id().clone(),
            node_id: self.node_id(),
            storage_id: self.storage_id(),
            initialized: has_log || metrics.current_term > 0,
            admitted: *self.inner.admitted.borrow(),
            forming: metrics.last_log_index == Some(0),
            server_id: self.inner.server_id,
            founders: self.inner.founders.clone(),
            committed: self.inner.published.read(|applied| match applied.membership.get_node(&header.from) {
                Some(member) => Standing::Member { storage_id: member.storage_id },
                None if applied.used_ids.contains(&header.from) => Standing::Removed,
                None => Standing::Unknown,
            }),
            in_log: effective.get_node(&header.from).and_then(|member| member.storage_id),
        })
    }

    /// AppendEntries.
    pub(crate) async fn append_entries(
        &self,
        header: &Header,
        body: AppendEntries,
    ) -> Result<AppendAnswer, Refusal> {
        self.inner.check_sender(header)?;
        let entries: Result<Vec<_>, WireError> =
            body.entries.into_iter().map(super::wire::WireEntry::into_entry).collect();
        let request = AppendEntriesRequest::<TypeConfig> {
            vote: body.vote.into(),
            prev_log_id: body.prev_log_id.map(Into::into),
            leader_commit: body.leader_commit.map(Into::into),
            entries: entries?,
        };
        let answer = self.inner.raft.append_entries(request).await.map_err(|_| Refusal::Stopped)?;
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.inner.heard_leader();
        }
        Ok(match answer {
            AppendEntriesResponse::Success => AppendAnswer::Success,
            AppendEntriesResponse::PartialSuccess(last) => {
                AppendAnswer::PartialSuccess { last_log_id: last.map(Into::into) }
            }
            AppendEntriesResponse::Conflict => AppendAnswer::Conflict,
            AppendEntriesResponse::HigherVote(vote) => AppendAnswer::HigherVote { vote: vote.into() },
        })
    }

    /// RequestVote.
    pub(crate) async fn request_vote(
        &self,
        header: &Header,
        body: VoteRequest,
    ) -> Result<VoteAnswer, Refusal> {
        self.inner.check_sender(header)?;
        let answer = self.inner.raft.vote(vote_request(&body)).await.map_err(|_| Refusal::Stopped)?;
        Ok(vote_answer(&answer))
    }

    /// Pre-Vote.
    pub(crate) async fn pre_vote(&self, header: &Header, body: VoteRequest) -> Result<VoteAnswer, Refusal> {
        self.inner.check_sender(header)?;
        let answer = self.inner.raft.pre_vote(vote_request(&body)).await.map_err(|_| Refusal::Stopped)?;
        Ok(vote_answer(&answer))
    }

    /// TimeoutNow: the leader hands over to this node (Raft thesis 3.10).
    pub(crate) async fn timeout_now(
        &self,
        header: &Header,
        body: TransferLeader,
    ) -> Result<TransferAnswer, Refusal> {
        self.inner.check_sender(header)?;
        let request = TransferLeaderRequest::<TypeConfig>::new(
            Vote::from(body.vote),
            body.to,
            body.last_log_id.map(LogId::from),
        );
        let answer = self.inner.raft.handle_transfer_leader(request).await.map_err(|_| Refusal::Stopped)?;
        Ok(TransferAnswer { refused: answer.err().map(|error| error.to_string()) })
    }

    /// InstallSnapshot: `body` is the snapshot as it is stored.
    pub(crate) async fn install_snapshot<S, E>(
        &self,
        header: &Header,
        head: &InstallSnapshot,
        body: S,
    ) -> Result<SnapshotAnswer, Refusal>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.inner.check_sender(header)?;
        let (meta, snapshot) =
            SnapshotData::receive(body, self.cluster_id().clone()).await.map_err(Refusal::Snapshot)?;
        let index = meta.last_log_id.map_or(0, |last| last.index);
        let snapshot = openraft::Snapshot { meta, snapshot };
        let answer = self
            .inner
            .raft
            .install_full_snapshot(head.vote.into(), snapshot)
            .await
            .map_err(|_| Refusal::Stopped)?;
        self.inner.figures.add_snapshots_installed(1);
        tracing::info!(event = "raft.snapshot_installed", leader = %header.from, index, "took over a snapshot");
        Ok(SnapshotAnswer { vote: answer.vote.into() })
    }

    /// ReadIndex, asked by a follower on behalf of its reader.
    pub(crate) async fn read_index(&self, header: &Header) -> Result<ReadIndexAnswer, Refusal> {
        self.inner.check_sender(header)?;
        let read_index = self.local_read_index().await.map_err(|_| Refusal::Stopped)?;
        Ok(ReadIndexAnswer { read_index })
    }
}

impl Inner {
    /// Whether the sender may be listened to. A node that is not in this node's membership is not refused: this
    /// node may be behind the change that added it, and would never learn of it (Raft thesis 4.1). One that was
    /// removed is, by a committed entry, and so is one that comes with another database.
    fn check_sender(&self, header: &Header) -> Result<(), Refusal> {
        let checked = self.sender_is_sound(header);
        if let Err(refusal) = &checked {
            self.figures.add_rpcs_refused(1);
            tracing::debug!(event = "raft.rpc_refused", from = %header.from, %refusal);
        }
        checked
    }

    fn sender_is_sound(&self, header: &Header) -> Result<(), Refusal> {
        self.identity.check(header)?;
        if !*self.admitted.borrow() {
            return Err(Refusal::NotAdmitted);
        }
        self.published.read(|applied| match applied.membership.get_node(&header.from) {
            Some(member) => match member.storage_id {
                Some(known) if known != header.storage_id => {
                    Err(Refusal::ForeignStorage { id: header.from, known, found: header.storage_id })
                }
                _ => Ok(()),
            },
            None if applied.used_ids.contains(&header.from) => Err(Refusal::Removed(header.from)),
            None => Ok(()),
        })
    }
}

fn vote_request(body: &VoteRequest) -> openraft::raft::VoteRequest<TypeConfig> {
    let mut request =
        openraft::raft::VoteRequest::new(Vote::from(body.vote), body.last_log_id.map(Into::into));
    request.leadership_transfer = body.leadership_transfer;
    request
}

fn vote_answer(answer: &openraft::raft::VoteResponse<TypeConfig>) -> VoteAnswer {
    VoteAnswer {
        vote: answer.vote.into(),
        granted: answer.vote_granted,
        last_log_id: answer.last_log_id.map(Into::into),
    }
}
