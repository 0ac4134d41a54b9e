//! LeaveGroup (13): members go, by themselves or sent by an administrator.

use crate::{GroupError, GroupId, InstanceId, MemberId};

/// Takes members out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveGroup {
    /// Which group.
    pub group_id: GroupId,
    /// Who leaves; one before v3.
    pub members: Vec<LeavingMember>,
}

/// A member that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeavingMember {
    /// Empty: whoever has the instance id.
    pub member_id: MemberId,
    /// If it is a static member.
    pub group_instance_id: Option<InstanceId>,
}

/// The answer; an error says that there is no such group.
pub type LeaveGroupReply = Result<Vec<LeftMember>, GroupError>;

/// What became of one of them, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMember {
    /// As it was asked for.
    pub member: LeavingMember,
    /// Whether it is gone.
    pub result: Result<(), GroupError>,
}
