//! ListOffsets (2), versions 1 to 11: offsets by what is wanted of them.
//!
//! | timestamp | gives |
//! |---|---|
//! | -1 | the next offset that the consumer would see |
//! | -2, -4 | the first offset; all segments are local |
//! | -3 | the record with the largest timestamp (KIP-734) |
//! | -5, -6 | nothing: there is no tiered storage |
//! | >= 0 | the first record of that time or later |
//!
//! What a version does not know yet is UNSUPPORTED_VERSION. Leaders answer; to a replica id of -2, by which Kafka's tools compare
//! replicas, each broker answers of its own log.

use std::sync::Arc;

use common::LeaderEpoch;
use kafka_wire::{
    ErrorCode,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets::{ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};
use replica::Isolation;

use super::{Call, blocking, topics::TopicRef};
use crate::{
    kafka::errors,
    partition::{FoundOffset, OffsetAnswer, OffsetSpec, PartitionError},
};

/// `ReplicaId` of a tool that wants to know what this very replica has.
const DEBUGGING: i32 = -2;

/// Before this version a leader that does not know the latest offset says LEADER_NOT_AVAILABLE.
const OFFSET_NOT_AVAILABLE_SINCE: i16 = 5;

/// Since this version the answer names the leader epoch.
const LEADER_EPOCH_SINCE: i16 = 4;

pub(super) async fn handle(call: Arc<Call>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let of_this_replica = request.replica_id == DEBUGGING;
    let isolation = (!of_this_replica).then(|| isolation(request.isolation_level));
    let mut response = ListOffsetsResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let answer = match find(&call, &topic.name, wanted, isolation).await {
                Ok(mut found) => {
                    if let Some(found) = found.as_mut().filter(|_| call.version() < LEADER_EPOCH_SINCE) {
                        found.leader_epoch = None;
                    }
                    answered(wanted.partition_index, found)
                }
                Err(error_code) => {
                    ListOffsetsPartitionResponse { error_code, ..answered(wanted.partition_index, None) }
                }
            };
            partitions.push(answer);
        }
        response.topics.push(ListOffsetsTopicResponse { name: topic.name, partitions });
    }
    response
}

async fn find(
    call: &Call,
    topic: &str,
    wanted: &ListOffsetsPartition,
    isolation: Option<Isolation>,
) -> Result<Option<FoundOffset>, ErrorCode> {
    let topic = TopicRef::Name(topic);
    let partition = match isolation {
        Some(_) => call.server.led_partition(topic, wanted.partition_index).await?,
        None => call.server.partition(topic, wanted.partition_index)?,
    };
    if call.version() < known_since(wanted.timestamp) {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let spec = match wanted.timestamp {
        -1 => OffsetSpec::Latest,
        -2 | -4 => OffsetSpec::Earliest,
        -3 => OffsetSpec::MaxTimestamp,
        -5 | -6 => return Ok(None),
        timestamp if timestamp >= 0 => OffsetSpec::Since(timestamp),
        _ => return Err(ErrorCode::UNSUPPORTED_VERSION),
    };
    let code = |error: PartitionError| match error {
        PartitionError::OffsetNotAvailable if call.version() < OFFSET_NOT_AVAILABLE_SINCE => {
            ErrorCode::LEADER_NOT_AVAILABLE
        }
        error => errors::of_partition(&error),
    };
    let leader_epoch = known_epoch(wanted.current_leader_epoch);
    let answer = match isolation {
        Some(isolation) => partition.offset(spec, isolation, leader_epoch),
        None => partition.offset_of_replica(spec, leader_epoch),
    };
    match answer.map_err(code)? {
        known @ OffsetAnswer::Known(..) => known.find().map_err(code),
        search => {
            let found = blocking(move || search.find()).await;
            found.unwrap_or(Err(PartitionError::NotLeader)).map_err(code)
        }
    }
}

/// The first version that knows what this stands for.
fn known_since(timestamp: i64) -> i16 {
    match timestamp {
        -3 => 7,
        -4 => 8,
        -5 => 9,
        -6 => 11,
        _ => 1,
    }
}

fn answered(partition_index: i32, found: Option<FoundOffset>) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse {
        partition_index,
        timestamp: found.map_or(-1, |found| found.timestamp_ms),
        offset: found.map_or(-1, |found| found.offset.0),
        leader_epoch: found.and_then(|found| found.leader_epoch).map_or(-1, |epoch| epoch.0),
        ..ListOffsetsPartitionResponse::default()
    }
}

/// What a consumer wants of transactions.
pub(super) fn isolation(level: i8) -> Isolation {
    if level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
}

/// The leader epoch that a client knows; -1: none.
pub(super) fn known_epoch(epoch: i32) -> Option<LeaderEpoch> {
    (epoch >= 0).then_some(LeaderEpoch(epoch))
}
