//! The records of a consumer group: each change of it is one, applied here when it is made and when it is replayed.

use common::TopicId;

use super::{
    group::ConsumerGroup,
    member::{Current, LEAVES_FOR_A_WHILE, Member},
};
use crate::{
    InstanceId, MemberId, Record,
    assignment::Assignment,
    context::Context,
    records::{ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue},
};

impl ConsumerGroup {
    /// Changes the group.
    pub(super) fn write(&mut self, ctx: &mut Context<'_>, record: Record) {
        ctx.outcome.records.push(record.clone());
        self.apply(record);
    }

    /// Whether a record is about a consumer group that lives, and not about one that is gone.
    pub(crate) fn is_sign_of_life(record: &Record) -> bool {
        match record {
            Record::ConsumerGroupMetadata { value, .. } => value.is_some(),
            Record::ConsumerGroupMemberMetadata { value, .. } => value.is_some(),
            Record::ConsumerGroupTargetAssignmentMetadata { assignment_epoch, .. } => {
                assignment_epoch.is_some()
            }
            Record::ConsumerGroupTargetAssignmentMember { partitions, .. } => partitions.is_some(),
            Record::ConsumerGroupCurrentMemberAssignment { value, .. } => value.is_some(),
            Record::ConsumerGroupRegularExpression { value, .. } => value.is_some(),
            Record::OffsetCommit { .. } | Record::GroupMetadata { .. } => false,
        }
    }

    /// Takes in a record of this group. Compaction may have left them in any order between keys.
    pub(crate) fn apply(&mut self, record: Record) {
        match record {
            Record::ConsumerGroupMetadata { value, .. } => {
                let value = value.unwrap_or(ConsumerGroupMetadataValue { epoch: 0, metadata_hash: 0 });
                self.epoch = value.epoch;
                self.metadata_hash = value.metadata_hash;
            }
            Record::ConsumerGroupMemberMetadata { member_id, value: Some(value), .. } => {
                self.describe_member(member_id, value);
            }
            Record::ConsumerGroupMemberMetadata { member_id, value: None, .. } => {
                self.forget_member(&member_id)
            }
            Record::ConsumerGroupTargetAssignmentMetadata { assignment_epoch, .. } => {
                self.assignment_epoch = assignment_epoch.unwrap_or(0);
            }
            Record::ConsumerGroupTargetAssignmentMember { member_id, partitions, .. } => match partitions {
                Some(partitions) => {
                    self.targets.insert(member_id, Assignment::from(partitions.as_slice()));
                }
                None => {
                    self.targets.remove(&member_id);
                }
            },
            Record::ConsumerGroupCurrentMemberAssignment { member_id, value, .. } => {
                let current = value.map(|value| Current::from_value(&value));
                self.change_current(member_id, current);
            }
            Record::ConsumerGroupRegularExpression { expression, value: Some(mut value), .. } => {
                value.topics.sort_unstable();
                self.subscriptions.resolved.insert(expression, value);
            }
            Record::ConsumerGroupRegularExpression { expression, value: None, .. } => {
                self.subscriptions.resolved.remove(&expression);
            }
            Record::OffsetCommit { .. } | Record::GroupMetadata { .. } => {}
        }
    }

    fn describe_member(&mut self, member_id: MemberId, metadata: ConsumerGroupMemberMetadataValue) {
        let member = self.members.entry(member_id.clone()).or_insert_with(Member::unknown);
        let before = std::mem::replace(&mut member.metadata, metadata);
        self.subscriptions.remove(&before);
        self.subscriptions.add(&member.metadata);
        let instance_id = member.metadata.instance_id.clone();
        self.leave_instance(before.instance_id.as_ref(), &member_id);
        if let Some(instance_id) = instance_id {
            self.static_members.insert(instance_id, member_id);
        }
    }

    fn forget_member(&mut self, member_id: &MemberId) {
        self.change_current(member_id.clone(), None);
        let Some(member) = self.members.remove(member_id) else { return };
        self.subscriptions.remove(&member.metadata);
        self.leave_instance(member.metadata.instance_id.as_ref(), member_id);
    }

    /// A member is not that static member any more; another one may be already.
    fn leave_instance(&mut self, instance_id: Option<&InstanceId>, member_id: &MemberId) {
        if let Some(instance_id) = instance_id
            && self.static_members.get(instance_id) == Some(member_id)
        {
            self.static_members.remove(instance_id);
        }
    }

    fn change_current(&mut self, member_id: MemberId, current: Option<Current>) {
        if current.is_none() && !self.members.contains_key(&member_id) {
            return;
        }
        let current = current.unwrap_or_default();
        let member = self.members.entry(member_id.clone()).or_insert_with(Member::unknown);
        let before = std::mem::replace(&mut member.current, current.clone());
        for partition in before.assigned.iter().chain(before.revoking.iter()) {
            if self.owners.get(&partition) == Some(&member_id) {
                self.owners.remove(&partition);
            }
        }
        for partition in current.assigned.iter().chain(current.revoking.iter()) {
            self.owners.insert(partition, member_id.clone());
        }
    }

