//! `POST /api/v1/metadata/elections`.

use axum::Json;
use http_api::{
    elections::{ElectLeadersRequest, ElectLeadersResponse},
    paths,
    query::WriteQuery,
};
use metadata_core::{Command, Outcome};

use super::{
    body::OptionalBody,
    refusal::Answer,
    responses::WriteProblems,
    writer::{Writer, unexpected},
};

/// Elect preferred leaders
///
/// Gives partitions back to their preferred leaders where these are in sync and online. Without a body: all.
#[utoipa::path(
    post, operation_id = "electPreferredLeaders", path = paths::ELECTIONS, tag = "topics", params(WriteQuery),
    request_body(content = Option<ElectLeadersRequest>, content_type = "application/json"),
    responses(
        (status = 200, body = ElectLeadersResponse),
        (status = 404, description = "No such topic or partition",
         body = http_api::Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn post(
    writer: Writer,
    OptionalBody(request): OptionalBody<ElectLeadersRequest>,
) -> Answer<Json<ElectLeadersResponse>> {
    let wanted = request.unwrap_or_default().partitions;
    let partitions = wanted.into_iter().map(|wanted| (wanted.topic_name, wanted.partition)).collect();
    match writer.propose(Command::ElectPreferredLeaders { partitions }).await? {
        (Outcome::Elections { elected }, metadata_version) => {
            Ok(Json(ElectLeadersResponse { elected, metadata_version }))
        }
        (other, _) => Err(unexpected(&other)),
    }
}
