//! The histogram that openraft counts its batches in, in 520 bytes.
//!
//! openraft 0.10.0-alpha.37 records the size of each replication batch, whether anybody looks or not, in the crate
//! `base2histogram`. At its first use that crate computes tables for histograms of sixteen resolutions: 26 MB that every
//! metadata node would hold for ever, more than all the rest of its memory, for a figure that only openraft's feature
//! `runtime-stats` shows (off here). This crate takes its place with what openraft calls of it, and one resolution:
//! a bucket per power of two. Nothing of Raft depends on it.

use std::fmt;
use std::marker::PhantomData;

/// One bucket for 0, and one for each number of significant bits.
const BUCKETS: usize = 65;

/// Counts values by their number of significant bits. `T` is of no use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: [u64; BUCKETS],
    slot: PhantomData<T>,
}

/// Percentiles, each rounded up to the largest value of its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PercentileStats {
    /// How many values were recorded.
    pub samples: u64,
    /// 0.1th percentile.
    pub p0_1: u64,
    /// 1st percentile.
    pub p1: u64,
    /// 5th percentile.
    pub p5: u64,
    /// 10th percentile.
    pub p10: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p99_9: u64,
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Histogram<T> {
    /// Empty.
    pub fn new() -> Self {
        Self { counts: [0; BUCKETS], slot: PhantomData }
    }

    /// Records a value.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Records a value `count` times.
    pub fn record_n(&mut self, value: u64, count: u64) {
        let bits = u64::BITS - value.leading_zeros();
        if let Some(bucket) = usize::try_from(bits).ok().and_then(|bits| self.counts.get_mut(bits)) {
            *bucket = bucket.saturating_add(count);
        }
    }

    /// The usual percentiles.
    pub fn percentile_stats(&self) -> PercentileStats {
        let samples = self.counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let at = |per_mille| self.percentile(samples, per_mille);
        PercentileStats {
            samples,
            p0_1: at(1),
            p1: at(10),
            p5: at(50),
            p10: at(100),
            p50: at(500),
            p90: at(900),
            p99: at(990),
            p99_9: at(999),
        }
    }

    fn percentile(&self, samples: u64, per_mille: u128) -> u64 {
        let rank = u128::from(samples) * per_mille / 1000;
        let mut below = 0_u128;
        for (bits, count) in (0_u32..).zip(&self.counts) {
            below += u128::from(*count);
            if below > rank {
                return u64::MAX.checked_shr(u64::BITS - bits).unwrap_or(0);
            }
        }
        0
    }
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, p50, p90, p99, p99_9, .. } = self;
        write!(f, "samples: {samples}, p50: {p50}, p90: {p90}, p99: {p99}, p99.9: {p99_9}")
    }
}

/// Several histograms under their names, one a line.
#[derive(Debug, Clone, Default)]
pub struct AsciiChart(Vec<(String, PercentileStats)>);

impl AsciiChart {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn add<T>(mut self, name: &str, histogram: Histogram<T>) -> Self {
        self.0.push((name.to_owned(), histogram.percentile_stats()));
        self
    }

    /// As text.
    pub fn detailed(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| self.0.iter().try_for_each(|(name, stats)| writeln!(f, "{name}: {stats}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_largest_value_of_their_bucket() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!(histogram.percentile_stats().p50, 0);
        histogram.record_n(1, 90);
        histogram.record_n(5, 9);
        histogram.record(u64::MAX);
        let stats = histogram.percentile_stats();
        assert_eq!((stats.samples, stats.p50, stats.p90, stats.p99), (100, 1, 7, u64::MAX));
        histogram.record_n(0, 1000);
        assert_eq!(histogram.percentile_stats().p50, 0);
    }
}
