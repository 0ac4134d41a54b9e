//! How much replication may take of a broker (KIP-73): two budgets of bytes per second, one for what it fetches as a
//! follower, one for what it serves as a leader. They hold for replicas that their topics list
//! (`follower.replication.throttled.replicas`, `leader.replication.throttled.replicas`): what these take always counts, but
//! only those outside of the ISR wait for it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::broker_config::LiveConfig;

/// Who has nothing left asks again after this at the latest: the rate may be another by then.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Both budgets of a broker.
#[derive(Debug)]
pub struct Throttles {
    /// Of what it fetches (`follower.replication.throttled.rate`).
    pub follower: Quota,
    /// Of what it serves (`leader.replication.throttled.rate`).
    pub leader: Quota,
}

impl Throttles {
    /// With the rates that are in force each time.
    pub fn new(config: &LiveConfig) -> Self {
        Self {
            follower: Quota::new(config, "follower.replication.throttled.rate"),
            leader: Quota::new(config, "leader.replication.throttled.rate"),
        }
    }
}

/// A budget that all connections share.
#[derive(Debug)]
pub struct Quota {
    config: LiveConfig,
    setting: &'static str,
    /// `None`: there was no rate yet.
    throttle: Mutex<Option<Throttle>>,
}

impl Quota {
    /// With the rate that this setting has each time.
    pub(super) fn new(config: &LiveConfig, setting: &'static str) -> Self {
        Self { config: config.clone(), setting, throttle: Mutex::default() }
    }

    /// How many bytes may be taken now; `None`: any number. `Err`: none before that time.
    pub fn allowance(&self, now: Instant) -> Result<Option<u64>, Instant> {
        let mut throttle = self.lock();
        self.refresh(&mut throttle, now).map_or(Ok(None), |throttle| throttle.allowance(now).map(Some))
    }

    /// Bytes were taken.
    pub fn spend(&self, bytes: usize, now: Instant) {
        let mut throttle = self.lock();
        if let Some(throttle) = self.refresh(&mut throttle, now) {
            throttle.spend(bytes, now);
        }
    }

    /// Takes the rate of now.
    fn refresh<'a>(&self, throttle: &'a mut Option<Throttle>, now: Instant) -> Option<&'a mut Throttle> {
        match (self.config.rate(self.setting), throttle.as_mut()) {
            (None, _) => *throttle = None,
            (Some(rate), None) => *throttle = Some(Throttle::new(rate, now)),
            (Some(rate), Some(known)) => known.set_rate(rate, now),
        }
        throttle.as_mut()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Throttle>> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a second's worth of bytes through at once, and then as many as time brings. What comes in one piece may exceed
/// the budget; it is then paid back before anything else.
#[derive(Debug)]
struct Throttle {
    bytes_per_second: u64,
    /// Negative: a debt.
    available: i64,
    as_of: Instant,
}

impl Throttle {
    fn new(bytes_per_second: u64, now: Instant) -> Self {
        Self { bytes_per_second, available: signed(bytes_per_second), as_of: now }
    }

    /// What was taken so far counts on.
    fn set_rate(&mut self, bytes_per_second: u64, now: Instant) {
        if bytes_per_second != self.bytes_per_second {
            self.refill(now);
            self.bytes_per_second = bytes_per_second;
            self.available = self.available.min(signed(bytes_per_second));
        }
    }

    fn spend(&mut self, bytes: usize, now: Instant) {
        self.refill(now);
        self.available = self.available.saturating_sub(signed(bytes as u64));
    }

    fn allowance(&mut self, now: Instant) -> Result<u64, Instant> {
        self.refill(now);
        match u64::try_from(self.available) {
            Ok(available) if available > 0 => Ok(available),
            _ => {
                let missing = self.available.unsigned_abs() + 1;
                let nanos = u128::from(missing) * 1_000_000_000 / u128::from(self.bytes_per_second.max(1));
                let pause = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX) / 1_000 * 1_000);
                Err(now + pause.clamp(Duration::from_millis(1), PAUSE_MAX))
            }
        }
    }

    fn refill(&mut self, now: Instant) {
        let rate = self.bytes_per_second;
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
        let mut throttle = Throttle::new(1_000, start);
        assert_eq!(throttle.allowance(start), Ok(1_000));
        throttle.spend(1_000, start);
        let again = throttle.allowance(start).unwrap_err();
        assert_eq!(again, after(start, 1));
        assert_eq!(throttle.allowance(after(start, 250)), Ok(250));
        assert_eq!(throttle.allowance(after(start, 9_000)), Ok(1_000), "idle time is not saved up");
    }

    #[test]
    fn a_debt_is_paid_first() {
        let start = Instant::now();
        let mut throttle = Throttle::new(1_000, start);
        throttle.spend(3_000, start);
        assert_eq!(throttle.allowance(after(start, 1_000)), Err(after(start, 2_000)));
        assert_eq!(throttle.allowance(after(start, 2_001)), Ok(1));
    }

    #[test]
    fn frequent_questions_do_not_slow_it_down() {
        let start = Instant::now();
        let mut throttle = Throttle::new(1_000, start);
        throttle.spend(1_000, start);
        for micros in 0..10_000 {
            let _ = throttle.allowance(start + Duration::from_micros(micros));
        }
        assert_eq!(throttle.allowance(after(start, 10)), Ok(10));
    }

    #[test]
    fn another_rate_holds_at_once_and_debts_stay() {
        let start = Instant::now();
        let mut throttle = Throttle::new(1_000, start);
        throttle.spend(1_500, start);
        throttle.set_rate(10_000, start);
        assert_eq!(throttle.allowance(start), Err(start + Duration::from_micros(50_100)));
        assert_eq!(throttle.allowance(after(start, 100)), Ok(500));
        throttle.set_rate(0, after(start, 100));
        assert_eq!(
            throttle.allowance(after(start, 5_000)),
            Err(after(start, 6_000)),
            "asks again in a second"
        );
    }
}
