//! The state of a classic group.

use std::collections::{BTreeMap, BTreeSet};

use super::{member::Member, protocols::Protocols};
use crate::{GroupError, GroupId, GroupState, InstanceId, MemberId, Now, Token};

/// A group that works by the classic protocol, or one that only has offsets.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub(in crate::group) id: GroupId,
    pub(in crate::group) phase: Phase,
    /// When it came into the phase, in ms since 1970; -1: not known.
    pub(in crate::group) phase_since_unix_ms: i64,
    /// Of the members; of the last ones while there are none; `None` if there never were any.
    pub(in crate::group) protocol_type: Option<String>,
    /// Raised when all have joined. 0: never.
    pub(in crate::group) generation_id: i32,
    /// Chosen when all have joined. None while there are no members.
    pub(in crate::group) protocol_name: Option<String>,
    /// The member that assigns: one of `members`, if there are any.
    pub(in crate::group) leader: Option<MemberId>,
    pub(in crate::group) members: BTreeMap<MemberId, Member>,
    /// The members that have an instance id.
    pub(in crate::group) static_members: BTreeMap<InstanceId, MemberId>,
    /// Were given an id and have to come back with it (KIP-394). Each has a session timer; none is in `members`.
    pub(in crate::group) pending_members: BTreeSet<MemberId>,
    /// What the members can do.
    pub(in crate::group) protocols: Protocols,
    /// Members that have joined and wait for the others. Only in `Preparing`.
    pub(in crate::group) parked_joins: BTreeMap<MemberId, Token>,
    /// Members that wait for their share. Only in `Completing`.
    pub(in crate::group) parked_syncs: BTreeMap<MemberId, Token>,
    /// Members that have to come for their share before the sync timer ends.
    pub(in crate::group) pending_syncs: BTreeSet<MemberId>,
    /// Topics that the members of the generation read; none if that is not known.
    pub(in crate::group) subscribed_topics: Option<BTreeSet<String>>,
    /// Whether there is a record of it.
    pub(in crate::group) is_stored: bool,
    /// Whether a static member was given an id since it was written.
    pub(in crate::group) has_unwritten_ids: bool,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) enum Phase {
    Empty,
    /// Members have to join. The join timer is set.
    Preparing(Option<InitialDelay>),
    /// All have joined; the leader's assignment is awaited. The sync timer is set.
    Completing,
    Stable,
}

/// A group that was empty waits for more members to come (KIP-134).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) struct InitialDelay {
    /// How much longer it may wait after the present delay, in ms.
    pub(in crate::group) remaining_ms: i32,
    /// Somebody came during the present delay.
    pub(in crate::group) has_grown: bool,
}

impl ClassicGroup {
    /// One that nobody has joined.
    pub(crate) fn new(id: GroupId, since_unix_ms: i64) -> Self {
        Self {
            id,
            phase: Phase::Empty,
            phase_since_unix_ms: since_unix_ms,
            protocol_type: None,
            generation_id: 0,
            protocol_name: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_members: BTreeSet::new(),
            protocols: Protocols::default(),
            parked_joins: BTreeMap::new(),
            parked_syncs: BTreeMap::new(),
            pending_syncs: BTreeSet::new(),
            subscribed_topics: None,
            is_stored: false,
            has_unwritten_ids: false,
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        match self.phase {
            Phase::Empty => GroupState::Empty,
            Phase::Preparing(_) => GroupState::PreparingRebalance,
            Phase::Completing => GroupState::CompletingRebalance,
            Phase::Stable => GroupState::Stable,
        }
    }

    pub(in crate::group) fn enter(&mut self, phase: Phase, now: Now) {
        self.phase = phase;
        self.phase_since_unix_ms = now.unix_ms;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    /// Whether nothing is lost if it is forgotten, offsets aside: nobody is in it or about to be, and nothing is written.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.is_deserted() && !self.is_stored
    }

    /// Whether nobody is in it or about to be.
    pub(crate) fn is_deserted(&self) -> bool {
        self.is_empty() && self.pending_members.is_empty()
    }

    /// Whether its members are consumers, so that what they say under a protocol is a subscription.
    pub(crate) fn has_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some("consumer")
    }

    /// Whether a member of the generation reads the topic, as far as that is known.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed_topics.as_ref().map_or_else(|| self.has_consumers(), |topics| topics.contains(topic))
    }

    /// That a request comes from a member, and not from one that another took the place of (KIP-345).
    pub(in crate::group) fn check_member(
        &self,
        member_id: &MemberId,
        instance_id: Option<&InstanceId>,
    ) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(current) if current != member_id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(GroupError::UnknownMemberId) }
    }

    pub(in crate::group) fn check_generation(&self, generation_id: i32) -> Result<(), GroupError> {
        if generation_id == self.generation_id {
            return Ok(());
        }
        Err(GroupError::IllegalGeneration { asked: generation_id, current: self.generation_id })
    }

    /// The longest that a member takes to join again, in ms.
    pub(in crate::group) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0)
    }
}
