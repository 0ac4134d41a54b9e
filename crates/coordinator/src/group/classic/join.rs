//! JoinGroup: a member comes, or comes back.

use super::{
    group::{ClassicGroup, Phase},
    member::{Member, distinct},
};
use crate::{
    GroupError, MemberId, Reply, Token,
    api::{JoinGroup, JoinRefused, Joined, JoinedMember},
    context::{Context, new_member_id},
    timers::Timer,
};

/// How long the join of a new member stays parked, in ms: its client may be gone, without a session that would tell.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1_000;

impl ClassicGroup {
    /// Takes a join in: it is answered now, or when all have joined.
    pub(crate) fn join(&mut self, ctx: &mut Context<'_>, token: Token, request: JoinGroup) {
        let member_id = request.member_id.clone();
        let comes_back =
            request.group_instance_id.as_ref().is_some_and(|id| self.static_members.contains_key(id));
        if !comes_back && !self.has_room_for(&member_id, ctx.settings.group_max_size) {
            self.drop_pending(ctx, &member_id);
            let error = GroupError::GroupMaxSizeReached { max: ctx.settings.group_max_size };
            refuse_join(ctx, token, MemberId::default(), error);
            return self.complete_join_if_all_are_there(ctx);
        }
        if !self.supports(&request) {
            return refuse_join(ctx, token, member_id, GroupError::InconsistentGroupProtocol);
        }
        if member_id.is_empty() {
            self.join_new(ctx, token, request);
        } else {
            self.join_known(ctx, token, request);
        }
    }

    /// `group.max.size` holds for those who are there at the end of a rebalance: until then, for those who have joined.
    fn has_room_for(&self, member_id: &MemberId, max: usize) -> bool {
        match self.phase {
            Phase::Empty => true,
            Phase::Preparing(_) => self.parked_joins.contains_key(member_id) || self.parked_joins.len() < max,
            Phase::Completing | Phase::Stable => {
                self.members.contains_key(member_id) || self.members.len() < max
            }
        }
    }

    fn join_new(&mut self, ctx: &mut Context<'_>, token: Token, request: JoinGroup) {
        let instance_id = request.group_instance_id.as_ref();
        let member_id = new_member_id(&request.client_id, instance_id, request.fresh_id);
        match instance_id.and_then(|id| self.static_members.get(id)).cloned() {
            Some(replaced) => self.join_as_another(ctx, token, request, &replaced, member_id),
            None if instance_id.is_none() && request.require_known_member_id => {
                self.pending_members.insert(member_id.clone());
                ctx.touch(&self.id, &member_id, request.session_timeout_ms);
                refuse_join(ctx, token, member_id, GroupError::MemberIdRequired);
            }
            None => self.add_member(ctx, token, member_id, request),
        }
    }

    fn join_known(&mut self, ctx: &mut Context<'_>, token: Token, request: JoinGroup) {
        let member_id = request.member_id.clone();
        if request.group_instance_id.is_none() && self.pending_members.contains(&member_id) {
            return self.add_member(ctx, token, member_id, request);
        }
        if let Err(error) = self.check_member(&member_id, request.group_instance_id.as_ref()) {
            return refuse_join(ctx, token, member_id, error);
        }
        let has_changed = self
            .members
            .get(&member_id)
            .is_none_or(|member| member.protocols != distinct(request.protocols.clone()));
        let is_leader = self.leader.as_ref() == Some(&member_id);
        let wants_a_rebalance = match self.phase {
            Phase::Empty | Phase::Preparing(_) => true,
            Phase::Completing => has_changed,
            // The leader asks for one by joining: it sees, for example, that a topic has more partitions.
            Phase::Stable => has_changed || is_leader,
        };
        if wants_a_rebalance {
            self.update_member(ctx, token, &member_id, request);
            self.rebalance(ctx);
        } else {
            // A repeated join of a member that is where the others are: its answer was lost.
            self.touch(ctx, &member_id);
            let joined = self.joined(&member_id);
            ctx.reply(token, Reply::JoinGroup(Ok(joined)));
        }
    }

    fn add_member(&mut self, ctx: &mut Context<'_>, token: Token, member_id: MemberId, request: JoinGroup) {
        self.pending_members.remove(&member_id);
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let Phase::Preparing(Some(initial)) = &mut self.phase {
            initial.has_grown = true;
        }
        if let Some(instance_id) = &request.group_instance_id {
            self.static_members.insert(instance_id.clone(), member_id.clone());
            self.has_unwritten_ids = true;
        }
        let member = Member::new(request);
        self.protocols.add(&member);
        self.members.insert(member_id.clone(), member);
        self.leader.get_or_insert_with(|| member_id.clone());
        ctx.touch(&self.id, &member_id, NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.park_join(ctx, member_id, token);
        self.rebalance(ctx);
    }

    /// Takes over what a member says now, and parks its join.
    pub(super) fn update_member(
        &mut self,
        ctx: &mut Context<'_>,
        token: Token,
        member_id: &MemberId,
        request: JoinGroup,
    ) {
        if let Some(member) = self.members.get_mut(member_id) {
            self.protocols.remove(member);
            member.protocols = distinct(request.protocols);
            member.session_timeout_ms = request.session_timeout_ms;
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
            member.client_id = request.client_id;
            member.client_host = request.client_host;
            self.protocols.add(member);
            let timeout_ms =
                if member.is_new { NEW_MEMBER_JOIN_TIMEOUT_MS } else { member.session_timeout_ms };
            ctx.touch(&self.id, member_id, timeout_ms);
        }
        self.park_join(ctx, member_id.clone(), token);
    }

    fn park_join(&mut self, ctx: &mut Context<'_>, member_id: MemberId, token: Token) {
        if let Some(earlier) = self.parked_joins.insert(member_id.clone(), token) {
            refuse_join(ctx, earlier, member_id, GroupError::RebalanceInProgress);
        }
    }

    /// The answer to a member that is in the generation.
    pub(super) fn joined(&self, member_id: &MemberId) -> Joined {
        let protocol_name = self.protocol_name.clone().unwrap_or_default();
        let is_leader = self.leader.as_ref() == Some(member_id);
        let members = if is_leader { self.joined_members(&protocol_name) } else { Vec::new() };
        Joined {
            generation_id: self.generation_id,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_name,
            leader: self.leader.clone().unwrap_or_default(),
            member_id: member_id.clone(),
            members,
            skip_assignment: false,
        }
    }

    fn joined_members(&self, protocol_name: &str) -> Vec<JoinedMember> {
        let told = self.members.iter().map(|(member_id, member)| JoinedMember {
            member_id: member_id.clone(),
            group_instance_id: member.instance_id.clone(),
            metadata: member.metadata(protocol_name),
        });
        told.collect()
    }

    /// A member that was given an id will not come back.
    pub(super) fn drop_pending(&mut self, ctx: &mut Context<'_>, member_id: &MemberId) -> bool {
        let was_pending = self.pending_members.remove(member_id);
        if was_pending {
            ctx.timers.cancel(Timer::Session(self.id.clone(), member_id.clone()));
        }
        was_pending
    }
}

pub(in crate::group) fn refuse_join(
    ctx: &mut Context<'_>,
    token: Token,
    member_id: MemberId,
    error: GroupError,
) {
    ctx.reply(token, Reply::JoinGroup(Err(JoinRefused { error, member_id })));
}
