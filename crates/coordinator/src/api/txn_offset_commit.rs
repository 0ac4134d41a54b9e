//! TxnOffsetCommit (28): offsets that count once their transaction commits.

use super::{OffsetCommitReply, OffsetCommitTopic};
use crate::{GroupId, InstanceId, MemberId, Transaction};

/// Notes offsets as part of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnOffsetCommit {
    /// Which group.
    pub group_id: GroupId,
    /// Whose transaction; that it is open is checked outside.
    pub transaction: Transaction,
    /// Empty: no check of the member (below v3).
    pub member_id: MemberId,
    /// If it is a static member.
    pub group_instance_id: Option<InstanceId>,
    /// -1: no check of the generation (below v3).
    pub generation_id_or_member_epoch: i32,
    /// What to note.
    pub topics: Vec<OffsetCommitTopic>,
}

/// The answer; an error is told for every partition.
pub type TxnOffsetCommitReply = OffsetCommitReply;
