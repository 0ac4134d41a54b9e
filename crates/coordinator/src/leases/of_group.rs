//! The leases of groups.

use std::collections::{BTreeMap, BTreeSet};

use common::{Offset, TopicName};

use super::{
    budget::{LeaseBudget, Share},
    progress::Progress,
};
use crate::{
    GroupError, GroupId,
    api::{LeaseAck, LeaseAcked, LeaseId, LeaseRest, LeasedOffset, LeasedRead},
};

/// Groups of one coordinator that are read by leases. More are refused while all have leases that have not ended.
const GROUPS_MAX: usize = 10_000;

/// How often groups that have no leases any more are looked for, in ms.
pub(crate) const LOOK_INTERVAL_MS: i64 = 1_000;

/// Records of one group that are given out and not done.
const OUT_MAX: usize = 10_000;

/// Leases of one group. Those of which nothing is left are forgotten before there are more.
const LEASES_MAX: usize = OUT_MAX + 1_000;

/// Of all groups of a coordinator.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    groups: BTreeMap<GroupId, GroupLeases>,
    budget: LeaseBudget,
}

impl Leases {
    /// None yet; together with those of others they take no more than this.
    pub(crate) fn within(budget: LeaseBudget) -> Self {
        Self { groups: BTreeMap::new(), budget }
    }

    /// Those of a group.
    pub(crate) fn of(&mut self, group_id: &GroupId, now_ms: i64) -> Result<&mut GroupLeases, GroupError> {
        if !self.groups.contains_key(group_id) && self.groups.len() >= GROUPS_MAX {
            self.groups.retain(|_, leases| leases.has_live(now_ms));
            if self.groups.len() >= GROUPS_MAX {
                return Err(GroupError::TooManyLeases { what: "groups", max: GROUPS_MAX });
            }
        }
        Ok(self.groups.entry(group_id.clone()).or_insert_with(|| GroupLeases::within(&self.budget)))
    }

    /// Those of a group, if it has any.
    pub(crate) fn known(&mut self, group_id: &GroupId) -> Option<&mut GroupLeases> {
        self.groups.get_mut(group_id)
    }

    /// Forgets groups that have nothing to forget. If memory gets short, those all of whose leases have ended, too: what they have
    /// not committed is given out again. Tells whether any group is left.
    pub(crate) fn tidy(&mut self, now_ms: i64) -> bool {
        let is_short = self.budget.is_short();
        self.groups.retain(|_, leases| {
            if is_short {
                leases.sweep(now_ms);
            }
            leases.share.entries() > 0 && (!is_short || leases.has_live(now_ms))
        });
        !self.groups.is_empty()
    }

    /// A group has members now, or is gone.
    pub(crate) fn forget(&mut self, group_id: &GroupId) {
        self.groups.remove(group_id);
    }
}

/// Of one group.
#[derive(Debug)]
pub(crate) struct GroupLeases {
    /// When each ends, by the monotonic clock, in ms. A lease of which nothing is left stays until then, so that an
    /// acknowledgement can be repeated; unless there are [many](LEASES_MAX).
    leases: BTreeMap<LeaseId, i64>,
    partitions: BTreeMap<(TopicName, i32), Progress>,
    /// What the two take.
    share: Share,
}

/// What the group has committed in a partition: the offset, and which commit it was.
pub(crate) type Committed = (Offset, u64);

impl GroupLeases {
    fn within(budget: &LeaseBudget) -> Self {
        Self { leases: BTreeMap::new(), partitions: BTreeMap::new(), share: Share::new(budget) }
    }

    /// Takes note of what is committed. If that is not what the leases of the partition go on from, they end.
    pub(crate) fn follow(&mut self, topic: &TopicName, partition: i32, committed: Option<Committed>) {
        let place = (topic.clone(), partition);
        match committed {
            None => {
                self.partitions.remove(&place);
            }
            Some((offset, sequence)) => {
                let is_known = self.partitions.get(&place).is_some_and(|it| it.sequence == sequence);
                if !is_known {
                    self.partitions.insert(place, Progress::at(sequence, offset));
                }
            }
        }
    }

    /// The committed offset that the leases go on from was written again, or has moved over what is done.
    pub(crate) fn noted(&mut self, topic: &TopicName, partition: i32, (offset, sequence): Committed) {
        if let Some(progress) = self.partitions.get_mut(&(topic.clone(), partition)) {
            (progress.committed, progress.sequence) = (offset.0, sequence);
        }
    }

    /// The partitions that it has read.
    pub(crate) fn places(&self) -> Vec<(TopicName, i32)> {
        self.partitions.keys().cloned().collect()
    }

