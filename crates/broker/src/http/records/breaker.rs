//! Leaders that keep failing are left alone for a moment: a circuit breaker per broker. Time is an argument.

use std::{collections::BTreeMap, time::Duration};

use common::BrokerId;
use tokio::time::Instant;

/// Failures in a row after which a broker is left alone.
const FAILURES_MAX: u32 = 3;

/// For how long. Afterwards one request finds out whether it answers again.
const PAUSE: Duration = Duration::from_secs(2);

/// One breaker per broker that has failed.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    failing: BTreeMap<BrokerId, Failing>,
}

#[derive(Debug, Clone, Copy)]
struct Failing {
    failures: u32,
    /// Nobody asks it before, but for the one who was let through last.
    closed_until: Option<Instant>,
}

impl Breakers {
    /// Whether a request may go to this broker now; if not, how long to wait.
    pub(super) fn admit(&mut self, broker: BrokerId, now: Instant) -> Result<(), Duration> {
        let Some(Failing { closed_until: Some(until), .. }) = self.failing.get_mut(&broker) else {
            return Ok(());
        };
        if now < *until {
            return Err(until.duration_since(now));
        }
        // This one tries; the others wait for what comes of it.
        *until = now + PAUSE;
        Ok(())
    }

    /// Whether a request would be admitted. Changes nothing.
    pub(super) fn would_admit(&self, broker: BrokerId, now: Instant) -> bool {
        self.failing.get(&broker).and_then(|failing| failing.closed_until).is_none_or(|until| now >= until)
    }

    /// It answered, whatever it said.
    pub(super) fn answered(&mut self, broker: BrokerId) {
        self.failing.remove(&broker);
    }

    /// It did not answer.
    pub(super) fn failed(&mut self, broker: BrokerId, now: Instant) {
        let failing = self.failing.entry(broker).or_insert(Failing { failures: 0, closed_until: None });
        failing.failures += 1;
        if failing.failures >= FAILURES_MAX {
            failing.closed_until = Some(now + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKER: BrokerId = BrokerId(101);

    #[test]
    fn after_some_failures_requests_are_refused_until_one_finds_out() {
        let (mut breakers, start) = (Breakers::default(), Instant::now());
        for _ in 0..FAILURES_MAX {
            assert!(breakers.admit(BROKER, start).is_ok());
            breakers.failed(BROKER, start);
        }
        assert_eq!(breakers.admit(BROKER, start), Err(PAUSE));
        assert!(breakers.admit(BrokerId(102), start).is_ok(), "others are asked");
        let later = start + PAUSE;
        assert!(
            !breakers.would_admit(BROKER, start) && breakers.would_admit(BROKER, later),
            "asking is free"
        );
        assert!(breakers.admit(BROKER, later).is_ok(), "one tries");
        assert!(breakers.admit(BROKER, later).is_err(), "and only one");
        breakers.failed(BROKER, later);
        assert!(breakers.admit(BROKER, later + PAUSE / 2).is_err());
        assert!(breakers.admit(BROKER, later + PAUSE).is_ok());
        breakers.answered(BROKER);
        assert!(breakers.admit(BROKER, later + PAUSE).is_ok());
        assert!(breakers.failing.is_empty());
    }

    #[test]
    fn an_answer_in_between_starts_the_count_anew() {
        let (mut breakers, now) = (Breakers::default(), Instant::now());
        for _ in 0..10 {
            breakers.failed(BROKER, now);
            breakers.failed(BROKER, now);
            breakers.answered(BROKER);
            assert!(breakers.admit(BROKER, now).is_ok());
        }
    }
}
