//! DeleteGroups (42): a group without members goes, with its offsets. One group; a request for several asks several times.

use crate::{GroupError, GroupId};

/// Deletes a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteGroup {
    /// Which.
    pub group_id: GroupId,
}

/// The answer.
pub type DeleteGroupReply = Result<(), GroupError>;
