//! Brokers die at random moments, again and again, under one history of records: what was acknowledged at any time must be
//! there in the end.

use std::time::{Duration, Instant};

use common::BrokerId;

use super::leaders;
use crate::{
    drill::{
        records::history::Mark,
        stage::{DEADLINE, Stage},
        target::broker_name,
    },
    exit::Failure,
    output::say,
};

/// The longest time from what a kill waits for to the kill, and from there to the restart.
const PAUSE_MS_MAX: u64 = 500;

/// When a broker is killed: the moments of each kind come in turn.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// All replicas are in sync.
    InSync,
    /// Records are acknowledged in every partition, while those that were killed before may still catch up.
    Acknowledged,
    /// Whatever the brokers are at: what is killed may be the last replica that has everything, or not yet ready itself.
    Any,
}

impl Moment {
    const ALL: [Self; 3] = [Self::InSync, Self::Acknowledged, Self::Any];

    /// What the outages of producers and of the consumer are called in the report.
    fn timings(self) -> (&'static str, &'static str) {
        match self {
            Self::InSync => {
                ("producers' outage, all in sync before", "consumer's outage, all in sync before")
            }
            Self::Acknowledged => {
                ("producers' outage, some catching up before", "consumer's outage, some catching up before")
            }
            Self::Any => {
                ("producers' outage, killed at any moment", "consumer's outage, killed at any moment")
            }
        }
    }
}

/// Whether partitions are on their way to other brokers when one is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moves {
    Yes,
    No,
}

/// Brokers that moves need: with three, there is nowhere to move to.
const MOVES_BROKERS_MIN: usize = 4;

/// The longest time from the beginning of moves to the kill: a small partition is soon moved.
const MOVE_MS_MAX: u64 = 50;

/// A broker that was killed.
struct Kill {
    moment: Moment,
    at: Instant,
    /// Once it was dead.
    since: Mark,
}

/// SIGKILL to `kills` random brokers, one at a time, each started again after a moment; then to all of them at once.
pub(crate) async fn kill(stage: &mut Stage<'_>, kills: usize, moves: Moves) -> Result<(), Failure> {
    let mut random = fastrand::Rng::new();
    let brokers = stage.target.brokers()?;
    if moves == Moves::Yes && brokers.len() < MOVES_BROKERS_MIN {
        return Err(Failure::usage(format!(
            "this drill needs at least {MOVES_BROKERS_MIN} brokers: --brokers 5"
        )));
    }
    let partitions = stage.record_partitions();
    let mut done: Vec<Kill> = Vec::new();
    for (number, moment) in (1..=kills).zip(Moment::ALL.into_iter().cycle()) {
        match (moment, done.last()) {
            (Moment::InSync, _) => stage.in_sync().await?,
            (Moment::Acknowledged, Some(last)) => {
                stage.records_again(&last.since, &partitions).await?;
            }
            _ => {}
        }
        pause(&mut random, PAUSE_MS_MAX).await;
        if moves == Moves::Yes {
            stage.move_records(&mut random).await?;
            pause(&mut random, MOVE_MS_MAX).await;
        }
        let victim = random.choice(&brokers).copied().unwrap_or(BrokerId(0));
        let name = broker_name(victim);
        say!("SIGKILL {number}/{kills}: {name}");
        stage.excuse(victim);
        let at = Instant::now();
        stage.target.kill(&name).await?;
        done.push(Kill { moment, at, since: stage.record_mark()? });
        pause(&mut random, PAUSE_MS_MAX).await;
        stage.target.start(&name).await?;
    }
    for Kill { moment, at, since } in done {
        let (written, read) = stage.records_again(&since, &partitions).await?;
        let (producers, consumer) = moment.timings();
        stage.time(producers, written.duration_since(at));
        stage.time(consumer, read.duration_since(at));
        let outage = written.duration_since(at);
        stage.check("records are acknowledged again soon after each kill", outage < DEADLINE, || {
            format!("after {} ms", outage.as_millis())
        });
    }
    stage.target.ready().await?;
    say!("SIGKILL to all brokers at once");
    leaders::kill_all(stage).await
}

/// The random part of when things happen.
pub(super) async fn pause(random: &mut fastrand::Rng, ms_max: u64) {
    tokio::time::sleep(Duration::from_millis(random.u64(0..=ms_max))).await;
}
