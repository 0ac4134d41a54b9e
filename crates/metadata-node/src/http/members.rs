//! `/api/v1/raft/members` and `/transfer-leader`: changing the quorum.

use std::sync::Arc;

use axum::{Json, extract::State};
use common::NodeId;
use http_api::{
    ErrorCode, Problem, RaftMember,
    members::{AddMemberRequest, MembersResponse, TransferLeaderRequest, TransferLeaderResponse},
    paths,
    query::WriteQuery,
};
use runtime::http::{JsonBody, OptionalJsonBody};

use super::{
    api::Api,
    params::Segments,
    refusal::{Answer, Refusal},
    responses::WriteProblems,
    writer::Leader,
};
use crate::raft::{LeaderHint, MembershipError, RaftStatus};

/// The longest URL of a node, in bytes.
const URL_BYTES_MAX: usize = 512;

/// List the quorum's members
#[utoipa::path(
    get, operation_id = "listMembers", path = paths::RAFT_MEMBERS, tag = "raft",
    responses((status = 200, description = "Voters and learners by id", body = Vec<RaftMember>))
)]
pub(super) async fn list(State(api): State<Arc<Api>>) -> Json<Vec<RaftMember>> {
    Json(members(api.consensus.status()))
}

/// Add a node to the quorum
///
/// The node must run, with an empty database and an id that was never used. It joins as a learner, catches up, and then
/// becomes a voter; answered when that is done.
#[utoipa::path(
    post, operation_id = "addMember", path = paths::RAFT_MEMBERS, tag = "raft", params(WriteQuery), request_body = AddMemberRequest,
    responses(
        (status = 200, body = MembersResponse),
        (status = 409, description = "Another change is under way",
         body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn add(
    State(api): State<Arc<Api>>,
    _leader: Leader,
    JsonBody(request): JsonBody<AddMemberRequest>,
) -> Answer<Json<MembersResponse>> {
    let url = base_url(&request.url)?;
    let added = api.consensus.add_member(request.node_id, url, request.voter).await;
    let status = added.map_err(|error| Refusal::of_membership(api.node_id, &error))?;
    Ok(Json(MembersResponse { members: members(status) }))
}

/// Remove a node from the quorum
///
/// For ever: its id is never used again.
#[utoipa::path(
    delete, operation_id = "removeMember", path = paths::RAFT_MEMBER, tag = "raft", params(WriteQuery, ("id" = NodeId, Path)),
    responses(
        (status = 200, body = MembersResponse),
        (status = 404, description = "Not a member", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another change is under way",
         body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    _leader: Leader,
    Segments(id): Segments<NodeId>,
) -> Answer<Json<MembersResponse>> {
    let removed = api.consensus.remove_member(id).await;
    let status = removed.map_err(|error| Refusal::of_membership(api.node_id, &error))?;
    Ok(Json(MembersResponse { members: members(status) }))
}

/// Hand leadership over
///
/// To the node that the body names, or to the voter whose log is most complete. Answered when it leads.
#[utoipa::path(
    post, operation_id = "transferLeader", path = paths::RAFT_TRANSFER_LEADER, tag = "raft", params(WriteQuery),
    request_body(content = Option<TransferLeaderRequest>, content_type = "application/json"),
    responses(
        (status = 200, body = TransferLeaderResponse),
        (status = 404, description = "Not a member", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn transfer(
    State(api): State<Arc<Api>>,
    _leader: Leader,
    OptionalJsonBody(request): OptionalJsonBody<TransferLeaderRequest>,
) -> Answer<Json<TransferLeaderResponse>> {
    let to = request.unwrap_or_default().node_id;
    let handed_over = api.consensus.transfer_leader(to).await;
    let hint = handed_over.map_err(|error| Refusal::of_membership(api.node_id, &error))?;
    let LeaderHint { leader: Some(leader), .. } = hint else {
        let error = MembershipError::CannotLead {
            id: to.unwrap_or(api.node_id),
            reason: "it took over and is not heard of any more".to_owned(),
        };
        return Err(Refusal::of_membership(api.node_id, &error));
    };
    Ok(Json(TransferLeaderResponse { from: api.node_id, to: leader.id }))
}

fn members(status: RaftStatus) -> Vec<RaftMember> {
    status.members
}

/// The base URL of a node: one that other nodes can send requests to, and that fits into a header.
fn base_url(url: &str) -> Answer<String> {
    let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
    let is_good = authority.is_some_and(|authority| {
        !authority.is_empty()
            && !authority.contains('/')
            && authority.parse::<axum::http::uri::Authority>().is_ok()
    });
    if is_good && url.len() <= URL_BYTES_MAX {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    let shown: String = url.chars().take(200).collect();
    let detail =
        format!("`url`: `{shown}` is no base URL of a node; one like `http://localhost:9094` is wanted");
    Err(Problem::new(ErrorCode::InvalidRequest, detail).with("field", "url").with("value", shown).into())
}
