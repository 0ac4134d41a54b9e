//! Heartbeats of the consumer protocol, and groups that go from one protocol to the other.

use super::Coordinator;
use crate::{
    GroupError, GroupId, Now, Outcome,
    api::{ConsumerGroupHeartbeat, ConsumerGroupHeartbeatReply},
    context::Context,
    group::{
        ClassicGroup, ConsumerGroup, Group, can_downgrade, can_upgrade, check_heartbeat, downgrade, upgrade,
    },
};

impl Coordinator {
    pub(super) fn consumer_group_heartbeat(
        &mut self,
        outcome: &mut Outcome,
        request: ConsumerGroupHeartbeat,
        now: Now,
    ) -> ConsumerGroupHeartbeatReply {
        check_heartbeat(&request, &self.settings)?;
        let group_id = request.group_id.clone();
        if request.member_epoch == 0 {
            self.ensure_consumer_group(outcome, &group_id, now)?;
        }
        let answer = match self.group(outcome, &group_id, now) {
            Some((Group::Consumer(group), mut ctx)) => group.heartbeat(&mut ctx, request),
            Some((Group::Classic(_), _)) | None => Err(GroupError::UnknownMemberId),
        };
        self.after_step(outcome, &group_id, now);
        answer
    }

    /// A group that a consumer joins by heartbeat, for the first time or not.
    fn ensure_consumer_group(
        &mut self,
        outcome: &mut Outcome,
        group_id: &GroupId,
        now: Now,
    ) -> Result<(), GroupError> {
        let group = match self.groups.remove(group_id) {
            Some(Group::Classic(group)) if !can_upgrade(&group, &self.settings) => {
                self.groups.insert(group_id.clone(), Group::Classic(group));
                return Err(GroupError::GroupIdNotFound);
            }
            Some(Group::Classic(group)) => upgrade(&mut self.context(outcome, now), group),
            Some(Group::Consumer(group)) => group,
            None => ConsumerGroup::new(group_id.clone(), now.unix_ms),
        };
        self.groups.insert(group_id.clone(), Group::Consumer(group));
        Ok(())
    }

    /// A consumer group that is joined by the classic protocol while it is empty is a classic group from now on.
    pub(super) fn make_room_for_classic(&mut self, outcome: &mut Outcome, group_id: &GroupId, now: Now) {
        if let Some(Group::Consumer(group)) = self.groups.get(group_id)
            && group.is_empty()
        {
            self.make_classic(outcome, group_id, now);
        }
    }

    /// What is to be seen to whenever something may have happened to a group. A consumer group changes by records only; most
    /// heartbeats change nothing, and do not have to look at all members.
    pub(super) fn after_step(&mut self, outcome: &mut Outcome, group_id: &GroupId, now: Now) {
        if let Some(Group::Consumer(group)) = self.groups.get_mut(group_id)
            && !outcome.records.is_empty()
        {
            group.note_state(now.unix_ms);
            if can_downgrade(group, &self.settings) {
                self.make_classic(outcome, group_id, now);
            }
        }
        self.forget_if_nothing_is_left(group_id);
    }

    fn make_classic(&mut self, outcome: &mut Outcome, group_id: &GroupId, now: Now) {
        let group = match self.groups.remove(group_id) {
            Some(Group::Consumer(group)) => downgrade(&mut self.context(outcome, now), group),
            Some(Group::Classic(group)) => group,
            None => ClassicGroup::new(group_id.clone(), now.unix_ms),
        };
        self.groups.insert(group_id.clone(), Group::Classic(group));
    }

    fn context<'a>(&'a mut self, outcome: &'a mut Outcome, now: Now) -> Context<'a> {
        Context { now, settings: &self.settings, topics: &self.topics, timers: &mut self.timers, outcome }
    }
}
