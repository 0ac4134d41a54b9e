//! Heartbeat: a member lives, and is told of rebalances.

use super::group::{ClassicGroup, Phase};
use crate::{
    GroupError,
    api::{Heartbeat, HeartbeatReply},
    context::Context,
};

impl ClassicGroup {
    /// Takes a heartbeat in.
    pub(crate) fn heartbeat(&mut self, ctx: &mut Context<'_>, request: &Heartbeat) -> HeartbeatReply {
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        self.check_generation(request.generation_id)?;
        self.touch(ctx, &request.member_id);
        match self.phase {
            Phase::Empty => Err(GroupError::UnknownMemberId),
            Phase::Preparing(_) => Err(GroupError::RebalanceInProgress),
            Phase::Completing | Phase::Stable => Ok(()),
        }
    }
}
