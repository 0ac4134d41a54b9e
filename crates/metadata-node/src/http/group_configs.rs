//! Settings of groups. A group need not exist to have some: the controllers know of no groups but this.

use std::sync::Arc;

use axum::{Json, extract::State};
use http_api::{
    group_configs::{AlterGroupConfigsRequest, GroupConfigsInfo},
    paths,
    query::{ReadQuery, WriteQuery},
};
use metadata_core::Command;
use runtime::http::JsonBody;

use super::{
    api::Api,
    params::{Params, Segments},
    refusal::Answer,
    responses::{ReadProblems, WriteProblems},
    writer::Writer,
};

/// List the groups that have settings of their own
#[utoipa::path(
    get, operation_id = "listGroupConfigs", path = paths::GROUP_CONFIGS, tag = "groups", params(ReadQuery),
    responses((status = 200, body = Vec<GroupConfigsInfo>), ReadProblems)
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<Vec<GroupConfigsInfo>>> {
    api.settle(query.consistency).await?;
    let all = api.consensus.read(|state| {
        let info = |(group_id, configs): (&str, &common::broker_config::Configs)| GroupConfigsInfo {
            group_id: group_id.to_owned(),
            configs: configs.clone(),
            metadata_version: state.version(),
        };
        state.group_configs().iter().map(info).collect()
    });
    Ok(Json(all))
}

/// Get the settings of a group
///
/// Those that are its own; for the others it has those of the broker that coordinates it.
#[utoipa::path(
    get, operation_id = "getGroupConfigs", path = paths::CONFIGS_OF_GROUP, tag = "groups",
    params(ReadQuery, ("group" = String, Path, description = "The group's id")),
    responses((status = 200, body = GroupConfigsInfo), ReadProblems)
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Segments(group_id): Segments<String>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<GroupConfigsInfo>> {
    api.settle(query.consistency).await?;
    Ok(Json(shown(&api, group_id)))
}

/// Change the settings of a group
///
/// Its members hear of them with their next heartbeats. `null` sets one no more.
#[utoipa::path(
    patch, operation_id = "alterGroupConfigs", path = paths::CONFIGS_OF_GROUP, tag = "groups",
    params(WriteQuery, ("group" = String, Path, description = "The group's id")),
    request_body = AlterGroupConfigsRequest,
    responses((status = 200, body = GroupConfigsInfo), WriteProblems)
)]
pub(super) async fn alter(
    State(api): State<Arc<Api>>,
    writer: Writer,
    Segments(group_id): Segments<String>,
    JsonBody(request): JsonBody<AlterGroupConfigsRequest>,
) -> Answer<Json<GroupConfigsInfo>> {
    let command = Command::AlterGroupConfigs { group_id: group_id.clone(), configs: request.configs };
    writer.propose(command).await?;
    Ok(Json(shown(&api, group_id)))
}

/// What is set now. After a write this node has applied it.
fn shown(api: &Api, group_id: String) -> GroupConfigsInfo {
    api.consensus.read(|state| {
        let configs = state.group_configs().of(&group_id).cloned().unwrap_or_default();
        GroupConfigsInfo { group_id, configs, metadata_version: state.version() }
    })
}
