//! `POST /api/v1/metadata/heartbeat/{brokerId}`: the hottest path of the API. It reads the applied state and the
//! leader's memory and waits for nothing, so that a busy quorum does not cost live brokers their session (F3:
//! KAFKA-15019). Only a broker that wants to leave waits until its leaderships are handed over.

use std::sync::Arc;

use axum::{Json, extract::State};
use common::{BrokerId, BrokerStatus};
use http_api::{HeartbeatRequest, HeartbeatResponse, Problem, paths, query::WriteQuery};
use metadata_core::{Command, Rejection};
use runtime::clock;
use runtime::http::OptionalJsonBody;

use super::{
    api::Api, brokers::unknown_broker, params::Segments, refusal::Answer, responses::WriteProblems,
    writer::Writer,
};

/// Heartbeat of a broker
///
/// An empty body is a heartbeat of the current epoch.
#[utoipa::path(
    post, operation_id = "heartbeat", path = paths::HEARTBEAT, tag = "brokers", params(WriteQuery, ("brokerId" = BrokerId, Path)),
    request_body(content = Option<HeartbeatRequest>, content_type = "application/json"),
    responses(
        (status = 200, body = HeartbeatResponse),
        (status = 404, description = "No such broker: register first",
         body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The registration was replaced by another one",
         body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub(super) async fn post(
    State(api): State<Arc<Api>>,
    writer: Writer,
    Segments(broker_id): Segments<BrokerId>,
    OptionalJsonBody(request): OptionalJsonBody<HeartbeatRequest>,
) -> Answer<Json<HeartbeatResponse>> {
    let (known, version) = api.consensus.read(|state| {
        let known = state.broker(broker_id).map(|broker| (broker.broker_epoch, broker.status));
        (known, state.version())
    });
    let (broker_epoch, mut status) = known.ok_or_else(|| unknown_broker(broker_id))?;
    if let Some(given) = request.as_ref().map(|request| request.broker_epoch)
        && given != broker_epoch
    {
        return Err(Rejection::StaleBrokerEpoch { broker_id, given, current: broker_epoch }.into());
    }
    let term = writer.term();
    let has = request.as_ref().and_then(|request| request.metadata_version);
    api.controller.contact(term, (broker_id, broker_epoch), has, version);
    let mut metadata_version = version;
    let want_shutdown = request.is_some_and(|request| request.want_shutdown);
    match status {
        BrokerStatus::Online if want_shutdown => {
            let command = Command::DrainBroker { broker_id, broker_epoch };
            (_, metadata_version) = writer.for_broker(broker_id).propose(command).await?;
            status = BrokerStatus::Draining;
        }
        // It is back. The answer does not wait for that to be committed; the next one will say so.
        BrokerStatus::Offline if !want_shutdown => api.controller.came_back(broker_id, broker_epoch),
        BrokerStatus::Online | BrokerStatus::Offline | BrokerStatus::Draining => {}
    }
    Ok(Json(HeartbeatResponse {
        success: true,
        metadata_version,
        controller_id: api.node_id,
        controller_term: term,
        broker_status: status,
        timestamp: clock::unix_ms(),
    }))
}
