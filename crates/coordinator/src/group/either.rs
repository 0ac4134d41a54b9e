//! A group of either type.

use super::{ClassicGroup, ConsumerGroup};
use crate::{
    GroupError, InstanceId, MemberId, Now, Topics,
    api::{GroupDescription, ListedGroup},
    offsets::RetentionStart,
};

/// A group.
#[derive(Debug)]
pub(crate) enum Group {
    /// Members join and sync; or there are none, only offsets.
    Classic(ClassicGroup),
    /// Members send heartbeats.
    Consumer(ConsumerGroup),
}

/// Who commits offsets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OffsetsOf<'a> {
    pub(crate) member_id: &'a MemberId,
    pub(crate) instance_id: Option<&'a InstanceId>,
    pub(crate) generation_id_or_member_epoch: i32,
    /// Of the request: without them it is of no use to members that have one.
    pub(crate) supports_member_epochs: bool,
    pub(crate) is_transactional: bool,
}

macro_rules! either {
    ($self:ident, $group:ident => $what:expr) => {
        match $self {
            Group::Classic($group) => $what,
            Group::Consumer($group) => $what,
        }
    };
}

impl Group {
    pub(crate) fn is_empty(&self) -> bool {
        either!(self, group => group.is_empty())
    }

    /// How many members it has.
    pub(crate) fn size(&self) -> usize {
        either!(self, group => group.members.len())
    }

    /// Whether nothing is lost if it is forgotten, offsets aside.
    pub(crate) fn is_forgettable(&self) -> bool {
        either!(self, group => group.is_forgettable())
    }

    /// Whether nobody is in it or about to be.
    pub(crate) fn is_deserted(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_deserted(),
            Self::Consumer(group) => group.is_empty(),
        }
    }

    pub(crate) fn check_commit(&self, committer: OffsetsOf<'_>) -> Result<(), GroupError> {
        either!(self, group => group.check_commit(committer))
    }

    /// Members of a classic group are told whatever generation they are in, as in Kafka: not all their clients know of a refusal.
    pub(crate) fn check_fetch(
        &self,
        member_id: Option<&MemberId>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        match self {
            Self::Classic(_) => Ok(()),
            Self::Consumer(group) => group.check_fetch(member_id, member_epoch),
        }
    }

    /// Whether an administrator may forget offsets of topics that it does not read.
    pub(crate) fn check_offset_delete(&self) -> Result<(), GroupError> {
        match self {
            Self::Classic(group) => group.check_offset_delete(),
            Self::Consumer(_) => Ok(()),
        }
    }

    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        either!(self, group => group.is_subscribed_to(topic))
    }

    pub(crate) fn retention_start(&self, topic: &str) -> RetentionStart {
        either!(self, group => group.retention_start(topic))
    }

    pub(crate) fn describe(&self, topics: &Topics, now: Now) -> GroupDescription {
        match self {
            Self::Classic(group) => group.describe(now),
            Self::Consumer(group) => group.describe(topics, now),
        }
    }

    pub(crate) fn list(&self) -> ListedGroup {
        either!(self, group => group.list())
    }
}
