//! SyncGroup (14), versions 0 to 5: the leader's assignment comes in, each member's share goes out.

use std::sync::Arc;

use coordinator::api::SyncGroup;
use kafka_wire::{
    ErrorCode,
    messages::{SyncGroupRequest, SyncGroupResponse},
};

use super::Call;
use crate::kafka::errors;

/// Since this version members say by which protocol the generation works (KIP-559).
const PROTOCOL_SINCE: i16 = 5;

/// What all members together may be assigned, in bytes: it becomes one record.
const ASSIGNMENTS_BYTES_MAX: usize = 16 << 20;

pub(super) async fn handle(call: Arc<Call>, request: SyncGroupRequest) -> SyncGroupResponse {
    let refused = |error_code| SyncGroupResponse { error_code, ..SyncGroupResponse::default() };
    let assigned: usize = request.assignments.iter().map(|share| share.assignment.len()).sum();
    if assigned > ASSIGNMENTS_BYTES_MAX {
        return refused(ErrorCode::INVALID_REQUEST);
    }
    let says_its_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if call.version() >= PROTOCOL_SINCE && !says_its_protocol {
        return refused(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let assignments = request.assignments.into_iter();
    let asked = SyncGroup {
        group_id: request.group_id.as_str().into(),
        member_id: request.member_id.into(),
        group_instance_id: request.group_instance_id.map(Into::into),
        generation_id: request.generation_id,
        protocol_type: request.protocol_type,
        protocol_name: request.protocol_name,
        assignments: assignments.map(|share| (share.member_id.into(), share.assignment)).collect(),
    };
    match call.ask(&request.group_id, asked).await {
        Ok(Ok(synced)) => SyncGroupResponse {
            protocol_type: Some(synced.protocol_type),
            protocol_name: Some(synced.protocol_name),
            assignment: synced.assignment,
            ..SyncGroupResponse::default()
        },
        Ok(Err(error)) => refused(errors::of_group(&error)),
        Err(unavailable) => refused(errors::of_unavailable(unavailable)),
    }
}
