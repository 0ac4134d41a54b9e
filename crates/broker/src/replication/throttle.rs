//! A budget of bytes per second. Pure: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Lets a second's worth of bytes through at once, and then as many as time brings. What comes in one piece may exceed
/// the budget; it is then paid back before anything else.
#[derive(Debug)]
pub(super) struct Throttle {
    bytes_per_second: Option<u64>,
    /// Negative: a debt.
    available: i64,
    as_of: Instant,
}

impl Throttle {
    pub(super) fn new(bytes_per_second: Option<u64>, now: Instant) -> Self {
        let available = bytes_per_second.map_or(0, signed);
        Self { bytes_per_second, available, as_of: now }
    }

    /// Bytes were taken.
    pub(super) fn spend(&mut self, bytes: usize, now: Instant) {
        self.refill(now);
        self.available = self.available.saturating_sub(signed(bytes as u64));
    }

    /// How many bytes may be asked for now; `None`: any number. `Err`: none before that time.
    pub(super) fn allowance(&mut self, now: Instant) -> Result<Option<u64>, Instant> {
        let Some(rate) = self.bytes_per_second else { return Ok(None) };
        self.refill(now);
        match u64::try_from(self.available) {
            Ok(available) if available > 0 => Ok(Some(available)),
            _ => {
                let missing = self.available.unsigned_abs() + 1;
                let nanos = u128::from(missing) * 1_000_000_000 / u128::from(rate.max(1));
                let pause = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX) / 1_000 * 1_000);
                Err(now + pause.max(Duration::from_millis(1)))
            }
        }
    }

    fn refill(&mut self, now: Instant) {
        let Some(rate) = self.bytes_per_second else { return };
        let passed = now.saturating_duration_since(self.as_of);
        let bytes = passed.as_nanos() * u128::from(rate) / 1_000_000_000;
        if bytes == 0 {
            // Less than one byte's time: it counts with the next call.
            return;
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.available = self.available.saturating_add(bytes).min(signed(rate));
        self.as_of = now;
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_second_is_let_through_and_then_what_time_brings() {
        let start = Instant::now();
        let mut throttle = Throttle::new(Some(1_000), start);
        assert_eq!(throttle.allowance(start), Ok(Some(1_000)));
        throttle.spend(1_000, start);
        let again = throttle.allowance(start).unwrap_err();
        assert_eq!(again, after(start, 1));
        assert_eq!(throttle.allowance(after(start, 250)), Ok(Some(250)));
        assert_eq!(throttle.allowance(after(start, 9_000)), Ok(Some(1_000)), "idle time is not saved up");
    }

    #[test]
    fn a_debt_is_paid_first() {
        let start = Instant::now();
        let mut throttle = Throttle::new(Some(1_000), start);
        throttle.spend(3_000, start);
        assert_eq!(throttle.allowance(after(start, 1_000)), Err(after(start, 2_001)));
        assert_eq!(throttle.allowance(after(start, 2_001)), Ok(Some(1)));
    }

    #[test]
    fn frequent_questions_do_not_slow_it_down() {
        let start = Instant::now();
        let mut throttle = Throttle::new(Some(1_000), start);
        throttle.spend(1_000, start);
        for micros in 0..10_000 {
            let _ = throttle.allowance(start + Duration::from_micros(micros));
        }
        assert_eq!(throttle.allowance(after(start, 10)), Ok(Some(10)));
    }

    #[test]
    fn without_a_rate_everything_goes() {
        let start = Instant::now();
        let mut throttle = Throttle::new(None, start);
        throttle.spend(usize::MAX, start);
        assert_eq!(throttle.allowance(start), Ok(None));
    }
}
