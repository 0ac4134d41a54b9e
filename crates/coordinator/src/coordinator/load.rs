//! From the records of the partition to a coordinator at work; and the topics that it works with.

use std::sync::Arc;

use super::Coordinator;
use crate::{
    GroupId, Now, Outcome, ProducerId, Record, Topics,
    group::{ClassicGroup, Group},
    timers::Timer,
};

impl Coordinator {
    /// Loading: takes in a record that was written outside of transactions, in the log's order. The records of this
    /// coordinator's own outcomes are not replayed: they are applied already when the outcome is given.
    pub fn replay(&mut self, record: Record) {
        match record {
            Record::OffsetCommit { group_id, topic, partition, value } => {
                self.note_group_of_offset(&group_id, value.as_ref().map(|value| value.commit_timestamp_ms));
                self.offsets.apply(group_id.clone(), topic, partition, value);
                self.forget_if_nothing_is_left(&group_id);
            }
            Record::GroupMetadata { group_id, value: Some(value) } => {
                let group = ClassicGroup::from_value(group_id.clone(), value);
                self.groups.insert(group_id, Group::Classic(group));
            }
            Record::GroupMetadata { group_id, value: None } => {
                if let Some(Group::Classic(_)) = self.groups.remove(&group_id)
                    && self.offsets.has_group(&group_id)
                {
                    self.ensure_group(&group_id, -1);
                }
            }
            Record::ConsumerGroupMetadata { .. }
            | Record::ConsumerGroupMemberMetadata { .. }
            | Record::ConsumerGroupTargetAssignmentMetadata { .. }
            | Record::ConsumerGroupTargetAssignmentMember { .. }
            | Record::ConsumerGroupCurrentMemberAssignment { .. }
            | Record::ConsumerGroupRegularExpression { .. } => {}
        }
    }

    /// Loading: takes in a record of a transactional batch: an offset that counts once the transaction is committed.
    pub fn replay_transactional(&mut self, producer_id: ProducerId, record: Record) {
        match record {
            Record::OffsetCommit { group_id, topic, partition, value } => {
                self.note_group_of_offset(&group_id, value.as_ref().map(|value| value.commit_timestamp_ms));
                self.offsets.apply_transactional(producer_id, group_id.clone(), topic, partition, value);
                self.forget_if_nothing_is_left(&group_id);
            }
            // Nothing else is written within transactions; what is there is taken as it stands.
            other => self.replay(other),
        }
    }

    /// Takes in the end of a transaction, when its marker is met in the log while loading, or written to it later.
    pub fn end_transaction(&mut self, producer_id: ProducerId, committed: bool) {
        for group_id in self.offsets.end_transaction(producer_id, committed) {
            self.forget_if_nothing_is_left(&group_id);
        }
    }

    fn note_group_of_offset(&mut self, group_id: &GroupId, committed_unix_ms: Option<i64>) {
        if let Some(unix_ms) = committed_unix_ms {
            self.ensure_group(group_id, unix_ms);
        }
    }

    /// Loading is over: every member gets a full session timeout to be heard, and offsets of topics that are gone go.
    /// `topics` must be as new as the metadata that made this broker the coordinator.
    pub fn activate(&mut self, topics: Arc<Topics>, now: Now) -> Outcome {
        let group_ids: Vec<GroupId> = self.groups.keys().cloned().collect();
        let mut outcome = self.set_topics(topics, now);
        for group_id in &group_ids {
            if let Some((Group::Classic(group), mut ctx)) = self.group(&mut outcome, group_id, now) {
                group.activate(&mut ctx);
            }
        }
        let interval_ms = self.settings.offsets_retention_check_interval_ms;
        self.timers.set(Timer::Retention, now.monotonic_ms.saturating_add(interval_ms));
        outcome
    }

    /// The topics changed: some were created, deleted, or got more partitions.
    pub fn set_topics(&mut self, topics: Arc<Topics>, _now: Now) -> Outcome {
        let mut outcome = Outcome::default();
        let before = std::mem::replace(&mut self.topics, topics);
        for group_id in self.offsets.delete_topics(&mut outcome, &before, &self.topics) {
            self.forget_if_nothing_is_left(&group_id);
        }
        outcome
    }
}
