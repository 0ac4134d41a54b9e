//! OffsetDelete, DeleteGroups, and topics that are no more.

use common::{TopicId, TopicName};

use super::store::Offsets;
use crate::{
    GroupError, GroupId, Outcome, Topics,
    api::{CommittedPartition, CommittedTopic, OffsetFetchTopic},
};

impl Offsets {
    /// Forgets some offsets of a group, but not of topics that it reads.
    pub(crate) fn delete(
        &mut self,
        outcome: &mut Outcome,
        group_id: &GroupId,
        topics: Vec<OffsetFetchTopic>,
        is_subscribed: impl Fn(&str) -> bool,
    ) -> Vec<CommittedTopic> {
        let mut answers = Vec::with_capacity(topics.len());
        for topic in topics {
            let is_read = is_subscribed(topic.name.as_str());
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in topic.partitions {
                let result = if is_read { Err(GroupError::GroupSubscribedToTopic) } else { Ok(()) };
                let is_there = self.get(group_id, &topic.name, partition).is_some()
                    || self.transactions.is_pending(group_id, &topic.name, partition);
                if !is_read && is_there {
                    self.tombstone(outcome, group_id, &topic.name, partition);
                }
                partitions.push(CommittedPartition { partition, result });
            }
            answers.push(CommittedTopic { name: topic.name, partitions });
        }
        answers
    }

    /// Forgets all offsets of a group, those of open transactions too.
    pub(crate) fn delete_group(&mut self, outcome: &mut Outcome, group_id: &GroupId) {
        self.delete_where(outcome, group_id, |_| true, |_, _| true);
    }

    /// Forgets the offsets of topics that are gone: deleted since `before`, or since the offset was noted.
    pub(crate) fn delete_topics(
        &mut self,
        outcome: &mut Outcome,
        before: &Topics,
        now: &Topics,
    ) -> Vec<GroupId> {
        // Topics come all the time, and there may be very many offsets: they are looked at only if a topic went, or if what was
        // there before is not known.
        let is_first_look = before.is_empty();
        let gone = before.gone(now);
        if gone.is_empty() && !is_first_look {
            return Vec::new();
        }
        let is_affected = |topic: &TopicName| is_first_look || gone.contains(topic);
        let is_gone = |topic: &TopicName, noted_for: Option<TopicId>| {
            let current = now.get(topic.as_str()).map(|info| info.id);
            let known = noted_for.or_else(|| before.get(topic.as_str()).map(|info| info.id));
            known.is_some() && known != current
        };
        let group_ids: Vec<GroupId> = self.groups.keys().cloned().collect();
        for group_id in &group_ids {
            self.delete_where(outcome, group_id, is_affected, is_gone);
        }
        group_ids
    }

    fn delete_where(
        &mut self,
        outcome: &mut Outcome,
        group_id: &GroupId,
        is_affected: impl Fn(&TopicName) -> bool,
        is_gone: impl Fn(&TopicName, Option<TopicId>) -> bool,
    ) {
        let noted = self.groups.get(group_id).into_iter().chain(self.transactions.of_group(group_id));
        let affected = noted.flatten().filter(|(topic, _)| is_affected(topic));
        let gone = affected.flat_map(|(topic, partitions)| {
            let is_gone = &is_gone;
            let gone = partitions.iter().filter(move |(_, entry)| is_gone(topic, entry.value.topic_id));
            gone.map(move |(partition, _)| (topic.clone(), *partition))
        });
        let gone: std::collections::BTreeSet<(TopicName, i32)> = gone.collect();
        for (topic, partition) in gone {
            self.tombstone(outcome, group_id, &topic, partition);
        }
    }
}
