//! UnregisterBroker (64): has the controllers forget a broker. One that still holds replicas is not forgotten; one that lives
//! registers again.

use std::sync::Arc;

use client::api;
use common::BrokerId;
use kafka_wire::{
    ErrorCode,
    messages::{UnregisterBrokerRequest, UnregisterBrokerResponse},
};
use metadata_core::State;

use super::{Call, KNOWN_WAIT};
use crate::kafka::errors;

pub(super) async fn handle(call: Arc<Call>, request: UnregisterBrokerRequest) -> UnregisterBrokerResponse {
    let (server, id) = (&call.server, BrokerId(request.broker_id));
    let epoch = |state: &State| state.broker(id).map(|broker| broker.broker_epoch);
    let former = server.image.read(epoch);
    if let Err(error) = server.metadata.call(&api::remove_broker(id)).await {
        return UnregisterBrokerResponse {
            error_code: errors::of_call(&error),
            error_message: Some(error.to_string()),
            ..UnregisterBrokerResponse::default()
        };
    }
    // Whoever asks this broker next does not find it.
    let forgotten = server.image.wait_for(|state| (former.is_none() || epoch(state) != former).then_some(()));
    let _ = tokio::time::timeout(KNOWN_WAIT, forgotten).await;
    UnregisterBrokerResponse {
        error_code: ErrorCode::NONE,
        error_message: None,
        ..UnregisterBrokerResponse::default()
    }
}
