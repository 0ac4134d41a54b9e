//! What happens by itself: sessions and rebalances that time out, offsets that expire.

use std::ops::Bound;

use super::Coordinator;
use crate::{GroupId, Now, Outcome, group::Group, timers::Timer};

/// After how many records, or offsets looked at, the rest of a search for expired offsets is left to the next tick.
const RECORDS_PER_TICK: usize = 1_000;
const OFFSETS_PER_TICK: usize = 20_000;

impl Coordinator {
    /// Does what is due: sessions and rebalances that timed out, offsets that expired.
    pub fn tick(&mut self, now: Now) -> Outcome {
        let mut outcome = Outcome::default();
        while outcome.records.len() < RECORDS_PER_TICK
            && let Some(timer) = self.timers.pop_due(now.monotonic_ms)
        {
            self.fire(&mut outcome, timer, now);
        }
        outcome
    }

    fn fire(&mut self, outcome: &mut Outcome, timer: Timer, now: Now) {
        let group_id = match &timer {
            Timer::Retention => return self.expire_offsets(outcome, now),
            Timer::Leases => return self.tidy_leases(now),
            Timer::Topics => return self.look_at_topics(outcome, now),
            Timer::Join(group_id)
            | Timer::Sync(group_id)
            | Timer::Session(group_id, _)
            | Timer::Step(group_id, _) => group_id.clone(),
        };
        match (self.group(outcome, &group_id, now), &timer) {
            (Some((Group::Classic(group), mut ctx)), Timer::Join(_)) => group.join_timed_out(&mut ctx),
            (Some((Group::Classic(group), mut ctx)), Timer::Sync(_)) => group.sync_timed_out(&mut ctx),
            (Some((Group::Classic(group), mut ctx)), Timer::Session(_, member_id)) => {
                group.session_timed_out(&mut ctx, member_id);
            }
            (Some((Group::Consumer(group), mut ctx)), Timer::Session(_, member_id)) => {
                group.session_timed_out(&mut ctx, member_id);
            }
            (Some((Group::Consumer(group), mut ctx)), Timer::Step(_, member_id)) => {
                group.step_timed_out(&mut ctx, member_id);
            }
            _ => {}
        }
        self.after_step(outcome, &group_id, now);
    }

    /// Goes on with the search for expired offsets and for groups that have nothing any more, or begins one.
    fn expire_offsets(&mut self, outcome: &mut Outcome, now: Now) {
        let mut looked_at = 0;
        while let Some(group_id) = self.next_to_search() {
            looked_at += 1 + self.offsets.count(&group_id);
            self.expire_offsets_of(outcome, &group_id, now);
            self.searched = Some(group_id);
            if looked_at >= OFFSETS_PER_TICK || outcome.records.len() >= RECORDS_PER_TICK {
                return self.timers.set(Timer::Retention, now.monotonic_ms.saturating_add(1));
            }
        }
        self.searched = None;
        let interval_ms = self.settings.offsets_retention_check_interval_ms.max(1);
        self.timers.set(Timer::Retention, now.monotonic_ms.saturating_add(interval_ms));
    }

    fn next_to_search(&self) -> Option<GroupId> {
        let from = self.searched.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        self.groups.range::<GroupId, _>((from, Bound::Unbounded)).next().map(|(group_id, _)| group_id.clone())
    }

    fn expire_offsets_of(&mut self, outcome: &mut Outcome, group_id: &GroupId, now: Now) {
        let Some(group) = self.groups.get(group_id) else { return };
        let retention_ms = self.settings.offsets_retention_ms;
        self.offsets
            .expire(outcome, group_id, now.unix_ms, retention_ms, |topic| group.retention_start(topic));
        if group.is_deserted() && !self.offsets.has_group(group_id) {
            self.bury(outcome, group_id, now);
        }
    }
}
