//! What each drill does. One function each; preparing, the workload and the final checks are the stage's.

pub(crate) mod brokers;
pub(crate) mod controller;
pub(crate) mod leaders;
pub(crate) mod partitions;
pub(crate) mod quorum;
pub(crate) mod random;
pub(crate) mod rolling;
pub(crate) mod storm;
