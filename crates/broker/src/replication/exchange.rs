//! What a fetcher and a leader say to each other, in Kafka's messages.

use std::time::Duration;

use common::{BrokerEpoch, LeaderEpoch, Offset, PartitionId, TopicId};
use kafka_wire::{
    ErrorCode,
    messages::{
        FetchRequest,
        fetch::{FetchPartition, FetchTopic, FetchableTopicResponse, PartitionData, ReplicaState},
    },
};
use replica::{EpochEnd, FetchAnswer, FetchPosition};

use super::ReplicationOptions;
use crate::partition::PartitionName;

/// A partition in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: PartitionName,
    pub(super) position: FetchPosition,
    pub(super) bytes_max: i32,
}

/// What the leader said about one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// An answer, with the records that came.
    Answer(FetchAnswer, bytes::Bytes),
    /// An error that only other metadata, on either side, or time will change.
    Refused(ErrorCode),
}

/// A fetch of these partitions, in this order: the leader fills its answer in the order of the request.
pub(super) fn request(
    options: &ReplicationOptions,
    broker_epoch: BrokerEpoch,
    wanted: &[Wanted],
    wait: Duration,
) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for Wanted { name, position, bytes_max } in wanted {
        let partition = FetchPartition {
            partition: name.partition.0,
            current_leader_epoch: position.leader_epoch.0,
            fetch_offset: position.fetch_offset.0,
            last_fetched_epoch: position.last_fetched_epoch.map_or(-1, |epoch| epoch.0),
            log_start_offset: position.log_start.0,
            high_watermark: position.high_watermark.0,
            partition_max_bytes: *bytes_max,
            ..FetchPartition::default()
        };
        match topics.last_mut().filter(|topic| topic.topic_id == name.topic_id.0) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(FetchTopic {
                topic: name.topic.to_string(),
                topic_id: name.topic_id.0,
                partitions: vec![partition],
            }),
        }
    }
    FetchRequest {
        replica_state: ReplicaState { replica_id: options.broker_id.0, replica_epoch: broker_epoch.0 },
        max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: 1,
        max_bytes: options.response_bytes_max,
        topics,
        ..FetchRequest::default()
    }
}

/// What was said about each partition of an answer.
pub(super) fn heard(
    topics: Vec<FetchableTopicResponse>,
) -> impl Iterator<Item = ((TopicId, PartitionId), Heard)> {
    topics.into_iter().flat_map(|topic| {
        let id = TopicId(topic.topic_id);
        topic
            .partitions
            .into_iter()
            .map(move |data| ((id, PartitionId(data.partition_index)), interpret(data)))
    })
}

fn interpret(data: PartitionData) -> Heard {
    let log_start = Offset(data.log_start_offset);
    match data.error_code {
        ErrorCode::NONE if data.diverging_epoch.epoch >= 0 => {
            let end = EpochEnd {
                epoch: LeaderEpoch(data.diverging_epoch.epoch),
                end: Offset(data.diverging_epoch.end_offset),
            };
            Heard::Answer(FetchAnswer::Diverged(end), bytes::Bytes::new())
        }
        ErrorCode::NONE => {
            let high_watermark = Offset(data.high_watermark);
            // What was received is always one piece.
            let records = data.records.bytes().cloned().unwrap_or_default();
            Heard::Answer(FetchAnswer::Records { high_watermark, log_start }, records)
        }
        ErrorCode::OFFSET_OUT_OF_RANGE if log_start.0 >= 0 => {
            Heard::Answer(FetchAnswer::OutOfRange { log_start }, bytes::Bytes::new())
        }
        error => Heard::Refused(error),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use common::{BrokerId, TopicName};
    use kafka_wire::messages::fetch::EpochEndOffset;
    use uuid::Uuid;

    use super::*;

    pub(in crate::replication) fn wanted(topic: u128, partition: i32, last: Option<i32>) -> Wanted {
        Wanted {
            name: PartitionName {
                topic: TopicName::new("t").unwrap(),
                topic_id: TopicId(Uuid::from_u128(topic)),
                partition: PartitionId(partition),
            },
            position: FetchPosition {
                leader: BrokerId(1),
                leader_epoch: LeaderEpoch(4),
                fetch_offset: Offset(70),
                last_fetched_epoch: last.map(LeaderEpoch),
                log_start: Offset(7),
                high_watermark: Offset(60),
            },
            bytes_max: 100,
        }
    }

    #[test]
    fn a_request_claims_what_the_replica_has() {
        let options = ReplicationOptions::new(BrokerId(2), Duration::from_secs(3));
        let wanted = [wanted(1, 0, Some(3)), wanted(1, 2, None), wanted(9, 0, Some(4))];
        let request = request(&options, BrokerEpoch(55), &wanted, Duration::from_millis(250));
        assert_eq!(request.replica_state, ReplicaState { replica_id: 2, replica_epoch: 55 });
        assert_eq!((request.max_wait_ms, request.min_bytes), (250, 1));
        let asked: Vec<_> = request.topics.iter().map(|topic| topic.partitions.len()).collect();
        assert_eq!(asked, [2, 1]);
        let partition = &request.topics[0].partitions[0];
        assert_eq!((partition.current_leader_epoch, partition.last_fetched_epoch), (4, 3));
        assert_eq!((partition.fetch_offset, partition.log_start_offset), (70, 7));
        assert_eq!(partition.high_watermark, 60);
        assert_eq!(request.topics[0].partitions[1].last_fetched_epoch, -1);
    }

    #[test]
    fn an_answer_is_records_a_divergence_or_an_error() {
        let data = || PartitionData { high_watermark: 5, log_start_offset: 3, ..PartitionData::default() };
        let none = bytes::Bytes::new();
        let (high_watermark, log_start) = (Offset(5), Offset(3));
        assert_eq!(
            interpret(data()),
            Heard::Answer(FetchAnswer::Records { high_watermark, log_start }, none.clone())
        );
        let diverging_epoch = EpochEndOffset { epoch: 0, end_offset: 4 };
        let end = EpochEnd { epoch: LeaderEpoch(0), end: Offset(4) };
        assert_eq!(
            interpret(PartitionData { diverging_epoch, ..data() }),
            Heard::Answer(FetchAnswer::Diverged(end), none.clone())
        );
        let out_of_range = PartitionData { error_code: ErrorCode::OFFSET_OUT_OF_RANGE, ..data() };
        assert_eq!(
            interpret(out_of_range.clone()),
            Heard::Answer(FetchAnswer::OutOfRange { log_start }, none)
        );
        let silent = PartitionData { log_start_offset: -1, ..out_of_range };
        assert_eq!(interpret(silent), Heard::Refused(ErrorCode::OFFSET_OUT_OF_RANGE));
        let fenced = PartitionData { error_code: ErrorCode::FENCED_LEADER_EPOCH, ..data() };
        assert_eq!(interpret(fenced), Heard::Refused(ErrorCode::FENCED_LEADER_EPOCH));
    }
}
