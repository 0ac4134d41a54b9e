//! Settings of brokers: for all of them, and for one.

use std::sync::Arc;

use axum::{Json, extract::State};
use common::BrokerId;
use http_api::{
    Problem,
    broker_configs::{AlterBrokerConfigsRequest, BrokerConfigsInfo},
    paths,
    query::{ReadQuery, WriteQuery},
};
use metadata_core::Command;
use runtime::http::JsonBody;

use super::{
    api::Api,
    brokers::unknown_broker,
    params::{Params, Segments},
    refusal::Answer,
    responses::{ReadProblems, WriteProblems},
    writer::Writer,
};

/// Get the settings of all brokers
///
/// Those that are kept for all of them; what is kept for one, or what one was started with, is elsewhere.
#[utoipa::path(
    get, operation_id = "getClusterBrokerConfigs", path = paths::BROKER_CONFIGS, tag = "brokers", params(ReadQuery),
    responses((status = 200, body = BrokerConfigsInfo), ReadProblems)
)]
pub(super) async fn get_of_all(
    State(api): State<Arc<Api>>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<BrokerConfigsInfo>> {
    api.settle(query.consistency).await?;
    Ok(Json(shown(&api, None)))
}

/// Change the settings of all brokers
///
/// They hold for every broker that has none of its own, and are taken on while brokers run. `null` sets one no more.
#[utoipa::path(
    patch, operation_id = "alterClusterBrokerConfigs", path = paths::BROKER_CONFIGS, tag = "brokers", params(WriteQuery),
    request_body = AlterBrokerConfigsRequest,
    responses((status = 200, body = BrokerConfigsInfo), WriteProblems)
)]
pub(super) async fn alter_of_all(
    State(api): State<Arc<Api>>,
    writer: Writer,
    JsonBody(request): JsonBody<AlterBrokerConfigsRequest>,
) -> Answer<Json<BrokerConfigsInfo>> {
    writer.propose(Command::AlterBrokerConfigs { broker_id: None, configs: request.configs }).await?;
    Ok(Json(shown(&api, None)))
}

/// Get the settings of a broker
///
/// Those that are kept for it alone.
#[utoipa::path(
    get, operation_id = "getBrokerConfigs", path = paths::CONFIGS_OF_BROKER, tag = "brokers",
    params(ReadQuery, ("id" = BrokerId, Path)),
    responses(
        (status = 200, body = BrokerConfigsInfo),
        (status = 404, description = "No such broker", body = Problem, content_type = "application/problem+json"),
        ReadProblems,
    )
)]
pub(super) async fn get_of_one(
    State(api): State<Arc<Api>>,
    Segments(id): Segments<BrokerId>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<BrokerConfigsInfo>> {
    api.settle(query.consistency).await?;
    if api.consensus.read(|state| state.broker(id).is_none()) {
        return Err(unknown_broker(id));
    }
    Ok(Json(shown(&api, Some(id))))
}

/// Change the settings of a broker
///
/// They are taken on while it runs, and go before what it was started with. `null` sets one no more.
#[utoipa::path(
    patch, operation_id = "alterBrokerConfigs", path = paths::CONFIGS_OF_BROKER, tag = "brokers",
    params(WriteQuery, ("id" = BrokerId, Path)), request_body = AlterBrokerConfigsRequest,
    responses(
        (status = 200, body = BrokerConfigsInfo),
        (status = 404, description = "No such broker", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn alter_of_one(
    State(api): State<Arc<Api>>,
    writer: Writer,
    Segments(id): Segments<BrokerId>,
    JsonBody(request): JsonBody<AlterBrokerConfigsRequest>,
) -> Answer<Json<BrokerConfigsInfo>> {
    writer.propose(Command::AlterBrokerConfigs { broker_id: Some(id), configs: request.configs }).await?;
    Ok(Json(shown(&api, Some(id))))
}

/// What is set now. After a write this node has applied it.
fn shown(api: &Api, broker_id: Option<BrokerId>) -> BrokerConfigsInfo {
    api.consensus.read(|state| {
        let kept = state.broker_configs();
        let configs = match broker_id {
            None => kept.of_all().clone(),
            Some(id) => kept.of(id).cloned().unwrap_or_default(),
        };
        BrokerConfigsInfo { broker_id, configs, metadata_version: state.version() }
    })
}
