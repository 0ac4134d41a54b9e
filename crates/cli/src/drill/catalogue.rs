//! All drills, and how one is run.

use clap::ValueEnum;
use serde::Serialize;

use super::{
    records::{history::PartitionVerdict, workload::Load},
    report::{RecordsReport, Report, Timing, Verdict},
    scripts::{brokers, controller, leaders, partitions, quorum, random, rolling, storm},
    stage::{Seen, Stage},
    target::{Cut, Target},
};
use crate::{exit::Failure, output::say};

/// A drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Drill {
    /// SIGKILL the controller
    KillController,
    /// SIGSTOP the controller; SIGCONT once another leads: the old one must refuse
    PauseController,
    /// SIGTERM the controller: it hands over and ends in good order
    StopController,
    /// SIGKILL the controller and start it again at once: it must not lead on
    RestartOldController,
    /// Cut the controller off from the other nodes, but not from clients (throw-away clusters only)
    PartitionController,
    /// SIGKILL a broker: it goes OFFLINE, and its partitions get other leaders
    KillBroker,
    /// SIGKILL a broker that leads partitions: others lead, no acknowledged record is lost
    KillPartitionLeader,
    /// SIGSTOP a broker that leads partitions; SIGCONT once others lead: what it took in must not count
    PausePartitionLeader,
    /// Cut a broker that leads partitions off from the controllers, but not from clients (throw-away clusters only)
    PartitionBroker,
    /// Cut a broker that leads partitions off from the other brokers, but not from controllers and clients (throw-away clusters only)
    PartitionBrokerFromPeers,
    /// The same one way: nothing that it sends to other brokers arrives (throw-away clusters only)
    MuteBroker,
    /// The same the other way: nothing that other brokers send it arrives (throw-away clusters only)
    DeafenBroker,
    /// Cut a broker that leads partitions off from the other brokers and the controllers, but not from clients (throw-away clusters only)
    IsolateBroker,
    /// SIGKILL all brokers at once, and start them again: what was acknowledged is on disk
    KillAllBrokers,
    /// SIGKILL random brokers at random moments, `--times` of them in one run; then all at once
    KillRandomBrokers,
    /// The same while partitions move from broker to broker (at least four brokers)
    KillWhileMoving,
    /// Members of consumer groups come, go and vanish (`--churns`) while brokers are killed (`--kills`) (throw-away clusters only)
    RebalanceStorm,
    /// SIGKILL a majority, the leader stays: writes fail clearly, reads go on
    QuorumLoss,
    /// SIGKILL a majority with the leader, and start them again
    QuorumRestore,
    /// Stop and start every process in turn
    RollingRestart,
}

/// How much of a drill is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// How often it is run; or how many faults it has, if it is one long run.
    pub(crate) times: usize,
    /// How much happens in a rebalance storm.
    pub(crate) storm: storm::Amount,
}

impl From<usize> for Extent {
    fn from(times: usize) -> Self {
        Self { times, storm: storm::Amount::default() }
    }
}

impl Drill {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it does, in a line.
    pub(crate) fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// Whether it can only be run on a throw-away cluster.
    pub(crate) fn needs_throw_away(self) -> bool {
        self.needs_fault_proxies() || self == Self::RebalanceStorm
    }

    /// Whether it breaks the network.
    pub(crate) fn needs_fault_proxies(self) -> bool {
        matches!(
            self,
            Self::PartitionController
                | Self::PartitionBroker
                | Self::PartitionBrokerFromPeers
                | Self::MuteBroker
                | Self::DeafenBroker
                | Self::IsolateBroker
        )
    }

    /// Settings of the brokers that it needs.
    pub(crate) fn settings(self) -> Vec<String> {
        match self {
            Self::RebalanceStorm => storm::settings(),
            // A drill that cuts brokers off waits until they have left the ISRs.
            _ if self.needs_fault_proxies() => vec!["replica.lag.time.max.ms=3000".to_owned()],
            _ => Vec::new(),
        }
    }

