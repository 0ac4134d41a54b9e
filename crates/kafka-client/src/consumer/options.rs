//! Settings of a consumer.

use std::time::Duration;

use common::Offset;

use crate::offsets::OffsetSpec;

/// Settings of a consumer, by Kafka's names.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// How long a broker may wait for `fetch.min.bytes`: `fetch.max.wait.ms`.
    pub fetch_max_wait: Duration,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: usize,
    /// Bytes of an answer, if it has more than one batch: `fetch.max.bytes`. Twice as much per broker may be in memory. The first
    /// batch comes whole whatever its size (KIP-74), up to
    /// [`ConnectionOptions::answer_bytes_max`](crate::ConnectionOptions::answer_bytes_max).
    pub fetch_max_bytes: usize,
    /// Bytes of a partition in an answer, likewise: `max.partition.fetch.bytes`.
    pub partition_fetch_max_bytes: usize,
    /// Which records of transactions are seen: `isolation.level`.
    pub isolation_level: IsolationLevel,
    /// Whether checksums are compared: `check.crcs`.
    pub check_crcs: bool,
    /// The most that one batch may decompress to, in bytes.
    pub batch_bytes_max: usize,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            fetch_max_wait: Duration::from_millis(500),
            fetch_min_bytes: 1,
            fetch_max_bytes: 16 << 20,
            partition_fetch_max_bytes: 1 << 20,
            isolation_level: IsolationLevel::ReadUncommitted,
            check_crcs: true,
            batch_bytes_max: 128 << 20,
        }
    }
}

/// Which records of transactions a reader sees: `isolation.level`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// All that are committed to the log, also those of transactions that are open or were aborted.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions and those outside of any, up to the first that is undecided.
    ReadCommitted,
}

impl IsolationLevel {
    /// As requests have it.
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At this offset.
    Offset(Offset),
    /// At an offset that the leader is asked for. A time after which nothing was written is the end.
    Listed(OffsetSpec),
}
