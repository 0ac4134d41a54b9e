//! What the metadata say of a partition, and the settings that count for its replicas.

use std::collections::BTreeMap;

use common::{BrokerEpoch, BrokerId, Partition};

/// A partition as the controllers have it, with the brokers that may be in its ISR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Leader, ISR, epochs.
    pub partition: Partition,
    /// Those of its replicas, this broker among them, that are ONLINE, under the epochs of their registrations. Only
    /// they can join the ISR (KIP-841, KIP-903). A change here counts even where the partition itself is the same.
    pub online: BTreeMap<BrokerId, BrokerEpoch>,
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
