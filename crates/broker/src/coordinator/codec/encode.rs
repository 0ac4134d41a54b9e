//! Records to bytes.

use coordinator::{GroupId, Record};
use kafka_wire::{
    EncodeError,
    group_record::{GroupRecordKey, GroupRecordValue},
    group_records as wire,
};

use super::{Encoded, Value};

/// A record as bytes.
///
/// # Errors
/// If a text or an assignment is longer than the form allows.
pub(in crate::coordinator) fn encode(record: Record) -> Result<Encoded, EncodeError> {
    let text = |group_id: GroupId| group_id.as_str().to_owned();
    match record {
        Record::OffsetCommit { group_id, topic, partition, value } => {
            let (group, topic) = (text(group_id), topic.as_str().to_owned());
            pair(wire::OffsetCommitKey { group, topic, partition }, value)
        }
        Record::GroupMetadata { group_id, value } => {
            pair(wire::GroupMetadataKey { group: text(group_id) }, value)
        }
        Record::ConsumerGroupMetadata { group_id, value } => {
            pair(wire::ConsumerGroupMetadataKey { group_id: text(group_id) }, value)
        }
        Record::ConsumerGroupMemberMetadata { group_id, member_id, value } => {
            let (group_id, member_id) = (text(group_id), member_id.as_str().to_owned());
            pair(wire::ConsumerGroupMemberMetadataKey { group_id, member_id }, value)
        }
        Record::ConsumerGroupTargetAssignmentMetadata { group_id, assignment_epoch } => {
            let key = wire::ConsumerGroupTargetAssignmentMetadataKey { group_id: text(group_id) };
            pair(key, assignment_epoch)
        }
        Record::ConsumerGroupTargetAssignmentMember { group_id, member_id, partitions } => {
            let (group_id, member_id) = (text(group_id), member_id.as_str().to_owned());
            pair(wire::ConsumerGroupTargetAssignmentMemberKey { group_id, member_id }, partitions)
        }
        Record::ConsumerGroupCurrentMemberAssignment { group_id, member_id, value } => {
            let (group_id, member_id) = (text(group_id), member_id.as_str().to_owned());
            pair(wire::ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id }, value)
        }
        Record::ConsumerGroupRegularExpression { group_id, expression: regular_expression, value } => {
            let group_id = text(group_id);
            pair(wire::ConsumerGroupRegularExpressionKey { group_id, regular_expression }, value)
        }
    }
}

fn pair<V: Value>(key: V::Key, value: Option<V>) -> Result<Encoded, EncodeError> {
    let value = value.map(|value| {
        let version = value.version();
        value.into_wire().to_bytes(version)
    });
    Ok((key.to_bytes()?, value.transpose()?))
}
