//! Requests about offsets: the group agrees, the offsets are noted, read or forgotten.

use super::Coordinator;
use crate::{
    GroupError, GroupId, Now, Outcome,
    api::{
        OffsetCommit, OffsetCommitReply, OffsetDelete, OffsetDeleteReply, OffsetFetch, OffsetFetchReply,
        TxnOffsetCommit, TxnOffsetCommitReply,
    },
    context::Context,
    group::{Group, OffsetsOf},
};

impl Coordinator {
    pub(super) fn commit_offsets(
        &mut self,
        outcome: &mut Outcome,
        request: OffsetCommit,
        now: Now,
    ) -> OffsetCommitReply {
        let group_id = request.group_id;
        let committer = OffsetsOf {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_ref(),
            generation_id_or_member_epoch: request.generation_id_or_member_epoch,
            supports_member_epochs: request.supports_member_epochs,
            is_transactional: false,
        };
        self.check_commit(&group_id, committer, now)?;
        if let Some((Group::Classic(group), mut ctx)) = self.group(outcome, &group_id, now) {
            group.committed(&mut ctx, &request.member_id);
        }
        let (offsets, mut ctx) = self.offsets(outcome, now);
        let answer = offsets.commit(&mut ctx, &group_id, request.topics, request.retention_time_ms, None);
        self.forget_if_nothing_is_left(&group_id);
        Ok(answer)
    }

    pub(super) fn commit_transactional(
        &mut self,
        outcome: &mut Outcome,
        request: TxnOffsetCommit,
        now: Now,
    ) -> TxnOffsetCommitReply {
        let group_id = request.group_id;
        let committer = OffsetsOf {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_ref(),
            generation_id_or_member_epoch: request.generation_id_or_member_epoch,
            supports_member_epochs: true,
            is_transactional: true,
        };
        self.check_commit(&group_id, committer, now)?;
        let (offsets, mut ctx) = self.offsets(outcome, now);
        let answer = offsets.commit(&mut ctx, &group_id, request.topics, None, Some(request.transaction));
        self.forget_if_nothing_is_left(&group_id);
        Ok(answer)
    }

    /// Asks the group. One that does not exist comes into being for a commit from outside.
    fn check_commit(
        &mut self,
        group_id: &GroupId,
        committer: OffsetsOf<'_>,
        now: Now,
    ) -> Result<(), GroupError> {
        if !group_id.is_empty() {
            group_id.check()?;
        }
        match self.groups.get(group_id) {
            Some(group) => group.check_commit(committer),
            None if committer.generation_id_or_member_epoch < 0 => {
                self.ensure_group(group_id, now.unix_ms);
                Ok(())
            }
            None => Err(GroupError::GroupIdNotFound),
        }
    }

    pub(super) fn fetch_offsets(&self, request: OffsetFetch) -> OffsetFetchReply {
        let group_id = request.group_id;
        // Of a group that is not there nothing is known, whoever asks.
        if let Some(group) = self.groups.get(&group_id) {
            group.check_fetch(request.member_id.as_ref(), request.member_epoch)?;
        }
        Ok(self.offsets.fetch(&self.topics, &group_id, request.topics, request.require_stable))
    }

    pub(super) fn delete_offsets(
        &mut self,
        outcome: &mut Outcome,
        request: OffsetDelete,
    ) -> OffsetDeleteReply {
        let group_id = request.group_id;
        if group_id.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let group = self.groups.get(&group_id).ok_or(GroupError::GroupIdNotFound)?;
        group.check_offset_delete()?;
        let is_subscribed = |topic: &str| group.is_subscribed_to(topic);
        let answer = self.offsets.delete(outcome, &group_id, request.topics, is_subscribed);
        self.forget_if_nothing_is_left(&group_id);
        Ok(answer)
    }

    pub(super) fn offsets<'a>(
        &'a mut self,
        outcome: &'a mut Outcome,
        now: Now,
    ) -> (&'a mut crate::offsets::Offsets, Context<'a>) {
        let ctx = Context {
            now,
            settings: &self.settings,
            topics: &self.topics,
            timers: &mut self.timers,
            outcome,
        };
        (&mut self.offsets, ctx)
    }
}
