//! How long to wait between two attempts at the same thing: twice as long each time, up to a bound, and a little by chance
//! (KIP-580), so that a broker which is down is not asked for ever as often as one that is back in a moment, and not by all at once.

use std::time::Duration;

/// How much a pause may be longer or shorter, as in Kafka's clients.
const JITTER: f64 = 0.2;

/// The pause after so many failures in a row, of which there is at least one; `chance` is from 0 to 1. Never longer than `longest`.
pub(crate) fn pause(first: Duration, longest: Duration, failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    let pause = first.saturating_mul(1 << doublings).min(longest).as_secs_f64();
    let jittered = Duration::try_from_secs_f64(pause * (1.0 - JITTER + 2.0 * JITTER * chance));
    jittered.map_or(longest, |jittered| jittered.min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = (0..9).map(|failures| pause(FIRST, LONGEST, failures, 0.5).as_millis());
        assert_eq!(pauses.collect::<Vec<_>>(), [20, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(pause(FIRST, LONGEST, u32::MAX, 0.5), LONGEST);
        assert_eq!(pause(Duration::MAX, Duration::MAX, u32::MAX, 1.0), Duration::MAX);
    }

    #[test]
    fn chance_makes_a_pause_longer_or_shorter_and_never_longer_than_the_longest() {
        let by = |chance| pause(FIRST, LONGEST, 2, chance).as_millis();
        assert_eq!([by(0.0), by(0.5), by(1.0)], [32, 40, 48]);
        assert_eq!(pause(FIRST, FIRST, 9, 1.0), FIRST);
        assert_eq!(pause(FIRST, FIRST, 9, 0.0).as_millis(), 16);
    }
}
