//! `POST /api/v1/metadata/isr`.

use axum::Json;
use http_api::{
    Problem,
    isr::{AlterIsrRequest, AlterIsrResponse, IsrChangeResult},
    paths,
    query::WriteQuery,
};
use metadata_core::{Command, Outcome, outcome::PartitionResult};
use runtime::http::JsonBody;

use super::{
    refusal::Answer,
    responses::WriteProblems,
    writer::{Writer, unexpected},
};

/// Change ISRs
///
/// A batch of compare-and-set changes by a partition leader. They succeed or fail one by one.
#[utoipa::path(
    post, operation_id = "alterIsr", path = paths::ISR, tag = "brokers", params(WriteQuery), request_body = AlterIsrRequest,
    responses(
        (status = 200, body = AlterIsrResponse),
        (status = 404, description = "No such broker", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The caller's registration was replaced",
         body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn alter(
    writer: Writer,
    JsonBody(request): JsonBody<AlterIsrRequest>,
) -> Answer<Json<AlterIsrResponse>> {
    let AlterIsrRequest { broker_id, broker_epoch, changes } = request;
    let command = Command::AlterIsr { broker_id, broker_epoch, changes };
    match writer.for_broker(broker_id).propose(command).await? {
        (Outcome::IsrChanges { results }, metadata_version) => {
            let results = results.into_iter().map(shown).collect();
            Ok(Json(AlterIsrResponse { metadata_version, results }))
        }
        (other, _) => Err(unexpected(&other)),
    }
}

fn shown(PartitionResult { topic_name, partition, result }: PartitionResult) -> IsrChangeResult {
    let (state, problem) = match result {
        Ok(state) => (Some(state), None),
        Err(rejection) => (None, Some(rejection.into())),
    };
    IsrChangeResult { topic_name, partition, state, problem }
}
