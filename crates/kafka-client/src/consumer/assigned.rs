//! A partition that is read, and how it goes with it.

use std::sync::Arc;

use common::{Offset, PartitionId};
use tokio::time::Instant;

/// A partition that is read.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) topic: Arc<str>,
    pub(super) partition: PartitionId,
    pub(super) position: Offset,
    pub(super) under_way: bool,
    /// Not to be read until it is sought.
    pub(super) stopped: bool,
    /// It was asked for together with others, and the answer was too long: next it is asked for alone.
    pub(super) suspect: bool,
    pub(super) not_before: Option<Instant>,
    pub(super) failing: Option<Failing>,
}

/// How it fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failing {
    pub(super) since: Instant,
    /// How often in a row.
    pub(super) times: u32,
}
