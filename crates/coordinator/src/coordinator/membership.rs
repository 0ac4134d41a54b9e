//! Requests of members: joining, syncing, living, leaving.

use super::Coordinator;
use crate::{
    GroupError, Now, Outcome, Reply, Token,
    api::{Heartbeat, HeartbeatReply, JoinGroup, JoinRefused, LeaveGroup, LeaveGroupReply, SyncGroup},
    group::Group,
};

impl Coordinator {
    pub(super) fn join_group(&mut self, outcome: &mut Outcome, token: Token, request: JoinGroup, now: Now) {
        let group_id = request.group_id.clone();
        if let Err(error) = self.check_join(&request) {
            let refused = JoinRefused { error, member_id: request.member_id };
            return outcome.replies.push((token, Reply::JoinGroup(Err(refused))));
        }
        if request.member_id.is_empty() {
            self.make_room_for_classic(outcome, &group_id, now);
            self.ensure_group(&group_id, now.unix_ms);
        }
        match self.group(outcome, &group_id, now) {
            Some((Group::Classic(group), mut ctx)) => group.join(&mut ctx, token, request),
            Some((Group::Consumer(group), mut ctx)) => {
                let reply = group.join(&mut ctx, &request);
                outcome.replies.push((token, Reply::JoinGroup(reply)));
            }
            None => {
                let refused =
                    JoinRefused { error: GroupError::UnknownMemberId, member_id: request.member_id };
                outcome.replies.push((token, Reply::JoinGroup(Err(refused))));
            }
        }
        self.after_step(outcome, &group_id, now);
    }

    fn check_join(&self, request: &JoinGroup) -> Result<(), GroupError> {
        request.group_id.check()?;
        let asked = request.session_timeout_ms;
        let (min, max) =
            (self.settings.group_min_session_timeout_ms, self.settings.group_max_session_timeout_ms);
        if asked < min || asked > max {
            return Err(GroupError::InvalidSessionTimeout { asked, min, max });
        }
        Ok(())
    }

    pub(super) fn sync_group(&mut self, outcome: &mut Outcome, token: Token, request: SyncGroup, now: Now) {
        let group_id = request.group_id.clone();
        match self.group(outcome, &group_id, now) {
            Some((Group::Classic(group), mut ctx)) => group.sync(&mut ctx, token, request),
            Some((Group::Consumer(group), mut ctx)) => {
                let reply = group.sync(&mut ctx, &request);
                outcome.replies.push((token, Reply::SyncGroup(reply)));
            }
            None => {
                let error = no_such_group(&request.group_id);
                outcome.replies.push((token, Reply::SyncGroup(Err(error))));
            }
        }
    }

    pub(super) fn heartbeat(
        &mut self,
        outcome: &mut Outcome,
        request: &Heartbeat,
        now: Now,
    ) -> HeartbeatReply {
        match self.group(outcome, &request.group_id, now) {
            Some((Group::Classic(group), mut ctx)) => group.heartbeat(&mut ctx, request),
            Some((Group::Consumer(group), mut ctx)) => group.classic_heartbeat(&mut ctx, request),
            None => Err(no_such_group(&request.group_id)),
        }
    }

    pub(super) fn leave_group(
        &mut self,
        outcome: &mut Outcome,
        request: LeaveGroup,
        now: Now,
    ) -> LeaveGroupReply {
        let group_id = request.group_id.clone();
        let answer = match self.group(outcome, &group_id, now) {
            Some((Group::Classic(group), mut ctx)) => Ok(group.leave(&mut ctx, request)),
            Some((Group::Consumer(group), mut ctx)) => Ok(group.leave(&mut ctx, request)),
            None => Err(no_such_group(&group_id)),
        };
        self.after_step(outcome, &group_id, now);
        answer
    }
}

/// Of a group that does not exist, nobody is a member.
fn no_such_group(group_id: &crate::GroupId) -> GroupError {
    if group_id.is_empty() { GroupError::InvalidGroupId } else { GroupError::UnknownMemberId }
}
