//! What tests of this project share: clusters of real processes, a private Postgres, waiting for conditions.
//!
//! A test that fails keeps the cluster's directory and names its logs. Nothing here sleeps for a fixed time, and
//! nothing is tried again to hide a failure: a wait has a condition and a deadline.

pub mod cluster;
pub mod postgres;
pub mod skippable;
pub mod sql;
pub mod volume;

pub use cluster::{Cluster, DEADLINE, Storage, eventually, until};
pub use local_cluster::{
    BrokerTimings, ClusterSpec, Database, Fault, FaultProxy, Leadership, Observer, RaftTimings,
};
