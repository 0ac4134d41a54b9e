//! Jitter from a seed: brokers that lost the same controller at the same moment must not come back together.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough to spread retries.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between half of `duration` and all of it.
    pub(super) fn upper_half(&mut self, duration: Duration) -> Duration {
        let half = duration / 2;
        let half_ns = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(self.next() % half_ns.max(1))
    }

    /// `first`, doubled with each of `failures` after the first one up to `most`, and then jittered.
    pub(super) fn back_off(&mut self, first: Duration, most: Duration, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        self.upper_half(first.saturating_mul(1 << doublings).min(most))
    }
}
