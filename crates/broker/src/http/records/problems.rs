//! What went wrong, in the words of the REST API. One exhaustive mapping per source.

use common::PartitionId;
use http_api::{ErrorCode, Problem};
use kafka_client::{ClusterError, ErrorCode as KafkaCode, ProduceError};

use crate::partition::PartitionError;

/// What is given for a topic's name is shown only so far: names are no longer.
const SHOWN_CHARS_MAX: usize = 249;

/// No such topic.
pub(in crate::http) fn unknown_topic(topic: &str) -> Problem {
    let shown: String = topic.chars().take(SHOWN_CHARS_MAX).collect();
    Problem::new(ErrorCode::UnknownTopic, format!("there is no topic `{shown}`")).with("topicName", shown)
}

/// No such partition.
pub(in crate::http) fn unknown_partition(topic: &str, partition: PartitionId, partitions: usize) -> Problem {
    let detail = format!("topic `{topic}` has no partition {partition}; it has {partitions}");
    Problem::new(ErrorCode::UnknownPartition, detail)
        .with("topicName", topic)
        .with("partition", partition.0)
        .with("bound", partitions)
}

/// Nobody leads the partition.
pub(super) fn no_leader(topic: &str, partition: PartitionId) -> Problem {
    Problem::new(ErrorCode::LeaderNotAvailable, format!("partition {topic}-{partition} has no leader"))
        .with("topicName", topic)
        .with("partition", partition.0)
}

/// A record that is not known to be written.
pub(super) fn of_produce(error: &ProduceError) -> Problem {
    match error {
        ProduceError::Refused { topic, partition, code, .. } => {
            of_code(*code, error.to_string()).with("topicName", &**topic).with("partition", partition.0)
        }
        ProduceError::NotWritten { topic, partition, code, .. } => {
            let detail = error.to_string();
            let problem = match code {
                Some(code) => of_code(*code, detail),
                None => Problem::new(ErrorCode::LeaderUnreachable, detail),
            };
            problem.with("topicName", &**topic).with("partition", partition.0)
        }
        ProduceError::Unknown { topic, partition, .. } => {
            Problem::new(ErrorCode::CommitUnknown, error.to_string())
                .with("topicName", &**topic)
                .with("partition", partition.0)
        }
        ProduceError::TooLarge { size_bytes, request_bytes_max } => {
            Problem::new(ErrorCode::RecordTooLarge, error.to_string())
                .with("value", *size_bytes)
                .with("bound", *request_bytes_max)
        }
        ProduceError::Cluster(error) => of_cluster(error),
    }
}

/// Something that is not known of the cluster.
pub(super) fn of_cluster(error: &ClusterError) -> Problem {
    match error {
        ClusterError::Topic { code, .. } | ClusterError::Refused { code, .. } => {
            of_code(*code, error.to_string())
        }
        ClusterError::UnknownPartition { .. } => Problem::new(ErrorCode::UnknownPartition, error.to_string()),
        ClusterError::NoLeader { .. } => Problem::new(ErrorCode::LeaderNotAvailable, error.to_string()),
        ClusterError::NoBroker { .. } | ClusterError::UnknownBroker(_) | ClusterError::Call(_) => {
            Problem::new(ErrorCode::LeaderUnreachable, error.to_string())
        }
    }
}

/// An error code of Kafka's protocol.
pub(super) fn of_code(code: KafkaCode, detail: String) -> Problem {
    let ours = match code {
        KafkaCode::UNKNOWN_TOPIC_OR_PARTITION | KafkaCode::UNKNOWN_TOPIC_ID => ErrorCode::UnknownTopic,
        KafkaCode::INVALID_TOPIC_EXCEPTION => ErrorCode::InvalidTopicName,
        KafkaCode::MESSAGE_TOO_LARGE | KafkaCode::RECORD_LIST_TOO_LARGE => ErrorCode::RecordTooLarge,
        KafkaCode::INVALID_RECORD | KafkaCode::INVALID_TIMESTAMP | KafkaCode::CORRUPT_MESSAGE => {
            ErrorCode::InvalidRecord
        }
        KafkaCode::NOT_ENOUGH_REPLICAS => ErrorCode::NotEnoughReplicas,
        KafkaCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND | KafkaCode::REQUEST_TIMED_OUT => {
            ErrorCode::CommitUnknown
        }
        KafkaCode::KAFKA_STORAGE_ERROR => ErrorCode::StorageUnavailable,
        KafkaCode::OFFSET_OUT_OF_RANGE => ErrorCode::OffsetOutOfRange,
        KafkaCode::LEADER_NOT_AVAILABLE | KafkaCode::NOT_LEADER_OR_FOLLOWER => ErrorCode::LeaderNotAvailable,
        code if code.is_retriable() => ErrorCode::LeaderUnreachable,
        _ => ErrorCode::Internal,
    };
    Problem::new(ours, detail).with("kafkaErrorCode", code.to_string())
}

/// A partition of this broker that cannot be read.
pub(super) fn of_partition(error: &PartitionError, topic: &str, partition: PartitionId) -> Problem {
    let detail = format!("partition {topic}-{partition}: {error}");
    let code = match error {
        PartitionError::OffsetOutOfRange { offset, range } => {
            return Problem::new(ErrorCode::OffsetOutOfRange, detail)
                .with("topicName", topic)
                .with("partition", partition.0)
                .with("value", offset.0)
                .with("logStartOffset", range.start.0)
                .with("logEndOffset", range.end.0);
        }
        PartitionError::Unknown
        | PartitionError::NotLeader
        | PartitionError::FencedLeaderEpoch { .. }
        | PartitionError::UnknownLeaderEpoch { .. }
        | PartitionError::OffsetNotAvailable => ErrorCode::LeaderNotAvailable,
        PartitionError::NotEnoughReplicas { .. } => ErrorCode::NotEnoughReplicas,
        PartitionError::NotEnoughReplicasAfterAppend | PartitionError::TimedOut => ErrorCode::CommitUnknown,
        PartitionError::Refused(_) => ErrorCode::InvalidRecord,
        PartitionError::Storage(_) | PartitionError::NothingAppended(_) => ErrorCode::StorageUnavailable,
        PartitionError::StaleBrokerEpoch => ErrorCode::Internal,
    };
    Problem::new(code, detail).with("topicName", topic).with("partition", partition.0)
}
