//! OffsetForLeaderEpoch (23), versions 2 to 4: where a leader epoch ends, by which consumers notice that records were cut
//! off (KIP-320).

use std::sync::Arc;

use common::LeaderEpoch;
use kafka_wire::{
    ErrorCode,
    messages::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        offset_for_leader_epoch::{EpochEndOffset, OffsetForLeaderPartition, OffsetForLeaderTopicResult},
    },
};

use super::{Call, list_offsets::known_epoch, topics::TopicRef};
use crate::kafka::errors;

pub(super) async fn handle(
    call: Arc<Call>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let find = |topic: &str, wanted: &OffsetForLeaderPartition| {
        let partition = call.server.partition(TopicRef::Name(topic), wanted.partition)?;
        partition
            .end_of_epoch(LeaderEpoch(wanted.leader_epoch), known_epoch(wanted.current_leader_epoch))
            .map_err(|error| errors::of_partition(&error))
    };
    let answer = |topic: &str, wanted: &OffsetForLeaderPartition| {
        let found = find(topic, wanted);
        let end = found.ok().flatten();
        EpochEndOffset {
            error_code: found.err().unwrap_or(ErrorCode::NONE),
            partition: wanted.partition,
            leader_epoch: end.map_or(-1, |end| end.epoch.0),
            end_offset: end.map_or(-1, |end| end.end.0),
        }
    };
    let topics = request.topics.into_iter().map(|topic| OffsetForLeaderTopicResult {
        partitions: topic.partitions.iter().map(|wanted| answer(&topic.topic, wanted)).collect(),
        topic: topic.topic,
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() }
}
