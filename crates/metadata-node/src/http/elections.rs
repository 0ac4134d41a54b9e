//! `POST /api/v1/metadata/elections`.

use axum::Json;
use http_api::{
    elections::{ElectLeadersRequest, ElectLeadersResponse},
    paths,
    query::WriteQuery,
};
use metadata_core::{Command, Outcome};
use runtime::http::OptionalJsonBody;

use super::{
    refusal::Answer,
    responses::WriteProblems,
    writer::{Writer, unexpected},
};

/// Elect leaders
///
/// Gives partitions back to their preferred leaders where these are in sync and online. Without a body: all. With
/// `unclean`, gives those that have no leader one of their replicas that is online: acknowledged records may be lost.
#[utoipa::path(
    post, operation_id = "electLeaders", path = paths::ELECTIONS, tag = "topics", params(WriteQuery),
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
    OptionalJsonBody(request): OptionalJsonBody<ElectLeadersRequest>,
) -> Answer<Json<ElectLeadersResponse>> {
    let ElectLeadersRequest { partitions, unclean } = request.unwrap_or_default();
    let partitions = partitions.into_iter().map(|wanted| (wanted.topic_name, wanted.partition)).collect();
    let command = match unclean {
        false => Command::ElectPreferredLeaders { partitions },
        true => Command::ElectUncleanLeaders { partitions },
    };
    match writer.propose(command).await? {
        (Outcome::Elections { elected, results }, metadata_version) => {
            let results = results.into_iter().map(Into::into).collect();
            Ok(Json(ElectLeadersResponse { elected, metadata_version, results }))
        }
        (other, _) => Err(unexpected(&other)),
    }
}
