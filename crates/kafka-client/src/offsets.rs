//! ListOffsets: where partitions begin and end, and what was written since a time.

use std::{collections::BTreeMap, time::Duration};

use common::{BrokerId, Offset, PartitionId};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use kafka_wire::{
    ErrorCode,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
    },
};
use tokio::time::timeout;

use crate::{
    cluster::{Cluster, ClusterError, Leader},
    consumer::IsolationLevel,
};

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

/// What is asked for, and what came of it.
type Wanted = BTreeMap<TopicPartition, OffsetSpec>;
type Found = BTreeMap<TopicPartition, Option<Offset>>;

impl Cluster {
    /// Asks the leaders of partitions for offsets; waits for leaders up to `max.block.ms`. `None` for a time after which
    /// nothing was written.
    ///
    /// # Errors
    /// If the offset of any of them cannot be had.
    pub async fn offsets(
        &self,
        wanted: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
    ) -> Result<Found, ClusterError> {
        self.offsets_as(IsolationLevel::ReadUncommitted, wanted).await
    }

    /// The same as a reader of this isolation sees it: for who reads what is committed, the end is before the first record of
    /// a transaction that is open.
    ///
    /// # Errors
    /// If the offset of any of them cannot be had.
    pub async fn offsets_as(
        &self,
        isolation: IsolationLevel,
        wanted: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
    ) -> Result<Found, ClusterError> {
        let mut wanted: Wanted = wanted.into_iter().collect();
        let mut found = Found::new();
        let mut patience = self.patience();
        while !wanted.is_empty() {
            let seen = self.generation();
            if let Err(error) = self.await_leaders_and_ask(isolation, &mut wanted, &mut found).await {
                patience.after(error).await?;
                // Whether this helps, the next attempt tells.
                let _ = self.refresh(wanted.keys().map(|place| place.topic.as_str()), seen).await;
            }
        }
        Ok(found)
    }

    /// Asks the leaders of partitions for offsets, all at the same time and for no longer than `patience`. What cannot be had
    /// is left out: a leader that is gone, or does not answer, is in nobody else's way.
    pub async fn offsets_within(
        &self,
        isolation: IsolationLevel,
        wanted: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
        patience: Duration,
    ) -> Found {
        let mut wanted: Wanted = wanted.into_iter().collect();
        let mut found = Found::new();
        let asked = async {
            let seen = self.generation();
            if self.ask_leaders(isolation, &mut wanted, &mut found).await.is_err() {
                // Others may lead by now.
                self.refresh(wanted.keys().map(|place| place.topic.as_str()), seen).await?;
                self.ask_leaders(isolation, &mut wanted, &mut found).await?;
            }
            Ok::<_, ClusterError>(())
        };
        // What was found until then counts.
        let _ = timeout(patience, asked).await;
        found
    }

    async fn await_leaders_and_ask(
        &self,
        isolation: IsolationLevel,
        wanted: &mut Wanted,
        found: &mut Found,
    ) -> Result<(), ClusterError> {
        for place in wanted.keys() {
            self.await_leader(&place.topic, place.partition).await?;
        }
        self.ask_leaders(isolation, wanted, found).await
    }

    /// Moves what it can from `wanted` to `found`. Tells the first thing that was in the way.
    async fn ask_leaders(
        &self,
        isolation: IsolationLevel,
        wanted: &mut Wanted,
        found: &mut Found,
    ) -> Result<(), ClusterError> {
        let mut first = Ok(());
        let mut by_leader: BTreeMap<BrokerId, Vec<(TopicPartition, Leader)>> = BTreeMap::new();
        for place in wanted.keys() {
            match self.leader(&place.topic, place.partition) {
                Some(leader) => by_leader.entry(leader.broker).or_default().push((place.clone(), leader)),
                None => {
                    let (topic, code) = (place.topic.clone(), ErrorCode::LEADER_NOT_AVAILABLE);
                    first =
                        first.and(Err(ClusterError::NoLeader { topic, partition: place.partition, code }));
                }
            }
        }
        let mut asked: FuturesUnordered<_> = by_leader
            .into_iter()
            .map(|(broker, places)| {
                let request = request(isolation, &places, wanted);
                async move {
                    let response = self.connection(broker).await?.call(&request).await?;
                    Ok::<_, ClusterError>((places, response))
                }
            })
            .collect();
        while let Some(answered) = asked.next().await {
            let (places, response) = match answered {
                Ok(answered) => answered,
                Err(error) => {
                    first = first.and(Err(error));
                    continue;
                }
            };
            for (place, _) in places {
                match told(&response, &place) {
                    Ok(offset) => {
                        wanted.remove(&place);
                        found.insert(place, offset);
                    }
                    Err(error) => first = first.and(Err(error)),
                }
            }
        }
        first
    }
}

fn request(
    isolation: IsolationLevel,
    places: &[(TopicPartition, Leader)],
    wanted: &Wanted,
) -> ListOffsetsRequest {
    let topics = places.iter().filter_map(|(place, leader)| {
        let partition = ListOffsetsPartition {
            partition_index: place.partition.0,
            current_leader_epoch: leader.epoch.0,
            timestamp: wanted.get(place)?.code(),
        };
        Some(ListOffsetsTopic { name: place.topic.clone(), partitions: vec![partition] })
    });
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation.code(),
        topics: merged(topics),
        ..Default::default()
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
