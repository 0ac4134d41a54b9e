//! Groups: members that share the partitions of topics.

mod classic;
mod consumer;
mod either;
mod migrate;

pub(crate) use classic::ClassicGroup;
pub(crate) use consumer::{ConsumerGroup, check_heartbeat};
pub(crate) use either::{Group, OffsetsOf};
pub(crate) use migrate::{can_downgrade, can_upgrade, downgrade, upgrade};
