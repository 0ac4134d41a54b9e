//! OffsetDelete (47), version 0: an administrator forgets offsets of topics that the group does not read.

use std::{collections::BTreeMap, sync::Arc};

use common::TopicName;
use coordinator::api::{CommittedTopic, OffsetDelete, OffsetFetchTopic};
use kafka_wire::{
    ErrorCode,
    messages::{
        OffsetDeleteRequest, OffsetDeleteResponse,
        offset_delete::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
};

use super::Call;
use crate::kafka::errors;

/// By topic, what came of each partition.
type Answered = BTreeMap<String, Vec<OffsetDeleteResponsePartition>>;

pub(super) async fn handle(call: Arc<Call>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut answered = Answered::new();
    let mut wanted = Vec::new();
    for topic in request.topics {
        if answered.contains_key(&topic.name) {
            continue;
        }
        let count =
            call.server.image.read(|state| state.topic(&topic.name).map_or(0, |it| it.partitions.len()));
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        let (known, unknown): (Vec<i32>, Vec<i32>) =
            indexes.partition(|index| usize::try_from(*index).is_ok_and(|index| index < count));
        if let Some(name) = TopicName::new(&topic.name).ok().filter(|_| !known.is_empty()) {
            wanted.push(OffsetFetchTopic { name, partitions: known });
        }
        let not_there = |index| partition(index, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        answered.insert(topic.name, unknown.into_iter().map(not_there).collect());
    }
    let asked = OffsetDelete { group_id: request.group_id.as_str().into(), topics: wanted };
    let error_code = match call.ask(&request.group_id, asked).await {
        Ok(Ok(deleted)) => {
            for topic in deleted {
                take_in(&mut answered, topic);
            }
            let topic = |(name, partitions)| OffsetDeleteResponseTopic { name, partitions };
            let topics = answered.into_iter().map(topic).collect();
            return OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() };
        }
        Ok(Err(error)) => errors::of_group(&error),
        Err(unavailable) => errors::of_unavailable(unavailable),
    };
    OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() }
}

fn take_in(answered: &mut Answered, topic: CommittedTopic) {
    let partitions = topic.partitions.into_iter().map(|deleted| {
        let error_code = deleted.result.err().map_or(ErrorCode::NONE, |error| errors::of_group(&error));
        partition(deleted.partition, error_code)
    });
    answered.entry(topic.name.as_str().to_owned()).or_default().extend(partitions);
}

fn partition(partition_index: i32, error_code: ErrorCode) -> OffsetDeleteResponsePartition {
    OffsetDeleteResponsePartition { partition_index, error_code }
}
