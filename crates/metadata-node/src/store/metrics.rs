//! What the writer tells about itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Called by the writer after each commit. Implemented where metrics are exposed.
pub trait StoreEvents: Send + Sync + 'static {
    /// One transaction was committed: how long it took, how many rows it wrote.
    fn committed(&self, took: Duration, rows: usize);
    /// The connection was made again after it broke.
    fn reconnected(&self);
}

/// For those who do not measure.
impl StoreEvents for () {
    fn committed(&self, _took: Duration, _rows: usize) {}
    fn reconnected(&self) {}
}

/// Figures to be read at any time.
#[derive(Debug, Default)]
pub struct StoreGauges {
    pub(super) queued: AtomicU64,
    pub(super) projected_index: AtomicU64,
    pub(super) reconnects: AtomicU64,
}

impl StoreGauges {
    /// Operations that wait for the writer.
    pub fn queue_length(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    /// Last log index whose changes are in the projection.
    pub fn projected_index(&self) -> u64 {
        self.projected_index.load(Ordering::Relaxed)
    }

    /// How often the connection broke and was made again.
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }
}
