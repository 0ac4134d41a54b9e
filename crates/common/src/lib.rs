//! The vocabulary that every part of DistributedMQ shares: identifiers, the topic / partition / ISR models,
//! limits, and the configuration of a cluster (`services.json`).
//!
//! Pure: no IO, no clock, no randomness, no async. A type moves here when a second crate needs it, and not
//! before; private types of one component stay with that component.

pub mod broker_config;
pub mod config;
pub mod group_config;
pub mod ids;
pub mod limits;
pub mod model;
pub mod offset;
pub mod topic_config;
pub mod topic_name;

pub use ids::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, IncarnationId, LeaderEpoch, MetadataVersion, NodeId,
    PartitionEpoch, PartitionId, Term, TopicId,
};
pub use model::{Broker, BrokerStatus, Partition, Reassignment, Topic};
pub use offset::Offset;
pub use topic_config::TopicConfig;
pub use topic_name::TopicName;
