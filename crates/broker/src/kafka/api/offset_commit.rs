//! OffsetCommit (8), versions 2 to 10: how far a group has read.
//!
//! A commit is put into its owner's queue when it is read, so that those of one connection pipeline as produce requests do;
//! the answer comes in turn, once the offsets are as safe as records with acks=all. One that takes longer than
//! `offsets.commit.timeout.ms` is answered with COORDINATOR_NOT_AVAILABLE: it may still come to pass.

use std::sync::Arc;

use bytes::Bytes;
use common::{Offset, TopicId, TopicName};
use coordinator::{
    GroupError,
    api::{CommittedTopic, OffsetCommit, OffsetCommitPartition, OffsetCommitReply, OffsetCommitTopic},
};
use futures_util::FutureExt;
use kafka_wire::{
    ErrorCode, Message,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse,
        offset_commit::{OffsetCommitRequestTopic, OffsetCommitResponsePartition, OffsetCommitResponseTopic},
    },
};
use tokio::time::timeout_at;

use super::Call;
use crate::{
    coordinator::{Asked, Unavailable},
    kafka::{
        errors,
        limits::Held,
        writer::{Outcome, Pending},
    },
};

/// Since this version commits carry member epochs (KIP-848).
const MEMBER_EPOCHS_SINCE: i16 = 9;

/// Since this version topics are named by their ids.
const TOPIC_IDS_SINCE: i16 = 10;

/// The versions in which a client says how long to keep an offset.
const RETENTION_UNTIL: i16 = 4;

pub(super) async fn start(call: Call, body: &Bytes) -> Result<Pending, String> {
    let request = OffsetCommitRequest::from_body(body, call.version()).map_err(|error| error.to_string())?;
    let group_id = request.group_id.clone();
    let (asked, topics) = to_ask(&call, request);
    let submitted = match asked {
        Some(asked) => Some(call.server.groups.submit(&group_id, asked).await),
        None => None,
    };
    let call = Arc::new(call);
    Ok(async move { finish(&call, submitted, topics).await }.boxed())
}

/// What is asked of the owner, and the answer as far as it is known: topics that are not there, and the others in their
/// places, to be filled in.
fn to_ask(
    call: &Call,
    request: OffsetCommitRequest,
) -> (Option<OffsetCommit>, Vec<OffsetCommitResponseTopic>) {
    let version = call.version();
    let mut answers = Vec::with_capacity(request.topics.len());
    let mut wanted = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let found = find(call, &topic);
        let code = match (&found, version >= TOPIC_IDS_SINCE) {
            (Some(_), _) => ErrorCode::NONE,
            (None, true) => ErrorCode::UNKNOWN_TOPIC_ID,
            (None, false) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        answers.push(OffsetCommitResponseTopic {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions: topic
                .partitions
                .iter()
                .map(|partition| answer(partition.partition_index, code))
                .collect(),
        });
        let Some((name, id)) = found else { continue };
        let partitions = topic.partitions.into_iter().map(|partition| OffsetCommitPartition {
            partition: partition.partition_index,
            offset: Offset(partition.committed_offset),
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.unwrap_or_default(),
        });
        wanted.push(OffsetCommitTopic { name, topic_id: Some(id), partitions: partitions.collect() });
    }
    let retention =
        (version <= RETENTION_UNTIL && request.retention_time_ms >= 0).then_some(request.retention_time_ms);
    let asked = OffsetCommit {
        group_id: request.group_id.into(),
        member_id: request.member_id.into(),
        group_instance_id: request.group_instance_id.map(Into::into),
        generation_id_or_member_epoch: request.generation_id_or_member_epoch,
        supports_member_epochs: version >= MEMBER_EPOCHS_SINCE,
        retention_time_ms: retention,
        topics: wanted,
    };
    // Whether the member may commit is also asked for no topics at all; but not if there are only unknown ones.
    let is_asked = !asked.topics.is_empty() || answers.is_empty();
    (is_asked.then_some(asked), answers)
}

fn find(call: &Call, topic: &OffsetCommitRequestTopic) -> Option<(TopicName, TopicId)> {
    let found = call.server.image.read(|state| {
        if call.version() >= TOPIC_IDS_SINCE {
            state.topic_by_id(TopicId(topic.topic_id)).cloned()
        } else {
            state.topic(&topic.name).cloned()
        }
    })?;
    Some((found.topic_name.clone(), found.topic_id))
}

async fn finish(
    call: &Call,
    submitted: Option<Result<Asked<OffsetCommit>, Unavailable>>,
    mut topics: Vec<OffsetCommitResponseTopic>,
) -> Outcome {
    if let Some(submitted) = submitted {
        let deadline = call.arrived + call.server.groups.commit_timeout();
        let reply = async { submitted?.reply().await };
        let reply = timeout_at(deadline, call.client.stop.or(reply)).await;
        let code_of_all = match reply {
            Ok(Some(Ok(reply))) => fill_in(call.version(), &mut topics, reply),
            Ok(Some(Err(unavailable))) => Some(errors::of_unavailable(unavailable)),
            Ok(None) => Some(ErrorCode::NOT_COORDINATOR),
            Err(_) => Some(ErrorCode::COORDINATOR_NOT_AVAILABLE),
        };
        if let Some(code) = code_of_all {
            for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                partition.error_code = code;
            }
        }
    }
    let response = OffsetCommitResponse { topics, ..OffsetCommitResponse::default() };
    call.answer(&response, Vec::new(), Held::default())
}

/// Puts the owner's results into the places of the topics that it was asked about. Gives an error that is one of all.
fn fill_in(
    version: i16,
    topics: &mut [OffsetCommitResponseTopic],
    reply: OffsetCommitReply,
) -> Option<ErrorCode> {
    let committed = match reply {
        Ok(committed) => committed,
        // Before there was an error for it.
        Err(GroupError::GroupIdNotFound) if version < MEMBER_EPOCHS_SINCE => {
            return Some(ErrorCode::ILLEGAL_GENERATION);
        }
        Err(error) => return Some(errors::of_group(&error)),
    };
    let is_asked = |topic: &&mut OffsetCommitResponseTopic| {
        topic.partitions.iter().all(|partition| partition.error_code.is_none())
    };
    for (topic, committed) in topics.iter_mut().filter(is_asked).zip(committed) {
        let CommittedTopic { partitions, .. } = committed;
        topic.partitions = partitions
            .into_iter()
            .map(|partition| {
                let code = partition.result.as_ref().map_or_else(errors::of_group, |()| ErrorCode::NONE);
                answer(partition.partition, code)
            })
            .collect();
    }
    None
}

fn answer(partition_index: i32, error_code: ErrorCode) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition { partition_index, error_code }
}
