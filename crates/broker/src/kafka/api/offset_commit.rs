//! OffsetCommit (8), versions 2 to 10: how far a group has read.
//!
//! A commit is put into its owner's queue when it is read, so that those of one connection pipeline as produce requests do;
//! the answer comes in turn, once the offsets are as safe as records with acks=all. One that takes longer than
//! `offsets.commit.timeout.ms` is answered with COORDINATOR_NOT_AVAILABLE: it may still come to pass.

use std::sync::Arc;

use bytes::Bytes;
use common::{Offset, Topic, TopicId};
use coordinator::{
    GroupError,
    api::{
        CommittedPartition, CommittedTopic, OffsetCommit, OffsetCommitPartition, OffsetCommitReply,
        OffsetCommitTopic,
    },
};
use futures_util::FutureExt;
use kafka_wire::{
    ErrorCode, Message,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse,
        offset_commit::{
            OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponsePartition,
            OffsetCommitResponseTopic,
        },
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

/// What is asked of the owner, and the answer as far as it is known: partitions that are not there, and the others in their
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
        let code = |partition: &OffsetCommitRequestPartition| match &found {
            Some(found) if has_partition(found, partition.partition_index) => ErrorCode::NONE,
            None if version >= TOPIC_IDS_SINCE => ErrorCode::UNKNOWN_TOPIC_ID,
            Some(_) | None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        };
        let partitions = topic.partitions.iter().map(|it| answer(it.partition_index, code(it))).collect();
        answers.push(OffsetCommitResponseTopic { name: topic.name, topic_id: topic.topic_id, partitions });
        let Some(found) = &found else { continue };
        let known = topic.partitions.into_iter().filter(|it| has_partition(found, it.partition_index));
        let partitions = known.map(|partition| OffsetCommitPartition {
            partition: partition.partition_index,
            offset: Offset(partition.committed_offset),
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata.unwrap_or_default(),
        });
        let (name, topic_id) = (found.topic_name.clone(), Some(found.topic_id));
        wanted.push(OffsetCommitTopic { name, topic_id, partitions: partitions.collect() });
    }
    let retention =
        (version <= RETENTION_UNTIL && request.retention_time_ms >= 0).then_some(request.retention_time_ms);
    // Whether the member may commit is also asked for no partitions at all; but not if there are only unknown ones.
    let is_asked = to_be_filled_in(&mut answers).next().is_some()
        || answers.iter().all(|topic| topic.partitions.is_empty());
    let asked = is_asked.then(|| OffsetCommit {
        group_id: request.group_id.into(),
        member_id: request.member_id.into(),
        group_instance_id: request.group_instance_id.map(Into::into),
        generation_id_or_member_epoch: request.generation_id_or_member_epoch,
        supports_member_epochs: version >= MEMBER_EPOCHS_SINCE,
        retention_time_ms: retention,
        topics: wanted,
    });
    (asked, answers)
}

fn find(call: &Call, topic: &OffsetCommitRequestTopic) -> Option<Arc<Topic>> {
    call.server.image.read(|state| {
        if call.version() >= TOPIC_IDS_SINCE {
            state.topic_by_id(TopicId(topic.topic_id)).cloned()
        } else {
            state.topic(&topic.name).cloned()
        }
    })
}

fn has_partition(topic: &Topic, index: i32) -> bool {
    usize::try_from(index).is_ok_and(|index| index < topic.partitions.len())
}

/// The partitions that the owner is asked about, in the order in which it is.
fn to_be_filled_in(
    topics: &mut [OffsetCommitResponseTopic],
) -> impl Iterator<Item = &mut OffsetCommitResponsePartition> {
    let partitions = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    partitions.filter(|partition| partition.error_code.is_none())
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
            to_be_filled_in(&mut topics).for_each(|partition| partition.error_code = code);
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
    let results = committed.into_iter().flat_map(|topic: CommittedTopic| topic.partitions);
    for (partition, CommittedPartition { result, .. }) in to_be_filled_in(topics).zip(results) {
        partition.error_code = result.as_ref().map_or_else(errors::of_group, |()| ErrorCode::NONE);
    }
    None
}

fn answer(partition_index: i32, error_code: ErrorCode) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition { partition_index, error_code }
}
