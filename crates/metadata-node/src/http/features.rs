//! `/api/v1/metadata/features`.

use std::sync::Arc;

use axum::{Json, extract::State};
use http_api::{
    features::{FeatureLevel, SetFeatureLevelRequest},
    paths,
    query::{ReadQuery, WriteQuery},
};
use metadata_core::{Command, command::FEATURE_LEVEL_MAX};
use runtime::http::JsonBody;

use super::{
    api::Api,
    params::Params,
    refusal::Answer,
    responses::{ReadProblems, WriteProblems},
    writer::Writer,
};

/// Get the feature level
#[utoipa::path(
    get, operation_id = "getFeatureLevel", path = paths::FEATURES, tag = "cluster", params(ReadQuery),
    responses((status = 200, body = FeatureLevel), ReadProblems)
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<FeatureLevel>> {
    api.settle(query.consistency).await?;
    let (level, metadata_version) = api.consensus.read(|state| (state.feature_level(), state.version()));
    Ok(Json(FeatureLevel { level, max_level: FEATURE_LEVEL_MAX, metadata_version }))
}

/// Raise the feature level
///
/// Once every node runs a version that knows it. It never goes down.
#[utoipa::path(
    post, operation_id = "setFeatureLevel", path = paths::FEATURES, tag = "cluster", params(WriteQuery), request_body = SetFeatureLevelRequest,
    responses((status = 200, body = FeatureLevel), WriteProblems)
)]
pub(super) async fn set(
    writer: Writer,
    JsonBody(request): JsonBody<SetFeatureLevelRequest>,
) -> Answer<Json<FeatureLevel>> {
    let level = request.level;
    let command = Command::SetFeatureLevel { level, level_max: FEATURE_LEVEL_MAX };
    let (_, metadata_version) = writer.propose(command).await?;
    Ok(Json(FeatureLevel { level, max_level: FEATURE_LEVEL_MAX, metadata_version }))
}
