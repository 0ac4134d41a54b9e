//! Members that are not heard of any more, or do not do their next step; and what changes from outside.

use super::{group::ConsumerGroup, member::MemberState, target::Cause};
use crate::{MemberId, context::Context, timers::Timer};

impl ConsumerGroup {
    /// A session ended. Others may have ended, too: all of these go in one step, as each step costs a new target assignment.
    pub(crate) fn session_timed_out(&mut self, ctx: &mut Context<'_>, member_id: &MemberId) {
        self.pending_members.remove(member_id);
        if !self.members.contains_key(member_id) {
            return;
        }
        let has_ended = |id: &&MemberId| {
            let session = Timer::Session(self.id.clone(), (*id).clone());
            *id == member_id || ctx.timers.is_due(&session, ctx.now.monotonic_ms)
        };
        let gone: Vec<MemberId> = self.members.keys().filter(has_ended).cloned().collect();
        self.remove(ctx, &gone);
    }

    /// A member had its rebalance timeout to give partitions up; or, if it uses the classic protocol, to join or to fetch
    /// its share.
    pub(crate) fn step_timed_out(&mut self, ctx: &mut Context<'_>, member_id: &MemberId) {
        let is_late = self.members.get(member_id).is_some_and(|member| {
            member.is_classic() || member.current.state == MemberState::UnrevokedPartitions
        });
        if is_late {
            self.remove(ctx, std::slice::from_ref(member_id));
        }
    }

    /// Loading is over: every member gets all its time anew.
    pub(crate) fn activate(&mut self, ctx: &mut Context<'_>) {
        for (member_id, member) in &self.members {
            self.touch(ctx, member_id);
            if member.current.state == MemberState::UnrevokedPartitions {
                let timer = Timer::Step(self.id.clone(), member_id.clone());
                ctx.after(timer, member.metadata.rebalance_timeout_ms);
            }
        }
        self.since_unix_ms = ctx.now.unix_ms;
        self.known_state = self.state();
    }

    /// Topics changed.
    pub(crate) fn topics_changed(&mut self, ctx: &mut Context<'_>) {
        if !self.members.is_empty() {
            self.settle(ctx, Cause::Topics);
        }
    }

    /// Notes when its state changed: for those who ask, and for how long offsets are kept once nobody is there.
    pub(crate) fn note_state(&mut self, now_unix_ms: i64) {
        let state = self.state();
        if state != self.known_state {
            self.known_state = state;
            self.since_unix_ms = now_unix_ms;
        }
    }
}
