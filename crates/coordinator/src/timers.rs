//! What is due when.

use std::collections::{BTreeMap, BTreeSet};

use crate::{GroupId, MemberId};

/// Something that happens when its time has come, unless it is cancelled or put off.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Offsets that are not needed any more go.
    Retention,
    /// So do leases.
    Leases,
    /// Consumer groups look at topics that changed.
    Topics,
    /// A classic group stops waiting for members to join.
    Join(GroupId),
    /// A classic group stops waiting for members to fetch their share.
    Sync(GroupId),
    /// A member was not heard of for too long.
    Session(GroupId, MemberId),
    /// A member of a consumer group did not do its next step: to give partitions up, to join, or to fetch its share.
    Step(GroupId, MemberId),
}

/// All timers of a coordinator, by the monotonic clock, in ms.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// The same as `deadlines`, by time.
    queue: BTreeSet<(i64, Timer)>,
    deadlines: BTreeMap<Timer, i64>,
}

impl Timers {
    /// Sets a timer, or puts it off.
    pub(crate) fn set(&mut self, timer: Timer, deadline_ms: i64) {
        match self.deadlines.insert(timer.clone(), deadline_ms) {
            Some(before) if before == deadline_ms => {}
            Some(before) => {
                let entry = (before, timer);
                self.queue.remove(&entry);
                self.queue.insert((deadline_ms, entry.1));
            }
            None => {
                self.queue.insert((deadline_ms, timer));
            }
        }
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        if let Some(deadline_ms) = self.deadlines.remove(&timer) {
            self.queue.remove(&(deadline_ms, timer));
        }
    }

    pub(crate) fn is_set(&self, timer: &Timer) -> bool {
        self.deadlines.contains_key(timer)
    }

    /// Whether the time of one that is set has come.
    pub(crate) fn is_due(&self, timer: &Timer, now_ms: i64) -> bool {
        self.deadlines.get(timer).is_some_and(|deadline_ms| *deadline_ms <= now_ms)
    }

    /// How many are set.
    pub(crate) fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Takes out the earliest timer that is due.
    pub(crate) fn pop_due(&mut self, now_ms: i64) -> Option<Timer> {
        if self.next_deadline()? > now_ms {
            return None;
        }
        let (_, timer) = self.queue.pop_first()?;
        self.deadlines.remove(&timer);
        Some(timer)
    }

    pub(crate) fn next_deadline(&self) -> Option<i64> {
        self.queue.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    /// When a timer is due.
    #[cfg(test)]
    pub(crate) fn deadline(&self, timer: &Timer) -> Option<i64> {
        self.deadlines.get(timer).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_in_order_and_can_be_put_off() {
        let mut timers = Timers::default();
        timers.set(Timer::Join("a".into()), 10);
        timers.set(Timer::Join("b".into()), 20);
        timers.set(Timer::Join("a".into()), 30);
        assert_eq!((timers.next_deadline(), timers.deadline(&Timer::Join("a".into()))), (Some(20), Some(30)));
        assert_eq!(timers.pop_due(19), None);
        assert_eq!(timers.pop_due(40), Some(Timer::Join("b".into())));
        timers.cancel(Timer::Join("a".into()));
        assert_eq!((timers.pop_due(40), timers.next_deadline()), (None, None));
    }
}
