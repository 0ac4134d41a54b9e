//! LeaveGroup: members go.

use super::group::{ClassicGroup, Phase};
use crate::{
    GroupError,
    api::{LeaveGroup, LeavingMember, LeftMember},
    context::Context,
};

impl ClassicGroup {
    /// Takes members out, and rebalances the rest.
    pub(crate) fn leave(&mut self, ctx: &mut Context<'_>, request: LeaveGroup) -> Vec<LeftMember> {
        let members_before = self.members.len();
        let mut answers = Vec::with_capacity(request.members.len());
        for member in request.members {
            let result = self.leave_one(ctx, &member);
            answers.push(LeftMember { member, result });
        }
        if matches!(self.phase, Phase::Preparing(_)) || self.members.len() < members_before {
            self.rebalance(ctx);
        }
        answers
    }

    fn leave_one(&mut self, ctx: &mut Context<'_>, leaving: &LeavingMember) -> Result<(), GroupError> {
        // An administrator sends a static member away by its instance id alone.
        let member_id = match &leaving.group_instance_id {
            Some(instance_id) if leaving.member_id.is_empty() => {
                self.static_members.get(instance_id).cloned().ok_or(GroupError::UnknownMemberId)?
            }
            _ => leaving.member_id.clone(),
        };
        if self.drop_pending(ctx, &member_id) {
            return Ok(());
        }
        self.check_member(&member_id, leaving.group_instance_id.as_ref())?;
        self.remove_member(ctx, &member_id);
        Ok(())
    }
}
