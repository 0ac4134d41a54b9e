//! Reading time. Pure crates take times as arguments; these are where the arguments come from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The wall clock in Unix milliseconds: for people and for records, never for deciding who is alive. A clock set
/// before 1970 reads 0.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, as_ms)
}

/// A duration in whole milliseconds; what does not fit is the largest there is.
pub fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since its making, never backwards, whatever happens to the wall clock. Follows tokio's paused
/// time in tests. Does not count time the machine spent suspended.
#[derive(Debug, Clone, Copy)]
pub struct Monotonic {
    origin: Instant,
}

impl Monotonic {
    /// Starts at 0 now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Milliseconds since the start.
    pub fn now_ms(&self) -> u64 {
        as_ms(self.origin.elapsed())
    }

    /// The milliseconds from the start to this moment, 0 if it was earlier; as [`Monotonic::now_ms`] would have said then.
    pub fn ms_at(&self, moment: Instant) -> u64 {
        as_ms(moment.saturating_duration_since(self.origin))
    }

    /// The moment that is `ms` after the start, for `tokio::time::sleep_until`.
    pub fn at(&self, ms: u64) -> Instant {
        self.origin + Duration::from_millis(ms)
    }
}
