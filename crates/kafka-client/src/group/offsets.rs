//! Offsets of a group: committed by a member, read by anybody.

use std::{collections::BTreeMap, time::Duration};

use common::{Offset, PartitionId};
use kafka_wire::{
    ErrorCode,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
        offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    },
};

use super::{GroupError, Partitions, link::Link, membership::Identity};
use crate::offsets::TopicPartition;

/// The last versions that name topics, and do not number them.
const COMMIT_BY_NAME: i16 = 9;
const FETCH_BY_NAME: i16 = 9;

/// Offsets by partition.
pub(super) type Offsets = BTreeMap<TopicPartition, Offset>;

/// Commits once, as this member of this epoch; without an id, in epoch -1, from outside the group.
pub(super) async fn commit(
    link: &Link,
    group_id: &str,
    identity: &Identity,
    instance_id: Option<&str>,
    offsets: &Offsets,
) -> Result<(), GroupError> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (place, offset) in offsets {
        topics.entry(&place.topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: place.partition.0,
            committed_offset: offset.0,
            ..OffsetCommitRequestPartition::default()
        });
    }
    let topics = topics.into_iter().map(|(name, partitions)| OffsetCommitRequestTopic {
        name: name.to_owned(),
        partitions,
        ..OffsetCommitRequestTopic::default()
    });
    let request = OffsetCommitRequest {
        group_id: group_id.to_owned(),
        generation_id_or_member_epoch: identity.epoch,
        member_id: identity.member_id.clone(),
        group_instance_id: instance_id.map(str::to_owned),
        topics: topics.collect(),
        ..OffsetCommitRequest::default()
    };
    let response = link.call(&request, COMMIT_BY_NAME, Duration::ZERO, commit_code).await?;
    refusal(group_id, "committing", commit_code(&response))
}

/// The first error of an answer.
fn commit_code(response: &OffsetCommitResponse) -> ErrorCode {
    let mut codes = response.topics.iter().flat_map(|topic| &topic.partitions).map(|one| one.error_code);
    codes.find(|code| !code.is_none()).unwrap_or_default()
}

/// Reads offsets once; what was never committed is left out.
pub(super) async fn fetch(link: &Link, group_id: &str, wanted: &Partitions) -> Result<Offsets, GroupError> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in wanted {
        topics.entry(&place.topic).or_default().push(place.partition.0);
    }
    let topics = topics.into_iter().map(|(name, partition_indexes)| OffsetFetchRequestTopics {
        name: name.to_owned(),
        partition_indexes,
        ..OffsetFetchRequestTopics::default()
    });
    let group = OffsetFetchRequestGroup {
        group_id: group_id.to_owned(),
        topics: Some(topics.collect()),
        ..OffsetFetchRequestGroup::default()
    };
    let request =
        OffsetFetchRequest { groups: vec![group], require_stable: true, ..OffsetFetchRequest::default() };
    let response = link.call(&request, FETCH_BY_NAME, Duration::ZERO, fetch_code).await?;
    refusal(group_id, "reading its offsets", fetch_code(&response))?;
    let mut offsets = Offsets::new();
    for topic in response.groups.iter().flat_map(|group| &group.topics) {
        for told in topic.partitions.iter().filter(|told| told.committed_offset >= 0) {
            let place = TopicPartition::new(&topic.name, PartitionId(told.partition_index));
            offsets.insert(place, Offset(told.committed_offset));
        }
    }
    Ok(offsets)
}

fn fetch_code(response: &OffsetFetchResponse) -> ErrorCode {
    let Some(group) = response.groups.first() else { return ErrorCode::UNKNOWN_SERVER_ERROR };
    let partitions = group.topics.iter().flat_map(|topic| &topic.partitions).map(|one| one.error_code);
    [group.error_code].into_iter().chain(partitions).find(|code| !code.is_none()).unwrap_or_default()
}

fn refusal(group_id: &str, what: &'static str, code: ErrorCode) -> Result<(), GroupError> {
    if code.is_none() {
        return Ok(());
    }
    Err(GroupError::Refused { group_id: group_id.to_owned(), what, code })
}
