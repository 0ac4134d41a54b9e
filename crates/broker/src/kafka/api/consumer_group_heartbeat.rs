//! ConsumerGroupHeartbeat (68), versions 0 and 1: members of the consumer protocol join, live, and learn what they are to
//! have (KIP-848).
//!
//! Racks of partitions are not looked at.

use std::sync::Arc;

use common::TopicId;
use coordinator::api::{ConsumerGroupHeartbeat, ConsumerGroupHeartbeatAnswer, TopicPartitions};
use kafka_wire::{
    ErrorCode,
    messages::{
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        consumer_group_heartbeat::{Assignment, RequestTopicPartitions, ResponseTopicPartitions},
    },
};
use uuid::Uuid;

use super::{Call, groups::NAME_BYTES_MAX};
use crate::kafka::errors;

/// Since this version members draw their ids themselves (KIP-1082).
const OWN_MEMBER_ID_SINCE: i16 = 1;

/// What a member may say that it reads, in bytes. It is written down.
const SUBSCRIPTION_BYTES_MAX: usize = 1 << 20;

pub(super) async fn handle(
    call: Arc<Call>,
    request: ConsumerGroupHeartbeatRequest,
) -> ConsumerGroupHeartbeatResponse {
    if let Err(reason) = check(&call, &request) {
        return refused(ErrorCode::INVALID_REQUEST, Some(reason.to_owned()));
    }
    let group_id = request.group_id.clone();
    let asked = to_ask(&call, request);
    match call.ask(&group_id, asked).await {
        Ok(Ok(answer)) => answered(answer),
        Ok(Err(error)) => refused(errors::of_group(&error), Some(error.to_string())),
        Err(unavailable) => refused(errors::of_unavailable(unavailable), None),
    }
}

fn check(call: &Call, request: &ConsumerGroupHeartbeatRequest) -> Result<(), &'static str> {
    if call.version() >= OWN_MEMBER_ID_SINCE && request.member_id.is_empty() {
        return Err("the member id is empty");
    }
    let names = [Some(&request.member_id), request.instance_id.as_ref(), request.rack_id.as_ref()];
    if names.into_iter().flatten().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err("the member id, instance id or rack id is too long");
    }
    let topics = request.subscribed_topic_names.iter().flatten();
    if topics.map(String::len).sum::<usize>() > SUBSCRIPTION_BYTES_MAX {
        return Err("the names of the subscribed topics are too long");
    }
    Ok(())
}

fn to_ask(call: &Call, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeat {
    let partitions = |topic: RequestTopicPartitions| TopicPartitions {
        topic_id: TopicId(topic.topic_id),
        partitions: topic.partitions,
    };
    ConsumerGroupHeartbeat {
        group_id: request.group_id.into(),
        member_id: request.member_id.into(),
        member_epoch: request.member_epoch,
        instance_id: request.instance_id.map(Into::into),
        rack_id: request.rack_id,
        rebalance_timeout_ms: Some(request.rebalance_timeout_ms).filter(|ms| *ms != -1),
        subscribed_topic_names: request.subscribed_topic_names,
        subscribed_topic_regex: request.subscribed_topic_regex,
        server_assignor: request.server_assignor,
        topic_partitions: request.topic_partitions.map(|topics| topics.into_iter().map(partitions).collect()),
        client_id: call.client_id(),
        client_host: call.client_host(),
        fresh_id: Uuid::new_v4(),
    }
}

fn answered(answer: ConsumerGroupHeartbeatAnswer) -> ConsumerGroupHeartbeatResponse {
    let partitions = |topic: TopicPartitions| ResponseTopicPartitions {
        topic_id: topic.topic_id.0,
        partitions: topic.partitions,
    };
    let assignment = answer
        .assignment
        .map(|topics| Assignment { topic_partitions: topics.into_iter().map(partitions).collect() });
    ConsumerGroupHeartbeatResponse {
        member_id: Some(answer.member_id.as_str().to_owned()),
        member_epoch: answer.member_epoch,
        heartbeat_interval_ms: answer.heartbeat_interval_ms,
        assignment,
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

fn refused(error_code: ErrorCode, error_message: Option<String>) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse { error_code, error_message, ..ConsumerGroupHeartbeatResponse::default() }
}
