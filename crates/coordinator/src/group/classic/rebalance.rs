//! From one generation to the next: all members join again.

use std::{collections::BTreeSet, mem};

use super::{
    group::{ClassicGroup, InitialDelay, Phase},
    join::refuse_join,
};
use crate::{GroupError, MemberId, Reply, context::Context, embedded::subscribed_topics, timers::Timer};

/// How long it is waited at least for static members all of whom are away, in ms, whatever they call their rebalance timeout: to
/// look again at once would be all that is done.
const ABSENT_WAIT_MS: i32 = 1_000;

impl ClassicGroup {
    /// There is to be a next generation: everybody is asked to join, unless that is so already.
    pub(in crate::group) fn rebalance(&mut self, ctx: &mut Context<'_>) {
        match self.phase {
            Phase::Preparing(_) => self.complete_join_if_all_are_there(ctx),
            Phase::Empty | Phase::Completing | Phase::Stable => self.prepare(ctx),
        }
    }

    fn prepare(&mut self, ctx: &mut Context<'_>) {
        self.refuse_syncs(ctx);
        let rebalance_timeout_ms = self.rebalance_timeout_ms();
        if self.phase == Phase::Empty {
            let delay_ms = ctx.settings.group_initial_rebalance_delay_ms;
            let remaining_ms = rebalance_timeout_ms.saturating_sub(delay_ms).max(0);
            let initial = InitialDelay { remaining_ms, has_grown: false };
            self.enter(Phase::Preparing(Some(initial)), ctx.now);
            ctx.after(Timer::Join(self.id.clone()), delay_ms);
        } else {
            self.enter(Phase::Preparing(None), ctx.now);
            ctx.after(Timer::Join(self.id.clone()), rebalance_timeout_ms);
            self.complete_join_if_all_are_there(ctx);
        }
    }

    /// The generation is over before it had its assignment.
    fn refuse_syncs(&mut self, ctx: &mut Context<'_>) {
        for (member_id, token) in mem::take(&mut self.parked_syncs) {
            ctx.reply(token, Reply::SyncGroup(Err(GroupError::RebalanceInProgress)));
            self.touch(ctx, &member_id);
        }
        self.pending_syncs.clear();
        ctx.timers.cancel(Timer::Sync(self.id.clone()));
    }

    /// Goes on if nobody is missing. A group that was empty waits its time anyway.
    pub(super) fn complete_join_if_all_are_there(&mut self, ctx: &mut Context<'_>) {
        let all_are_there = self.parked_joins.len() == self.members.len() && self.pending_members.is_empty();
        if self.phase == Phase::Preparing(None) && all_are_there {
            self.complete_join(ctx);
        }
    }

    /// The join timer ended: whoever is missing is late.
    pub(crate) fn join_timed_out(&mut self, ctx: &mut Context<'_>) {
        match &mut self.phase {
            Phase::Preparing(Some(initial)) if initial.has_grown && initial.remaining_ms > 0 => {
                let delay_ms = ctx.settings.group_initial_rebalance_delay_ms.min(initial.remaining_ms);
                initial.remaining_ms -= delay_ms.max(1);
                initial.has_grown = false;
                ctx.after(Timer::Join(self.id.clone()), delay_ms);
            }
            Phase::Preparing(_) => self.complete_join(ctx),
            Phase::Empty | Phase::Completing | Phase::Stable => {}
        }
    }

    fn complete_join(&mut self, ctx: &mut Context<'_>) {
        let is_late = |id: &&MemberId| {
            let is_dynamic = self.members.get(*id).is_some_and(|member| member.instance_id.is_none());
            is_dynamic && !self.parked_joins.contains_key(*id)
        };
        let late: Vec<MemberId> = self.members.keys().filter(is_late).cloned().collect();
        for member_id in late {
            self.remove_member(ctx, &member_id);
        }
        if !self.members.is_empty() && !self.leader_has_joined() {
            // Only static members, and none of them came: wait on, until their sessions end.
            let rebalance_timeout_ms = self.rebalance_timeout_ms();
            return ctx.after(Timer::Join(self.id.clone()), rebalance_timeout_ms.max(ABSENT_WAIT_MS));
        }
        ctx.timers.cancel(Timer::Join(self.id.clone()));
        self.begin_generation(ctx);
    }

    /// Whether somebody who has joined leads, now.
    fn leader_has_joined(&mut self) -> bool {
        let has_joined = self.leader.as_ref().is_some_and(|leader| self.parked_joins.contains_key(leader));
        if !has_joined && let Some(other) = self.parked_joins.keys().next() {
            self.leader = Some(other.clone());
            return true;
        }
        has_joined
    }

    fn begin_generation(&mut self, ctx: &mut Context<'_>) {
        self.generation_id = self.generation_id.checked_add(1).unwrap_or(1);
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.subscriptions();
        if self.members.is_empty() {
            self.enter(Phase::Empty, ctx.now);
            return self.store(ctx);
        }
        self.enter(Phase::Completing, ctx.now);
        self.store_new_ids(ctx);
        for (member_id, token) in mem::take(&mut self.parked_joins) {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.touch(ctx, &member_id);
            let joined = self.joined(&member_id);
            ctx.reply(token, Reply::JoinGroup(Ok(joined)));
            self.pending_syncs.insert(member_id);
        }
        let rebalance_timeout_ms = self.rebalance_timeout_ms();
        ctx.after(Timer::Sync(self.id.clone()), rebalance_timeout_ms);
    }

    /// What the members read, if they are consumers and say so in a way that is understood.
    pub(in crate::group) fn subscriptions(&self) -> Option<BTreeSet<String>> {
        if !self.has_consumers() {
            return None;
        }
        let Some(protocol_name) = &self.protocol_name else { return Some(BTreeSet::new()) };
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            let metadata = member.metadata(protocol_name);
            all.extend(subscribed_topics(&metadata)?.into_iter().map(str::to_owned));
        }
        Some(all)
    }

    /// Takes a member out. If it waits for something, it waits in vain.
    pub(super) fn remove_member(&mut self, ctx: &mut Context<'_>, member_id: &MemberId) {
        let Some(member) = self.members.remove(member_id) else { return };
        self.protocols.remove(&member);
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        ctx.timers.cancel(Timer::Session(self.id.clone(), member_id.clone()));
        if let Some(token) = self.parked_joins.remove(member_id) {
            refuse_join(ctx, token, MemberId::default(), GroupError::UnknownMemberId);
        }
        if let Some(token) = self.parked_syncs.remove(member_id) {
            ctx.reply(token, Reply::SyncGroup(Err(GroupError::UnknownMemberId)));
        }
        self.pending_syncs.remove(member_id);
        if self.leader.as_ref() == Some(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// A member was heard of, or begins to be waited for.
    pub(in crate::group) fn touch(&self, ctx: &mut Context<'_>, member_id: &MemberId) {
        if let Some(member) = self.members.get(member_id) {
            ctx.touch(&self.id, member_id, member.session_timeout_ms);
        }
    }
}
