//! The settings of a log.

use crate::batch::BatchRules;

/// When an appended batch may be acknowledged, and when it is synced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FlushPolicy {
    /// Acknowledged once it is synced. Batches that come while a sync runs share the next one.
    #[default]
    Ack,
    /// Acknowledged once it is written; synced when so much time has passed or so many bytes have come.
    Interval {
        /// Most time between a write and its sync, in ms (`flush.ms`).
        max_ms: i64,
        /// Most bytes that are not synced.
        max_bytes: u64,
    },
    /// Acknowledged once it is written; synced when the operating system likes, and when a segment is full.
    Os,
}

/// The settings of a log. What has a name of Kafka's means what it means there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// Largest segment (`segment.bytes`). A batch larger than that gets a segment of its own.
    pub segment_bytes: u32,
    /// Largest index of a segment (`segment.index.bytes`): 32 bytes for each batch.
    pub index_bytes: u32,
    /// Most time between the first and the last timestamp of a segment, in ms (`segment.ms`).
    pub segment_ms: i64,
    /// See [`FlushPolicy`].
    pub flush: FlushPolicy,
    /// Bytes after which the recovery point moves up: what a crash makes the next start read.
    pub checkpoint_bytes: u64,
    /// Bytes of the last batches that are kept in memory for consumers at the end of the log.
    pub tail_bytes: usize,
    /// What a client's batch must obey.
    pub rules: BatchRules,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            index_bytes: 10 << 20,
            segment_ms: 7 * 24 * 3_600_000,
            flush: FlushPolicy::default(),
            checkpoint_bytes: 16 << 20,
            tail_bytes: 1 << 20,
            rules: BatchRules::default(),
        }
    }
}
