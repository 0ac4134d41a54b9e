//! What metrics tell of groups: no API of Kafka's, but one look at all of them.

use common::{Offset, TopicName};

use crate::GroupId;

/// Asks for the figures of all groups of one coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The most offsets that are told. If there are more, none is.
    pub offsets_max: usize,
}

/// The answer, by group id.
pub type SurveyReply = Vec<SurveyedGroup>;

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedGroup {
    /// Which.
    pub group_id: GroupId,
    /// How many members it has.
    pub members: usize,
    /// What it has committed, by topic and partition; none if there are too many in all.
    pub offsets: Option<Vec<SurveyedOffset>>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedOffset {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// The next to read.
    pub offset: Offset,
}
