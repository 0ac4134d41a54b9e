//! What a classic group has to say about offsets: who may commit, and how long they are kept.

use super::group::{ClassicGroup, Phase};
use crate::{GroupError, MemberId, context::Context, group::OffsetsOf, offsets::RetentionStart};

impl ClassicGroup {
    /// A member commits in its own generation, and not while it waits for its share. From outside, offsets are noted
    /// only while there are no members. Transactions of old clients say nothing of members, and are let through.
    pub(crate) fn check_commit(&self, committer: OffsetsOf<'_>) -> Result<(), GroupError> {
        let OffsetsOf { member_id, instance_id, generation_id_or_member_epoch: generation_id, .. } =
            committer;
        if generation_id < 0 && self.is_empty() {
            return Ok(());
        }
        if generation_id >= 0 || !member_id.is_empty() || instance_id.is_some() {
            self.check_member(member_id, instance_id)?;
            self.check_generation(generation_id)?;
        } else if !committer.is_transactional {
            return Err(GroupError::UnknownMemberId);
        }
        // In `Preparing` it is welcome: that is when consumers commit what they are about to give up.
        if !committer.is_transactional && self.phase == Phase::Completing {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// A commit is a sign of life.
    pub(crate) fn committed(&self, ctx: &mut Context<'_>, member_id: &MemberId) {
        if self.members.contains_key(member_id) {
            self.touch(ctx, member_id);
        }
    }

    /// Of other protocol types it is not known what their members read.
    pub(crate) fn check_offset_delete(&self) -> Result<(), GroupError> {
        if self.is_empty() || self.has_consumers() { Ok(()) } else { Err(GroupError::NonEmptyGroup) }
    }

    /// KIP-211.
    pub(crate) fn retention_start(&self, topic: &str) -> RetentionStart {
        let knows_what_it_reads = self.has_consumers() && self.subscribed_topics.is_some();
        match self.phase {
            _ if self.protocol_type.is_none() => RetentionStart::Commit,
            Phase::Empty => RetentionStart::EmptySince(self.phase_since_unix_ms),
            Phase::Stable if knows_what_it_reads && !self.is_subscribed_to(topic) => RetentionStart::Commit,
            Phase::Preparing(_) | Phase::Completing | Phase::Stable => RetentionStart::Never,
        }
    }
}
