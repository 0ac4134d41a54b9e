//! OffsetFetch.

use common::TopicName;

use super::store::{Entry, Offsets};
use crate::{
    GroupError, GroupId, Topics,
    api::{FetchedPartition, FetchedTopic, OffsetFetchTopic, SurveyedOffset},
    records::OffsetCommitValue,
};

impl Offsets {
    /// The offsets that are asked for, or all.
    pub(crate) fn fetch(
        &self,
        topics: &Topics,
        group_id: &GroupId,
        asked: Option<Vec<OffsetFetchTopic>>,
        require_stable: bool,
    ) -> Vec<FetchedTopic> {
        let asked = asked.unwrap_or_else(|| self.all_of(group_id, require_stable));
        let answers = asked.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|partition| {
                let result =
                    if require_stable && self.transactions.is_pending(group_id, &topic.name, partition) {
                        Err(GroupError::UnstableOffsetCommit)
                    } else {
                        Ok(self.live(topics, group_id, &topic.name, partition))
                    };
                FetchedPartition { partition, result }
            });
            let partitions = partitions.collect();
            FetchedTopic { name: topic.name, partitions }
        });
        answers.collect()
    }

    /// All of a group, in short.
    pub(crate) fn survey(&self, group_id: &GroupId) -> Vec<SurveyedOffset> {
        let topics = self.groups.get(group_id).into_iter().flatten();
        let each = topics.flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, entry)| SurveyedOffset {
                topic: topic.clone(),
                partition: *partition,
                offset: entry.value.offset,
            })
        });
        each.collect()
    }

    /// An offset, unless it was noted for a former topic of that name.
    fn live(
        &self,
        topics: &Topics,
        group_id: &GroupId,
        topic: &TopicName,
        partition: i32,
    ) -> Option<OffsetCommitValue> {
        let Entry { value, .. } = self.get(group_id, topic, partition)?;
        let is_former = match (value.topic_id, topics.get(topic.as_str())) {
            (Some(noted_for), Some(current)) => noted_for != current.id,
            _ => false,
        };
        (!is_former).then(|| value.clone())
    }

    /// Every partition that has an offset; with `require_stable`, those too that are about to have one.
    fn all_of(&self, group_id: &GroupId, require_stable: bool) -> Vec<OffsetFetchTopic> {
        let mut all = std::collections::BTreeMap::<TopicName, std::collections::BTreeSet<i32>>::new();
        let pending = self.transactions.of_group(group_id).filter(|_| require_stable);
        for (topic, partitions) in self.groups.get(group_id).into_iter().chain(pending).flatten() {
            all.entry(topic.clone()).or_default().extend(partitions.keys());
        }
        let listed = all.into_iter().map(|(name, partitions)| OffsetFetchTopic {
            name,
            partitions: partitions.into_iter().collect(),
        });
        listed.collect()
    }
}
