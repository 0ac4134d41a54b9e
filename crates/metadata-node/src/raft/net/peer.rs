//! The RPCs to one peer.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use common::NodeId;
use http::{HeaderName, HeaderValue, Method, header};
use http_body_util::{BodyExt, Full};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, RPCTypes};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::connection::{Body, CallError, Connection, Endpoint};
use super::factory::{PeerNews, Shared};
use crate::raft::machine::SnapshotData;
use crate::raft::types::{Member, TypeConfig, Vote};
use crate::raft::wire::{self, AppendAnswer, AppendEntries, Request, WireEntry};

/// Paths of the RPCs between nodes.
pub(crate) mod path {
    pub(crate) const APPEND_ENTRIES: &str = "/api/v1/raft/append-entries";
    pub(crate) const PRE_VOTE: &str = "/api/v1/raft/pre-vote";
    pub(crate) const REQUEST_VOTE: &str = "/api/v1/raft/request-vote";
    pub(crate) const INSTALL_SNAPSHOT: &str = "/api/v1/raft/install-snapshot";
    pub(crate) const TIMEOUT_NOW: &str = "/api/v1/raft/timeout-now";
    pub(crate) const READ_INDEX: &str = "/api/v1/raft/read-index";
    pub(crate) const HELLO: &str = "/api/v1/raft/hello";
}

/// The database of whoever answers an RPC stands in this header.
pub(crate) const STORAGE_ID_HEADER: HeaderName = HeaderName::from_static("x-raft-storage-id");
/// A snapshot's request has its [`Request`] in this header, because its body is the snapshot.
pub(crate) const REQUEST_HEADER: HeaderName = HeaderName::from_static("x-raft-request");

/// A client of one peer: at most one connection, opened when it is needed.
pub(crate) struct PeerClient {
    shared: Arc<Shared>,
    id: NodeId,
    member: Member,
    /// Never locked, only used through `&mut self`: openraft wants a network that is `Sync`, and a connection is not.
    connection: Mutex<Option<Connection>>,
}

impl Drop for PeerClient {
    fn drop(&mut self) {
        if let Some(connection) = self.open_connection().take() {
            self.shared.give_back(&self.member.url, connection);
        }
    }
}

impl PeerClient {
    pub(super) fn new(shared: Arc<Shared>, id: NodeId, member: Member) -> Self {
        Self { shared, id, member, connection: Mutex::new(None) }
    }

    fn open_connection(&mut self) -> &mut Option<Connection> {
        self.connection.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says hello: who is there?
    pub(crate) async fn hello(&mut self, timeout: Duration) -> Result<wire::Hello, CallError> {
        self.post(path::HELLO, &(), timeout).await
    }

    /// Asks the leader for a read index (Raft thesis 6.4).
    pub(crate) async fn read_index(&mut self, timeout: Duration) -> Result<wire::ReadIndexAnswer, CallError> {
        self.post(path::READ_INDEX, &(), timeout).await
    }

    async fn post<T: Serialize, A: DeserializeOwned>(
        &mut self,
        path: &'static str,
        body: &T,
        timeout: Duration,
    ) -> Result<A, CallError> {
        let header = self.shared.identity.header_to(self.id);
        let request = Bytes::from(serde_json::to_vec(&Request { header, body })?);
        let body = || Full::new(request.clone()).map_err(|never| match never {}).boxed_unsync();
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let answer = tokio::time::timeout(timeout, self.exchange(path, &headers, body))
            .await
            .unwrap_or(Err(CallError::Timeout(timeout)));
        self.shared.note_reached(self.id, answer.as_ref().map(|_| ()));
        Ok(serde_json::from_slice(&answer?)?)
    }

    /// Sends a request, over the open connection if there is one. A kept connection may have been closed by the
    /// peer meanwhile, so one that breaks is replaced once: all RPCs may be repeated.
    async fn exchange(
        &mut self,
        path: &'static str,
        headers: &[(HeaderName, HeaderValue)],
        mut body: impl FnMut() -> Body,
    ) -> Result<Bytes, CallError> {
        let kept = self.open_connection().take().or_else(|| self.shared.take_idle(&self.member.url));
        if let Some(mut connection) = kept {
            match connection.call(Method::POST, path, headers, body()).await {
                Err(CallError::Broken(_)) => {}
                answer => return self.settle(connection, answer),
            }
        }
        let mut connection = Connection::open(&Endpoint::parse(&self.member.url)?).await?;
        let answer = connection.call(Method::POST, path, headers, body()).await;
        self.settle(connection, answer)
    }

    /// Keeps the connection if it is still good, and looks at who answered.
    fn settle(
        &mut self,
        connection: Connection,
        answer: Result<super::connection::Answer, CallError>,
    ) -> Result<Bytes, CallError> {
        let answer = answer?;
        *self.open_connection() = Some(connection);
        let storage_id = answer.headers.get(STORAGE_ID_HEADER).and_then(|id| id.to_str().ok());
        if let Some(storage_id) = storage_id.and_then(|id| Uuid::parse_str(id).ok()) {
            if self.member.storage_id.is_none() {
                self.member.storage_id = self.shared.recorded(self.id);
            }
            match self.member.storage_id {
                None => {
                    let news = PeerNews { id: self.id, storage_id };
                    // Full: the same news is waiting already.
                    let _ = self.shared.news.try_send(news);
                }
                Some(known) if known == storage_id => {}
                Some(known) => {
                    return Err(CallError::ForeignStorage { id: self.id, known, found: storage_id });
                }
            }
        }
        answer.into_body()
    }

    fn rpc_error(&self, action: RPCTypes, timeout: Duration, error: &CallError) -> RPCError<TypeConfig> {
        match error {
            CallError::Timeout(_) => RPCError::Timeout(Timeout {
                action,
                id: self.shared.identity.node_id(),
                target: self.id,
                timeout,
            }),
            error if error.is_unreachable() => RPCError::Unreachable(Unreachable::from_string(error)),
            error => RPCError::Network(NetworkError::from_string(error)),
        }
    }

    async fn ask_for_vote(
        &mut self,
        path: &'static str,
        rpc: VoteRequest<TypeConfig>,
        timeout: Duration,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let request = wire::VoteRequest {
            vote: rpc.vote.into(),
            last_log_id: rpc.last_log_id.map(Into::into),
            leadership_transfer: rpc.leadership_transfer,
        };
        let answer: wire::VoteAnswer = self
            .post(path, &request, timeout)
            .await
            .map_err(|error| self.rpc_error(RPCTypes::Vote, timeout, &error))?;
        Ok(VoteResponse::<TypeConfig>::new(
            Vote::from(answer.vote),
            answer.last_log_id.map(Into::into),
            answer.granted,
        ))
    }
}

impl RaftNetworkV2<TypeConfig> for PeerClient {
    type SnapshotData = SnapshotData;

