//! Members of a consumer group that use the classic protocol. To them their epoch is the generation, and nobody leads: they
//! join, fetch their share, and are told to join anew when there is another step for them to do.

use std::collections::BTreeSet;

use super::{
    group::ConsumerGroup,
    heartbeat::distinct,
    member::{Member, MemberState},
};
use crate::{
    GroupError, MemberId, Topics,
    api::{
        Heartbeat, HeartbeatReply, JoinGroup, JoinGroupReply, JoinRefused, Joined, LeaveGroup, LeavingMember,
        LeftMember, Protocol, SyncGroup, SyncGroupReply, Synced,
    },
    assignment::Assignment,
    context::{Context, new_member_id},
    embedded::{Subscription, encode_assignment},
    records::ClassicMemberMetadata,
    sizes,
    timers::Timer,
};

impl ConsumerGroup {
    /// JoinGroup: answered at once, nobody waits for others.
    pub(crate) fn join(&mut self, ctx: &mut Context<'_>, request: &JoinGroup) -> JoinGroupReply {
        let is_new = request.member_id.is_empty();
        let member_id = if is_new {
            new_member_id(&request.client_id, request.group_instance_id.as_ref(), request.fresh_id)
        } else {
            request.member_id.clone()
        };
        let refuse = |error| JoinRefused { error, member_id: MemberId::default() };
        let metadata = self.check_join(ctx, request, &member_id).map_err(refuse)?;
        if is_new && request.group_instance_id.is_none() && request.require_known_member_id {
            self.pending_members.insert(member_id.clone());
            ctx.touch(&self.id, &member_id, request.session_timeout_ms);
            return Err(JoinRefused { error: GroupError::MemberIdRequired, member_id });
        }
        let subscription =
            Subscription::parse(metadata).ok_or_else(|| refuse(GroupError::InconsistentGroupProtocol))?;
        self.admit_classic(ctx, request, &member_id).map_err(refuse)?;
        let reads_something_else = self.update(ctx, &member_id, |metadata| {
            // Who is a static member stays one, should it say nothing of that now.
            metadata.instance_id = request.group_instance_id.clone().or_else(|| metadata.instance_id.take());
            metadata.rack_id = subscription.rack_id.map(str::to_owned);
            metadata.client_id.clone_from(&request.client_id);
            metadata.client_host.clone_from(&request.client_host);
            metadata.rebalance_timeout_ms = request.rebalance_timeout_ms;
            metadata.subscribed_topic_names =
                distinct(subscription.topics.iter().copied().map(str::to_owned).collect());
            metadata.subscribed_topic_regex = None;
            metadata.server_assignor = None;
            metadata.classic_member_metadata = Some(ClassicMemberMetadata {
                session_timeout_ms: request.session_timeout_ms,
                supported_protocols: request.protocols.clone(),
            });
        });
        if reads_something_else || self.is_unsettled {
            self.members_changed(ctx);
        }
        let owned = owned_partitions(&subscription, ctx.topics);
        self.reconcile(ctx, &member_id, Some(&owned));
        self.touch(ctx, &member_id);
        // It has to come for its share in time.
        ctx.after(self.step_timer(&member_id), request.rebalance_timeout_ms);
        let member = self.members.get(&member_id).ok_or_else(|| refuse(GroupError::UnknownMemberId))?;
        Ok(Joined {
            generation_id: member.current.epoch,
            protocol_type: "consumer".to_owned(),
            protocol_name: protocol_name(member),
            leader: MemberId::default(),
            member_id,
            members: Vec::new(),
            skip_assignment: false,
        })
    }

