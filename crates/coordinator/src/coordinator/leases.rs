//! Requests of those who read a group without being members of it.

use std::collections::BTreeMap;

use common::TopicName;

use super::Coordinator;
use crate::{
    GroupError, GroupId, Now, Outcome,
    api::{
        LeaseAck, LeaseAckReply, LeasePositions, LeasePositionsReply, LeaseRecords, LeaseRecordsReply,
        LeasedOffset, OffsetCommitPartition, OffsetCommitTopic, Positions,
    },
    leases::{GroupLeases, LOOK_INTERVAL_MS},
    timers::Timer,
};

impl Coordinator {
    pub(super) fn lease_positions(
        &mut self,
        outcome: &mut Outcome,
        request: LeasePositions,
        now: Now,
    ) -> LeasePositionsReply {
        let LeasePositions { group_id, places } = request;
        let of_places: Vec<_> = places.iter().map(|place| (&place.topic, place.partition)).collect();
        self.leases_of(&group_id, &of_places, now)?.check_room(now.monotonic_ms)?;
        // Whoever reads keeps the group's place from expiring.
        let is_old = |since_unix_ms: i64| {
            now.unix_ms.saturating_sub(since_unix_ms) > self.settings.offsets_retention_ms / 2
        };
        let to_note = places.iter().filter_map(|place| {
            let (topic, partition) = (place.topic.clone(), place.partition);
            let offset = match self.offsets.get(&group_id, &place.topic, place.partition) {
                Some(entry) if is_old(entry.value.commit_timestamp_ms) => entry.value.offset,
                Some(_) => return None,
                None => place.start?,
            };
            Some(LeasedOffset { topic, partition, offset })
        });
        let to_note: Vec<_> = to_note.collect();
        self.note(outcome, &group_id, &to_note, now);
        let leases = self.leases_of(&group_id, &of_places, now)?;
        let free =
            places.iter().map(|place| leases.free(&place.topic, place.partition, now.monotonic_ms)).collect();
        Ok(Positions { free, next_expiry_ms: leases.next_expiry_ms(now.monotonic_ms) })
    }

    pub(super) fn lease_records(
        &mut self,
        outcome: &mut Outcome,
        request: LeaseRecords,
        now: Now,
    ) -> LeaseRecordsReply {
        let LeaseRecords { group_id, lease, lease_ms, reads } = request;
        let places: Vec<_> = reads.iter().map(|read| (&read.topic, read.partition)).collect();
        let leases = self.leases_of(&group_id, &places, now)?;
        let ends_ms = now.monotonic_ms.saturating_add(lease_ms);
        let leased = leases.lease(lease, ends_ms, &reads, now.monotonic_ms)?;
        let moved = leases.moved();
        self.note(outcome, &group_id, &moved, now);
        Ok(leased)
    }

    pub(super) fn lease_ack(&mut self, outcome: &mut Outcome, request: &LeaseAck, now: Now) -> LeaseAckReply {
        let group_id = &request.group_id;
        self.check_is_read(group_id)?;
        let places = self.leases.known(group_id).ok_or(GroupError::LeaseExpired)?.places();
        let places: Vec<_> = places.iter().map(|(topic, partition)| (topic, *partition)).collect();
        let leases = self.leases_of(group_id, &places, now)?;
        let mut acked = leases.acknowledge(request, now.monotonic_ms)?;
        acked.committed = leases.moved();
        self.note(outcome, group_id, &acked.committed, now);
        Ok(acked)
    }

    /// The leases of a group, in step with what it has committed in these partitions. It must have no members.
    fn leases_of(
        &mut self,
        group_id: &GroupId,
        places: &[(&TopicName, i32)],
        now: Now,
    ) -> Result<&mut GroupLeases, GroupError> {
        self.check_is_read(group_id)?;
        let leases = self.leases.of(group_id, now.monotonic_ms)?;
        if !self.timers.is_set(&Timer::Leases) {
            self.timers.set(Timer::Leases, now.monotonic_ms.saturating_add(LOOK_INTERVAL_MS));
        }
        for (topic, partition) in places {
            let entry = self.offsets.get(group_id, topic, *partition);
            leases.follow(topic, *partition, entry.map(|entry| (entry.value.offset, entry.sequence)));
        }
        leases.settle();
        Ok(leases)
    }

    /// That a group may be read by who is no member of it: it has none.
    fn check_is_read(&mut self, group_id: &GroupId) -> Result<(), GroupError> {
        group_id.check()?;
        if self.groups.get(group_id).is_some_and(|group| !group.is_empty()) {
            self.leases.forget(group_id);
            return Err(GroupError::NonEmptyGroup);
        }
        Ok(())
    }

    /// Forgets leases that are not needed any more.
    pub(super) fn tidy_leases(&mut self, now: Now) {
        if self.leases.tidy(now.monotonic_ms) {
            self.timers.set(Timer::Leases, now.monotonic_ms.saturating_add(LOOK_INTERVAL_MS));
        }
    }

    /// Commits where the group is.
    fn note(&mut self, outcome: &mut Outcome, group_id: &GroupId, offsets: &[LeasedOffset], now: Now) {
        if offsets.is_empty() {
            return;
        }
        let mut topics: BTreeMap<&TopicName, Vec<OffsetCommitPartition>> = BTreeMap::new();
        for LeasedOffset { topic, partition, offset } in offsets {
            topics.entry(topic).or_default().push(OffsetCommitPartition {
                partition: *partition,
                offset: *offset,
                leader_epoch: -1,
                metadata: String::new(),
            });
        }
        let topic = |(name, partitions): (&TopicName, Vec<OffsetCommitPartition>)| OffsetCommitTopic {
            name: name.clone(),
            topic_id: self.topics.get(name.as_str()).map(|info| info.id),
            partitions,
        };
        let topics: Vec<_> = topics.into_iter().map(topic).collect();
        self.ensure_group(group_id, now.unix_ms);
        let (all, mut ctx) = self.offsets(outcome, now);
        all.commit(&mut ctx, group_id, topics, None, None);
        let Some(leases) = self.leases.known(group_id) else { return };
        for LeasedOffset { topic, partition, offset } in offsets {
            let sequence = self.offsets.get(group_id, topic, *partition).map_or(0, |entry| entry.sequence);
            leases.noted(topic, *partition, (*offset, sequence));
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        Settings,
        api::{LeaseId, LeaseRest},
    };

    #[test]
    fn acknowledgements_of_nothing_leave_nothing_behind() {
        let mut coordinator = Coordinator::new(Settings::default());
        let now = Now { monotonic_ms: 0, unix_ms: 0 };
        let too_long = "x".repeat(100_000);
        for (group_id, refused) in
            [("unknown", GroupError::LeaseExpired), (&too_long, GroupError::InvalidGroupId)]
        {
            let lease = LeaseId(Uuid::nil());
            let ack = LeaseAck { group_id: group_id.into(), lease, records: None, rest: LeaseRest::Stay };
            assert_eq!(coordinator.lease_ack(&mut Outcome::default(), &ack, now), Err(refused));
            assert!(coordinator.leases.known(&ack.group_id).is_none());
        }
    }
}
