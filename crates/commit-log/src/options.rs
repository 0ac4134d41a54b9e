//! The settings of a log.

use std::path::Path;

use common::Offset;

use crate::batch::BatchRules;

/// When an appended batch may be acknowledged, and when it is synced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FlushPolicy {
    /// Acknowledged once it is synced. Batches that come while a sync runs share the next one.
    #[default]
    Ack,
    /// Acknowledged once it is written; synced when so much time has passed, or too much has come
    /// ([`LogOptions::unsynced_bytes_max`]).
    Interval {
        /// Most time between a write and its sync, in ms (`flush.ms`).
        max_ms: i64,
    },
    /// Acknowledged once it is written; synced when too much has come, whatever the time.
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
    /// At most so much is taken off `segment_ms`, another amount for each segment, in ms (`segment.jitter.ms`): so that
    /// the segments of many logs do not end together.
    pub segment_jitter_ms: i64,
    /// How long the files of a deleted segment stay on disk, in ms (`file.delete.delay.ms`).
    pub file_delete_delay_ms: i64,
    /// See [`FlushPolicy`].
    pub flush: FlushPolicy,
    /// A log with more bytes than this that are not synced, or with a full segment that is not, is due for a flush, whatever
    /// the policy. Nobody waits for it. Left to the operating system, they would become as much as memory holds, and be
    /// written back all at once, which appends wait for; and the recovery point, which only what is durable moves, would
    /// stay where it is.
    pub unsynced_bytes_max: u64,
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
            segment_jitter_ms: 0,
            file_delete_delay_ms: 0,
            flush: FlushPolicy::default(),
            unsynced_bytes_max: 4 << 20,
            checkpoint_bytes: 16 << 20,
            tail_bytes: 1 << 20,
            rules: BatchRules::default(),
        }
    }
}

impl LogOptions {
    /// The time that the segment of this log which begins at `base` may span, in ms. What is random about it is drawn
    /// from its name, so that it is the same after a restart.
    pub(crate) fn segment_ms_of(&self, dir: &Path, base: Offset) -> i64 {
        let most = self.segment_jitter_ms.min(self.segment_ms);
        if most <= 0 {
            return self.segment_ms;
        }
        let name = crc32c::crc32c(dir.as_os_str().as_encoded_bytes());
        let drawn = crc32c::crc32c_append(name, &base.0.to_be_bytes());
        self.segment_ms - i64::from(drawn) % most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_taken_off_another_amount_for_each_segment() {
        let options = LogOptions { segment_ms: 1_000, segment_jitter_ms: 300, ..LogOptions::default() };
        let of = |dir: &str, base| options.segment_ms_of(Path::new(dir), Offset(base));
        let drawn: Vec<_> = (0..100).flat_map(|base| [of("a-0", base), of("a-1", base)]).collect();
        assert!(drawn.iter().all(|ms| (701..=1_000).contains(ms)), "{drawn:?}");
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert!(distinct.len() > 50, "{distinct:?}");
        assert_eq!(of("a-0", 7), of("a-0", 7));
        let without = LogOptions { segment_jitter_ms: 0, ..options.clone() };
        assert_eq!(without.segment_ms_of(Path::new("a-0"), Offset(7)), 1_000);
        let more = LogOptions { segment_jitter_ms: i64::MAX, ..options };
        assert!((1..=1_000).contains(&more.segment_ms_of(Path::new("a-0"), Offset(7))));
    }
}
