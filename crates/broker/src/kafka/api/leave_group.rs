//! LeaveGroup (13), versions 0 to 5: members go, by themselves or sent by an administrator.

use std::sync::Arc;

use coordinator::{
    GroupError,
    api::{LeaveGroup, LeavingMember, LeftMember},
};
use kafka_wire::{
    ErrorCode,
    messages::{
        LeaveGroupRequest, LeaveGroupResponse,
        leave_group::{MemberIdentity, MemberResponse},
    },
};

use super::Call;
use crate::kafka::errors;

/// Since this version several leave at once, and static members by their instance ids.
const SEVERAL_SINCE: i16 = 3;

pub(super) async fn handle(call: Arc<Call>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let several = call.version() >= SEVERAL_SINCE;
    let identity = |member: MemberIdentity| LeavingMember {
        member_id: member.member_id.into(),
        group_instance_id: member.group_instance_id.map(Into::into),
    };
    let leaving: Vec<LeavingMember> = if several {
        request.members.into_iter().map(identity).collect()
    } else {
        vec![LeavingMember { member_id: request.member_id.into(), group_instance_id: None }]
    };
    let asked = LeaveGroup { group_id: request.group_id.as_str().into(), members: leaving.clone() };
    let refused = |error_code| LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
    match call.ask(&request.group_id, asked).await {
        Ok(Ok(left)) if several => LeaveGroupResponse {
            members: left.into_iter().map(response).collect(),
            ..LeaveGroupResponse::default()
        },
        // Of a group that is not there, nobody is a member.
        Ok(Err(GroupError::UnknownMemberId)) if several => {
            let unknown = leaving
                .into_iter()
                .map(|member| response(LeftMember { member, result: Err(GroupError::UnknownMemberId) }));
            LeaveGroupResponse { members: unknown.collect(), ..LeaveGroupResponse::default() }
        }
        Ok(Ok(left)) => refused(left.first().map_or(ErrorCode::NONE, code)),
        Ok(Err(error)) => refused(errors::of_group(&error)),
        Err(unavailable) => refused(errors::of_unavailable(unavailable)),
    }
}

fn response(left: LeftMember) -> MemberResponse {
    MemberResponse {
        error_code: code(&left),
        member_id: left.member.member_id.as_str().to_owned(),
        group_instance_id: left.member.group_instance_id.map(|id| id.as_str().to_owned()),
    }
}

fn code(left: &LeftMember) -> ErrorCode {
    left.result.as_ref().map_or_else(errors::of_group, |()| ErrorCode::NONE)
}
