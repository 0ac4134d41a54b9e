//! OffsetFetch (9): where to go on reading. One group; a request for several asks several times.

use common::TopicName;

use crate::{GroupError, GroupId, MemberId, records::OffsetCommitValue};

/// Asks for offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetch {
    /// Which group. One that does not exist has no offsets, which is no error.
    pub group_id: GroupId,
    /// The member that asks (v9+); none: no check.
    pub member_id: Option<MemberId>,
    /// Its member epoch; -1: no check.
    pub member_epoch: i32,
    /// Of which partitions; none: all that have an offset.
    pub topics: Option<Vec<OffsetFetchTopic>>,
    /// An offset that an open transaction may change is an error (v7+, KIP-447).
    pub require_stable: bool,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetFetchTopic {
    /// Its name.
    pub name: TopicName,
    /// Which.
    pub partitions: Vec<i32>,
}

/// The answer; an error is one of the whole group.
pub type OffsetFetchReply = Result<Vec<FetchedTopic>, GroupError>;

/// Offsets of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedTopic {
    /// Its name.
    pub name: TopicName,
    /// In the order of the request, or by number if all were asked for.
    pub partitions: Vec<FetchedPartition>,
}

/// The offset of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedPartition {
    /// Which.
    pub partition: i32,
    /// None: no offset was ever noted, or it has expired. Kafka's -1, with no error.
    pub result: Result<Option<OffsetCommitValue>, GroupError>,
}
