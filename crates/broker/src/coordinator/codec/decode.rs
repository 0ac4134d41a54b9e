//! Records from bytes.

use bytes::Bytes;
use common::TopicName;
use coordinator::{Record, records as core};
use kafka_wire::{
    DecodeError,
    group_record::{GroupRecordKey, GroupRecordValue, record_type},
    group_records as wire,
};

use super::{BadRecord, Value, WireValue, offsets_and_classic::Legacy};

/// A record from bytes; `None`: one that no longer says anything.
///
/// # Errors
/// [`BadRecord`].
pub(in crate::coordinator) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, BadRecord> {
    let kind = record_type(key).ok_or(BadRecord::NoKey)?;
    let (key, value) = (&Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
    let value = value.as_ref();
    Ok(Some(match kind {
        wire::LegacyOffsetCommitKey::TYPE => {
            let (wire::LegacyOffsetCommitKey { group, topic, partition }, value) =
                read::<Legacy>(key, value)?;
            let topic = TopicName::new(&topic)?;
            let value = value.map(|Legacy(value)| value);
            Record::OffsetCommit { group_id: group.into(), topic, partition, value }
        }
        wire::OffsetCommitKey::TYPE => {
            let (wire::OffsetCommitKey { group, topic, partition }, value) = read(key, value)?;
            let topic = TopicName::new(&topic)?;
            Record::OffsetCommit { group_id: group.into(), topic, partition, value }
        }
        wire::GroupMetadataKey::TYPE => {
            let (key, value) = read::<core::GroupMetadataValue>(key, value)?;
            Record::GroupMetadata { group_id: key.group.into(), value }
        }
        wire::ConsumerGroupMetadataKey::TYPE => {
            let (key, value) = read::<core::ConsumerGroupMetadataValue>(key, value)?;
            Record::ConsumerGroupMetadata { group_id: key.group_id.into(), value }
        }
        // Of Kafka before 4.1: a hash in the group's own record took its place.
        wire::ConsumerGroupPartitionMetadataKey::TYPE => return Ok(None),
        wire::ConsumerGroupTargetAssignmentMetadataKey::TYPE => {
            let (key, assignment_epoch) = read::<i32>(key, value)?;
            let group_id = key.group_id.into();
            Record::ConsumerGroupTargetAssignmentMetadata { group_id, assignment_epoch }
        }
        wire::ConsumerGroupRegularExpressionKey::TYPE => {
            let (key, value) = read::<core::RegularExpressionValue>(key, value)?;
            let (group_id, expression) = (key.group_id.into(), key.regular_expression);
            Record::ConsumerGroupRegularExpression { group_id, expression, value }
        }
        _ => decode_of_member(kind, key, value)?,
    }))
}

/// Those of one member of a consumer group.
fn decode_of_member(kind: i16, key: &Bytes, value: Option<&Bytes>) -> Result<Record, BadRecord> {
    Ok(match kind {
        wire::ConsumerGroupMemberMetadataKey::TYPE => {
            let (key, value) = read::<core::ConsumerGroupMemberMetadataValue>(key, value)?;
            let (group_id, member_id) = (key.group_id.into(), key.member_id.into());
            Record::ConsumerGroupMemberMetadata { group_id, member_id, value }
        }
        wire::ConsumerGroupTargetAssignmentMemberKey::TYPE => {
            let (key, partitions) = read::<Vec<coordinator::api::TopicPartitions>>(key, value)?;
            let (group_id, member_id) = (key.group_id.into(), key.member_id.into());
            Record::ConsumerGroupTargetAssignmentMember { group_id, member_id, partitions }
        }
        wire::ConsumerGroupCurrentMemberAssignmentKey::TYPE => {
            let (key, value) = read::<core::CurrentMemberAssignmentValue>(key, value)?;
            let (group_id, member_id) = (key.group_id.into(), key.member_id.into());
            Record::ConsumerGroupCurrentMemberAssignment { group_id, member_id, value }
        }
        unknown => return Err(BadRecord::Unknown(unknown)),
    })
}

fn read<V: Value>(key: &Bytes, value: Option<&Bytes>) -> Result<(V::Key, Option<V>), DecodeError> {
    let value = value.map(WireValue::<V>::from_bytes).transpose()?;
    Ok((V::Key::from_bytes(key)?, value.map(V::from_wire)))
}
