//! The queues of all partitions that a producer writes to.

use std::{collections::HashMap, sync::Arc};

use commit_log::batch::NewRecord;
use common::{BrokerId, PartitionId};
use tokio::time::Instant;

use super::{
    Delivery, ProducerOptions,
    delivery::{Completion, Ledger},
    partitioner::{Sticky, partition_of_key},
    queue::Queue,
};
use crate::cluster::{ClusterError, TopicMetadata};

/// A queue's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) topic: usize,
    pub(super) partition: usize,
}

/// All queues.
#[derive(Debug, Default)]
pub(super) struct Accumulator {
    index: HashMap<Arc<str>, usize>,
    topics: Vec<TopicQueues>,
}

/// The queues of a topic.
#[derive(Debug)]
pub(super) struct TopicQueues {
    pub(super) metadata: Arc<TopicMetadata>,
    /// By partition.
    pub(super) queues: Vec<Queue>,
    sticky: Sticky,
}

impl Accumulator {
    /// Adds a record of about `size` bytes. `None`: the topic is not [registered](Self::register) yet. Tells as well
    /// whether the sender has to look at it.
    pub(super) fn append(
        &mut self,
        topic: &str,
        partition: Option<PartitionId>,
        record: &NewRecord<'_>,
        size: usize,
        options: &ProducerOptions,
        ledger: &Arc<Ledger>,
    ) -> Option<Result<(Delivery, bool), ClusterError>> {
        let topic = self.topics.get_mut(*self.index.get(topic)?)?;
        let partition = topic.choose(partition, record, size, options.batch_bytes);
        let name = &topic.metadata.name;
        let queue = usize::try_from(partition.0).ok().and_then(|index| topic.queues.get_mut(index));
        let Some(queue) = queue else {
            let partitions = topic.metadata.partitions.len();
            let topic = name.to_string();
            return Some(Err(ClusterError::UnknownPartition { topic, partition, partitions }));
        };
        let completion = || Completion::new(name.clone(), partition, ledger.clone());
        let (limit, codec, now) = (options.batch_bytes, options.compression, Instant::now());
        Some(Ok(queue.append(record, size, limit, codec, now, completion)))
    }

    /// Takes in what is known of a topic now.
    pub(super) fn register(&mut self, metadata: Arc<TopicMetadata>) {
        let next = self.topics.len();
        let index = *self.index.entry(metadata.name.clone()).or_insert(next);
        if index == next {
            let sticky = Sticky::default();
            self.topics.push(TopicQueues { metadata: metadata.clone(), queues: Vec::new(), sticky });
        }
        let Some(topic) = self.topics.get_mut(index) else { return };
        let count = metadata.partitions.len().max(topic.queues.len());
        topic.queues.resize_with(count, Queue::default);
        topic.metadata = metadata;
    }

    /// The names of all topics.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.topics.iter().map(|topic| topic.metadata.name.clone()).collect()
    }

    pub(super) fn topic(&self, place: Place) -> Option<&Arc<TopicMetadata>> {
        self.topics.get(place.topic).map(|topic| &topic.metadata)
    }

    pub(super) fn queue(&mut self, place: Place) -> Option<&mut Queue> {
        self.topics.get_mut(place.topic)?.queues.get_mut(place.partition)
    }

    /// Every queue, with who leads its partition.
    pub(super) fn queues(&mut self) -> impl Iterator<Item = (Place, Option<BrokerId>, &mut Queue)> {
        self.topics.iter_mut().enumerate().flat_map(|(topic, TopicQueues { metadata, queues, .. })| {
            queues.iter_mut().enumerate().map(move |(partition, queue)| {
                let leader = metadata.partitions.get(partition).and_then(|partition| partition.leader);
                (Place { topic, partition }, leader.map(|leader| leader.broker), queue)
            })
        })
    }
}

impl TopicQueues {
    fn choose(
        &mut self,
        partition: Option<PartitionId>,
        record: &NewRecord<'_>,
        size: usize,
        batch_bytes: usize,
    ) -> PartitionId {
        let partitions = &self.metadata.partitions;
        let by_key = || record.key.and_then(|key| partition_of_key(key, partitions.len()));
        let has_leader =
            |index: usize| partitions.get(index).is_some_and(|partition| partition.leader.is_some());
        partition
            .or_else(by_key)
            .or_else(|| self.sticky.next(size, batch_bytes, partitions.len(), has_leader))
            // A topic without partitions has no queue for it either.
            .unwrap_or_default()
    }
}
