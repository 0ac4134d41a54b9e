//! `POST /api/v1/storage/metadata`: the controller says that it took office, or that the metadata changed.

use std::sync::Arc;

use axum::{Json, extract::State};
use http_api::{ErrorCode, MetadataPush, Problem, PushAck};
use runtime::http::{JsonBody, Refusal};

use super::router::Context;

/// Push of the controller
///
/// An older term or version than the broker has seen is acknowledged with `applied: false` and changes nothing.
#[utoipa::path(
    post,
    path = http_api::paths::STORAGE_METADATA,
    tag = "storage",
    operation_id = "pushMetadata",
    request_body = MetadataPush,
    responses(
        (status = 200, description = "Understood; `applied` says whether it was news", body = PushAck),
        (status = 400, description = "Not a push", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = Problem, content_type = "application/problem+json"),
        (status = 421, description = "Wrong cluster", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn push(
    State(context): State<Arc<Context>>,
    JsonBody(push): JsonBody<MetadataPush>,
) -> Result<Json<PushAck>, Refusal> {
    let is_url = push.controller_url.strip_prefix("http://").is_some_and(|rest| {
        !rest.is_empty() && rest.len() <= 512 && rest.bytes().all(|byte| byte.is_ascii_graphic())
    });
    if !is_url {
        let detail = "`controllerUrl`: an http:// URL of at most 512 characters is wanted";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail).with("field", "controllerUrl").into());
    }
    let applied = context.follower.push(&push);
    Ok(Json(PushAck { success: true, broker_id: context.broker_id, applied }))
}