    /// The first offset that nobody has.
    pub(crate) fn free(&self, topic: &TopicName, partition: i32, now_ms: i64) -> Option<Offset> {
        let progress = self.partitions.get(&(topic.clone(), partition))?;
        Some(progress.free(|lease| self.is_live(lease, now_ms)))
    }

    /// When the next lease ends, in ms from now.
    pub(crate) fn next_expiry_ms(&self, now_ms: i64) -> Option<i64> {
        self.leases.values().filter(|ends_ms| **ends_ms > now_ms).min().map(|ends_ms| ends_ms - now_ms)
    }

    /// That more may be given out: something is free again, or there is room for something new.
    pub(crate) fn check_room(&self, now_ms: i64) -> Result<(), GroupError> {
        let mut out = self.partitions.values().flat_map(Progress::out);
        if self.out() >= OUT_MAX && out.all(|lease| self.is_live(lease, now_ms)) {
            return Err(GroupError::TooManyLeases { what: "records", max: OUT_MAX });
        }
        let budget = self.share.budget();
        if budget.taken() + 1 >= budget.max() { Err(self.no_room()) } else { Ok(()) }
    }

    fn no_room(&self) -> GroupError {
        GroupError::TooManyLeases { what: "records of all groups", max: self.share.budget().max() }
    }

    /// Gives back what is not needed any more.
    pub(crate) fn settle(&mut self) {
        let entries = self.leases.len() + self.out();
        self.share.resize(entries);
    }

    /// Records that are given out and not done.
    fn out(&self) -> usize {
        self.partitions.values().map(Progress::out_len).sum()
    }

    /// Leases what was read.
    pub(crate) fn lease(
        &mut self,
        lease: LeaseId,
        ends_ms: i64,
        reads: &[LeasedRead],
        now_ms: i64,
    ) -> Result<Vec<Vec<Offset>>, GroupError> {
        self.sweep(now_ms);
        self.settle();
        // As if all of it were new. One for the lease itself.
        let (before, wanted) =
            (self.share.entries(), reads.iter().map(|read| read.offsets.len()).sum::<usize>());
        let got = self.share.resize(before.saturating_add(wanted).saturating_add(1)) - before;
        let mut room =
            OUT_MAX.saturating_sub(self.out()).min(got.checked_sub(1).ok_or_else(|| self.no_room())?);
        let mut leased = Vec::with_capacity(reads.len());
        for read in reads {
            let place = (read.topic.clone(), read.partition);
            let is_live = |lease: LeaseId| self.leases.get(&lease).is_some_and(|ends_ms| *ends_ms > now_ms);
            let progress = self.partitions.get_mut(&place);
            leased.push(progress.map_or(Vec::new(), |it| it.lease(read, lease, is_live, &mut room)));
        }
        if leased.iter().any(|offsets| !offsets.is_empty()) {
            self.leases.insert(lease, ends_ms);
        }
        self.settle();
        Ok(leased)
    }

    /// Marks records as done. What has to be committed for it is told by [`GroupLeases::moved`].
    pub(crate) fn acknowledge(&mut self, ack: &LeaseAck, now_ms: i64) -> Result<LeaseAcked, GroupError> {
        let lease = ack.lease;
        if !self.leases.contains_key(&lease) {
            return Err(GroupError::LeaseExpired);
        }
        let meant: Option<BTreeSet<&LeasedOffset>> = ack.records.as_ref().map(|all| all.iter().collect());
        let mut acked = LeaseAcked::default();
        for ((topic, partition), progress) in &mut self.partitions {
            let is_meant = |offset| {
                let record = LeasedOffset { topic: topic.clone(), partition: *partition, offset };
                meant.as_ref().is_none_or(|meant| meant.contains(&record))
            };
            acked.acknowledged += progress.acknowledge(lease, is_meant);
            acked.left += progress.out().filter(|holder| *holder == lease).count();
        }
        if acked.acknowledged + acked.left == 0 && !self.is_live(lease, now_ms) {
            return Err(GroupError::LeaseExpired);
        }
        self.settle();
        match ack.rest {
            LeaseRest::Stay => {}
            LeaseRest::Release => {
                self.leases.insert(lease, now_ms);
            }
            LeaseRest::Extend(ms) => {
                self.leases.insert(lease, now_ms.saturating_add(ms));
            }
        }
        Ok(acked)
    }

    /// Where the committed offset has to be now, of the partitions where it is not yet.
    pub(crate) fn moved(&self) -> Vec<LeasedOffset> {
        let moved = self.partitions.iter().filter(|(_, progress)| progress.done() > progress.committed);
        let to = |((topic, partition), progress): (&(TopicName, i32), &Progress)| LeasedOffset {
            topic: topic.clone(),
            partition: *partition,
            offset: Offset(progress.done()),
        };
        moved.map(to).collect()
    }

    fn has_live(&self, now_ms: i64) -> bool {
        self.leases.values().any(|ends_ms| *ends_ms > now_ms)
    }

