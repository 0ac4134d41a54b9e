//! DescribeTopicPartitions (75), version 0: topics page by page, with those who may lead beside the ISR (KIP-966).

use std::sync::Arc;

use common::{Topic, TopicName};
use kafka_wire::{
    ErrorCode,
    messages::{
        DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        describe_topic_partitions::{
            DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic, ResponseCursor,
        },
    },
};
use metadata_core::State;

use super::{Call, metadata, operations};

/// Partitions in one answer at most, as in Kafka (`max.request.partition.size.limit`).
const PARTITIONS_MAX: usize = 2_000;

pub(super) async fn handle(
    call: Arc<Call>,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, PARTITIONS_MAX);
    let (from_topic, from_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.as_str(), usize::try_from(cursor.partition_index).unwrap_or(0)),
        None => ("", 0),
    };
    call.server.image.read(|state| {
        let mut names: Vec<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            names = state.topics_from(from_topic).map(|topic| topic.topic_name.as_str()).collect();
        }
        let mut page = Page { response: DescribeTopicPartitionsResponse::default(), left: limit };
        for name in names.into_iter().filter(|name| *name >= from_topic) {
            let first = if name == from_topic { from_partition } else { 0 };
            if !page.add(state, name, first) {
                break;
            }
        }
        page.response
    })
}

struct Page {
    response: DescribeTopicPartitionsResponse,
    /// Partitions that still fit.
    left: usize,
}

impl Page {
    /// Adds a topic from partition `first` on. False: the page is full, and says where the next begins.
    fn add(&mut self, state: &State, name: &str, first: usize) -> bool {
        let Some(topic) = state.topic(name) else {
            self.response.topics.push(unknown(name));
            return true;
        };
        if self.left == 0 {
            self.end_at(name, first);
            return false;
        }
        let shown =
            topic.partitions.iter().skip(first).take(self.left).map(|it| partition(state, it)).collect();
        let described = described(topic, shown);
        let next = first + described.partitions.len();
        self.left -= described.partitions.len();
        self.response.topics.push(described);
        if next < topic.partitions.len() {
            self.end_at(name, next);
            return false;
        }
        true
    }

    fn end_at(&mut self, name: &str, partition: usize) {
        let partition_index = i32::try_from(partition).unwrap_or(i32::MAX);
        self.response.next_cursor = Some(ResponseCursor { topic_name: name.to_owned(), partition_index });
    }
}

fn described(
    topic: &Topic,
    partitions: Vec<DescribeTopicPartitionsResponsePartition>,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        name: Some(topic.topic_name.as_str().to_owned()),
        topic_id: topic.topic_id.0,
        is_internal: topic.topic_name.is_internal(),
        partitions,
        topic_authorized_operations: operations::ON_TOPIC,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let is_bad = TopicName::new(name).is_err();
    DescribeTopicPartitionsResponseTopic {
        error_code: if is_bad {
            ErrorCode::INVALID_TOPIC_EXCEPTION
        } else {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        },
        name: Some(name.to_owned()),
        topic_authorized_operations: operations::NOT_ASKED,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn partition(state: &State, partition: &common::Partition) -> DescribeTopicPartitionsResponsePartition {
    let placed = metadata::placed(state, partition);
    DescribeTopicPartitionsResponsePartition {
        error_code: placed.error_code,
        partition_index: placed.partition_index,
        leader_id: placed.leader_id,
        leader_epoch: placed.leader_epoch,
        replica_nodes: placed.replica_nodes,
        isr_nodes: placed.isr_nodes,
        eligible_leader_replicas: Some(partition.eligible_leader_replicas.iter().map(|id| id.0).collect()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: placed.offline_replicas,
    }
}
