//! `POST /api/v1/metadata/suspicions`.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use http_api::{
    Problem, paths,
    query::WriteQuery,
    suspicions::{SuspicionRequest, SuspicionResponse},
};
use runtime::http::JsonBody;

use super::{api::Api, brokers::unknown_broker, refusal::Answer, responses::WriteProblems, writer::Leader};

/// Report a broker that may be dead
///
/// The controller asks the broker itself before it acts: hearsay fences nobody.
#[utoipa::path(
    post, operation_id = "suspectBroker", path = paths::SUSPICIONS, tag = "brokers", params(WriteQuery), request_body = SuspicionRequest,
    responses(
        (status = 202, body = SuspicionResponse),
        (status = 404, description = "No such broker", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn post(
    State(api): State<Arc<Api>>,
    _leader: Leader,
    JsonBody(request): JsonBody<SuspicionRequest>,
) -> Answer<(StatusCode, Json<SuspicionResponse>)> {
    let id = request.suspect;
    let suspect = api.consensus.read(|state| state.broker(id).cloned()).ok_or_else(|| unknown_broker(id))?;
    let checking = api.controller.suspect(&suspect);
    tracing::info!(
        event = "broker.suspected", broker = %id, reporter = ?request.reporter, reason = ?request.reason, checking,
        "a broker is reported dead"
    );
    Ok((StatusCode::ACCEPTED, Json(SuspicionResponse { checking })))
}
