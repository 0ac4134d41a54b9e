//! OffsetFetch (9), versions 1 to 10: where groups go on reading.
//!
//! A group or a partition without an offset is no error: its offset is -1. Since version 8 a request asks for several
//! groups, since version 10 by ids of topics.

use std::sync::Arc;

use common::{TopicId, TopicName};
use coordinator::{
    api::{FetchedPartition, FetchedTopic, OffsetFetch, OffsetFetchTopic},
    records::OffsetCommitValue,
};
use kafka_wire::{
    ErrorCode,
    messages::{
        OffsetFetchRequest, OffsetFetchResponse,
        offset_fetch::{
            OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
};
use uuid::Uuid;

use super::Call;
use crate::kafka::errors;

/// Since this version an answer has an error of its own.
const TOP_ERROR_SINCE: i16 = 2;

/// Since this version a request asks for several groups.
const GROUPS_SINCE: i16 = 8;

/// Since this version topics are named by their ids.
const TOPIC_IDS_SINCE: i16 = 10;

/// Stands for "no offset".
const NO_OFFSET: i64 = -1;

pub(super) async fn handle(call: Arc<Call>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let require_stable = request.require_stable;
    if call.version() >= GROUPS_SINCE {
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in request.groups {
            groups.push(fetch(&call, group, require_stable).await);
        }
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let topics = request.topics.map(|topics| topics.into_iter().map(of_one_group).collect());
    let group =
        OffsetFetchRequestGroup { group_id: request.group_id, topics, ..OffsetFetchRequestGroup::default() };
    let asked = group.topics.clone().unwrap_or_default();
    let OffsetFetchResponseGroup { topics, error_code, .. } = fetch(&call, group, require_stable).await;
    let topics = if call.version() < TOP_ERROR_SINCE && !error_code.is_none() {
        asked.iter().map(|topic| failed(topic, error_code)).collect()
    } else {
        topics
    };
    let topics = topics.into_iter().map(to_one_group).collect();
    OffsetFetchResponse { topics, error_code, ..OffsetFetchResponse::default() }
}

/// The offsets of one group.
async fn fetch(
    call: &Call,
    group: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let by_id = call.version() >= TOPIC_IDS_SINCE;
    let mut answers = Vec::new();
    let wanted = group.topics.map(|topics| {
        let mut wanted = Vec::with_capacity(topics.len());
        for topic in topics {
            match name_of(call, by_id, &topic) {
                Ok(name) => wanted.push(OffsetFetchTopic { name, partitions: topic.partition_indexes }),
                Err(code) => answers.push(failed(&topic, code)),
            }
        }
        wanted
    });
    let asked = OffsetFetch {
        group_id: group.group_id.as_str().into(),
        member_id: group.member_id.filter(|id| !id.is_empty()).map(Into::into),
        member_epoch: group.member_epoch,
        topics: wanted,
        require_stable,
    };
    let error_code = match call.ask(&group.group_id, asked).await {
        Ok(Ok(topics)) => {
            answers.extend(topics.into_iter().filter_map(|topic| response(call, by_id, topic)));
            let group_id = group.group_id;
            return OffsetFetchResponseGroup { group_id, topics: answers, error_code: ErrorCode::NONE };
        }
        Ok(Err(error)) => errors::of_group(&error),
        Err(unavailable) => errors::of_unavailable(unavailable),
    };
    OffsetFetchResponseGroup { group_id: group.group_id, topics: Vec::new(), error_code }
}

/// The topic that is asked about. One whose name cannot be a topic's has no offsets.
fn name_of(call: &Call, by_id: bool, topic: &OffsetFetchRequestTopics) -> Result<TopicName, ErrorCode> {
    if !by_id {
        return TopicName::new(&topic.name).map_err(|_| ErrorCode::NONE);
    }
    let id = TopicId(topic.topic_id);
    let name = call.server.image.read(|state| state.topic_by_id(id).map(|topic| topic.topic_name.clone()));
    name.ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
}

/// A topic's offsets; `None`: it is gone, and has no id to be told under.
fn response(call: &Call, by_id: bool, topic: FetchedTopic) -> Option<OffsetFetchResponseTopics> {
    let id = || call.server.image.read(|state| state.topic(topic.name.as_str()).map(|topic| topic.topic_id));
    let topic_id = if by_id { id()?.0 } else { Uuid::nil() };
    let name = topic.name.as_str().to_owned();
    Some(OffsetFetchResponseTopics {
        name,
        topic_id,
        partitions: topic.partitions.into_iter().map(offset).collect(),
    })
}

fn offset(FetchedPartition { partition, result }: FetchedPartition) -> OffsetFetchResponsePartitions {
    match result {
        Ok(Some(OffsetCommitValue { offset, leader_epoch, metadata, .. })) => OffsetFetchResponsePartitions {
            partition_index: partition,
            committed_offset: offset.0,
            committed_leader_epoch: leader_epoch,
            metadata: Some(metadata),
            error_code: ErrorCode::NONE,
        },
        Ok(None) => none(partition, ErrorCode::NONE),
        Err(error) => none(partition, errors::of_group(&error)),
    }
}

fn none(partition_index: i32, error_code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: NO_OFFSET,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code,
    }
}

fn failed(topic: &OffsetFetchRequestTopics, code: ErrorCode) -> OffsetFetchResponseTopics {
    let partitions = topic.partition_indexes.iter().map(|partition| none(*partition, code)).collect();
    OffsetFetchResponseTopics { name: topic.name.clone(), topic_id: topic.topic_id, partitions }
}

/// A topic as requests for one group name it.
fn of_one_group(topic: OffsetFetchRequestTopic) -> OffsetFetchRequestTopics {
    OffsetFetchRequestTopics {
        name: topic.name,
        partition_indexes: topic.partition_indexes,
        ..OffsetFetchRequestTopics::default()
    }
}

/// A topic as answers for one group have it.
fn to_one_group(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    }
}
