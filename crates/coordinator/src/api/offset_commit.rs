//! OffsetCommit (8): how far a group has read.

use common::{Offset, TopicId, TopicName};

use crate::{GroupError, GroupId, InstanceId, MemberId};

/// Notes offsets. Topics that do not exist are refused before they come here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    /// Which group.
    pub group_id: GroupId,
    /// Empty: from outside the group, which then must have no members.
    pub member_id: MemberId,
    /// If it is a static member.
    pub group_instance_id: Option<InstanceId>,
    /// The member's generation or member epoch; -1: from outside the group.
    pub generation_id_or_member_epoch: i32,
    /// The request's version knows of member epochs (v9+).
    pub supports_member_epochs: bool,
    /// How long to keep the offsets at least, in ms (v2 to v4; none: as the settings say).
    pub retention_time_ms: Option<i64>,
    /// What to note.
    pub topics: Vec<OffsetCommitTopic>,
}

/// Of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitTopic {
    /// Its name.
    pub name: TopicName,
    /// Its id, so that offsets do not outlive it into a topic of the same name.
    pub topic_id: Option<TopicId>,
    /// Its partitions.
    pub partitions: Vec<OffsetCommitPartition>,
}

/// Of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitPartition {
    /// Which.
    pub partition: i32,
    /// The next to read.
    pub offset: Offset,
    /// Leader epoch of the last record read; -1: not known.
    pub leader_epoch: i32,
    /// The client's own note.
    pub metadata: String,
}

/// The answer; an error is told for every partition.
pub type OffsetCommitReply = Result<Vec<CommittedTopic>, GroupError>;

/// What became of a topic's offsets, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedTopic {
    /// Its name.
    pub name: TopicName,
    /// Its partitions.
    pub partitions: Vec<CommittedPartition>,
}

/// What became of a partition's offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedPartition {
    /// Which.
    pub partition: i32,
    /// Whether it is noted.
    pub result: Result<(), GroupError>,
}
