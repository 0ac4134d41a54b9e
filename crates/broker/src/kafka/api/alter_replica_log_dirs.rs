//! AlterReplicaLogDirs (34), versions 1 and 2: moves replicas between the directories of a broker (KIP-113).
//!
//! A broker has one directory, so a replica can only be told to stay where it is, which changes nothing. Any other directory is
//! LOG_DIR_NOT_FOUND, as in Kafka, but for a name that no topic can have.

use std::{path::Path, sync::Arc};

use common::TopicName;
use kafka_wire::{
    ErrorCode,
    messages::{
        AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
        alter_replica_log_dirs::{AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult},
    },
};

use super::{Call, topics::TopicRef};

pub(super) async fn handle(
    call: Arc<Call>,
    request: AlterReplicaLogDirsRequest,
) -> AlterReplicaLogDirsResponse {
    let mut response = AlterReplicaLogDirsResponse::default();
    for dir in request.dirs {
        for topic in dir.topics {
            let results = topic.partitions.iter().map(|index| AlterReplicaLogDirPartitionResult {
                partition_index: *index,
                error_code: moved(&call, &dir.path, &topic.name, *index),
            });
            let partitions = results.collect();
            response.results.push(AlterReplicaLogDirTopicResult { topic_name: topic.name, partitions });
        }
    }
    response
}

fn moved(call: &Call, path: &str, topic: &str, index: i32) -> ErrorCode {
    let server = &call.server;
    if TopicName::new(topic).is_err() {
        return ErrorCode::INVALID_TOPIC_EXCEPTION;
    }
    if Path::new(path) != server.settings.data_dir {
        return ErrorCode::LOG_DIR_NOT_FOUND;
    }
    match server.partition(TopicRef::Name(topic), index) {
        Ok(_) => ErrorCode::NONE,
        Err(code) => {
            // A replica of a topic that was just made has its directory in a moment, and it will be that one.
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            let is_placed_here = server.image.read(|state| {
                let placed = state.topic(topic).and_then(|topic| topic.partitions.get(index));
                placed.is_some_and(|partition| partition.replicas.contains(&server.settings.broker_id))
            });
            if is_placed_here { ErrorCode::NONE } else { code }
        }
    }
}
