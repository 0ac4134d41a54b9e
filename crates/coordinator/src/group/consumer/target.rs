//! The target assignment: what each member is to have.

use std::collections::BTreeMap;

use common::TopicId;

use super::{
    assignor::{self, Assignor, MemberSpec, Spec},
    group::ConsumerGroup,
};
use crate::{
    MemberId, Record, Topics, assignment::Assignment, context::Context, group::can_downgrade,
    records::ConsumerGroupMetadataValue,
};

/// What may have changed, so that the target assignment is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A member came, went, or reads something else.
    Members,
    /// Topics were created or deleted, or got more partitions.
    Topics,
}

impl ConsumerGroup {
    /// A member came, went, or reads something else. A group that is about to be a classic one keeps its epoch: its members
    /// then hear that there is a rebalance, and not that they have lost what they have.
    pub(super) fn members_changed(&mut self, ctx: &mut Context<'_>) {
        if can_downgrade(self, ctx.settings) {
            self.is_unsettled = true;
        } else {
            self.settle(ctx, Cause::Members);
        }
    }

    /// Raises the group epoch and makes a new target assignment, if there is a reason.
    pub(super) fn settle(&mut self, ctx: &mut Context<'_>, cause: Cause) {
        self.is_unsettled = false;
        let has_new_matches = self.refresh_expressions(ctx, cause == Cause::Topics);
        let metadata_hash = self.subscriptions.hash(ctx.topics);
        let is_new = self.epoch == 0 || self.assignment_epoch < self.epoch;
        if cause == Cause::Members || has_new_matches || metadata_hash != self.metadata_hash || is_new {
            let value = ConsumerGroupMetadataValue { epoch: self.epoch.saturating_add(1), metadata_hash };
            let group_id = self.id.clone();
            self.write(ctx, Record::ConsumerGroupMetadata { group_id, value: Some(value) });
            self.raised_ms = Some(ctx.now.monotonic_ms);
            self.assign(ctx);
        }
    }

    fn refresh_expressions(&mut self, ctx: &mut Context<'_>, all: bool) -> bool {
        for expression in self.subscriptions.obsolete() {
            let group_id = self.id.clone();
            self.write(ctx, Record::ConsumerGroupRegularExpression { group_id, expression, value: None });
        }
        let changed = self.subscriptions.resolve(ctx.topics, all, ctx.now.unix_ms);
        let has_changed = !changed.is_empty();
        for (expression, value) in changed {
            let (group_id, value) = (self.id.clone(), Some(value));
            self.write(ctx, Record::ConsumerGroupRegularExpression { group_id, expression, value });
        }
        has_changed
    }

    fn assign(&mut self, ctx: &mut Context<'_>) {
        let targets = assignor::assign(self.preferred_assignor(), &self.spec(ctx.topics));
        let members: Vec<MemberId> = self.members.keys().cloned().collect();
        for (member_id, target) in members.iter().zip(targets) {
            if self.targets.get(member_id) != Some(&target) {
                self.write_target(ctx, member_id, &target);
            }
        }
        let (group_id, assignment_epoch) = (self.id.clone(), Some(self.epoch));
        self.write(ctx, Record::ConsumerGroupTargetAssignmentMetadata { group_id, assignment_epoch });
    }

    /// The one that most members ask for; `uniform` if nobody asks.
    pub(super) fn preferred_assignor(&self) -> Assignor {
        let wishes = self.members.values().filter_map(|member| member.metadata.server_assignor.as_deref());
        let mut votes: BTreeMap<Assignor, usize> = BTreeMap::new();
        for assignor in wishes.filter_map(Assignor::parse) {
            *votes.entry(assignor).or_default() += 1;
        }
        let most = votes.values().copied().max();
        votes.into_iter().find(|(_, count)| Some(*count) == most).map_or(Assignor::Uniform, |(name, _)| name)
    }

    /// Everything that an assignor has to know. Members with equal subscriptions share them.
    fn spec(&self, topics: &Topics) -> Spec<'_> {
        let mut numbers: BTreeMap<(&[String], Option<&str>), usize> = BTreeMap::new();
        let mut subscriptions = Vec::new();
        let nothing: &'static Assignment = const { &Assignment::none() };
        let mut members = Vec::with_capacity(self.members.len());
        for (member_id, member) in &self.members {
            let names = member.metadata.subscribed_topic_names.as_slice();
            let expression = member.metadata.subscribed_topic_regex.as_deref();
            let subscription = *numbers.entry((names, expression)).or_insert_with(|| {
                subscriptions.push(self.subscribed_topics(names, expression, topics));
                subscriptions.len() - 1
            });
            members.push(MemberSpec {
                member_id,
                instance_id: member.metadata.instance_id.as_ref(),
                subscription,
                target: self.targets.get(member_id).unwrap_or(nothing),
            });
        }
        Spec { subscriptions, members }
    }

    fn subscribed_topics(
        &self,
        names: &[String],
        expression: Option<&str>,
        topics: &Topics,
    ) -> Vec<(TopicId, i32)> {
        let resolved = expression.and_then(|expression| self.subscriptions.resolved.get(expression));
        let matched = resolved.map_or(&[][..], |value| value.topics.as_slice());
        let known = names.iter().chain(matched).filter_map(|name| topics.get(name));
        let by_id: BTreeMap<TopicId, i32> = known.map(|info| (info.id, info.partitions)).collect();
        by_id.into_iter().collect()
    }
}
