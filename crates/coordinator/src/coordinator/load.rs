//! From the records of the partition to a coordinator at work; and the topics that it works with.

use std::sync::Arc;

use super::Coordinator;
use crate::{
    GroupId, Now, Outcome, ProducerId, Record, Topics,
    group::{ClassicGroup, ConsumerGroup, Group},
    timers::Timer,
};

/// How long consumer groups wait for more changes once a topic has changed, in ms. Topics that are made one after the other are one
/// rebalance then, and not one each, of which a member sees as many as its heartbeats happen to fall between.
const TOPICS_WAIT_MS: i64 = 1_000;

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
                if let Some(Group::Classic(_)) = self.groups.get(&group_id) {
                    self.replay_end(&group_id);
                }
            }
            record @ (Record::ConsumerGroupMetadata { .. }
            | Record::ConsumerGroupMemberMetadata { .. }
            | Record::ConsumerGroupTargetAssignmentMetadata { .. }
            | Record::ConsumerGroupTargetAssignmentMember { .. }
            | Record::ConsumerGroupCurrentMemberAssignment { .. }
            | Record::ConsumerGroupRegularExpression { .. }) => self.replay_consumer_group(record),
        }
    }

    fn replay_consumer_group(&mut self, record: Record) {
        let group_id = record.group_id().clone();
        let is_end = matches!(record, Record::ConsumerGroupMetadata { value: None, .. });
        let is_there = matches!(self.groups.get(&group_id), Some(Group::Consumer(_)));
        if !is_there && ConsumerGroup::is_sign_of_life(&record) {
            let group = ConsumerGroup::new(group_id.clone(), -1);
            self.groups.insert(group_id.clone(), Group::Consumer(group));
        }
        if let Some(Group::Consumer(group)) = self.groups.get_mut(&group_id) {
            group.apply(record);
            if is_end {
                self.replay_end(&group_id);
            }
        }
    }

    /// A group is no more. If it has offsets, somebody keeps them who is in no group.
    fn replay_end(&mut self, group_id: &GroupId) {
        if self.groups.remove(group_id).is_some() && self.offsets.has_group(group_id) {
            self.ensure_group(group_id, -1);
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
            match self.group(&mut outcome, group_id, now) {
                Some((Group::Classic(group), mut ctx)) => group.activate(&mut ctx),
                Some((Group::Consumer(group), mut ctx)) => group.activate(&mut ctx),
                None => {}
            }
        }
        let interval_ms = self.settings.offsets_retention_check_interval_ms;
        self.timers.set(Timer::Retention, now.monotonic_ms.saturating_add(interval_ms));
        outcome
    }

    /// The topics changed: some were created, deleted, or got more partitions. Offsets of those that are gone go at once. Consumer
    /// groups look at all changes of a second together.
    pub fn set_topics(&mut self, topics: Arc<Topics>, now: Now) -> Outcome {
        let mut outcome = Outcome::default();
        let before = std::mem::replace(&mut self.topics, topics);
        for group_id in self.offsets.delete_topics(&mut outcome, &before, &self.topics) {
            self.forget_if_nothing_is_left(&group_id);
        }
        let has_consumers = self.groups.values().any(|group| matches!(group, Group::Consumer(_)));
        if has_consumers && !self.timers.is_set(&Timer::Topics) {
            self.timers.set(Timer::Topics, now.monotonic_ms.saturating_add(TOPICS_WAIT_MS));
        }
        outcome
    }

    /// Every consumer group one of whose topics has changed gets a new target assignment.
    pub(super) fn look_at_topics(&mut self, outcome: &mut Outcome, now: Now) {
        let consumer_groups = self.groups.iter().filter(|(_, group)| matches!(group, Group::Consumer(_)));
        let consumer_groups: Vec<GroupId> = consumer_groups.map(|(group_id, _)| group_id.clone()).collect();
        for group_id in consumer_groups {
            if let Some((Group::Consumer(group), mut ctx)) = self.group(outcome, &group_id, now) {
                group.topics_changed(&mut ctx);
                group.note_state(now.unix_ms);
            }
        }
    }
}
