//! FindCoordinator (10), versions 0 to 6: which broker coordinates a group.
//!
//! It is the leader of the group's partition of `__consumer_offsets`. The topic is made when it is first asked for, and the
//! answer waits for that. Transactions are not served: nobody coordinates them.

use std::sync::Arc;

use kafka_wire::{
    ErrorCode,
    messages::{FindCoordinatorRequest, FindCoordinatorResponse, find_coordinator::Coordinator},
};

use super::{Call, topics::Node};
use crate::coordinator::NoTopic;

/// Since this version a request asks for several coordinators.
const SEVERAL_SINCE: i16 = 4;

/// `CoordinatorType` of consumer groups.
const GROUP: i8 = 0;

/// `CoordinatorType` of transactions.
const TRANSACTION: i8 = 1;

pub(super) async fn handle(call: Arc<Call>, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    // Once for all that are asked for.
    let no_topic = match request.key_type {
        GROUP => call.server.groups.topic().ensure().await.err(),
        _ => None,
    };
    let find = |key| find(&call, request.key_type, key, no_topic.as_ref());
    if call.version() < SEVERAL_SINCE {
        let Coordinator { node_id, host, port, error_code, error_message, .. } = find(request.key);
        return FindCoordinatorResponse {
            error_code,
            error_message,
            node_id,
            host,
            port,
            ..FindCoordinatorResponse::default()
        };
    }
    let coordinators = request.coordinator_keys.into_iter().map(find).collect();
    FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() }
}

fn find(call: &Call, key_type: i8, key: String, no_topic: Option<&NoTopic>) -> Coordinator {
    let none = |key, error_code, message: String| Coordinator {
        key,
        node_id: -1,
        port: -1,
        error_code,
        error_message: Some(message),
        ..Coordinator::default()
    };
    match key_type {
        GROUP => {}
        TRANSACTION => {
            let message = "transactions are not served".to_owned();
            // Not a code that clients try again on: nothing will change while they wait.
            return none(key, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, message);
        }
        other => return none(key, ErrorCode::INVALID_REQUEST, format!("no coordinators of type {other}")),
    }
    if let Some(error) = no_topic {
        tracing::debug!(event = "kafka.no_coordinator", group = key, "{error}");
        return none(key, ErrorCode::COORDINATOR_NOT_AVAILABLE, error.to_string());
    }
    let node = call
        .server
        .groups
        .topic()
        .coordinator_of(&key)
        .and_then(|id| call.server.image.read(|state| Node::of(state, id)));
    match node {
        Some(Node { id, host, port, .. }) => {
            Coordinator { key, node_id: id, host, port, ..Coordinator::default() }
        }
        None => {
            let message = "its partition of `__consumer_offsets` has no leader".to_owned();
            none(key, ErrorCode::COORDINATOR_NOT_AVAILABLE, message)
        }
    }
}
