//! Who is in sync. The controllers decide, by compare-and-set; the leader asks for one change at a time, and until it
//! knows what came of it, it reckons with both outcomes.

use common::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, Partition, PartitionEpoch};

use super::state::{Effects, FollowerState, Leader};
use crate::ReplicaLog;

/// Pause after a change that the controllers refused.
const RETRY_PAUSE_MS: i64 = 1_000;

/// A member of a wanted ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsrMember {
    /// Who.
    pub broker_id: BrokerId,
    /// Of the registration that was seen in sync (KIP-903).
    pub broker_epoch: BrokerEpoch,
}

/// A wanted ISR, to be set only if both epochs are still the partition's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsrProposal {
    /// The leader's.
    pub leader_epoch: LeaderEpoch,
    /// Of the partition as the leader knows it.
    pub partition_epoch: PartitionEpoch,
    /// In the order of the replicas. The leader is one of them.
    pub new_isr: Vec<IsrMember>,
}

/// What the controllers said to a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsrAnswer {
    /// It is done, or was so already: the partition as it is now.
    Committed(Partition),
    /// It was not done, and will not be by any attempt that is still under way (INELIGIBLE_REPLICA and the like, to
    /// attempts that all had the same idempotency key). It is asked for again a little later if it is still wanted.
    Refused,
    /// The partition is not what the leader thinks (INVALID_UPDATE_VERSION, FENCED_LEADER_EPOCH): what was asked for
    /// may have been done by an earlier attempt, so it stays possible until newer metadata come.
    OutOfDate,
}

/// Where changing the ISR stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IsrChange {
    /// Nothing is asked for; nothing will be before the given time.
    None { not_before_ms: Option<i64> },
    /// Asked for. It may have happened already, or happen any time.
    Proposed(IsrProposal),
    /// Answered with "out of date": it may have happened. Metadata will tell.
    InDoubt(IsrProposal),
}

impl IsrChange {
    /// Whether the change, if it was made, put `id` into the ISR.
    pub(super) fn adds(&self, id: BrokerId) -> bool {
        match self {
            Self::None { .. } => false,
            Self::Proposed(proposal) | Self::InDoubt(proposal) => {
                proposal.new_isr.iter().any(|member| member.broker_id == id)
            }
        }
    }
}

impl Leader {
    /// The change that is asked for and not answered.
    pub fn proposal(&self) -> Option<&IsrProposal> {
        match &self.change {
            IsrChange::Proposed(proposal) => Some(proposal),
            _ => None,
        }
    }

    /// The controllers answered. Answers to anything but the present [`proposal`](Leader::proposal) change nothing.
    pub fn isr_answered(
        &mut self,
        proposal: &IsrProposal,
        answer: IsrAnswer,
        log: &impl ReplicaLog,
        now_ms: i64,
    ) -> Effects {
        match &self.change {
            IsrChange::Proposed(asked) if asked == proposal => {}
            _ => return Effects::default(),
        }
        match answer {
            IsrAnswer::Committed(partition) if partition.leader_epoch == self.leader_epoch => {
                self.pause(now_ms);
                self.adopt(partition, now_ms);
            }
            IsrAnswer::Refused => self.pause(now_ms),
            IsrAnswer::Committed(_) | IsrAnswer::OutOfDate => {
                self.change = IsrChange::InDoubt(proposal.clone());
            }
        }
        self.settle(log, now_ms)
    }

    /// Nothing is asked for, for a while.
    fn pause(&mut self, now_ms: i64) {
        let not_before_ms = Some(now_ms.saturating_add(RETRY_PAUSE_MS));
        self.change = IsrChange::None { not_before_ms };
    }

    /// Takes a partition of this leader epoch over if it is newer. Then nothing of what was asked for can still happen:
    /// it was meant for the partition as it was before.
    pub(super) fn adopt(&mut self, partition: Partition, now_ms: i64) {
        if partition.partition_epoch <= self.partition_epoch {
            return;
        }
        self.partition_epoch = partition.partition_epoch;
        let before = std::mem::replace(&mut self.isr, partition.isr);
        self.replicas = partition.replicas;
        // Whoever left comes back by what it fetches from now on: what it said before would have it join again at once.
        for id in before.iter().filter(|id| !self.isr.contains(id)) {
            self.followers.entry(*id).and_modify(FollowerState::forget_claims);
        }
        self.change = IsrChange::None { not_before_ms: None };
        self.know_followers(now_ms);
    }

    /// Proposes the ISR that there should be, if it differs and nothing is under way.
    pub(super) fn consider(&mut self, log: &impl ReplicaLog, now_ms: i64) -> Option<IsrProposal> {
        match self.change {
            IsrChange::None { not_before_ms } if not_before_ms.is_none_or(|at| at <= now_ms) => {}
            _ => return None,
        }
        let own_epoch = *self.online.get(&self.me)?;
        let in_sync = self.replicas.iter().filter_map(|id| {
            let broker_epoch = match self.followers.get(id) {
                None => (*id == self.me).then_some(own_epoch)?,
                Some(follower) if self.isr.contains(id) => self.stays(*id, follower, log, now_ms)?,
                Some(follower) => self.joins(*id, follower, log, now_ms)?,
            };
            Some(IsrMember { broker_id: *id, broker_epoch })
        });
        let new_isr: Vec<_> = in_sync.collect();
        if new_isr.iter().map(|member| &member.broker_id).eq(&self.isr) {
            return None;
        }
        let proposal =
            IsrProposal { leader_epoch: self.leader_epoch, partition_epoch: self.partition_epoch, new_isr };
        self.change = IsrChange::Proposed(proposal.clone());
        Some(proposal)
    }

    /// A member stays unless it lags for too long, or has lost something that is committed: then a new registration of
    /// it asks for that.
    fn stays(
        &self,
        id: BrokerId,
        follower: &FollowerState,
        log: &impl ReplicaLog,
        now_ms: i64,
    ) -> Option<BrokerEpoch> {
        let lost = follower.log_end.is_some_and(|end| end < self.high_watermark);
        let stays = self.is_caught_up(follower, log, now_ms) && !lost;
        // That the metadata have it in the ISR means that this registration was never judged gone.
        self.online.get(&id).copied().filter(|_| stays)
    }

    /// Another one joins once it has everything that is committed, and everything from before this leader's time; and
    /// keeps up, so that it will not be thrown out at once.
    fn joins(
        &self,
        id: BrokerId,
        follower: &FollowerState,
        log: &impl ReplicaLog,
        now_ms: i64,
    ) -> Option<BrokerEpoch> {
        let has = |offset: Offset| follower.log_end.is_some_and(|end| end >= offset);
        let joins = has(self.high_watermark)
            && has(self.epoch_start)
            && self.is_eligible(id, follower)
            && self.is_caught_up(follower, log, now_ms);
        follower.broker_epoch.filter(|_| joins)
    }
}
