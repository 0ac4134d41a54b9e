//! What the metadata say of a partition, and the settings that count for its replicas.

use std::collections::BTreeMap;

use common::{BrokerEpoch, BrokerId, LeaderEpoch, Partition};

use crate::{IsrMember, IsrProposal};

/// A partition as the controllers have it, with the brokers that may be in its ISR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Leader, ISR, epochs.
    pub partition: Partition,
    /// Those of its replicas, this broker among them, that are ONLINE, under the epochs of their registrations. Only
    /// they can join the ISR (KIP-841, KIP-903). A change here counts even where the partition itself is the same.
    pub online: BTreeMap<BrokerId, BrokerEpoch>,
}

impl Assignment {
    /// The ISR without `me`, whose disk is given up, or whose log is to be fetched anew: producers are to wait for it no longer,
    /// and somebody else leads. Not if it is the last one, since what is committed is read from it; nor while another member is not ONLINE, as the
    /// controllers would refuse that. Whoever leads counts on the larger ISR until it hears of the change, so nothing
    /// depends on when that is.
    pub fn without(&self, me: BrokerId) -> Option<IsrProposal> {
        let partition = &self.partition;
        if !partition.isr.contains(&me) || partition.isr.len() < 2 {
            return None;
        }
        let member = |id: &BrokerId| {
            let broker_epoch = *self.online.get(id)?;
            Some(IsrMember { broker_id: *id, broker_epoch })
        };
        Some(IsrProposal {
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            new_isr: partition.isr.iter().filter(|id| **id != me).map(member).collect::<Option<_>>()?,
        })
    }

    /// Whether `replica` may be elected for what it has.
    pub fn counts_on(&self, replica: BrokerId) -> bool {
        let Partition { isr, eligible_leader_replicas, .. } = &self.partition;
        isr.contains(&replica) || eligible_leader_replicas.contains(&replica)
    }

    /// Whether the ISR can do without `me`: enough others are in it for records to become committed.
    pub fn spares(&self, me: BrokerId, settings: &Settings) -> bool {
        let isr = &self.partition.isr;
        isr.contains(&me) && isr.len() > settings.min_insync_replicas.max(1)
    }

    /// Whether `me` may forget what it has, to fetch it anew: nobody counts on it, nor will. Whoever leads takes a replica into
    /// the ISR for what that said in its own leader epoch, and in this one `me` has said nothing: its last fetch was in another.
    /// A member that takes itself out sees to that, as a new leader epoch begins then.
    pub fn may_forget(&self, me: BrokerId, fetched_in: Option<LeaderEpoch>) -> bool {
        let Partition { leader, leader_epoch, .. } = self.partition;
        leader.is_some_and(|leader| leader != me)
            && fetched_in.is_none_or(|fetched_in| fetched_in < leader_epoch)
            && !self.counts_on(me)
    }
}

/// Settings of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `min.insync.replicas`; more than there are replicas means all of them.
    pub min_insync_replicas: usize,
    /// `replica.lag.time.max.ms`: a member of the ISR that has not caught up for as long leaves it.
    pub replica_lag_time_max_ms: i64,
    /// How long a broker may be silent before the controllers put others in its place: a leader that hears nothing
    /// from them goes on only as long as the whole ISR fetched within this time.
    pub session_timeout_ms: i64,
    /// Whether a leader may lack what was committed: `unclean.leader.election.enable`, or a flush policy that does not
    /// wait for the disk. Otherwise a follower does not cut what it knows to be committed, whatever the leader says.
    pub committed_may_be_lost: bool,
}
