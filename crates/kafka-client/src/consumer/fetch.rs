//! Fetch as a request, and what its answer says of each partition.

use std::sync::Arc;

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

/// A request, with the highest version that can carry it. Full each time: without sessions (KIP-227) there is nothing
/// that could get out of step.
pub(super) fn request(wanted: &[Wanted], options: &ConsumerOptions) -> (FetchRequest, i16) {
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
        max_wait_ms: i32::try_from(options.fetch_max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: bytes(options.fetch_min_bytes),
        max_bytes: bytes(options.fetch_max_bytes),
        topics,
        ..FetchRequest::default()
    };
    (request, version_max)
}

/// What the answer says of a partition.
pub(super) fn told<'a>(response: &'a FetchResponse, want: &Wanted) -> Option<&'a PartitionData> {
    let of_topic = response.responses.iter().filter(|told| {
        if told.topic.is_empty() { told.topic_id == want.topic_id } else { *told.topic == *want.topic }
    });
    let mut partitions = of_topic.flat_map(|topic| &topic.partitions);
    partitions.find(|told| told.partition_index == want.partition.0)
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
