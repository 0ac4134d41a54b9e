//! FindCoordinator (10), versions 0 to 6: nobody coordinates groups or transactions yet.
//!
//! The answer is always COORDINATOR_NOT_AVAILABLE. The API is served all the same, as clients draw conclusions from
//! whether it is there: librdkafka compresses with LZ4 only where it is.

use std::sync::Arc;

use kafka_wire::{
    ErrorCode,
    messages::{FindCoordinatorRequest, FindCoordinatorResponse, find_coordinator::Coordinator},
};

use super::Call;

/// Since this version a request asks for several coordinators.
const SEVERAL_SINCE: i16 = 4;

pub(super) async fn handle(call: Arc<Call>, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let error_code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
    let message = Some("groups and transactions are not served".to_owned());
    if call.version() < SEVERAL_SINCE {
        return FindCoordinatorResponse {
            error_code,
            error_message: message,
            node_id: -1,
            port: -1,
            ..FindCoordinatorResponse::default()
        };
    }
    let none = |key| Coordinator {
        key,
        node_id: -1,
        port: -1,
        error_code,
        error_message: message.clone(),
        ..Coordinator::default()
    };
    let coordinators = request.coordinator_keys.into_iter().map(none).collect();
    FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
}
