//! One step of a member towards its target: give up, take the new epoch, get what is free.

use super::{
    group::ConsumerGroup,
    member::{Current, MemberState},
};
use crate::{MemberId, assignment::Assignment, context::Context, timers::Timer};

impl ConsumerGroup {
    /// Takes the member as far as it can go now. `owned` is what it says that it has; none: it said nothing. Gives whether
    /// it is to have something else than before.
    pub(super) fn reconcile(
        &mut self,
        ctx: &mut Context<'_>,
        member_id: &MemberId,
        owned: Option<&Assignment>,
    ) -> bool {
        let Some(member) = self.members.get(member_id) else { return false };
        if member.current.is_reconciled_to(self.assignment_epoch) {
            return false;
        }
        let next = self.next_step(member_id, &member.current, owned);
        if next == member.current {
            return false;
        }
        let has_other_partitions = next.assigned != member.current.assigned;
        if !member.is_classic() {
            let timer = Timer::Step(self.id.clone(), member_id.clone());
            match next.state {
                MemberState::UnrevokedPartitions => ctx.after(timer, member.metadata.rebalance_timeout_ms),
                MemberState::Stable | MemberState::UnreleasedPartitions => ctx.timers.cancel(timer),
            }
        }
        self.write_current(ctx, member_id, &next);
        has_other_partitions
    }

    fn next_step(&self, member_id: &MemberId, current: &Current, owned: Option<&Assignment>) -> Current {
        let still_has = |given_up: &Assignment| owned.is_none_or(|owned| owned.meets(given_up));
        if current.state == MemberState::UnrevokedPartitions && still_has(&current.revoking) {
            return current.clone();
        }
        let target = self.targets.get(member_id);
        let is_wanted = |(topic_id, partition): &(_, _)| {
            target.is_some_and(|target| target.contains(*topic_id, *partition))
        };
        let kept: Assignment = current.assigned.iter().filter(is_wanted).collect();
        let revoking: Assignment =
            current.assigned.iter().filter(|partition| !is_wanted(partition)).collect();
        if !revoking.is_empty() && still_has(&revoking) {
            // It stays in its epoch until it has given up what it is to give up.
            let state = MemberState::UnrevokedPartitions;
            return Current { state, assigned: kept, revoking, ..current.clone() };
        }
        let mut assigned = kept;
        let mut waits = false;
        for (topic_id, partition) in target.into_iter().flat_map(Assignment::iter) {
            if self.is_free_for(member_id, (topic_id, partition)) {
                assigned.insert(topic_id, partition);
            } else {
                waits = true;
            }
        }
        let state = if waits { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        let epoch = self.assignment_epoch;
        let previous_epoch = if epoch == current.epoch { current.previous_epoch } else { current.epoch };
        Current { epoch, previous_epoch, state, assigned, revoking: Assignment::default() }
    }
}
