//! A static member that comes back takes its own place, under a new member id (KIP-345).

use super::{
    group::{ClassicGroup, Phase},
    join::refuse_join,
};
use crate::{GroupError, MemberId, Reply, Token, api::JoinGroup, context::Context, sizes, timers::Timer};

impl ClassicGroup {
    /// The consumer joins in the place of its former self.
    pub(super) fn join_as_another(
        &mut self,
        ctx: &mut Context<'_>,
        token: Token,
        request: JoinGroup,
        replaced: &MemberId,
        member_id: MemberId,
    ) {
        if self.phase == Phase::Stable
            && let Err(error) = ctx.settings.check_record(self.size_with(&request))
        {
            return refuse_join(ctx, token, request.member_id, error);
        }
        let supports_skip_assignment = request.supports_skip_assignment;
        self.replace(ctx, replaced, &member_id);
        match self.phase {
            // The leader may already assign to the old id, and what it assigns would miss the new one.
            Phase::Empty | Phase::Preparing(_) | Phase::Completing => {
                self.update_member(ctx, token, &member_id, request);
                self.rebalance(ctx);
            }
            Phase::Stable => {
                self.update_member(ctx, token, &member_id, request);
                if self.select_protocol() != self.protocol_name {
                    return self.rebalance(ctx);
                }
                self.parked_joins.remove(&member_id);
                self.store(ctx);
                self.subscribed_topics = self.subscriptions();
                let joined = self.joined_as_before(&member_id, replaced, supports_skip_assignment);
                ctx.reply(token, Reply::JoinGroup(Ok(joined)));
            }
        }
    }

    /// What the record of the group would take, at most, with what this member says of itself now.
    fn size_with(&self, request: &JoinGroup) -> usize {
        let longest = request.protocols.iter().map(|protocol| protocol.metadata.len()).max().unwrap_or(0);
        sizes::of_group(&self.to_value()) + longest + request.client_id.len() + request.client_host.len()
    }

    /// The generation goes on, so there is nothing to assign. A client that does not know `skip_assignment` is kept from
    /// assigning by not being told that it leads.
    fn joined_as_before(
        &self,
        member_id: &MemberId,
        replaced: &MemberId,
        supports_skip_assignment: bool,
    ) -> crate::api::Joined {
        let mut joined = self.joined(member_id);
        if !joined.is_leader() {
            return joined;
        }
        if supports_skip_assignment {
            joined.skip_assignment = true;
        } else {
            joined.members.clear();
            joined.leader = replaced.clone();
        }
        joined
    }

    /// Everything of the old id is the new id's. Whoever still waits under the old one is fenced.
    fn replace(&mut self, ctx: &mut Context<'_>, replaced: &MemberId, member_id: &MemberId) {
        let Some(member) = self.members.remove(replaced) else { return };
        ctx.timers.cancel(Timer::Session(self.id.clone(), replaced.clone()));
        if let Some(token) = self.parked_joins.remove(replaced) {
            refuse_join(ctx, token, replaced.clone(), GroupError::FencedInstanceId);
        }
        if let Some(token) = self.parked_syncs.remove(replaced) {
            ctx.reply(token, Reply::SyncGroup(Err(GroupError::FencedInstanceId)));
        }
        if self.pending_syncs.remove(replaced) {
            self.pending_syncs.insert(member_id.clone());
        }
        if self.leader.as_ref() == Some(replaced) {
            self.leader = Some(member_id.clone());
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member_id.clone());
            self.has_unwritten_ids = true;
        }
        self.members.insert(member_id.clone(), member);
    }
}
