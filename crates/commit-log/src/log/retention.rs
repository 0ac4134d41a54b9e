//! Deleting old segments, by time and by size, with two brakes: a budget per pass, and a guard against clocks that
//! jump.

use super::{Log, StartJob};
use crate::{error::LogError, offset::Offset};

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Records older than this go, in ms (`retention.ms`); `None`: never.
    pub max_age_ms: Option<i64>,
    /// The oldest segments go while the others still have this many bytes (`retention.bytes`); `None`: never.
    pub max_bytes: Option<u64>,
    /// Segments deleted in one pass at most: a mistaken setting can be corrected before it has cost everything, and
    /// the disk is not flooded with deletions.
    pub segments_per_pass: usize,
}

/// Tells whether the wall clock can be believed when it says that records are old.
///
/// A clock that is set forward by days makes everything look expired. So the wall clock is compared with one that
/// cannot jump; after a jump, nothing is deleted by time until the clock has gone on evenly for a while.
#[derive(Debug, Clone, Default)]
pub struct ClockGuard {
    last: Option<(i64, i64)>,
    suspended_until_ms: Option<i64>,
}

/// Difference between the two clocks, per pass, that is no jump.
const JUMP_MIN_MS: i64 = 10 * 60_000;

/// How long the wall clock must go evenly before it is believed again.
const SUSPENSION_MS: i64 = 24 * 3_600_000;

impl ClockGuard {
    /// Looks at the wall clock and at one that cannot jump, both in ms. Whether the wall clock may be believed now.
    pub fn observe(&mut self, wall_ms: i64, steady_ms: i64) -> bool {
        if let Some((wall, steady)) = self.last.replace((wall_ms, steady_ms)) {
            let gained = wall_ms.saturating_sub(wall).saturating_sub(steady_ms.saturating_sub(steady));
            if gained > JUMP_MIN_MS {
                self.suspended_until_ms = Some(steady_ms.saturating_add(SUSPENSION_MS));
            } else if gained < -JUMP_MIN_MS {
                // Set back: most likely a jump forward that was corrected.
                self.suspended_until_ms = None;
            }
        }
        self.suspended_until_ms.is_none_or(|until| steady_ms >= until)
    }

    /// An operator says that the clock is right.
    pub fn trust(&mut self) {
        self.suspended_until_ms = None;
    }
}

impl Log {
    /// Lets the log start where the retention wants it, below `high_watermark` only: `None` if it does. Segments can be
    /// deleted once the job has run. `now_ms` is the wall clock, or `None` where it cannot be believed: then only size counts.
    pub fn plan_retention(
        &mut self,
        retention: &Retention,
        now_ms: Option<i64>,
        high_watermark: Offset,
    ) -> Result<Option<StartJob>, LogError> {
        let count = self.expired(retention, now_ms, high_watermark);
        let all = self.segments.len();
        if count == all && self.segments.last().is_some_and(|segment| !segment.is_empty()) {
            // The last one goes too: what comes next needs a place.
            self.begin_changes()?;
            self.roll(self.log_end())?;
        }
        let Some(first_kept) = self.segments.get(count).or_else(|| self.segments.last()) else {
            return Ok(None);
        };
        self.plan_start(first_kept.base.max(self.log_start()))
    }

    /// All of that here and now: as [`Log::plan_retention`], then deletes segments. Gives how many.
    pub fn retain(
        &mut self,
        retention: &Retention,
        now_ms: Option<i64>,
        high_watermark: Offset,
    ) -> Result<usize, LogError> {
        if let Some(job) = self.plan_retention(retention, now_ms, high_watermark)? {
            job.run()?;
        }
        if self.log_start() > self.shared.checkpoint.current().recovery_point {
            self.flush()?;
        }
        self.delete_obsolete(retention.segments_per_pass)
    }

    /// How many segments from the front on have expired.
    fn expired(&self, retention: &Retention, now_ms: Option<i64>, high_watermark: Offset) -> usize {
        let mut bytes = self.size_bytes();
        let mut count = 0;
        for segment in self.segments.iter().take(retention.segments_per_pass) {
            bytes = bytes.saturating_sub(u64::from(segment.size));
            let replicated = segment.end <= high_watermark && !segment.is_empty();
            let old = match (retention.max_age_ms, now_ms) {
                // Records of clients without a clock say -1: nobody knows how old they are, so only size counts.
                (Some(max_age_ms), Some(now_ms)) if segment.max_timestamp_ms >= 0 => {
                    now_ms.saturating_sub(segment.max_timestamp_ms) > max_age_ms
                }
                _ => false,
            };
            let surplus = retention.max_bytes.is_some_and(|max_bytes| bytes >= max_bytes);
            if !(replicated && (old || surplus)) {
                break;
            }
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_clock_that_goes_evenly_is_believed() {
        let mut guard = ClockGuard::default();
        assert!((0..100).all(|hour| guard.observe(1_000 * HOUR + hour * HOUR, hour * HOUR + 7)));
    }

    #[test]
    fn a_clock_that_jumped_is_not_believed_for_a_day() {
        let mut guard = ClockGuard::default();
        assert!(guard.observe(0, 0));
        assert!(!guard.observe(1_000 * HOUR, HOUR));
        assert!(!guard.observe(1_023 * HOUR, 24 * HOUR));
        assert!(guard.observe(1_024 * HOUR, 25 * HOUR));
    }

    #[test]
    fn a_jump_that_is_corrected_or_confirmed_is_forgotten() {
        let mut guard = ClockGuard::default();
        guard.observe(0, 0);
        assert!(!guard.observe(1_000 * HOUR, HOUR));
        assert!(guard.observe(2 * HOUR, 2 * HOUR));
        assert!(!guard.observe(1_000 * HOUR, 3 * HOUR));
        guard.trust();
        assert!(guard.observe(1_001 * HOUR, 4 * HOUR));
    }
}