    /// How many records are written and read meanwhile, if any.
    fn load(self) -> Option<Load> {
        match self {
            Self::KillPartitionLeader
            | Self::PausePartitionLeader
            | Self::PartitionBroker
            | Self::PartitionBrokerFromPeers
            | Self::MuteBroker
            | Self::DeafenBroker
            | Self::IsolateBroker
            | Self::KillAllBrokers
            | Self::RebalanceStorm
            | Self::RollingRestart => Some(Load::LIGHT),
            Self::KillRandomBrokers | Self::KillWhileMoving => Some(Load::HEAVY),
            Self::KillController
            | Self::StopController
            | Self::PauseController
            | Self::RestartOldController
            | Self::PartitionController
            | Self::KillBroker
            | Self::QuorumLoss
            | Self::QuorumRestore => None,
        }
    }

    /// Whether `--times` counts faults of one run, with one history, rather than runs.
    fn is_one_run(self) -> bool {
        matches!(self, Self::KillRandomBrokers | Self::KillWhileMoving)
    }

    async fn play(self, extent: Extent, stage: &mut Stage<'_>) -> Result<(), Failure> {
        match self {
            Self::KillController => controller::kill(stage).await,
            Self::PauseController => controller::pause(stage).await,
            Self::StopController => controller::stop(stage).await,
            Self::RestartOldController => controller::restart(stage).await,
            Self::PartitionController => controller::partition(stage).await,
            Self::KillBroker => brokers::kill(stage).await,
            Self::KillPartitionLeader => leaders::kill(stage).await,
            Self::PausePartitionLeader => leaders::pause(stage).await,
            Self::PartitionBroker => partitions::from_controllers(stage).await,
            Self::PartitionBrokerFromPeers => partitions::from_peers(stage, Cut::BothWays).await,
            Self::MuteBroker => partitions::from_peers(stage, Cut::Outgoing).await,
            Self::DeafenBroker => partitions::from_peers(stage, Cut::Incoming).await,
            Self::IsolateBroker => partitions::from_everybody(stage).await,
            Self::KillAllBrokers => leaders::kill_all(stage).await,
            Self::KillRandomBrokers => random::kill(stage, extent.times, random::Moves::No).await,
            Self::KillWhileMoving => random::kill(stage, extent.times, random::Moves::Yes).await,
            Self::RebalanceStorm => storm::storm(stage, extent.storm).await,
            Self::QuorumLoss => quorum::loss(stage).await,
            Self::QuorumRestore => quorum::restore(stage).await,
            Self::RollingRestart => rolling::restart(stage).await,
        }
    }
}

/// Runs a drill `times` times on one cluster, or once with so many faults if it is such a drill. An error of the cluster makes a FAIL, not an error.
pub(crate) async fn run(
    drill: Drill,
    extent: impl Into<Extent>,
    target: &mut Target,
) -> Result<Report, Failure> {
    let extent = extent.into();
    let mut seen = Seen::default();
    let mut error = None;
    let mut done = 0;
    let (runs, faults) = if drill.is_one_run() { (1, extent.times) } else { (extent.times, 1) };
    for run in 1..=runs {
        if runs > 1 {
            say!("{} {run}/{runs}", drill.name());
        }
        done = run * faults;
        if let Err(failure) = once(drill, extent, target, &mut seen).await {
            error = Some(failure.message);
            break;
        }
    }
    let broken = seen.checks.values().any(|check| check.failed > 0)
        || !seen.findings.is_empty()
        || !seen.records.values().all(PartitionVerdict::is_kept);
    let verdict = if broken || error.is_some() { Verdict::Fail } else { Verdict::Pass };
    Ok(Report {
        drill: drill.name(),
        cluster: target.describe()?,
        times: done,
        verdict,
        timings: seen.timings.iter().map(|(name, samples)| (*name, Timing::of(samples))).collect(),
        writes: seen.writes,
        findings: seen.findings,
        records: seen.records.into_iter().map(RecordsReport::of).collect(),
        checks: seen.checks,
        error,
    })
}

async fn once(drill: Drill, extent: Extent, target: &mut Target, seen: &mut Seen) -> Result<(), Failure> {
    let mut stage = Stage::open(target, seen, drill.load()).await?;
    let played = drill.play(extent, &mut stage).await;
    // What was acknowledged is checked even if the drill was cut short.
    let closed = stage.close().await;
    played.and(closed)
}
