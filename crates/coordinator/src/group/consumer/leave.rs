//! Members go.

use super::{
    group::ConsumerGroup,
    member::{LEAVES_FOR_A_WHILE, Member},
};
use crate::{
    MemberId,
    api::{ConsumerGroupHeartbeat, ConsumerGroupHeartbeatAnswer, ConsumerGroupHeartbeatReply},
    context::Context,
    timers::Timer,
};

impl ConsumerGroup {
    /// A member says goodbye. A static one may say that it will be back: it keeps its partitions until its session ends.
    pub(super) fn leave_by_heartbeat(
        &mut self,
        ctx: &mut Context<'_>,
        request: &ConsumerGroupHeartbeat,
    ) -> ConsumerGroupHeartbeatReply {
        let member_id = request.member_id.clone();
        let member = self.member(&member_id, request.instance_id.as_ref())?;
        if request.member_epoch == LEAVES_FOR_A_WHILE {
            let away = Self::away(&member.current);
            self.write_current(ctx, &member_id, &away);
            ctx.timers.cancel(Timer::Step(self.id.clone(), member_id.clone()));
            self.touch(ctx, &member_id);
        } else {
            self.remove(ctx, std::slice::from_ref(&member_id));
        }
        Ok(ConsumerGroupHeartbeatAnswer {
            member_id,
            member_epoch: request.member_epoch,
            heartbeat_interval_ms: 0,
            assignment: None,
        })
    }

    /// Takes members out. What they had is free.
    pub(super) fn remove(&mut self, ctx: &mut Context<'_>, member_ids: &[MemberId]) {
        for member_id in member_ids {
            self.end_timers(ctx, member_id);
            self.write_gone(ctx, member_id);
        }
        if !member_ids.is_empty() {
            self.members_changed(ctx);
        }
    }

    pub(super) fn end_timers(&self, ctx: &mut Context<'_>, member_id: &MemberId) {
        ctx.timers.cancel(Timer::Session(self.id.clone(), member_id.clone()));
        ctx.timers.cancel(Timer::Step(self.id.clone(), member_id.clone()));
    }

    pub(in crate::group) fn end_all_timers(&self, ctx: &mut Context<'_>) {
        for member_id in self.members.keys().chain(&self.pending_members) {
            self.end_timers(ctx, member_id);
        }
    }

    /// A member was heard of.
    pub(super) fn touch(&self, ctx: &mut Context<'_>, member_id: &MemberId) {
        let of_consumers_ms = ctx.settings.consumer_session_timeout_ms(&self.id);
        if let Some(timeout_ms) =
            self.members.get(member_id).map(|member| Member::session_timeout_ms(member, of_consumers_ms))
        {
            ctx.touch(&self.id, member_id, timeout_ms);
        }
    }
}
