//! Fetch as a request, and what its answer says of each partition.

use std::{collections::HashMap, sync::Arc, time::Duration};

use commit_log::ProducerId;
use common::{BrokerId, LeaderEpoch, Offset, PartitionId};
use kafka_wire::{
    ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch::{FetchPartition, FetchTopic, PartitionData},
    },
};
use uuid::Uuid;

use super::ConsumerOptions;
use crate::{
    address::Address,
    cluster::{Leader, LeaderHint},
};

/// The last version of Fetch that names topics by their names.
const VERSION_WITH_NAMES: i16 = 12;

/// A partition that is to be fetched.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Which of the consumer's partitions.
    pub(super) index: usize,
    pub(super) topic: Arc<str>,
    pub(super) topic_id: Uuid,
    pub(super) partition: PartitionId,
    pub(super) epoch: LeaderEpoch,
    pub(super) offset: Offset,
}

/// A request that names everything, with the highest version that can carry it.
pub(super) fn request(wanted: &[Wanted], wait: Duration, options: &ConsumerOptions) -> (FetchRequest, i16) {
    let bytes = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    let mut topics: Vec<FetchTopic> = Vec::new();
    let mut version_max = i16::MAX;
    for want in wanted {
        if want.topic_id.is_nil() {
            version_max = VERSION_WITH_NAMES;
        }
        let partition = FetchPartition {
            partition: want.partition.0,
            current_leader_epoch: want.epoch.0,
            fetch_offset: want.offset.0,
            partition_max_bytes: bytes(options.partition_fetch_max_bytes),
            ..FetchPartition::default()
        };
        match topics.last_mut() {
            Some(last) if last.topic == *want.topic => last.partitions.push(partition),
            _ => topics.push(FetchTopic {
                topic: want.topic.to_string(),
                topic_id: want.topic_id,
                partitions: vec![partition],
            }),
        }
    }
    let request = FetchRequest {
        max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: bytes(options.fetch_min_bytes),
        max_bytes: bytes(options.fetch_max_bytes),
        isolation_level: options.isolation_level.code(),
        topics,
        ..FetchRequest::default()
    };
    (request, version_max)
}

/// What an answer says of each partition.
pub(super) struct Answers<'a>(HashMap<(Uuid, &'a str, i32), &'a PartitionData>);

impl<'a> Answers<'a> {
    pub(super) fn of(response: &'a FetchResponse) -> Self {
        let told = response.responses.iter().flat_map(|topic| {
            let key = |told: &PartitionData| (topic.topic_id, topic.topic.as_str(), told.partition_index);
            topic.partitions.iter().map(move |told| (key(told), told))
        });
        Self(told.collect())
    }

    /// What it says of this one. It names topics by id or by name.
    pub(super) fn about(&self, want: &Wanted) -> Option<&'a PartitionData> {
        let by_id = self.0.get(&(want.topic_id, "", want.partition.0));
        by_id.or_else(|| self.0.get(&(Uuid::nil(), &*want.topic, want.partition.0))).copied()
    }
}

/// The aborted transactions that the answer names for a partition, which it does for who reads what is committed.
pub(super) fn aborted(told: &PartitionData) -> Vec<(ProducerId, Offset)> {
    let all = told.aborted_transactions.iter().flatten();
    all.map(|one| (ProducerId(one.producer_id), Offset(one.first_offset))).collect()
}

/// The leader that the answer names for a partition (KIP-951).
pub(super) fn hint(response: &FetchResponse, told: &PartitionData) -> Option<LeaderHint> {
    let broker = told.current_leader.leader_id;
    let leader = Leader { broker: BrokerId(broker), epoch: LeaderEpoch(told.current_leader.leader_epoch) };
    let node = response.node_endpoints.iter().find(|node| node.node_id == broker);
    let address = node.and_then(|node| Address::advertised(&node.host, node.port));
    (broker >= 0).then_some(LeaderHint { leader, address })
}

/// Whether reading may go on later, perhaps at another broker.
pub(super) fn passes(code: ErrorCode) -> bool {
    code.is_retriable() || code == ErrorCode::UNKNOWN_SERVER_ERROR
}
