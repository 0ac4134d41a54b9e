//! JoinGroup (11), versions 0 to 9: becoming or staying a member of the next generation of a classic group.
//!
//! The answer comes when all have joined, or those who have not are given up.

use std::sync::Arc;

use coordinator::api::{JoinGroup, Joined, JoinedMember, Protocol};
use kafka_wire::{
    ErrorCode,
    messages::{JoinGroupRequest, JoinGroupResponse, join_group::JoinGroupResponseMember},
};
use uuid::Uuid;

use super::{Call, groups::NAME_BYTES_MAX};
use crate::kafka::errors;

/// Since this version members say how long a rebalance may take.
const REBALANCE_TIMEOUT_SINCE: i16 = 1;

/// Since this version a new member comes back with the id that it is given (KIP-394).
const KNOWN_MEMBER_SINCE: i16 = 4;

/// Since this version a protocol may be null.
const NO_PROTOCOL_SINCE: i16 = 7;

/// Since this version a leader may be told that there is nothing to assign (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;

/// What a member may say of itself under all its protocols, in bytes. It is written down with those of all others.
const METADATA_BYTES_MAX: usize = 1 << 20;

pub(super) async fn handle(call: Arc<Call>, request: JoinGroupRequest) -> JoinGroupResponse {
    let version = call.version();
    let refused = |error_code, member_id| JoinGroupResponse {
        error_code,
        generation_id: -1,
        protocol_name: (version < NO_PROTOCOL_SINCE).then(String::new),
        member_id,
        ..JoinGroupResponse::default()
    };
    if !is_in_bounds(&request) {
        return refused(ErrorCode::INVALID_REQUEST, request.member_id);
    }
    let has_rebalance_timeout = version >= REBALANCE_TIMEOUT_SINCE;
    let asked = JoinGroup {
        group_id: request.group_id.as_str().into(),
        member_id: request.member_id.as_str().into(),
        group_instance_id: request.group_instance_id.map(Into::into),
        client_id: call.client_id(),
        client_host: call.client_host(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if has_rebalance_timeout {
            request.rebalance_timeout_ms
        } else {
            request.session_timeout_ms
        },
        protocol_type: request.protocol_type,
        protocols: request
            .protocols
            .into_iter()
            .map(|protocol| Protocol { name: protocol.name, metadata: protocol.metadata })
            .collect(),
        require_known_member_id: version >= KNOWN_MEMBER_SINCE,
        supports_skip_assignment: version >= SKIP_ASSIGNMENT_SINCE,
        fresh_id: Uuid::new_v4(),
    };
    match call.ask(&request.group_id, asked).await {
        Ok(Ok(joined)) => response(joined),
        Ok(Err(refusal)) => refused(errors::of_group(&refusal.error), refusal.member_id.as_str().to_owned()),
        Err(unavailable) => refused(errors::of_unavailable(unavailable), request.member_id),
    }
}

fn is_in_bounds(request: &JoinGroupRequest) -> bool {
    let said: usize = request.protocols.iter().map(|protocol| protocol.metadata.len()).sum();
    let names = request.protocols.iter().map(|protocol| &protocol.name);
    let mut names = names.chain([&request.protocol_type]).chain(&request.group_instance_id);
    said <= METADATA_BYTES_MAX
        && names.all(|name| name.len() <= NAME_BYTES_MAX)
        && request.member_id.len() <= 4 * NAME_BYTES_MAX
}

fn response(joined: Joined) -> JoinGroupResponse {
    let member = |member: JoinedMember| JoinGroupResponseMember {
        member_id: member.member_id.as_str().to_owned(),
        group_instance_id: member.group_instance_id.map(|id| id.as_str().to_owned()),
        metadata: member.metadata,
    };
    JoinGroupResponse {
        generation_id: joined.generation_id,
        protocol_type: Some(joined.protocol_type),
        protocol_name: Some(joined.protocol_name),
        leader: joined.leader.as_str().to_owned(),
        skip_assignment: joined.skip_assignment,
        member_id: joined.member_id.as_str().to_owned(),
        members: joined.members.into_iter().map(member).collect(),
        ..JoinGroupResponse::default()
    }
}
