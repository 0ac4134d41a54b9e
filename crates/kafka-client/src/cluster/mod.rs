//! The cluster as a client sees it: its brokers, who leads what, and connections to them.

mod error;
mod freshness;
mod handle;
mod metadata;
mod options;

pub use error::ClusterError;
pub(crate) use freshness::{Freshness, Refreshed};
pub use handle::Cluster;
pub use metadata::{Leader, LeaderHint, Metadata, PartitionMetadata, TopicMetadata};
pub use options::ClusterOptions;

#[cfg(test)]
mod tests;
