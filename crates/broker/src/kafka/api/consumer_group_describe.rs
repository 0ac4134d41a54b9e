//! ConsumerGroupDescribe (69), versions 0 and 1: groups of the consumer protocol with their members, their epochs, what each
//! member has and what it is to have (KIP-848).

use std::sync::Arc;

use coordinator::api::{
    ConsumerGroupDescribe, ConsumerGroupDescription, ConsumerMemberDescription, TopicPartitions as Partitions,
};
use kafka_wire::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
        consumer_group_describe::{Assignment, DescribedGroup, Member, TopicPartitions},
    },
};

use super::{
    Call,
    operations::{self, if_asked},
};
use crate::kafka::errors;

/// Since this version it is told which protocol a member uses.
const MEMBER_TYPE_SINCE: i16 = 1;

/// What stands for a member type before.
const MEMBER_TYPE_NOT_KNOWN: i8 = -1;

pub(super) async fn handle(
    call: Arc<Call>,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let operations = if_asked(request.include_authorized_operations, operations::ON_GROUP);
    let mut groups = Vec::with_capacity(request.group_ids.len());
    for group_id in request.group_ids {
        let asked = ConsumerGroupDescribe { group_id: group_id.as_str().into() };
        let group = match call.ask(&group_id, asked).await {
            Ok(Ok(group)) => describe(&call, group),
            Ok(Err(error)) => DescribedGroup {
                error_code: errors::of_group(&error),
                error_message: Some(format!("group {group_id} is not a consumer group: {error}")),
                ..DescribedGroup::default()
            },
            Err(unavailable) => DescribedGroup {
                error_code: errors::of_unavailable(unavailable),
                ..DescribedGroup::default()
            },
        };
        groups.push(DescribedGroup { group_id, authorized_operations: operations, ..group });
    }
    ConsumerGroupDescribeResponse { groups, ..ConsumerGroupDescribeResponse::default() }
}

fn describe(call: &Call, group: ConsumerGroupDescription) -> DescribedGroup {
    DescribedGroup {
        error_code: ErrorCode::NONE,
        group_state: group.state.as_str().to_owned(),
        group_epoch: group.group_epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: group.assignor_name,
        members: group.members.into_iter().map(|member| describe_member(call, member)).collect(),
        ..DescribedGroup::default()
    }
}

fn describe_member(call: &Call, member: ConsumerMemberDescription) -> Member {
    let member_type = if call.version() >= MEMBER_TYPE_SINCE {
        i8::from(!member.is_classic)
    } else {
        MEMBER_TYPE_NOT_KNOWN
    };
    Member {
        member_id: member.member_id.as_str().to_owned(),
        instance_id: member.instance_id.map(|id| id.as_str().to_owned()),
        rack_id: member.rack_id,
        member_epoch: member.member_epoch,
        client_id: member.client_id,
        client_host: member.client_host,
        subscribed_topic_names: member.subscribed_topic_names,
        subscribed_topic_regex: Some(member.subscribed_topic_regex.unwrap_or_default()),
        assignment: assignment(call, member.assignment),
        target_assignment: assignment(call, member.target_assignment),
        member_type,
    }
}

/// Topics that are gone are left out: they have no name.
fn assignment(call: &Call, topics: Vec<Partitions>) -> Assignment {
    let named = |topic: Partitions| {
        let name = call.server.image.read(|state| {
            state.topic_by_id(topic.topic_id).map(|found| found.topic_name.as_str().to_owned())
        })?;
        Some(TopicPartitions { topic_id: topic.topic_id.0, topic_name: name, partitions: topic.partitions })
    };
    Assignment { topic_partitions: topics.into_iter().filter_map(named).collect() }
}
