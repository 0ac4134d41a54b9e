//! Which partitions a member has, or is to have.

use std::collections::{BTreeMap, BTreeSet};

use common::TopicId;

use crate::api::TopicPartitions;

/// A set of partitions. No topic without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Assignment(BTreeMap<TopicId, BTreeSet<i32>>);

impl Assignment {
    pub(crate) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, topic_id: TopicId, partition: i32) -> bool {
        self.0.get(&topic_id).is_some_and(|partitions| partitions.contains(&partition))
    }

    pub(crate) fn insert(&mut self, topic_id: TopicId, partition: i32) {
        self.0.entry(topic_id).or_default().insert(partition);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TopicId, i32)> {
        self.0.iter().flat_map(|(topic_id, partitions)| {
            partitions.iter().map(move |partition| (*topic_id, *partition))
        })
    }

    /// By topic.
    pub(crate) fn topics(&self) -> impl Iterator<Item = (TopicId, &BTreeSet<i32>)> {
        self.0.iter().map(|(topic_id, partitions)| (*topic_id, partitions))
    }

    /// The partitions of one topic.
    pub(crate) fn of_topic(&self, topic_id: TopicId) -> impl Iterator<Item = &i32> {
        self.0.get(&topic_id).into_iter().flatten()
    }

    pub(crate) fn is_subset_of(&self, other: &Self) -> bool {
        self.0
            .iter()
            .all(|(topic_id, partitions)| other.0.get(topic_id).is_some_and(|all| partitions.is_subset(all)))
    }

    /// Whether a partition is in both.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().any(|(topic_id, partitions)| {
            other.0.get(topic_id).is_some_and(|all| !partitions.is_disjoint(all))
        })
    }

    pub(crate) fn to_wire(&self) -> Vec<TopicPartitions> {
        let topics = self.0.iter().map(|(topic_id, partitions)| TopicPartitions {
            topic_id: *topic_id,
            partitions: partitions.iter().copied().collect(),
        });
        topics.collect()
    }
}

impl FromIterator<(TopicId, i32)> for Assignment {
    fn from_iter<I: IntoIterator<Item = (TopicId, i32)>>(partitions: I) -> Self {
        let mut all = Self::default();
        for (topic_id, partition) in partitions {
            all.insert(topic_id, partition);
        }
        all
    }
}

impl From<&[TopicPartitions]> for Assignment {
    fn from(topics: &[TopicPartitions]) -> Self {
        let each = |topic: &TopicPartitions| {
            let topic_id = topic.topic_id;
            topic.partitions.clone().into_iter().map(move |partition| (topic_id, partition))
        };
        topics.iter().flat_map(each).collect()
    }
}
