//! `GET /api/v1/raft/status` and `/log`: the quorum as this node sees it.

use std::sync::Arc;

use axum::{Json, extract::State};
use http_api::{
    RaftLogEntry, RaftState, RaftStatus, paths,
    query::{RAFT_LOG_LIMIT_MAX, RaftLogQuery},
    raft::{RaftLogKind, StorageKind},
};

use super::{
    api::Api,
    history::{INDEX_MAX, limit, parsed},
    params::Params,
    refusal::Answer,
    responses::ReadProblems,
};
use crate::raft::{self, Role};

/// State of this node's Raft
#[utoipa::path(
    get, operation_id = "getRaftStatus", path = paths::RAFT_STATUS, tag = "raft",
    responses((status = 200, body = RaftStatus))
)]
pub(super) async fn status(State(api): State<Arc<Api>>) -> Json<RaftStatus> {
    Json(shown(api.consensus.status()))
}

/// The Raft log
///
/// Entries as they are stored, oldest first.
#[utoipa::path(
    get, operation_id = "getRaftLog", path = paths::RAFT_LOG, tag = "raft", params(RaftLogQuery),
    responses((status = 200, body = Vec<RaftLogEntry>), ReadProblems)
)]
pub(super) async fn log(
    State(api): State<Arc<Api>>,
    Params(query): Params<RaftLogQuery>,
) -> Answer<Json<Vec<RaftLogEntry>>> {
    let limit = limit(query.limit, RAFT_LOG_LIMIT_MAX)?;
    let newest_from = || {
        let last = api.consensus.status().last_log_index;
        (last + 1).saturating_sub(u64::try_from(limit).unwrap_or(u64::MAX))
    };
    let from = query.from.unwrap_or_else(newest_from).min(INDEX_MAX);
    let entries = api.consensus.log_entries(from, limit).await?;
    let shown = entries.into_iter().map(|entry| {
        Ok(RaftLogEntry {
            index: entry.index,
            term: entry.term,
            kind: match entry.kind {
                "blank" => RaftLogKind::Blank,
                "membership" => RaftLogKind::Membership,
                _ => RaftLogKind::Command,
            },
            payload: parsed(entry.payload.as_deref())?,
        })
    });
    shown.collect::<Answer<_>>().map(Json)
}

/// The status as the API shows it.
pub(super) fn shown(status: raft::RaftStatus) -> RaftStatus {
    RaftStatus {
        node_id: status.node_id,
        state: match status.role {
            Role::Leader => RaftState::Leader,
            Role::Follower => RaftState::Follower,
            Role::Candidate => RaftState::Candidate,
            Role::Learner => RaftState::Learner,
        },
        is_leader: status.role == Role::Leader && status.leader_id == Some(status.node_id),
        current_term: status.current_term,
        leader_id: status.leader_id,
        commit_index: status.commit_index,
        last_applied: status.last_applied,
        metadata_version: status.metadata_version,
        last_log_index: status.last_log_index,
        snapshot_index: status.snapshot_index,
        purged_index: status.purged_index,
        members: status.members,
        replication: status.replication,
        contacts: status.contacts,
        storage: if status.storage == "postgres" { StorageKind::Postgres } else { StorageKind::Sqlite },
        state_digest: format!("{:016x}", status.state_digest.0),
        state_digest_index: status.state_digest.1,
    }
}
