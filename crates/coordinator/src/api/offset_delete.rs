//! OffsetDelete (47): an administrator forgets offsets of topics that the group does not read.

use super::{CommittedTopic, OffsetFetchTopic};
use crate::{GroupError, GroupId};

/// Forgets offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetDelete {
    /// Which group.
    pub group_id: GroupId,
    /// Of which partitions.
    pub topics: Vec<OffsetFetchTopic>,
}

/// The answer: what became of each partition, in the order of the request.
pub type OffsetDeleteReply = Result<Vec<CommittedTopic>, GroupError>;
