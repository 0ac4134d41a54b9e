//! ListOffsets: where partitions begin and end, and what was written since a time.

use std::collections::BTreeMap;

use common::{BrokerId, Offset, PartitionId};
use kafka_wire::{
    ErrorCode,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
    },
};

use crate::cluster::{Cluster, ClusterError, Leader};

/// Which offset of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// Of the first record that is there.
    Earliest,
    /// The one that the next record visible to consumers will have.
    Latest,
    /// Of the first record that is at least as late, in Unix milliseconds.
    Timestamp(i64),
}

impl OffsetSpec {
    fn code(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::Latest => -1,
            Self::Timestamp(time_ms) => time_ms.max(0),
        }
    }
}

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<String>, partition: PartitionId) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl Cluster {
    /// Asks the leaders of partitions for offsets; waits for leaders up to `max.block.ms`. `None` for a time after which
    /// nothing was written.
    ///
    /// # Errors
    /// If the offset of any of them cannot be had.
    pub async fn offsets(
        &self,
        wanted: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
    ) -> Result<BTreeMap<TopicPartition, Option<Offset>>, ClusterError> {
        let mut wanted: BTreeMap<TopicPartition, OffsetSpec> = wanted.into_iter().collect();
        let mut found = BTreeMap::new();
        let mut patience = self.patience();
        while !wanted.is_empty() {
            let seen = self.generation();
            match self.ask_for_offsets(&mut wanted, &mut found).await {
                Ok(()) => {}
                Err(error) => {
                    patience.after(error).await?;
                    // Whether this helps, the next attempt tells.
                    let _ = self.refresh(wanted.keys().map(|place| place.topic.as_str()), seen).await;
                }
            }
        }
        Ok(found)
    }

    /// Moves what it can from `wanted` to `found`.
    async fn ask_for_offsets(
        &self,
        wanted: &mut BTreeMap<TopicPartition, OffsetSpec>,
        found: &mut BTreeMap<TopicPartition, Option<Offset>>,
    ) -> Result<(), ClusterError> {
        let mut by_leader: BTreeMap<BrokerId, Vec<(TopicPartition, Leader)>> = BTreeMap::new();
        for place in wanted.keys() {
            let leader = self.await_leader(&place.topic, place.partition).await?;
            by_leader.entry(leader.broker).or_default().push((place.clone(), leader));
        }
        for (broker, places) in by_leader {
            let topics = places.iter().filter_map(|(place, leader)| {
                let partition = ListOffsetsPartition {
                    partition_index: place.partition.0,
                    current_leader_epoch: leader.epoch.0,
                    timestamp: wanted.get(place)?.code(),
                };
                Some(ListOffsetsTopic { name: place.topic.clone(), partitions: vec![partition] })
            });
            let request = ListOffsetsRequest { replica_id: -1, topics: merged(topics), ..Default::default() };
            let response = self.connection(broker).await?.call(&request).await?;
            for (place, _) in places {
                let offset = told(&response, &place)?;
                wanted.remove(&place);
                found.insert(place, offset);
            }
        }
        Ok(())
    }
}

/// Neighbours of the same topic as one.
fn merged(topics: impl Iterator<Item = ListOffsetsTopic>) -> Vec<ListOffsetsTopic> {
    let mut merged: Vec<ListOffsetsTopic> = Vec::new();
    for topic in topics {
        match merged.last_mut() {
            Some(last) if last.name == topic.name => last.partitions.extend(topic.partitions),
            _ => merged.push(topic),
        }
    }
    merged
}

fn told(response: &ListOffsetsResponse, place: &TopicPartition) -> Result<Option<Offset>, ClusterError> {
    let told = response
        .topics
        .iter()
        .filter(|topic| topic.name == place.topic)
        .flat_map(|topic| &topic.partitions)
        .find(|partition| partition.partition_index == place.partition.0);
    let code = told.map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |told| told.error_code);
    match told {
        Some(told) if code.is_none() => Ok((told.offset >= 0).then_some(Offset(told.offset))),
        _ => {
            let what = format!("offsets of {}-{}", place.topic, place.partition);
            Err(ClusterError::Refused { what, code, message: None })
        }
    }
}
