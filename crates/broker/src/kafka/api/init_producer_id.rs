//! InitProducerId (22), versions 0 to 5: an id for an idempotent producer.
//!
//! Each call without a transactional id gives a fresh id with epoch 0. Transactions are not served, so a transactional
//! id finds no coordinator.

use std::sync::Arc;

use kafka_wire::{
    ErrorCode,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
};

use super::Call;
use crate::kafka::errors;

pub(super) async fn handle(call: Arc<Call>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    let failed = |error_code| InitProducerIdResponse {
        error_code,
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    };
    if request.transactional_id.is_some() {
        return failed(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    match call.server.producer_ids.next().await {
        Ok(producer_id) => {
            InitProducerIdResponse { producer_id, producer_epoch: 0, ..InitProducerIdResponse::default() }
        }
        Err(error) => {
            tracing::warn!(event = "kafka.no_producer_id", "{error}");
            failed(errors::of_producer_id(&error))
        }
    }
}
