//! A member of a consumer group.

use crate::{
    api::TopicPartitions,
    assignment::Assignment,
    embedded::Subscription,
    records::{ConsumerGroupMemberMetadataValue, CurrentMemberAssignmentValue},
};

/// Epoch of a heartbeat by which a member leaves.
pub(super) const LEAVES: i32 = -1;
/// Epoch of a heartbeat by which a static member leaves for a while; and its epoch until it comes back.
pub(super) const LEAVES_FOR_A_WHILE: i32 = -2;

/// A member.
#[derive(Debug, Clone)]
pub(in crate::group) struct Member {
    /// What it said of itself.
    pub(in crate::group) metadata: ConsumerGroupMemberMetadataValue,
    /// What it has.
    pub(in crate::group) current: Current,
    /// Whether it has heard of what it has. Not written: whoever takes over tells everybody.
    pub(super) heard: Heard,
}

/// Whether a member has heard of what it has. An answer may be lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Heard {
    /// This coordinator has not told it.
    #[default]
    No,
    /// It was told last at this time, by the clock that does not jump, in ms, and has not said since that it has that.
    Told(i64),
    /// It has said so.
    Yes,
}

/// What a member has, and how far it is on its way to its target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::group) struct Current {
    /// The epoch that it gives with its next heartbeat. 0: it has just joined.
    pub(in crate::group) epoch: i32,
    /// The one before: accepted as well, if the answer that brought the present one was lost.
    pub(in crate::group) previous_epoch: i32,
    pub(in crate::group) state: MemberState,
    /// What it has and keeps.
    pub(in crate::group) assigned: Assignment,
    /// What it has and is to give up.
    pub(in crate::group) revoking: Assignment,
}

/// Where a member is on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::group) enum MemberState {
    /// It has what it is to have, as of its epoch.
    #[default]
    Stable,
    /// It has something to give up first.
    UnrevokedPartitions,
    /// It waits for others to give something up.
    UnreleasedPartitions,
}

impl MemberState {
    fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
        }
    }

    /// A state of a later version is taken for one that looks anew at each heartbeat.
    fn of_number(number: i8) -> Self {
        match number {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            _ => Self::UnreleasedPartitions,
        }
    }
}

impl Member {
    /// One of which nothing is known.
    pub(super) fn unknown() -> Self {
        Self { metadata: no_metadata(), current: Current::default(), heard: Heard::No }
    }

    /// Whether it uses the classic protocol.
    pub(super) fn is_classic(&self) -> bool {
        self.metadata.classic_member_metadata.is_some()
    }

    /// The version in which a share is encoded for it: that of what it subscribed with, if it uses the classic protocol.
    pub(in crate::group) fn share_version(&self) -> i16 {
        let classic = self.metadata.classic_member_metadata.as_ref();
        let first = classic.and_then(|classic| classic.supported_protocols.first());
        first.and_then(|protocol| Subscription::parse(&protocol.metadata)).unwrap_or_default().version
    }

    /// The session timeout, in ms: its own if it uses the classic protocol.
    pub(super) fn session_timeout_ms(&self, of_consumers_ms: i32) -> i32 {
        let classic = self.metadata.classic_member_metadata.as_ref();
        classic.map_or(of_consumers_ms, |classic| classic.session_timeout_ms)
    }
}

pub(super) fn no_metadata() -> ConsumerGroupMemberMetadataValue {
    ConsumerGroupMemberMetadataValue {
        instance_id: None,
        rack_id: None,
        client_id: String::new(),
        client_host: String::new(),
        subscribed_topic_names: Vec::new(),
        subscribed_topic_regex: None,
        rebalance_timeout_ms: -1,
        server_assignor: None,
        classic_member_metadata: None,
    }
}

impl Current {
    /// Whether it has everything that it is to have by the target of an epoch.
    pub(super) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == target_epoch
    }

    pub(super) fn from_value(value: &CurrentMemberAssignmentValue) -> Self {
        let assignment = |topics: &[TopicPartitions]| Assignment::from(topics);
        Self {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::of_number(value.state),
            assigned: assignment(&value.assigned_partitions),
            revoking: assignment(&value.partitions_pending_revocation),
        }
    }

    pub(super) fn to_value(&self) -> CurrentMemberAssignmentValue {
        CurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.number(),
            assigned_partitions: self.assigned.to_wire(),
            partitions_pending_revocation: self.revoking.to_wire(),
        }
    }
}
