//! What a consumer group has to say about offsets: who may commit or fetch, and how long they are kept.

use super::{group::ConsumerGroup, member::Member};
use crate::{GroupError, MemberId, group::OffsetsOf, offsets::RetentionStart};

impl ConsumerGroup {
    /// A member commits in its own epoch. From outside, offsets are noted only while there are no members. Transactions
    /// of old clients say nothing of members, and are let through.
    pub(crate) fn check_commit(&self, committer: OffsetsOf<'_>) -> Result<(), GroupError> {
        let OffsetsOf { member_id, instance_id, generation_id_or_member_epoch: epoch, .. } = committer;
        let says_nothing = epoch < 0 && member_id.is_empty() && instance_id.is_none();
        if epoch < 0 && self.is_empty() || says_nothing && committer.is_transactional {
            return Ok(());
        }
        let member = self.member(member_id, instance_id)?;
        if !committer.supports_member_epochs && !member.is_classic() {
            return Err(GroupError::UnsupportedVersion);
        }
        check_epoch(member, epoch)
    }

    /// Whoever says that it is a member has to be one, in its epoch.
    pub(crate) fn check_fetch(&self, member_id: Option<&MemberId>, epoch: i32) -> Result<(), GroupError> {
        match member_id {
            Some(member_id) if epoch >= 0 || !member_id.is_empty() => {
                check_epoch(self.member(member_id, None)?, epoch)
            }
            None if epoch >= 0 => Err(GroupError::UnknownMemberId),
            _ => Ok(()),
        }
    }

    /// As in KIP-211, whose "since when the group is empty" is known for the life of a coordinator only.
    pub(crate) fn retention_start(&self, topic: &str) -> RetentionStart {
        if self.is_empty() {
            RetentionStart::EmptySince(self.since_unix_ms)
        } else if self.is_subscribed_to(topic) {
            RetentionStart::Never
        } else {
            RetentionStart::Commit
        }
    }
}

fn check_epoch(member: &Member, asked: i32) -> Result<(), GroupError> {
    let current = member.current.epoch;
    if asked == current {
        Ok(())
    } else if member.is_classic() {
        Err(GroupError::IllegalGeneration { asked, current })
    } else {
        Err(GroupError::StaleMemberEpoch { asked, current })
    }
}
