//! `/api/v1/metadata/reassignments`.

use std::sync::Arc;

use axum::{Json, extract::State};
use http_api::{
    paths,
    query::{ReadQuery, WriteQuery},
    reassignments::{ReassignRequest, ReassignResponse, ReassignmentInfo, ReassignmentResult},
};
use metadata_core::{Command, Outcome, command::Move, outcome::PartitionResult};
use runtime::http::JsonBody;

use super::{
    api::Api,
    params::Params,
    refusal::Answer,
    responses::{ReadProblems, WriteProblems},
    writer::{Writer, unexpected},
};

/// Move replicas
///
/// The new replicas copy the data; once all of them are in sync, the old ones go. `"replicas": null` cancels a move. They
/// succeed or fail one by one.
#[utoipa::path(
    post, operation_id = "reassignPartitions", path = paths::REASSIGNMENTS, tag = "topics", params(WriteQuery),
    request_body = ReassignRequest,
    responses((status = 200, body = ReassignResponse), WriteProblems)
)]
pub(super) async fn post(
    writer: Writer,
    JsonBody(request): JsonBody<ReassignRequest>,
) -> Answer<Json<ReassignResponse>> {
    let moves = request.reassignments.into_iter().map(|wanted| Move {
        topic_name: wanted.topic_name,
        partition: wanted.partition,
        replicas: wanted.replicas,
    });
    match writer.propose(Command::ReassignPartitions { moves: moves.collect() }).await? {
        (Outcome::Reassignments { results }, metadata_version) => {
            let results = results.into_iter().map(shown).collect();
            Ok(Json(ReassignResponse { metadata_version, results }))
        }
        (other, _) => Err(unexpected(&other)),
    }
}

/// List moves
///
/// Those that are under way.
#[utoipa::path(
    get, operation_id = "listReassignments", path = paths::REASSIGNMENTS, tag = "topics", params(ReadQuery),
    responses((status = 200, body = Vec<ReassignmentInfo>), ReadProblems)
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<Vec<ReassignmentInfo>>> {
    api.settle(query.consistency).await?;
    let moving = |state: &metadata_core::State| {
        state.reassigning_topics().flat_map(|topic| ReassignmentInfo::of(topic)).collect()
    };
    Ok(Json(api.consensus.read(moving)))
}

fn shown(PartitionResult { topic_name, partition, result }: PartitionResult) -> ReassignmentResult {
    let (state, problem) = match result {
        Ok(state) => (Some(state), None),
        Err(rejection) => (None, Some(rejection.into())),
    };
    ReassignmentResult { topic_name, partition, state, problem }
}
