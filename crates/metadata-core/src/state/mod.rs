//! The replicated state: what every metadata node holds in memory, and what queries read.
//!
//! One file per resource holds the data and the indexes over it; [`crate::decide`] reads them, `crate::evolve` is
//! the only thing that changes them.

mod broker_configs;
mod brokers;
mod cow_map;
mod features;
mod group_configs;
mod invariants;
mod partitions;
mod producer_ids;
mod queries;
mod requests;
mod topics;

use common::{ClusterId, MetadataVersion};

pub use self::{
    broker_configs::BrokerConfigs,
    group_configs::{GroupConfigs, UnfitGroup},
};
pub(crate) use self::{
    brokers::Brokers,
    features::Features,
    partitions::{Delta, PartitionIndex},
    producer_ids::ProducerIds,
    requests::{Remembered, Requests},
    topics::Topics,
};

/// The replicated state. Cloning it is cheap: clones share everything until one of them changes.
///
/// What always holds is checked by [`check_invariants`](Self::check_invariants), and listed there.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) cluster_id: ClusterId,
    /// Raft index of the last command that made an event.
    pub(crate) version: MetadataVersion,
    pub(crate) features: Features,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) brokers: Brokers,
    pub(crate) broker_configs: BrokerConfigs,
    pub(crate) group_configs: GroupConfigs,
    pub(crate) topics: Topics,
    /// Derived from `topics`.
    pub(crate) partitions: PartitionIndex,
    /// Changes with every proposal that has a request id, whether it makes an event or not.
    pub(crate) requests: Requests,
}

impl State {
    /// The state of a cluster that nothing has happened in.
    pub fn new(cluster_id: ClusterId) -> Self {
        Self {
            cluster_id,
            version: MetadataVersion::default(),
            features: Features::default(),
            producer_ids: ProducerIds::default(),
            brokers: Brokers::default(),
            broker_configs: BrokerConfigs::default(),
            group_configs: GroupConfigs::default(),
            topics: Topics::default(),
            partitions: PartitionIndex::default(),
            requests: Requests::default(),
        }
    }
}
