//! The state of a consumer group.

use std::collections::{BTreeMap, BTreeSet};

use common::TopicId;

use super::{
    member::{Member, MemberState},
    subscriptions::Subscriptions,
};
use crate::{GroupError, GroupId, GroupState, InstanceId, MemberId, assignment::Assignment};

/// A group that works by the consumer protocol.
#[derive(Debug)]
pub(crate) struct ConsumerGroup {
    pub(super) id: GroupId,
    /// Raised by each change that calls for another target assignment. 0: nobody has joined.
    pub(in crate::group) epoch: i32,
    /// Of the subscribed topics, when the epoch was last raised.
    pub(super) metadata_hash: i64,
    /// The group epoch that the target assignment was made for: the present one, except in a log that Kafka wrote.
    pub(super) assignment_epoch: i32,
    pub(in crate::group) members: BTreeMap<MemberId, Member>,
    /// Were given an id and have to come back with it by the classic protocol (KIP-394). Each has a session timer.
    pub(super) pending_members: BTreeSet<MemberId>,
    /// The members that have an instance id.
    pub(super) static_members: BTreeMap<InstanceId, MemberId>,
    /// What each member is to have. No partition is in two of them.
    pub(super) targets: BTreeMap<MemberId, Assignment>,
    /// Who has a partition: as part of its current assignment, or still to be given up. One member at a time.
    pub(super) owners: BTreeMap<(TopicId, i32), MemberId>,
    /// The target assignment is to be made anew: only within the step that makes a classic group of it, or made it of one.
    pub(super) is_unsettled: bool,
    /// What the members read.
    pub(super) subscriptions: Subscriptions,
    /// When its epoch was last raised by this coordinator, by the clock that does not jump, in ms.
    pub(super) raised_ms: Option<i64>,
    /// When it came into its present state, as far as this coordinator has seen it, in ms since 1970.
    pub(super) since_unix_ms: i64,
    /// The state that `since_unix_ms` is about.
    pub(super) known_state: GroupState,
}

impl ConsumerGroup {
    /// One that nobody has joined.
    pub(crate) fn new(id: GroupId, since_unix_ms: i64) -> Self {
        Self {
            id,
            epoch: 0,
            metadata_hash: 0,
            assignment_epoch: 0,
            members: BTreeMap::new(),
            pending_members: BTreeSet::new(),
            static_members: BTreeMap::new(),
            targets: BTreeMap::new(),
            owners: BTreeMap::new(),
            is_unsettled: false,
            subscriptions: Subscriptions::default(),
            raised_ms: None,
            since_unix_ms,
            known_state: GroupState::Empty,
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        if self.members.is_empty() {
            return GroupState::Empty;
        }
        if self.epoch > self.assignment_epoch {
            return GroupState::Assigning;
        }
        let are_there =
            self.members.values().all(|member| member.current.is_reconciled_to(self.assignment_epoch));
        if are_there { GroupState::Stable } else { GroupState::Reconciling }
    }

    /// Whether everybody has what it is to have, and nothing calls for a change of that.
    pub(in crate::group) fn is_settled(&self) -> bool {
        self.state() == GroupState::Stable && !self.is_unsettled
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether nothing was ever written of it.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.is_empty() && self.assignment_epoch == 0
    }

    /// Whether only members of the classic protocol are left.
    pub(crate) fn is_all_classic(&self) -> bool {
        !self.is_empty() && self.members.values().all(Member::is_classic)
    }

    pub(in crate::group) fn id(&self) -> GroupId {
        self.id.clone()
    }

    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscriptions.contains(topic)
    }

    /// The member that a request comes from. Of a static member, only the latest life (KIP-345).
    pub(super) fn member(
        &self,
        member_id: &MemberId,
        instance_id: Option<&InstanceId>,
    ) -> Result<&Member, GroupError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(current) if current != member_id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        self.members.get(member_id).ok_or(GroupError::UnknownMemberId)
    }

    pub(in crate::group) fn target(&self, member_id: &MemberId) -> Assignment {
        self.targets.get(member_id).cloned().unwrap_or_default()
    }

    /// Whether nobody but this member has a partition.
    pub(super) fn is_free_for(&self, member_id: &MemberId, partition: (TopicId, i32)) -> bool {
        self.owners.get(&partition).is_none_or(|owner| owner == member_id)
    }

    /// Who holds the group up: has something to give up, or has not heard of its new target.
    pub(super) fn waiting_for(&self) -> Vec<MemberId> {
        let late = self.members.iter().filter(|(_, member)| {
            let current = &member.current;
            current.state == MemberState::UnrevokedPartitions || current.epoch != self.assignment_epoch
        });
        let late: BTreeSet<MemberId> = late.map(|(id, _)| id.clone()).collect();
        late.into_iter().collect()
    }
}