    pub(super) fn write_current(&mut self, ctx: &mut Context<'_>, member_id: &MemberId, current: &Current) {
        let value = Some(current.to_value());
        let (group_id, member_id) = (self.id.clone(), member_id.clone());
        self.write(ctx, Record::ConsumerGroupCurrentMemberAssignment { group_id, member_id, value });
    }

    pub(super) fn write_metadata(
        &mut self,
        ctx: &mut Context<'_>,
        member_id: &MemberId,
        value: ConsumerGroupMemberMetadataValue,
    ) {
        let (group_id, member_id) = (self.id.clone(), member_id.clone());
        self.write(ctx, Record::ConsumerGroupMemberMetadata { group_id, member_id, value: Some(value) });
    }

    pub(super) fn write_target(&mut self, ctx: &mut Context<'_>, member_id: &MemberId, target: &Assignment) {
        let partitions = Some(target.to_wire());
        let (group_id, member_id) = (self.id.clone(), member_id.clone());
        self.write(ctx, Record::ConsumerGroupTargetAssignmentMember { group_id, member_id, partitions });
    }

    /// Writes that a member is no more.
    pub(super) fn write_gone(&mut self, ctx: &mut Context<'_>, member_id: &MemberId) {
        let (group_id, member_id) = (self.id.clone(), member_id.clone());
        let (group, member) = (group_id.clone(), member_id.clone());
        self.write(
            ctx,
            Record::ConsumerGroupCurrentMemberAssignment { group_id: group, member_id: member, value: None },
        );
        if self.targets.contains_key(&member_id) {
            let (group_id, member_id) = (group_id.clone(), member_id.clone());
            self.write(
                ctx,
                Record::ConsumerGroupTargetAssignmentMember { group_id, member_id, partitions: None },
            );
        }
        self.write(ctx, Record::ConsumerGroupMemberMetadata { group_id, member_id, value: None });
    }

    /// Takes a member over from a classic group, with what it has.
    pub(in crate::group) fn adopt(
        &mut self,
        ctx: &mut Context<'_>,
        member_id: &MemberId,
        metadata: ConsumerGroupMemberMetadataValue,
        assigned: Assignment,
        epoch: i32,
    ) {
        self.write_metadata(ctx, member_id, metadata);
        self.write_target(ctx, member_id, &assigned);
        let current = Current { epoch, previous_epoch: epoch, assigned, ..Current::default() };
        self.write_current(ctx, member_id, &current);
        self.touch(ctx, member_id);
    }

    /// Its epochs go on where a classic group's generations ended. What the members have is their target, unless something is
    /// missing from that, as while a classic group rebalances.
    pub(in crate::group) fn begin_at(&mut self, ctx: &mut Context<'_>, epoch: i32) {
        if self.is_empty() {
            // Nothing to tell yet: the first member raises it.
            self.epoch = epoch;
            return;
        }
        let value = ConsumerGroupMetadataValue { epoch, metadata_hash: self.subscriptions.hash(ctx.topics) };
        let group_id = self.id.clone();
        self.write(ctx, Record::ConsumerGroupMetadata { group_id, value: Some(value) });
        let group_id = self.id.clone();
        let assignment_epoch = Some(epoch);
        self.write(ctx, Record::ConsumerGroupTargetAssignmentMetadata { group_id, assignment_epoch });
        let mut read = self.subscriptions.topics(ctx.topics).into_values();
        let has_owner = |place: &(TopicId, i32)| self.owners.contains_key(place);
        self.is_unsettled =
            !read.all(|topic| (0..topic.partitions).all(|number| has_owner(&(topic.id, number))));
    }

    /// Writes that the group is no more.
    pub(crate) fn write_end(&mut self, ctx: &mut Context<'_>) {
        let members: Vec<MemberId> = self.members.keys().cloned().collect();
        for member_id in members {
            self.write_gone(ctx, &member_id);
        }
        for expression in self.subscriptions.obsolete() {
            let group_id = self.id.clone();
            self.write(ctx, Record::ConsumerGroupRegularExpression { group_id, expression, value: None });
        }
        let group_id = self.id.clone();
        self.write(ctx, Record::ConsumerGroupTargetAssignmentMetadata { group_id, assignment_epoch: None });
        let group_id = self.id.clone();
        self.write(ctx, Record::ConsumerGroupMetadata { group_id, value: None });
    }

    /// The same member, with another epoch: it leaves for a while, or has come back under another id.
    pub(super) fn away(current: &Current) -> Current {
        Current { epoch: LEAVES_FOR_A_WHILE, previous_epoch: current.epoch, ..current.clone() }
    }
}
