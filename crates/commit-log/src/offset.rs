//! The ids a log tells its writers apart by; the offsets it counts in are the common ones.

use std::fmt;

use serde::Serialize;

pub use common::Offset;

/// A producer, as InitProducerId handed it out. Never negative: a batch without a producer has none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// The ids from here on are not handed out: each belongs to one request that names itself.
    const OF_REQUESTS: i64 = 1 << 62;

    /// The producer of a request that is known by this number; it writes one batch to a partition.
    pub fn of_request(number: u64) -> Self {
        Self(Self::OF_REQUESTS | i64::try_from(number >> 2).unwrap_or(i64::MAX))
    }

    /// Whether it writes one batch only.
    pub fn is_of_request(self) -> bool {
        self.0 >= Self::OF_REQUESTS
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Who wrote a batch, and where the batch stands in the writer's own numbering (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerStamp {
    /// The producer.
    pub id: ProducerId,
    /// Its epoch; a higher one fences all lower ones.
    pub epoch: i16,
    /// Number of the first record; -1 in control batches, which have no numbers.
    pub base_sequence: i32,
}
