//! DescribeGroups (15), versions 0 to 6: classic groups with their members.
//!
//! A group that does not exist is `Dead`, without an error below version 6. So is one of the consumer protocol, which
//! ConsumerGroupDescribe shows.

use std::sync::Arc;

use coordinator::{
    GroupError, GroupState, GroupType,
    api::{DescribeGroup, GroupDescription, MemberDescription},
};
use kafka_wire::{
    ErrorCode,
    messages::{
        DescribeGroupsRequest, DescribeGroupsResponse,
        describe_groups::{DescribedGroup, DescribedGroupMember},
    },
};

use super::{
    Call,
    operations::{self, if_asked},
};
use crate::kafka::errors;

/// Since this version a group that does not exist is an error (KIP-1043).
const NOT_FOUND_SINCE: i16 = 6;

pub(super) async fn handle(call: Arc<Call>, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let operations = if_asked(request.include_authorized_operations, operations::ON_GROUP);
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        let described = call.ask(&group_id, DescribeGroup { group_id: group_id.as_str().into() }).await;
        let mut group = match described {
            Ok(Ok(group)) if group.group_type == GroupType::Classic => response(group),
            Ok(Ok(_)) => not_found(&call, format!("group {group_id} is not a classic group")),
            Ok(Err(GroupError::GroupIdNotFound)) => not_found(&call, format!("there is no group {group_id}")),
            Ok(Err(error)) => {
                DescribedGroup { error_code: errors::of_group(&error), ..DescribedGroup::default() }
            }
            Err(unavailable) => DescribedGroup {
                error_code: errors::of_unavailable(unavailable),
                ..DescribedGroup::default()
            },
        };
        group.group_id = group_id;
        group.authorized_operations = operations;
        // A version without them must have the default.
        if call.version() < OPERATIONS_SINCE {
            group.authorized_operations = operations::NOT_ASKED;
        }
        groups.push(group);
    }
    DescribeGroupsResponse { groups, ..DescribeGroupsResponse::default() }
}

/// Since this version operations are told.
const OPERATIONS_SINCE: i16 = 3;

fn not_found(call: &Call, message: String) -> DescribedGroup {
    let is_error = call.version() >= NOT_FOUND_SINCE;
    DescribedGroup {
        error_code: if is_error { ErrorCode::GROUP_ID_NOT_FOUND } else { ErrorCode::NONE },
        error_message: is_error.then_some(message),
        group_state: GroupState::Dead.as_str().to_owned(),
        ..DescribedGroup::default()
    }
}

fn response(group: GroupDescription) -> DescribedGroup {
    let member = |member: MemberDescription| DescribedGroupMember {
        member_id: member.member_id.as_str().to_owned(),
        group_instance_id: member.group_instance_id.map(|id| id.as_str().to_owned()),
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    };
    DescribedGroup {
        group_state: group.state.as_str().to_owned(),
        protocol_type: group.protocol_type,
        protocol_data: group.protocol_name,
        members: group.members.into_iter().map(member).collect(),
        ..DescribedGroup::default()
    }
}
