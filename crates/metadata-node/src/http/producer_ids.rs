//! `POST /api/v1/metadata/producer-ids`.

use axum::Json;
use http_api::{
    Problem, paths,
    producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse},
    query::WriteQuery,
};
use metadata_core::{Command, Outcome};
use runtime::http::JsonBody;

use super::{
    refusal::Answer,
    responses::WriteProblems,
    writer::{Writer, unexpected},
};

/// Allocate a block of producer ids
///
/// Ids that no other broker gets. Answered only once that is committed.
#[utoipa::path(
    post, operation_id = "allocateProducerIds", path = paths::PRODUCER_IDS, tag = "brokers", params(WriteQuery),
    request_body = AllocateProducerIdsRequest,
    responses(
        (status = 200, body = AllocateProducerIdsResponse),
        (status = 404, description = "No such broker", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The caller's registration was replaced",
         body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn allocate(
    writer: Writer,
    JsonBody(request): JsonBody<AllocateProducerIdsRequest>,
) -> Answer<Json<AllocateProducerIdsResponse>> {
    let AllocateProducerIdsRequest { broker_id, broker_epoch } = request;
    let command = Command::AllocateProducerIds { broker_id, broker_epoch };
    match writer.for_broker(broker_id).propose(command).await?.0 {
        Outcome::ProducerIds { first, count } => {
            Ok(Json(AllocateProducerIdsResponse { first_producer_id: first, count }))
        }
        other => Err(unexpected(&other)),
    }
}