    fn check_join<'a>(
        &self,
        ctx: &Context<'_>,
        request: &'a JoinGroup,
        member_id: &MemberId,
    ) -> Result<&'a [u8], GroupError> {
        self.check_room(member_id, ctx.settings.group_consumer_max_size)?;
        ctx.settings.check_record(sizes::of_classic_consumer(request))?;
        let mut known_by_all: BTreeSet<&str> = names(&request.protocols).collect();
        let classic =
            self.members.values().filter_map(|member| member.metadata.classic_member_metadata.as_ref());
        for member in classic {
            let also: BTreeSet<&str> = names(&member.supported_protocols).collect();
            known_by_all.retain(|name| also.contains(name));
        }
        let supports = request.protocol_type == "consumer" && !known_by_all.is_empty();
        let metadata =
            request.protocols.first().filter(|_| supports).map(|protocol| protocol.metadata.as_ref());
        metadata.ok_or(GroupError::InconsistentGroupProtocol)
    }

    fn admit_classic(
        &mut self,
        ctx: &mut Context<'_>,
        request: &JoinGroup,
        member_id: &MemberId,
    ) -> Result<(), GroupError> {
        let Some(instance_id) = &request.group_instance_id else {
            // Somebody whose session ended has to hear of it, because it may think that it still has something.
            let is_known = self.pending_members.remove(member_id) || self.members.contains_key(member_id);
            let is_welcome = request.member_id.is_empty() || is_known;
            return if is_welcome { Ok(()) } else { Err(GroupError::UnknownMemberId) };
        };
        match self.static_members.get(instance_id).cloned() {
            Some(former) if request.member_id.is_empty() => self.replace(ctx, &former, member_id),
            Some(current) if current != *member_id => return Err(GroupError::FencedInstanceId),
            None if !request.member_id.is_empty() => return Err(GroupError::UnknownMemberId),
            Some(_) | None => {}
        }
        Ok(())
    }

    /// SyncGroup: the member's share, whoever made it.
    pub(crate) fn sync(&mut self, ctx: &mut Context<'_>, request: &SyncGroup) -> SyncGroupReply {
        let member_id = &request.member_id;
        let member = self.classic_member(member_id, request.group_instance_id.as_ref())?;
        check_generation(member, request.generation_id)?;
        // It may have been told of another one when this was a classic group. The coordinator assigns, whatever it is.
        let protocol_name = request.protocol_name.clone().unwrap_or_else(|| protocol_name(member));
        let is_other_type = request.protocol_type.as_ref().is_some_and(|given| given != "consumer");
        if is_other_type || !knows(member, &protocol_name) {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        if self.epoch > member.current.epoch && member.current.state != MemberState::UnrevokedPartitions {
            self.expect_join(ctx, member_id);
            return Err(GroupError::RebalanceInProgress);
        }
        let assignment = encode_assignment(member.share_version(), &member.current.assigned, ctx.topics);
        ctx.timers.cancel(self.step_timer(member_id));
        self.touch(ctx, member_id);
        Ok(Synced { protocol_type: "consumer".to_owned(), protocol_name, assignment })
    }

    /// Heartbeat: the member is to join anew if the group has gone on, if it has something to give up, or if something that
    /// it waits for is free now.
    pub(crate) fn classic_heartbeat(&mut self, ctx: &mut Context<'_>, request: &Heartbeat) -> HeartbeatReply {
        let member_id = &request.member_id;
        let member = self.classic_member(member_id, request.group_instance_id.as_ref())?;
        check_generation(member, request.generation_id)?;
        self.touch(ctx, member_id);
        let has_a_step_to_do = match member.current.state {
            _ if member.current.epoch < self.epoch => true,
            MemberState::UnrevokedPartitions => true,
            MemberState::UnreleasedPartitions => !self.waits_for_others(member_id),
            MemberState::Stable => false,
        };
        if has_a_step_to_do {
            self.expect_join(ctx, member_id);
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// LeaveGroup.
    pub(crate) fn leave(&mut self, ctx: &mut Context<'_>, request: LeaveGroup) -> Vec<LeftMember> {
        let mut leaving = Vec::new();
        let answers = request.members.into_iter().map(|member| {
            let found = self.leaving_member(&member);
            let result = found.map(|member_id| leaving.push(member_id));
            LeftMember { member, result }
        });
        let answers = answers.collect();
        leaving.sort_unstable();
        leaving.dedup();
        self.remove(ctx, &leaving);
        answers
    }

    fn leaving_member(&self, leaving: &LeavingMember) -> Result<MemberId, GroupError> {
        // An administrator sends a static member away by its instance id alone, whatever it is.
        if let Some(instance_id) = leaving.group_instance_id.as_ref().filter(|_| leaving.member_id.is_empty())
        {
            return self.static_members.get(instance_id).cloned().ok_or(GroupError::UnknownMemberId);
        }
        self.member(&leaving.member_id, leaving.group_instance_id.as_ref())?;
        Ok(leaving.member_id.clone())
    }

    fn classic_member(
        &self,
        member_id: &MemberId,
        instance_id: Option<&crate::InstanceId>,
    ) -> Result<&Member, GroupError> {
        let member = self.member(member_id, instance_id)?;
        if member.is_classic() { Ok(member) } else { Err(GroupError::UnknownMemberId) }
    }

    /// Whether all that it does not have of its target is still with others.
    fn waits_for_others(&self, member_id: &MemberId) -> bool {
        let Some(target) = self.targets.get(member_id) else { return false };
        let mut missing = target.iter().filter(|partition| self.owners.get(partition) != Some(member_id));
        missing.all(|partition| !self.is_free_for(member_id, partition))
    }

    fn expect_join(&self, ctx: &mut Context<'_>, member_id: &MemberId) {
        let timer = self.step_timer(member_id);
        if let Some(member) = self.members.get(member_id).filter(|_| !ctx.timers.is_set(&timer)) {
            ctx.after(timer, member.metadata.rebalance_timeout_ms);
        }
    }

    fn step_timer(&self, member_id: &MemberId) -> Timer {
        Timer::Step(self.id.clone(), member_id.clone())
    }
}

fn check_generation(member: &Member, asked: i32) -> Result<(), GroupError> {
    let current = member.current.epoch;
    if asked == current { Ok(()) } else { Err(GroupError::IllegalGeneration { asked, current }) }
}

/// What it is told to be the protocol: its own first one. The coordinator assigns, whatever it is.
fn protocol_name(member: &Member) -> String {
    let classic = member.metadata.classic_member_metadata.as_ref();
    let first = classic.and_then(|classic| classic.supported_protocols.first());
    first.map(|protocol| protocol.name.clone()).unwrap_or_default()
}

fn knows(member: &Member, protocol_name: &str) -> bool {
    let classic = member.metadata.classic_member_metadata.as_ref();
    classic.is_some_and(|classic| names(&classic.supported_protocols).any(|name| name == protocol_name))
}

fn names(protocols: &[Protocol]) -> impl Iterator<Item = &str> {
    protocols.iter().map(|protocol| protocol.name.as_str())
}

fn owned_partitions(subscription: &Subscription<'_>, topics: &Topics) -> Assignment {
    let known = subscription.owned_partitions.iter();
    let known = known.filter_map(|(name, partitions)| Some((topics.get(name)?.id, partitions)));
    known.flat_map(|(id, partitions)| partitions.iter().map(move |partition| (id, *partition))).collect()
}
