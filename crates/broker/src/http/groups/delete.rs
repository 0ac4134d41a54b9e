//! `DELETE /api/v1/groups/{group}`: a group without members goes, with its offsets.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use coordinator::api::DeleteGroup;
use http_api::{Problem, paths};
use runtime::http::{NoParams, Refusal, Segments};

use super::route::{self, Routed};
use crate::http::router::Context;

/// Delete a group
#[utoipa::path(
    delete,
    path = paths::GROUP,
    tag = "groups",
    operation_id = "deleteGroup",
    params(("group" = String, Path, description = "The group's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such group", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It has members", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its coordinator does not answer; nothing was changed", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "Its coordinator was lost meanwhile: whether it is gone is not known", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn delete(
    State(context): State<Arc<Context>>,
    Segments(group_id): Segments<String>,
    _: NoParams,
    request_headers: HeaderMap,
) -> Result<Response, Refusal> {
    let path = paths::group(&group_id);
    let routed = Routed::new(&context, &group_id, Method::DELETE, path, &request_headers).changing(true);
    let local = || async {
        route::change(&context, &group_id, DeleteGroup { group_id: group_id.as_str().into() }).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    };
    Ok(routed.answer(local).await?)
}
