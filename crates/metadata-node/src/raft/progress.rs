//! When the members last held everything, for people who ask how far the quorum is.
//!
//! Kafka's leader knows this of whoever fetches from it (DescribeQuorum, KIP-836). Here the leader sends, so it notes now and
//! then how long its log is: a member that holds all of that was caught up then.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use common::NodeId;

/// How far a member is, as the leader knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// The last index that it is known to hold.
    pub(super) matched: u64,
    /// When it last answered, in Unix milliseconds.
    pub(super) answered_ms: u64,
}

/// The leader's notes of all members that ever answered.
#[derive(Debug, Default)]
pub(super) struct CaughtUp(Mutex<BTreeMap<NodeId, Note>>);

#[derive(Debug, Clone, Copy)]
struct Note {
    /// A moment in Unix milliseconds, and the last index of the log then.
    mark: (u64, u64),
    caught_up_ms: Option<u64>,
}

impl CaughtUp {
    /// Looks at the members: it is `now_ms`, and the log ends at `last_index`. Gives when each of them last held all that the
    /// log had, in Unix milliseconds; those that never did are not there.
    pub(super) fn look(
        &self,
        now_ms: u64,
        last_index: u64,
        members: &BTreeMap<NodeId, Seen>,
    ) -> BTreeMap<NodeId, u64> {
        let mut notes = self.lock();
        notes.retain(|id, _| members.contains_key(id));
        let mark = (now_ms, last_index);
        let caught_up = members.iter().filter_map(|(id, seen)| {
            let note = notes.entry(*id).or_insert(Note { mark, caught_up_ms: None });
            if seen.matched >= last_index {
                note.caught_up_ms = note.caught_up_ms.max(Some(seen.answered_ms.min(now_ms)));
            }
            if seen.matched >= note.mark.1 {
                note.caught_up_ms = note.caught_up_ms.max(Some(note.mark.0).filter(|at| *at < now_ms));
                note.mark = mark;
            }
            // Nobody knows of anything later than its last answer; a member that is down seems to hold everything for as long as
            // nothing is written.
            Some((*id, note.caught_up_ms?.min(seen.answered_ms)))
        });
        caught_up.collect()
    }

    /// This node does not lead any more: what it knew is void.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// Every update leaves the notes consistent, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(progress: &CaughtUp, now_ms: u64, last_index: u64, of: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let seen =
            |(id, matched): &(u64, u64)| (NodeId(*id), Seen { matched: *matched, answered_ms: now_ms - 10 });
        let times = progress.look(now_ms, last_index, &of.iter().map(seen).collect());
        times.into_iter().map(|(id, at)| (id.0, at)).collect()
    }

    #[test]
    fn who_holds_all_was_caught_up_when_it_last_answered() {
        let progress = CaughtUp::default();
        assert_eq!(looked(&progress, 1_000, 5, &[(2, 5), (3, 4)]), [(2, 990)]);
        assert_eq!(looked(&progress, 1_100, 5, &[(2, 5), (3, 5)]), [(2, 1_090), (3, 1_090)]);
    }

    #[test]
    fn who_is_always_a_little_behind_was_caught_up_a_little_ago() {
        let progress = CaughtUp::default();
        assert_eq!(looked(&progress, 1_000, 5, &[(2, 4)]), []);
        assert_eq!(looked(&progress, 1_100, 7, &[(2, 6)]), [(2, 1_000)]);
        assert_eq!(looked(&progress, 1_200, 9, &[(2, 8)]), [(2, 1_100)]);
    }

    #[test]
    fn who_is_down_keeps_its_time_and_who_comes_late_has_none() {
        let progress = CaughtUp::default();
        looked(&progress, 1_000, 5, &[(2, 5)]);
        assert_eq!(looked(&progress, 2_000, 7, &[(2, 5), (3, 1)]), [(2, 1_000)]);
        assert_eq!(looked(&progress, 9_000, 9, &[(2, 5), (3, 6)]), [(2, 1_000)]);
        progress.forget();
        assert_eq!(looked(&progress, 9_100, 9, &[(2, 5), (3, 6)]), []);
    }
}
