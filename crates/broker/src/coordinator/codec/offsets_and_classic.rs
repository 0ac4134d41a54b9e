//! Offsets, and groups of the classic protocol.

use common::{Offset, TopicId};
use coordinator::records::{GroupMetadataMember, GroupMetadataValue, OffsetCommitValue};
use kafka_wire::group_records::{self as wire, group_metadata::MemberMetadata};
use uuid::Uuid;

use super::{Value, WireValue};

/// A classic group is written as Kafka writes it; later versions say no more.
const GROUP_METADATA_VERSION: i16 = 3;

/// Says "not given" in a time.
const NO_TIME: i64 = -1;

/// An offset in the form of Kafka 0.8, which is read only.
pub(super) struct Legacy(pub(super) OffsetCommitValue);

impl Value for Legacy {
    type Key = wire::LegacyOffsetCommitKey;

    fn into_wire(self) -> WireValue<Self> {
        let OffsetCommitValue { offset: Offset(offset), metadata, commit_timestamp_ms, .. } = self.0;
        WireValue::<Self> { offset, metadata, commit_timestamp: commit_timestamp_ms }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        Self(OffsetCommitValue {
            offset: Offset(value.offset),
            leader_epoch: -1,
            metadata: value.metadata,
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: None,
            topic_id: None,
        })
    }
}

impl Value for OffsetCommitValue {
    type Key = wire::OffsetCommitKey;

    /// Only version 1 has a time of expiry, only version 4 the topic's id.
    fn version(&self) -> i16 {
        match (self.expire_timestamp_ms, self.topic_id) {
            (Some(_), _) => 1,
            (None, Some(_)) => 4,
            (None, None) => 3,
        }
    }

    fn into_wire(self) -> WireValue<Self> {
        WireValue::<Self> {
            offset: self.offset.0,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata,
            commit_timestamp: self.commit_timestamp_ms,
            expire_timestamp: self.expire_timestamp_ms.unwrap_or(NO_TIME),
            topic_id: self.topic_id.map_or(Uuid::nil(), |id| id.0),
        }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        Self {
            offset: Offset(value.offset),
            leader_epoch: value.leader_epoch,
            metadata: value.metadata,
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: (value.expire_timestamp != NO_TIME).then_some(value.expire_timestamp),
            topic_id: (!value.topic_id.is_nil()).then_some(TopicId(value.topic_id)),
        }
    }
}

impl Value for GroupMetadataValue {
    type Key = wire::GroupMetadataKey;

    fn version(&self) -> i16 {
        GROUP_METADATA_VERSION
    }

    fn into_wire(self) -> WireValue<Self> {
        let member = |member: GroupMetadataMember| MemberMetadata {
            member_id: member.member_id.as_str().to_owned(),
            group_instance_id: member.group_instance_id.map(|id| id.as_str().to_owned()),
            client_id: member.client_id,
            client_host: member.client_host,
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.subscription,
            assignment: member.assignment,
        };
        WireValue::<Self> {
            protocol_type: self.protocol_type,
            generation: self.generation,
            protocol: self.protocol,
            leader: self.leader.map(|id| id.as_str().to_owned()),
            current_state_timestamp: self.current_state_timestamp_ms,
            members: self.members.into_iter().map(member).collect(),
        }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        let member = |member: MemberMetadata| GroupMetadataMember {
            member_id: member.member_id.into(),
            group_instance_id: member.group_instance_id.map(Into::into),
            client_id: member.client_id,
            client_host: member.client_host,
            // Version 0 has none.
            rebalance_timeout_ms: match member.rebalance_timeout {
                -1 => member.session_timeout,
                given => given,
            },
            session_timeout_ms: member.session_timeout,
            subscription: member.subscription,
            assignment: member.assignment,
        };
        Self {
            protocol_type: value.protocol_type,
            generation: value.generation,
            protocol: value.protocol,
            leader: value.leader.map(Into::into),
            current_state_timestamp_ms: value.current_state_timestamp,
            members: value.members.into_iter().map(member).collect(),
        }
    }
}
