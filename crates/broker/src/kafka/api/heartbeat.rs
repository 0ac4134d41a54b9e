//! Heartbeat (12), versions 0 to 4: a classic member lives, and learns of rebalances.
//!
//! While its coordinator is loading, a member is told that all is well, as Kafka does: every member gets a full session then.

use std::sync::Arc;

use coordinator::api::Heartbeat;
use kafka_wire::{
    ErrorCode,
    messages::{HeartbeatRequest, HeartbeatResponse},
};

use super::Call;
use crate::{coordinator::Unavailable, kafka::errors};

pub(super) async fn handle(call: Arc<Call>, request: HeartbeatRequest) -> HeartbeatResponse {
    let asked = Heartbeat {
        group_id: request.group_id.as_str().into(),
        member_id: request.member_id.into(),
        group_instance_id: request.group_instance_id.map(Into::into),
        generation_id: request.generation_id,
    };
    let error_code = match call.ask(&request.group_id, asked).await {
        Ok(Ok(())) | Err(Unavailable::Loading) => ErrorCode::NONE,
        Ok(Err(error)) => errors::of_group(&error),
        Err(unavailable) => errors::of_unavailable(unavailable),
    };
    HeartbeatResponse { error_code, ..HeartbeatResponse::default() }
}
