//! `GET /api/v1/metadata/controller`.

use std::sync::Arc;

use axum::{Json, extract::State};
use http_api::{
    ControllerInfo, Problem, paths,
    query::{Consistency, ReadQuery},
};

use super::{
    api::Api,
    params::Params,
    refusal::{Answer, Refusal},
};

/// Who is the controller
///
/// The leader of the metadata quorum as the answering node knows it. 503 while it knows none.
#[utoipa::path(
    get, operation_id = "getController", path = paths::CONTROLLER, tag = "cluster", params(ReadQuery),
    responses(
        (status = 200, body = ControllerInfo),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "No controller is known", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<ControllerInfo>> {
    // Who leads is no part of the applied state: a node that still recovers may say it.
    if query.consistency == Consistency::Linearizable {
        api.settle(query.consistency).await?;
    }
    let hint = api.consensus.leader();
    super::api::controller_info(&hint).map(Json).ok_or_else(|| Refusal::not_controller(api.node_id, &hint))
}
