//! The handle of a consumer: one fetch at a time with each leader, the next one under way while records are looked at.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
};

use common::{BrokerId, Offset, PartitionId};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::sleep_until;

use super::{
    ConsumeError, ConsumerOptions, Fetched, IsolationLevel, StartAt,
    assigned::Assigned,
    leaders::{Event, Leader},
};
use crate::{
    cluster::{Cluster, ClusterError, Freshness},
    offsets::{OffsetSpec, TopicPartition},
};

/// Reads partitions.
pub struct Consumer {
    pub(super) cluster: Cluster,
    pub(super) options: ConsumerOptions,
    /// By a number of their own, so that what is under way for one that was released finds nothing.
    pub(super) partitions: BTreeMap<usize, Assigned>,
    /// Of the next partition.
    number: usize,
    pub(super) leaders: BTreeMap<BrokerId, Leader>,
    /// Something has changed since it was looked for what can be begun.
    pub(super) changed: bool,
    pub(super) ready: VecDeque<Fetched>,
    pub(super) ready_bytes: usize,
    pub(super) failed: VecDeque<ConsumeError>,
    pub(super) metadata: Freshness,
    /// Counts fetches, so that each begins with another partition.
    pub(super) turn: usize,
    pub(super) events: FuturesUnordered<BoxFuture<'static, Event>>,
}

impl Consumer {
    /// A consumer of nothing yet.
    pub fn new(cluster: Cluster, options: ConsumerOptions) -> Self {
        Self {
            metadata: Freshness::new(cluster.clone()),
            cluster,
            options,
            partitions: BTreeMap::new(),
            number: 0,
            leaders: BTreeMap::new(),
            changed: false,
            ready: VecDeque::new(),
            ready_bytes: 0,
            failed: VecDeque::new(),
            turn: 0,
            events: FuturesUnordered::new(),
        }
    }

    /// Reads these partitions too, which it does not read yet. Where a start is an offset, no leader is waited for: until there is one, the others are read.
    ///
    /// # Errors
    /// If there is no such partition; or if a start is an offset that a leader must be asked for, and it cannot be had.
    pub async fn assign(
        &mut self,
        starts: impl IntoIterator<Item = (TopicPartition, StartAt)>,
    ) -> Result<(), ConsumeError> {
        for (place, position) in positions(&self.cluster, starts, self.options.isolation_level).await? {
            let assigned = Assigned {
                topic: place.topic.into(),
                partition: place.partition,
                position,
                under_way: false,
                stopped: false,
                suspect: false,
                not_before: None,
                failing: None,
            };
            self.partitions.insert(self.number, assigned);
            self.number += 1;
        }
        self.changed = true;
        Ok(())
    }

    /// Reads a partition no longer. What was fetched already and not yet handed out is dropped.
    pub fn release(&mut self, topic: &str, partition: PartitionId) {
        self.drop_ready(topic, partition);
        self.partitions.retain(|_, one| !(&*one.topic == topic && one.partition == partition));
    }

    /// Reads a partition from another offset on. What was fetched already and not yet handed out is dropped.
    pub fn seek(&mut self, topic: &str, partition: PartitionId, position: Offset) {
        self.drop_ready(topic, partition);
        let same = |one: &&mut Assigned| &*one.topic == topic && one.partition == partition;
        for assigned in self.partitions.values_mut().filter(same) {
            (assigned.position, assigned.stopped, assigned.failing) = (position, false, None);
        }
    }

    fn drop_ready(&mut self, topic: &str, partition: PartitionId) {
        self.changed = true;
        self.ready.retain(|one| !(&*one.topic == topic && one.partition == partition));
        self.ready_bytes = self.ready.iter().map(Fetched::bytes).sum();
    }

    /// Where reading of each partition goes on.
    pub fn position(&self, topic: &str, partition: PartitionId) -> Option<Offset> {
        // What lies ready has moved the position, but has not been handed out.
        let ready = self.ready.iter().find(|one| &*one.topic == topic && one.partition == partition);
        let assigned =
            self.partitions.values().find(|one| &*one.topic == topic && one.partition == partition);
        ready.map(|ready| ready.from).or_else(|| assigned.map(|assigned| assigned.position))
    }

    /// The next records, of any partition; waits until there are some. Cancel safe.
    ///
    /// # Errors
    /// If a partition cannot be read; the others can.
    pub async fn next(&mut self) -> Result<Fetched, ConsumeError> {
        loop {
            // While records lie ready and nothing has happened, there is nothing to begin either.
            let wake = if self.changed || self.ready.is_empty() { self.begin() } else { None };
            if let Some(fetched) = self.ready.pop_front() {
                let was_full = self.is_full();
                self.ready_bytes -= fetched.bytes();
                self.changed |= was_full;
                return Ok(fetched);
            }
            if let Some(error) = self.failed.pop_front() {
                return Err(error);
            }
            tokio::select! {
                Some(event) = self.events.next() => self.handle(event),
                () = async {
                    match wake {
                        Some(at) => sleep_until(at).await,
                        None => pending().await,
                    }
                } => {}
            }
        }
    }
}

/// Where each partition begins. Borrows nothing of the consumer, so that whoever waits for it can be sent elsewhere.
async fn positions(
    cluster: &Cluster,
    starts: impl IntoIterator<Item = (TopicPartition, StartAt)>,
    isolation: IsolationLevel,
) -> Result<Vec<(TopicPartition, Offset)>, ConsumeError> {
    let mut positions = Vec::new();
    let mut listed = Vec::new();
    for (place, start) in starts {
        match start {
            StartAt::Offset(offset) => {
                let topic = cluster.topic(&place.topic).await?;
                if topic.partition(place.partition).is_none() {
                    let (partition, partitions) = (place.partition, topic.partitions.len());
                    let unknown =
                        ClusterError::UnknownPartition { topic: place.topic, partition, partitions };
                    return Err(unknown.into());
                }
                positions.push((place, offset));
            }
            StartAt::Listed(spec) => listed.push((place, spec)),
        }
    }
    let mut at_end = Vec::new();
    for (place, offset) in cluster.offsets_as(isolation, listed).await? {
        match offset {
            Some(offset) => positions.push((place, offset)),
            None => at_end.push((place, OffsetSpec::Latest)),
        }
    }
    let ends = cluster.offsets_as(isolation, at_end).await?;
    positions.extend(ends.into_iter().map(|(place, end)| (place, end.unwrap_or_default())));
    Ok(positions)
}