    /// The deadline is our own, not the heartbeat interval that openraft suggests: a follower whose disk stalls for
    /// a moment would be sent the same entries again and again.
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let timeout = self.shared.append_timeout;
        let entries: Result<Vec<_>, _> = rpc.entries.into_iter().map(WireEntry::from_entry).collect();
        let request = AppendEntries {
            vote: rpc.vote.into(),
            prev_log_id: rpc.prev_log_id.map(Into::into),
            leader_commit: rpc.leader_commit.map(Into::into),
            entries: entries.map_err(|error| RPCError::Network(NetworkError::new(&error)))?,
        };
        let answer: AppendAnswer = self
            .post(path::APPEND_ENTRIES, &request, timeout)
            .await
            .map_err(|error| self.rpc_error(RPCTypes::AppendEntries, timeout, &error))?;
        Ok(match answer {
            AppendAnswer::Success => AppendEntriesResponse::Success,
            AppendAnswer::PartialSuccess { last_log_id } => {
                AppendEntriesResponse::PartialSuccess(last_log_id.map(Into::into))
            }
            AppendAnswer::Conflict => AppendEntriesResponse::Conflict,
            AppendAnswer::HigherVote { vote } => AppendEntriesResponse::HigherVote(vote.into()),
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_for_vote(path::REQUEST_VOTE, rpc, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.ask_for_vote(path::PRE_VOTE, rpc, option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<TypeConfig, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let timeout = option.hard_ttl();
        let head = Request {
            header: self.shared.identity.header_to(self.id),
            body: wire::InstallSnapshot { vote: vote.into() },
        };
        let unsendable = |text: String| StreamingError::Network(NetworkError::from_string(text));
        let head = serde_json::to_string(&head).map_err(|error| unsendable(error.to_string()))?;
        let head = HeaderValue::from_str(&head).map_err(|error| unsendable(error.to_string()))?;
        let data = snapshot.snapshot;
        let headers = [(REQUEST_HEADER, head)];
        let send = self.exchange(path::INSTALL_SNAPSHOT, &headers, || data.body());
        let answer = tokio::select! {
            answer = tokio::time::timeout(timeout, send) => answer,
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        let answer = answer.unwrap_or(Err(CallError::Timeout(timeout)));
        let answer: Result<wire::SnapshotAnswer, CallError> =
            answer.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
        match answer {
            Ok(answer) => Ok(SnapshotResponse::new(answer.vote.into())),
            Err(error) => Err(self.rpc_error(RPCTypes::InstallSnapshot, timeout, &error).into()),
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let timeout = option.hard_ttl();
        let request = wire::TransferLeader {
            vote: (*req.from_leader()).into(),
            to: *req.to_node_id(),
            last_log_id: req.last_log_id().copied().map(Into::into),
        };
        let answer: wire::TransferAnswer = self
            .post(path::TIMEOUT_NOW, &request, timeout)
            .await
            .map_err(|error| self.rpc_error(RPCTypes::TransferLeader, timeout, &error))?;
        if let Some(reason) = answer.refused {
            tracing::warn!(event = "raft.transfer_refused", node = %self.id, %reason, "leadership was not taken over");
        }
        Ok(Ok(()))
    }
}
