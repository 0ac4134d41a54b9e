//! SyncGroup: the leader brings the assignment, everybody fetches a share.

use std::{collections::BTreeMap, mem};

use bytes::Bytes;

use super::group::{ClassicGroup, Phase};
use crate::{
    GroupError, MemberId, Reply, Token,
    api::{SyncGroup, Synced},
    context::Context,
    sizes,
    timers::Timer,
};

impl ClassicGroup {
    /// Takes a sync in: it is answered now, or when the leader has assigned.
    pub(crate) fn sync(&mut self, ctx: &mut Context<'_>, token: Token, request: SyncGroup) {
        if let Err(error) = self.check_sync(&request) {
            return ctx.reply(token, Reply::SyncGroup(Err(error)));
        }
        let member_id = request.member_id;
        self.pending_syncs.remove(&member_id);
        self.touch(ctx, &member_id);
        match self.phase {
            Phase::Empty | Phase::Preparing(_) => {
                ctx.reply(token, Reply::SyncGroup(Err(GroupError::RebalanceInProgress)));
            }
            Phase::Completing => {
                if let Some(earlier) = self.parked_syncs.insert(member_id.clone(), token) {
                    ctx.reply(earlier, Reply::SyncGroup(Err(GroupError::RebalanceInProgress)));
                }
                if self.leader.as_ref() == Some(&member_id) {
                    self.assign(ctx, request.assignments);
                }
            }
            Phase::Stable => {
                let synced = self.synced(&member_id);
                ctx.reply(token, Reply::SyncGroup(Ok(synced)));
            }
        }
        if self.phase == Phase::Stable && self.pending_syncs.is_empty() {
            ctx.timers.cancel(Timer::Sync(self.id.clone()));
        }
    }

    fn check_sync(&self, request: &SyncGroup) -> Result<(), GroupError> {
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        self.check_generation(request.generation_id)?;
        // Who is to join anew hears that first: consumers do not get over the other. The protocol may be another one since the
        // member joined, if this was a consumer group then.
        if matches!(self.phase, Phase::Empty | Phase::Preparing(_)) {
            return Ok(());
        }
        let differs = |given: &Option<String>, own: &Option<String>| given.is_some() && given != own;
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol_name)
        {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        Ok(())
    }

    /// The leader's assignment is the generation's. Whom it left out has an empty share.
    fn assign(&mut self, ctx: &mut Context<'_>, assignments: Vec<(MemberId, Bytes)>) {
        let mut assignments: BTreeMap<MemberId, Bytes> = assignments.into_iter().collect();
        for (member_id, member) in &mut self.members {
            member.assignment = assignments.remove(member_id).unwrap_or_default();
        }
        if let Err(error) = ctx.settings.check_record(sizes::of_group(&self.to_value())) {
            return self.refuse_assignment(ctx, &error);
        }
        self.enter(Phase::Stable, ctx.now);
        self.store(ctx);
        for (member_id, token) in mem::take(&mut self.parked_syncs) {
            self.touch(ctx, &member_id);
            let synced = self.synced(&member_id);
            ctx.reply(token, Reply::SyncGroup(Ok(synced)));
        }
    }

    /// The generation cannot be written down, so it is none: as Kafka does it, all are told, and may join anew.
    fn refuse_assignment(&mut self, ctx: &mut Context<'_>, error: &GroupError) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (member_id, token) in mem::take(&mut self.parked_syncs) {
            self.touch(ctx, &member_id);
            ctx.reply(token, Reply::SyncGroup(Err(error.clone())));
        }
        self.rebalance(ctx);
    }

    fn synced(&self, member_id: &MemberId) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_name: self.protocol_name.clone().unwrap_or_default(),
            assignment: self
                .members
                .get(member_id)
                .map(|member| member.assignment.clone())
                .unwrap_or_default(),
        }
    }
}
