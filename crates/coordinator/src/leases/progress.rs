//! One partition, as far as a group has leased it.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{LeaseId, LeasedRead};
use common::Offset;

/// What was given out of a partition. Below `upto` a record is either in `out`, or done.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Which committed offset it goes on from.
    pub(super) sequence: u64,
    /// That offset.
    pub(super) committed: i64,
    /// Nothing from here on was given out. Never below `committed`.
    upto: i64,
    /// Given out and not done, whether the lease has ended or not. Each is from `committed` to `upto`.
    out: BTreeMap<i64, LeaseId>,
}

impl Progress {
    pub(super) fn at(sequence: u64, committed: Offset) -> Self {
        Self { sequence, committed: committed.0, upto: committed.0, out: BTreeMap::new() }
    }

    /// The first offset that nobody has.
    pub(super) fn free(&self, is_live: impl Fn(LeaseId) -> bool) -> Offset {
        let ended = self.out.iter().find(|(_, lease)| !is_live(**lease));
        Offset(ended.map_or(self.upto, |(offset, _)| *offset))
    }

    /// Everything below is done.
    pub(super) fn done(&self) -> i64 {
        self.out.keys().next().copied().unwrap_or(self.upto)
    }

    /// Records that are given out.
    pub(super) fn out(&self) -> impl Iterator<Item = LeaseId> {
        self.out.values().copied()
    }

    /// How many there are.
    pub(super) fn out_len(&self) -> usize {
        self.out.len()
    }

    /// Gives out what was read, as far as nobody has it; of what was never given out, at most `room`.
    pub(super) fn lease(
        &mut self,
        read: &LeasedRead,
        lease: LeaseId,
        is_live: impl Fn(LeaseId) -> bool,
        room: &mut usize,
    ) -> Vec<Offset> {
        let (from, mut to) = (read.from.0, read.to.0);
        if from > self.upto || to < from {
            // Of a time before the leases of the partition ended.
            return Vec::new();
        }
        let there: BTreeSet<i64> = read.offsets.iter().map(|offset| offset.0).collect();
        let mut leased = Vec::new();
        for offset in there.range(from..to).copied() {
            let is_free = if offset < self.upto {
                self.out.get(&offset).is_some_and(|holder| !is_live(*holder))
            } else if *room == 0 {
                to = offset;
                break;
            } else {
                *room -= 1;
                true
            };
            if is_free {
                self.out.insert(offset, lease);
                leased.push(Offset(offset));
            }
        }
        // What was given out and is not there any more is done: compaction or retention took it.
        self.out.retain(|offset, holder| {
            !(from..to).contains(offset) || there.contains(offset) || is_live(*holder)
        });
        self.upto = self.upto.max(to);
        leased
    }

    /// Marks records of a lease as done, and counts them.
    pub(super) fn acknowledge(&mut self, lease: LeaseId, is_meant: impl Fn(Offset) -> bool) -> usize {
        let before = self.out.len();
        self.out.retain(|offset, holder| *holder != lease || !is_meant(Offset(*offset)));
        before - self.out.len()
    }
}
