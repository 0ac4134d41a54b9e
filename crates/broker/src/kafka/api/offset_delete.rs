//! OffsetDelete (47), version 0: an administrator forgets offsets of topics that the group does not read.

use std::{collections::BTreeSet, sync::Arc};

use common::TopicName;
use coordinator::api::{CommittedTopic, OffsetDelete, OffsetFetchTopic};
use kafka_wire::{
    ErrorCode,
    messages::{
        OffsetDeleteRequest, OffsetDeleteResponse,
        offset_delete::{OffsetDeleteRequestTopic, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
};

use super::Call;
use crate::kafka::errors;

pub(super) async fn handle(call: Arc<Call>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let exists = |name: &str| call.server.image.read(|state| state.topic(name).is_some());
    let (known, unknown): (Vec<_>, Vec<_>) = request
        .topics
        .into_iter()
        .partition(|topic| TopicName::new(&topic.name).is_ok() && exists(&topic.name));
    let mut topics: Vec<OffsetDeleteResponseTopic> = unknown.iter().map(not_there).collect();
    let mut seen = BTreeSet::new();
    let wanted = known.into_iter().filter(|topic| seen.insert(topic.name.clone())).filter_map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| partition.partition_index).collect();
        Some(OffsetFetchTopic { name: TopicName::new(&topic.name).ok()?, partitions })
    });
    let asked = OffsetDelete { group_id: request.group_id.as_str().into(), topics: wanted.collect() };
    let error_code = match call.ask(&request.group_id, asked).await {
        Ok(Ok(deleted)) => {
            topics.extend(deleted.into_iter().map(response));
            return OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() };
        }
        Ok(Err(error)) => errors::of_group(&error),
        Err(unavailable) => errors::of_unavailable(unavailable),
    };
    OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() }
}

fn not_there(topic: &OffsetDeleteRequestTopic) -> OffsetDeleteResponseTopic {
    let partitions = topic.partitions.iter().map(|partition| OffsetDeleteResponsePartition {
        partition_index: partition.partition_index,
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    });
    OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: partitions.collect() }
}

fn response(topic: CommittedTopic) -> OffsetDeleteResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetDeleteResponsePartition {
        partition_index: partition.partition,
        error_code: partition.result.as_ref().map_or_else(errors::of_group, |()| ErrorCode::NONE),
    });
    OffsetDeleteResponseTopic { name: topic.name.as_str().to_owned(), partitions: partitions.collect() }
}
