//! Offsets of open transactions: they count once their transaction commits, and are forgotten if it aborts.

use std::collections::{BTreeMap, BTreeSet};

use common::TopicName;

use super::store::{Entry, GroupOffsets, Offsets};
use crate::{GroupId, ProducerId, records::OffsetCommitValue};

/// What open transactions have noted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Transactions {
    /// By producer, because a transaction ends for all its groups at once.
    pending: BTreeMap<ProducerId, BTreeMap<GroupId, GroupOffsets>>,
    /// The same, to find the transactions of a group.
    producers: BTreeMap<GroupId, BTreeSet<ProducerId>>,
}

impl Transactions {
    pub(super) fn has_group(&self, group_id: &GroupId) -> bool {
        self.producers.contains_key(group_id)
    }

    /// All offsets that transactions hold for a group.
    pub(super) fn of_group<'a>(&'a self, group_id: &'a GroupId) -> impl Iterator<Item = &'a GroupOffsets> {
        let producers = self.producers.get(group_id).into_iter().flatten();
        producers.filter_map(|producer_id| self.pending.get(producer_id)?.get(group_id))
    }

    /// Whether a transaction may still change an offset.
    pub(super) fn is_pending(&self, group_id: &GroupId, topic: &TopicName, partition: i32) -> bool {
        self.of_group(group_id)
            .any(|offsets| offsets.get(topic).is_some_and(|partitions| partitions.contains_key(&partition)))
    }

    fn put(
        &mut self,
        producer_id: ProducerId,
        group_id: GroupId,
        topic: TopicName,
        partition: i32,
        entry: Entry,
    ) {
        self.producers.entry(group_id.clone()).or_default().insert(producer_id);
        let groups = self.pending.entry(producer_id).or_default();
        groups.entry(group_id).or_default().entry(topic).or_default().insert(partition, entry);
    }

    /// The transaction is over: takes out what it noted.
    fn end(&mut self, producer_id: ProducerId) -> BTreeMap<GroupId, GroupOffsets> {
        let ended = self.pending.remove(&producer_id).unwrap_or_default();
        for group_id in ended.keys() {
            self.unlink(group_id, producer_id);
        }
        ended
    }

    /// Takes one offset out of all transactions.
    pub(super) fn forget(&mut self, group_id: &GroupId, topic: &TopicName, partition: i32) {
        let Some(producers) = self.producers.get(group_id) else { return };
        for producer_id in producers.clone() {
            let Some(groups) = self.pending.get_mut(&producer_id) else { continue };
            let Some(topics) = groups.get_mut(group_id) else { continue };
            if let Some(partitions) = topics.get_mut(topic) {
                partitions.remove(&partition);
                if partitions.is_empty() {
                    topics.remove(topic);
                }
            }
            if topics.is_empty() {
                groups.remove(group_id);
                if groups.is_empty() {
                    self.pending.remove(&producer_id);
                }
                self.unlink(group_id, producer_id);
            }
        }
    }

    fn unlink(&mut self, group_id: &GroupId, producer_id: ProducerId) {
        if let Some(producers) = self.producers.get_mut(group_id) {
            producers.remove(&producer_id);
            if producers.is_empty() {
                self.producers.remove(group_id);
            }
        }
    }
}

impl Offsets {
    /// An OffsetCommit record that is part of a transaction.
    pub(crate) fn apply_transactional(
        &mut self,
        producer_id: ProducerId,
        group_id: GroupId,
        topic: TopicName,
        partition: i32,
        value: Option<OffsetCommitValue>,
    ) {
        let Some(value) = value else { return self.apply(group_id, topic, partition, None) };
        let sequence = self.draw_sequence();
        self.transactions.put(producer_id, group_id, topic, partition, Entry { value, sequence });
    }

    /// The transaction's marker: what it noted counts now, unless a later commit was made beside it. Gives the groups
    /// whose offsets it held.
    pub(crate) fn end_transaction(&mut self, producer_id: ProducerId, committed: bool) -> Vec<GroupId> {
        let ended = self.transactions.end(producer_id);
        let group_ids = ended.keys().cloned().collect();
        if !committed {
            return group_ids;
        }
        for (group_id, topics) in ended {
            for (topic, partitions) in topics {
                for (partition, entry) in partitions {
                    let present = self.get(&group_id, &topic, partition);
                    if present.is_none_or(|present| present.sequence < entry.sequence) {
                        self.put(group_id.clone(), topic.clone(), partition, entry);
                    }
                }
            }
        }
        group_ids
    }
}
