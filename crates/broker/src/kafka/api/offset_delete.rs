//! OffsetDelete (47), version 0: an administrator forgets offsets of topics that the group does not read.

use std::{collections::BTreeSet, sync::Arc};

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

pub(super) async fn handle(call: Arc<Call>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut topics: Vec<OffsetDeleteResponseTopic> = Vec::new();
    let mut wanted = Vec::new();
    let mut seen = BTreeSet::new();
    for topic in request.topics {
        if !seen.insert(topic.name.clone()) {
            continue;
        }
        let count =
            call.server.image.read(|state| state.topic(&topic.name).map_or(0, |it| it.partitions.len()));
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        let (known, unknown): (Vec<i32>, Vec<i32>) =
            indexes.partition(|index| usize::try_from(*index).is_ok_and(|index| index < count));
        if !unknown.is_empty() || known.is_empty() {
            topics.push(not_there(&topic.name, &unknown));
        }
        if let Some(name) = TopicName::new(&topic.name).ok().filter(|_| !known.is_empty()) {
            wanted.push(OffsetFetchTopic { name, partitions: known });
        }
    }
    let asked = OffsetDelete { group_id: request.group_id.as_str().into(), topics: wanted };
    let error_code = match call.ask(&request.group_id, asked).await {
        Ok(Ok(deleted)) => {
            for deleted in deleted.into_iter().map(response) {
                match topics.iter_mut().find(|topic| topic.name == deleted.name) {
                    Some(topic) => topic.partitions.extend(deleted.partitions),
                    None => topics.push(deleted),
                }
            }
            return OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() };
        }
        Ok(Err(error)) => errors::of_group(&error),
        Err(unavailable) => errors::of_unavailable(unavailable),
    };
    OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() }
}

fn not_there(name: &str, partitions: &[i32]) -> OffsetDeleteResponseTopic {
    let partitions = partitions.iter().map(|partition_index| OffsetDeleteResponsePartition {
        partition_index: *partition_index,
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    });
    OffsetDeleteResponseTopic { name: name.to_owned(), partitions: partitions.collect() }
}

fn response(topic: CommittedTopic) -> OffsetDeleteResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetDeleteResponsePartition {
        partition_index: partition.partition,
        error_code: partition.result.as_ref().map_or_else(errors::of_group, |()| ErrorCode::NONE),
    });
    OffsetDeleteResponseTopic { name: topic.name.as_str().to_owned(), partitions: partitions.collect() }
}
