//! What is written to `__consumer_offsets`: Kafka's own records, so that tools which read the topic work.
//!
//! The names and fields are those of Kafka's schemas (`group-coordinator/src/main/resources/common/message`); the number in
//! each doc is the version of the key, which tells the kinds apart. A value of `None` is a tombstone.

use bytes::Bytes;
use common::{Offset, TopicId, TopicName};

use crate::{
    GroupId, InstanceId, MemberId,
    api::{Protocol, TopicPartitions},
};

/// One record: key and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// OffsetCommit (0 and 1): the offset of a group in a partition.
    OffsetCommit {
        /// Whose.
        group_id: GroupId,
        /// Of which topic.
        topic: TopicName,
        /// Of which partition.
        partition: i32,
        /// None: forgotten.
        value: Option<OffsetCommitValue>,
    },
    /// GroupMetadata (2): a classic group.
    GroupMetadata {
        /// Which.
        group_id: GroupId,
        /// None: deleted.
        value: Option<GroupMetadataValue>,
    },
    /// ConsumerGroupMetadata (3): a consumer group.
    ConsumerGroupMetadata {
        /// Which.
        group_id: GroupId,
        /// None: deleted.
        value: Option<ConsumerGroupMetadataValue>,
    },
    /// ConsumerGroupMemberMetadata (5): what a member said of itself.
    ConsumerGroupMemberMetadata {
        /// Of which group.
        group_id: GroupId,
        /// Who.
        member_id: MemberId,
        /// None: gone.
        value: Option<ConsumerGroupMemberMetadataValue>,
    },
    /// ConsumerGroupTargetAssignmentMetadata (6): the group epoch that the target assignment was made for.
    ConsumerGroupTargetAssignmentMetadata {
        /// Of which group.
        group_id: GroupId,
        /// The epoch; none: no target assignment.
        assignment_epoch: Option<i32>,
    },
    /// ConsumerGroupTargetAssignmentMember (7): what a member is to have.
    ConsumerGroupTargetAssignmentMember {
        /// Of which group.
        group_id: GroupId,
        /// Who.
        member_id: MemberId,
        /// None: not in the target assignment.
        partitions: Option<Vec<TopicPartitions>>,
    },
    /// ConsumerGroupCurrentMemberAssignment (8): what a member has.
    ConsumerGroupCurrentMemberAssignment {
        /// Of which group.
        group_id: GroupId,
        /// Who.
        member_id: MemberId,
        /// None: gone.
        value: Option<CurrentMemberAssignmentValue>,
    },
    /// ConsumerGroupRegularExpression (16): the topics that a subscribed expression stands for.
    ConsumerGroupRegularExpression {
        /// Of which group.
        group_id: GroupId,
        /// The expression.
        expression: String,
        /// None: nobody subscribes to it any more.
        value: Option<RegularExpressionValue>,
    },
}

impl Record {
    /// The group that it is about.
    pub fn group_id(&self) -> &GroupId {
        match self {
            Self::OffsetCommit { group_id, .. }
            | Self::GroupMetadata { group_id, .. }
            | Self::ConsumerGroupMetadata { group_id, .. }
            | Self::ConsumerGroupMemberMetadata { group_id, .. }
            | Self::ConsumerGroupTargetAssignmentMetadata { group_id, .. }
            | Self::ConsumerGroupTargetAssignmentMember { group_id, .. }
            | Self::ConsumerGroupCurrentMemberAssignment { group_id, .. }
            | Self::ConsumerGroupRegularExpression { group_id, .. } => group_id,
        }
    }
}

/// Value of an OffsetCommit record. Version 1 if it has an expire timestamp, 4 if it has a topic id, else 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// The next to read.
    pub offset: Offset,
    /// Leader epoch of the last record read; -1: not known.
    pub leader_epoch: i32,
    /// The client's own note.
    pub metadata: String,
    /// In ms since 1970.
    pub commit_timestamp_ms: i64,
    /// In ms since 1970 (version 1 only); none: as the settings say.
    pub expire_timestamp_ms: Option<i64>,
    /// Of the topic (tag 0 of version 4).
    pub topic_id: Option<TopicId>,
}

/// Value of a GroupMetadata record (version 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadataValue {
    /// `consumer`, `connect`, ...
    pub protocol_type: String,
    /// Number of the generation.
    pub generation: i32,
    /// The protocol of the generation; none while there are no members.
    pub protocol: Option<String>,
    /// The member that assigns; none while there are no members.
    pub leader: Option<MemberId>,
    /// When it came into its present state, in ms since 1970; -1: not known.
    pub current_state_timestamp_ms: i64,
    /// The members, by member id.
    pub members: Vec<GroupMetadataMember>,
}

/// A member in a GroupMetadata record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetadataMember {
    /// Who.
    pub member_id: MemberId,
    /// If it is a static member.
    pub group_instance_id: Option<InstanceId>,
    /// How the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// In ms.
    pub rebalance_timeout_ms: i32,
    /// In ms.
    pub session_timeout_ms: i32,
    /// What it said under the protocol of the generation.
    pub subscription: Bytes,
    /// Its share.
    pub assignment: Bytes,
}

/// Value of a ConsumerGroupMetadata record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupMetadataValue {
    /// The group epoch.
    pub epoch: i32,
    /// Hash of all subscribed topics (tag 0): changes when one of them does.
    pub metadata_hash: i64,
}

/// Value of a ConsumerGroupMemberMetadata record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupMemberMetadataValue {
    /// If it is a static member.
    pub instance_id: Option<InstanceId>,
    /// Where it is.
    pub rack_id: Option<String>,
    /// How the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// Topics that it reads, ascending.
    pub subscribed_topic_names: Vec<String>,
    /// Topics that it reads, in RE2's syntax.
    pub subscribed_topic_regex: Option<String>,
    /// In ms; -1: not known.
    pub rebalance_timeout_ms: i32,
    /// `uniform` or `range`; none: no wish.
    pub server_assignor: Option<String>,
    /// If it uses the classic protocol (tag 0).
    pub classic_member_metadata: Option<ClassicMemberMetadata>,
}

/// What is known of a member of a consumer group that uses the classic protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicMemberMetadata {
    /// In ms.
    pub session_timeout_ms: i32,
    /// What it can do, the best first.
    pub supported_protocols: Vec<Protocol>,
}

/// Value of a ConsumerGroupCurrentMemberAssignment record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentMemberAssignmentValue {
    /// The epoch that the member gives with its next heartbeat.
    pub member_epoch: i32,
    /// The one before: accepted too, if the answer that brought the present one was lost.
    pub previous_member_epoch: i32,
    /// 0 stable, 1 unrevoked partitions, 2 unreleased partitions, 127 unknown.
    pub state: i8,
    /// What it has.
    pub assigned_partitions: Vec<TopicPartitions>,
    /// What it has and is to give up.
    pub partitions_pending_revocation: Vec<TopicPartitions>,
}

/// Value of a ConsumerGroupRegularExpression record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegularExpressionValue {
    /// The topics that it stands for, ascending.
    pub topics: Vec<String>,
    /// Of the metadata that they were found in.
    pub version: i64,
    /// When, in ms since 1970.
    pub timestamp_ms: i64,
}