    fn is_live(&self, lease: LeaseId, now_ms: i64) -> bool {
        self.leases.get(&lease).is_some_and(|ends_ms| *ends_ms > now_ms)
    }

    /// Forgets leases that have nothing left: those that have ended, and all if there are many.
    fn sweep(&mut self, now_ms: i64) {
        let are_many = self.leases.len() >= LEASES_MAX;
        if !are_many && self.leases.values().all(|ends_ms| *ends_ms > now_ms) {
            return;
        }
        let used: BTreeSet<LeaseId> = self.partitions.values().flat_map(Progress::out).collect();
        self.leases.retain(|lease, ends_ms| used.contains(lease) || (!are_many && *ends_ms > now_ms));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::api::LeaseRest;

    #[test]
    fn long_leases_of_what_is_done_are_not_kept_without_bound() {
        let topic = TopicName::new("t").unwrap();
        let mut leases = GroupLeases::within(&LeaseBudget::default());
        leases.follow(&topic, 0, Some((Offset(0), 1)));
        for n in 0..2 * LEASES_MAX as i64 {
            let lease = LeaseId(Uuid::from_u128(n as u128));
            let (from, to) = (Offset(n), Offset(n + 1));
            let read = LeasedRead { topic: topic.clone(), partition: 0, from, to, offsets: vec![from] };
            assert_eq!(leases.lease(lease, i64::MAX, &[read], 0).unwrap(), [[from]]);
            let all = LeaseAck { group_id: "g".into(), lease, records: None, rest: LeaseRest::Stay };
            assert_eq!(leases.acknowledge(&all, 0).unwrap().acknowledged, 1);
            // It may be repeated.
            assert!(leases.acknowledge(&all, 0).is_ok());
            assert!(leases.leases.len() <= LEASES_MAX);
        }
    }

    /// What `count` polls of one record each leave behind that are not acknowledged, until there is no room.
    fn read(leases: &mut Leases, group_id: &str, count: i64, ends_ms: i64) -> Result<(), GroupError> {
        let topic = TopicName::new("t").unwrap();
        let group = leases.of(&group_id.into(), 0)?;
        group.follow(&topic, 0, Some((Offset(0), 1)));
        for n in 0..count {
            group.check_room(0)?;
            let (from, to) = (group.free(&topic, 0, 0).unwrap(), Offset(n + 1));
            let read = LeasedRead { topic: topic.clone(), partition: 0, from, to, offsets: vec![from] };
            assert_eq!(group.lease(LeaseId(Uuid::from_u128(n as u128)), ends_ms, &[read], 0)?, [[from]]);
        }
        Ok(())
    }

    #[test]
    fn all_groups_of_all_coordinators_together_have_a_bound() {
        let budget = LeaseBudget::new(1_000);
        let [mut one, mut other] = [(); 2].map(|()| Leases::within(budget.clone()));
        // A record and its lease are two.
        read(&mut one, "a", 300, 10).unwrap();
        let full = read(&mut other, "b", 300, 20);
        let refused = GroupError::TooManyLeases { what: "records of all groups", max: 1_000 };
        assert_eq!((full, budget.taken()), (Err(refused), 1_000));
        assert!(one.tidy(5) && other.tidy(5), "nothing has ended");
        assert_eq!(budget.taken(), 1_000);
        assert!(!one.tidy(10) && other.tidy(10), "whose leases have ended makes room");
        assert_eq!(budget.taken(), 400);
        read(&mut one, "c", 250, 20).unwrap();
        assert!(
            one.tidy(30) && other.tidy(30),
            "there is room enough, and what has ended may still be acknowledged"
        );
        drop((one, other));
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn part_of_what_was_read_is_leased_when_there_is_no_room_for_all() {
        let (topic, budget) = (TopicName::new("t").unwrap(), LeaseBudget::new(5));
        let mut leases = GroupLeases::within(&budget);
        leases.follow(&topic, 0, Some((Offset(0), 1)));
        let offsets: Vec<Offset> = (0..10).map(Offset).collect();
        let read =
            LeasedRead { topic: topic.clone(), partition: 0, from: Offset(0), to: Offset(10), offsets };
        let lease = LeaseId(Uuid::from_u128(1));
        assert_eq!(leases.lease(lease, 10, &[read], 0).unwrap(), [[0, 1, 2, 3].map(Offset)]);
        assert!(leases.check_room(0).is_err());
        let all = LeaseAck { group_id: "g".into(), lease, records: None, rest: LeaseRest::Stay };
        assert_eq!(leases.acknowledge(&all, 0).unwrap().acknowledged, 4);
        assert_eq!((leases.free(&topic, 0, 0), budget.taken()), (Some(Offset(4)), 1));
    }
}
