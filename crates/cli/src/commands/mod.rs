//! One file per noun of the command line.

pub(crate) mod bench;
pub(crate) mod broker;
pub(crate) mod broker_node;
mod cells;
pub(crate) mod cluster;
pub(crate) mod configs;
pub(crate) mod consume;
pub(crate) mod drill;
pub(crate) mod group;
pub(crate) mod log;
pub(crate) mod metadata;
pub(crate) mod metadata_node;
pub(crate) mod produce;
pub(crate) mod raft;
pub(crate) mod replicas;
mod time;
pub(crate) mod topic;
pub(crate) mod up;

use cells::{name_of, shortened};
use time::{age, days_from_civil, now_ms, utc, utc_or_number};
