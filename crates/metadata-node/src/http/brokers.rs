//! Brokers: registration, list, description, removal.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use common::{Broker, BrokerId};
use http_api::{
    BrokerInfo, ErrorCode, Problem, RegisterBrokerRequest, RegisterBrokerResponse, paths,
    query::{ReadQuery, WriteQuery},
};
use metadata_core::{Command, Outcome, State as Metadata};
use runtime::http::JsonBody;

use super::{
    api::Api,
    params::{Params, Segments},
    refusal::{Answer, Refusal},
    responses::{ReadProblems, WriteProblems},
    writer::{Writer, unexpected},
};

/// Register a broker
///
/// A process announces itself under an id. A new incarnation replaces a former one that is gone: its epoch is
/// fenced from then on. While the former one is alive the answer is 409.
#[utoipa::path(
    post, operation_id = "registerBroker", path = paths::BROKERS, tag = "brokers", params(WriteQuery), request_body = RegisterBrokerRequest,
    responses(
        (status = 201, body = RegisterBrokerResponse),
        (status = 409, description = "Another process with this id is alive",
         body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn register(
    State(api): State<Arc<Api>>,
    writer: Writer,
    JsonBody(request): JsonBody<RegisterBrokerRequest>,
) -> Answer<(StatusCode, Json<RegisterBrokerResponse>)> {
    let former = api.consensus.read(|state| state.broker(request.broker_id).cloned());
    let previous_is_gone = match former {
        Some(former) if former.incarnation_id != request.incarnation_id => {
            api.controller.is_gone(writer.term(), &former).await
        }
        _ => true,
    };
    let (term, controller_info) = (writer.term(), writer.controller_info()?);
    let command = Command::RegisterBroker {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        host: request.host,
        port: request.port,
        kafka_port: request.kafka_port,
        rack: request.rack,
        directory_id: request.directory_id,
        previous_is_gone,
    };
    let (outcome, metadata_version) = writer.for_broker(request.broker_id).propose(command).await?;
    let Outcome::Broker { broker } = outcome else {
        return Err(unexpected(&outcome));
    };
    api.controller.contact(term, (broker.broker_id, broker.broker_epoch), None, metadata_version);
    let answer = RegisterBrokerResponse {
        broker_id: broker.broker_id,
        broker_epoch: broker.broker_epoch,
        metadata_version,
        controller_info,
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// List brokers
#[utoipa::path(
    get, operation_id = "listBrokers", path = paths::BROKERS, tag = "brokers", params(ReadQuery),
    responses((status = 200, body = Vec<BrokerInfo>), ReadProblems)
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<Vec<BrokerInfo>>> {
    api.settle(query.consistency).await?;
    let mut brokers: Vec<_> =
        api.consensus.read(|state| state.brokers().map(|broker| shown(state, broker)).collect());
    for broker in &mut brokers {
        show_heartbeat(&api, broker);
    }
    Ok(Json(brokers))
}

/// Describe a broker
#[utoipa::path(
    get, operation_id = "getBroker", path = paths::BROKER, tag = "brokers", params(ReadQuery, ("id" = BrokerId, Path)),
    responses(
        (status = 200, body = BrokerInfo),
        (status = 404, description = "No such broker", body = Problem, content_type = "application/problem+json"),
        ReadProblems,
    )
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Segments(id): Segments<BrokerId>,
    Params(query): Params<ReadQuery>,
) -> Answer<Json<BrokerInfo>> {
    api.settle(query.consistency).await?;
    let found = api.consensus.read(|state| state.broker(id).map(|broker| shown(state, broker)));
    let mut broker = found.ok_or_else(|| unknown_broker(id))?;
    show_heartbeat(&api, &mut broker);
    Ok(Json(broker))
}

/// Adds what the controller knows of a broker's last heartbeat, which is no part of the metadata.
fn show_heartbeat(api: &Api, broker: &mut BrokerInfo) {
    let heartbeat = api.controller.last_heartbeat(broker.broker_id);
    broker.last_heartbeat = heartbeat.map(|heartbeat| heartbeat.at_ms);
    broker.metadata_version = heartbeat.and_then(|heartbeat| heartbeat.metadata_version);
    broker.last_caught_up = heartbeat.and_then(|heartbeat| heartbeat.caught_up_ms);
}

/// Forget a broker
///
/// Only one that holds no replicas.
#[utoipa::path(
    delete, operation_id = "removeBroker", path = paths::BROKER, tag = "brokers", params(WriteQuery, ("id" = BrokerId, Path)),
    responses(
        (status = 204, description = "The broker is forgotten"),
        (status = 404, description = "No such broker", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It still holds replicas",
         body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn remove(writer: Writer, Segments(id): Segments<BrokerId>) -> Answer<StatusCode> {
    match writer.propose(Command::RemoveBroker { broker_id: id }).await?.0 {
        Outcome::Done { .. } => Ok(StatusCode::NO_CONTENT),
        other => Err(unexpected(&other)),
    }
}

/// A broker as the API shows it, without its last heartbeat.
pub(super) fn shown(state: &Metadata, broker: &Broker) -> BrokerInfo {
    let id = broker.broker_id;
    BrokerInfo::new(broker, state.leader_partitions(id), state.replica_partitions(id))
}

pub(super) fn unknown_broker(id: BrokerId) -> Refusal {
    Problem::new(ErrorCode::UnknownBroker, format!("broker {id} is not registered"))
        .with("brokerId", id.0)
        .into()
}
