//! When members of a consumer group are to come again. Each answer to a heartbeat says so (KIP-848).
//!
//! A member hears of nothing before its next heartbeat: not that it is to give something up, and not that what it waits for is
//! free. So intervals are what a rebalance takes, and heartbeats what they cost:
//!
//! | the group | told | a rebalance then takes |
//! |---|---|---|
//! | is changing, or has lately | 200 ms; more if it has more than 400 members | two intervals: one to hear, one to get |
//! | does not change | what [`CALM_HEARTBEATS_PER_S`] allow, within the settings | one of these for others to hear of a member that comes, and 200 ms for it to get |
//!
//! An answer that is held back until there is something to tell would be sooner than any interval, but members send one
//! heartbeat at a time, and ask their coordinator everything over one connection, in order. What they commit, that they have
//! given something up, and that they leave would all wait behind the answer.

use super::{group::ConsumerGroup, member::Current};
use crate::context::Context;

/// The interval in a group that is changing, in ms.
const BUSY_INTERVAL_MS: i32 = 200;

/// How many heartbeats such a group may cost per ms: a large one is told to come less often.
const BUSY_HEARTBEATS_PER_MS: usize = 2;

/// How many heartbeats all members of one coordinator may cost per second while nothing changes.
const CALM_HEARTBEATS_PER_S: usize = 200;

impl ConsumerGroup {
    /// When a member is to come again, in ms. Soon, while it waits for what others give up; and while the group has just
    /// changed, since it may well change again, as when many members start at once.
    pub(super) fn heartbeat_interval_ms(&self, ctx: &Context<'_>, current: &Current) -> i32 {
        let (calm_ms, longest_ms) = ctx.settings.consumer_heartbeat_interval_ms(&self.id);
        let age_ms = self.raised_ms.map(|raised_ms| ctx.now.monotonic_ms.saturating_sub(raised_ms));
        let has_changed = age_ms.is_some_and(|age_ms| age_ms < i64::from(longest_ms));
        let (shortest_ms, affordable_ms) = if has_changed || !current.is_reconciled_to(self.assignment_epoch)
        {
            (BUSY_INTERVAL_MS, self.members.len() / BUSY_HEARTBEATS_PER_MS)
        } else {
            // Each member has a timer for its session, and hardly anything else has one.
            let members = ctx.timers.len();
            let affordable_ms = members.saturating_mul(1_000) / CALM_HEARTBEATS_PER_S;
            (calm_ms, affordable_ms)
        };
        i32::try_from(affordable_ms).unwrap_or(i32::MAX).max(shortest_ms).min(longest_ms)
    }
}
