//! Figures of the Raft layer; how they are exposed is the business of `crate::metrics`.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The shortest time that the lately proposed entries are of. They are of up to twice as long: so it is with Kafka's figures,
/// by default (`metrics.sample.window.ms`, `metrics.num.samples`).
const WINDOW: Duration = Duration::from_secs(30);

/// Counts since the process started, and what was so lately. Relaxed: each is read on its own.
#[derive(Debug, Default)]
pub struct RaftFigures {
    proposals: AtomicU64,
    proposals_unknown: AtomicU64,
    commit_micros: AtomicU64,
    leader_changes: AtomicU64,
    early_elections: AtomicU64,
    rpcs_refused: AtomicU64,
    snapshots_installed: AtomicU64,
    unclean_elections: AtomicU64,
    lately: Mutex<Option<Lately>>,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident: $add:ident, $get:ident;)*) => {
        impl RaftFigures {
            $(
                $(#[$doc])*
                pub fn $get(&self) -> u64 {
                    self.$field.load(Ordering::Relaxed)
                }

                pub(super) fn $add(&self, count: u64) {
                    self.$field.fetch_add(count, Ordering::Relaxed);
                }
            )*
        }
    };
}

counters! {
    /// Proposals that got an outcome.
    proposals: add_proposals, proposals;
    /// Proposals whose outcome is unknown.
    proposals_unknown: add_proposals_unknown, proposals_unknown;
    /// Time from proposal to outcome, summed up, in microseconds.
    commit_micros: add_commit_micros, commit_micros;
    /// How often this node saw another leader or another term of one.
    leader_changes: add_leader_changes, leader_changes;
    /// Elections that this node tried at once, because the leader's process was seen to be gone.
    early_elections: add_early_elections, early_elections;
    /// RPCs of other nodes that were not let through to Raft.
    rpcs_refused: add_rpcs_refused, rpcs_refused;
    /// Snapshots of a leader that took the place of this node's state.
    snapshots_installed: add_snapshots_installed, snapshots_installed;
    /// Leaders of partitions that may lack acknowledged records, and that came of what this node proposed.
    unclean_elections: add_unclean_elections, unclean_elections;
}

impl RaftFigures {
    /// A proposal got its outcome after so long.
    pub(super) fn committed(&self, took: Duration) {
        self.add_proposals(1);
        self.add_commit_micros(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        lately.get_or_insert_with(|| Lately::new(now)).add(now, took);
    }

    /// What this node proposed lately.
    pub fn lately(&self) -> Rates {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        lately.as_mut().map_or_else(Rates::default, |lately| lately.rates(now))
    }
}

/// What was proposed in the last time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Entries per second.
    pub per_second: f64,
    /// The average time from proposal to outcome; `None`: nothing was proposed.
    pub latency_avg: Option<Duration>,
}

/// Two windows, of which the second is being filled.
#[derive(Debug)]
struct Lately {
    former: Sum,
    present: Sum,
    /// When the present one began.
    since: Instant,
    /// Whether there was a former one.
    has_former: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: u32,
    took: Duration,
}

impl Lately {
    fn new(now: Instant) -> Self {
        Self { former: Sum::default(), present: Sum::default(), since: now, has_former: false }
    }

    fn add(&mut self, now: Instant, took: Duration) {
        self.turn(now);
        self.present.count = self.present.count.saturating_add(1);
        self.present.took = self.present.took.saturating_add(took);
    }

    fn rates(&mut self, now: Instant) -> Rates {
        self.turn(now);
        let count = self.former.count.saturating_add(self.present.count);
        let took = self.former.took.saturating_add(self.present.took);
        let former = if self.has_former { WINDOW } else { Duration::ZERO };
        // What has just begun to count is no reason to tell of huge rates.
        let time = (former + now.saturating_duration_since(self.since)).max(WINDOW);
        Rates { per_second: f64::from(count) / time.as_secs_f64(), latency_avg: took.checked_div(count) }
    }

    /// Begins another window where it is time.
    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.since);
        if age < WINDOW {
            return;
        }
        let is_next = age < 2 * WINDOW;
        self.former = if is_next { self.present } else { Sum::default() };
        self.present = Sum::default();
        self.since = if is_next { self.since + WINDOW } else { now };
        self.has_former = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_thirty_to_sixty_seconds() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut lately = Lately::new(begun);
        assert_eq!(lately.rates(at(1)), Rates { per_second: 0.0, latency_avg: None });
        for _ in 0..60 {
            lately.add(at(10), Duration::from_millis(4));
        }
        let few_ms = Some(Duration::from_millis(4));
        assert_eq!(lately.rates(at(20)), Rates { per_second: 2.0, latency_avg: few_ms });
        assert_eq!(lately.rates(at(50)), Rates { per_second: 1.2, latency_avg: few_ms });
        for _ in 0..60 {
            lately.add(at(50), Duration::from_millis(2));
        }
        let between = Some(Duration::from_millis(3));
        assert_eq!(lately.rates(at(59)).latency_avg, between);
        assert_eq!(
            lately.rates(at(60)),
            Rates { per_second: 2.0, latency_avg: Some(Duration::from_millis(2)) }
        );
        assert_eq!(lately.rates(at(300)), Rates { per_second: 0.0, latency_avg: None });
    }
}
