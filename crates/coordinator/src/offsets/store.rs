//! The offsets of all groups of a coordinator. They change by records only, whether these are new or replayed.

use std::collections::BTreeMap;

use common::TopicName;

use super::transactions::Transactions;
use crate::{GroupId, Outcome, Record, records::OffsetCommitValue};

/// All offsets.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    /// No group without a topic, no topic without an offset.
    pub(super) groups: BTreeMap<GroupId, GroupOffsets>,
    /// Offsets that count once their transaction commits.
    pub(super) transactions: Transactions,
    /// Of the next record: tells which of two commits came later in the log.
    pub(super) next_sequence: u64,
}

/// The offsets of one group.
pub(super) type GroupOffsets = BTreeMap<TopicName, BTreeMap<i32, Entry>>;

/// An offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: OffsetCommitValue,
    /// Its place in the log, relative to others.
    pub(crate) sequence: u64,
}

impl Offsets {
    pub(crate) fn has_group(&self, group_id: &GroupId) -> bool {
        self.groups.contains_key(group_id) || self.transactions.has_group(group_id)
    }

    pub(crate) fn get(&self, group_id: &GroupId, topic: &TopicName, partition: i32) -> Option<&Entry> {
        self.groups.get(group_id)?.get(topic)?.get(&partition)
    }

    /// An OffsetCommit record that is part of no transaction.
    pub(crate) fn apply(
        &mut self,
        group_id: GroupId,
        topic: TopicName,
        partition: i32,
        value: Option<OffsetCommitValue>,
    ) {
        match value {
            Some(value) => {
                let sequence = self.draw_sequence();
                self.put(group_id, topic, partition, Entry { value, sequence });
            }
            None => {
                self.transactions.forget(&group_id, &topic, partition);
                self.remove(&group_id, &topic, partition);
            }
        }
    }

    pub(super) fn draw_sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence
    }

    pub(super) fn put(&mut self, group_id: GroupId, topic: TopicName, partition: i32, entry: Entry) {
        // The keys that are there already are kept, so that equal names share their memory.
        self.groups.entry(group_id).or_default().entry(topic).or_default().insert(partition, entry);
    }

    fn remove(&mut self, group_id: &GroupId, topic: &TopicName, partition: i32) {
        let Some(topics) = self.groups.get_mut(group_id) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        partitions.remove(&partition);
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.groups.remove(group_id);
        }
    }

    /// Writes a tombstone.
    pub(super) fn tombstone(
        &mut self,
        outcome: &mut Outcome,
        group_id: &GroupId,
        topic: &TopicName,
        partition: i32,
    ) {
        self.apply(group_id.clone(), topic.clone(), partition, None);
        let (group_id, topic) = (group_id.clone(), topic.clone());
        outcome.records.push(Record::OffsetCommit { group_id, topic, partition, value: None });
    }
}
