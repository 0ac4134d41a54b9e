//! Heartbeat (12): a classic member lives, and learns of rebalances.

use crate::{GroupError, GroupId, InstanceId, MemberId};

/// "I am here."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which group.
    pub group_id: GroupId,
    /// Who.
    pub member_id: MemberId,
    /// If it is a static member.
    pub group_instance_id: Option<InstanceId>,
    /// The generation that it is in.
    pub generation_id: i32,
}

/// The answer.
pub type HeartbeatReply = Result<(), GroupError>;
