//! The command and its parts.

use std::time::Duration;

use clap::{Args, ValueEnum};
use kafka_client::{GroupProtocol, group::Assignor};

use super::{
    super::{Figure, Figures},
    cluster::GroupsCluster,
    commits, outage, rebalance,
    samples::{Extent, Samples},
};
use crate::{
    commands::drill::ThrowAwayArgs, connection::ConnectionArgs, exit::Failure, kafka::BootstrapArgs,
    output::say,
};

/// Settings of a throw-away cluster: the others are Kafka's defaults. The wait for more members begins anew with each that
/// comes, and is part of what is measured.
const SETTINGS: [&str; 1] = ["group.initial.rebalance.delay.ms=500"];

/// Measures consumer groups of a throw-away cluster, or of any cluster that speaks Kafka's protocol. Topics and groups that
/// it makes are named `bench-groups-...`
#[derive(Debug, Args)]
pub(crate) struct GroupsBench {
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    #[command(flatten)]
    throw_away: ThrowAwayArgs,
    /// What to measure; by default everything that the cluster allows
    #[arg(long, value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// A command that is run with `kill ID` and `start ID` to end a broker and start it again, for clusters that are not throw-away
    #[arg(long, value_name = "COMMAND", conflicts_with = "ephemeral")]
    hook: Option<String>,
    /// Members of the group that is rebalanced
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=1000))]
    members: u16,
    /// Partitions that they read
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    partitions: u16,
    /// How often groups are rebalanced
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// How often the coordinator is killed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    kills: u32,
    /// No rebalance and no kill is begun after so many seconds of one figure, but its first
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    within: Option<u64>,
    /// Offsets that a coordinator has to read when it takes over
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    offsets: u64,
    /// How long commits are counted, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// All members start at once: from the last one's start until everybody has its share
    Start,
    /// One more member joins the others: from its start until everybody has its share
    Join,
    /// Commits of one offset each to one coordinator, by 256 at a time
    Commits,
    /// The coordinator is killed: until all members have committed again
    Outage,
    /// The coordinator of many offsets is killed: until they can be read again
    Load,
}

impl Part {
    /// Those that hurt nobody.
    const GENTLE: [Self; 3] = [Self::Start, Self::Join, Self::Commits];
    /// Those that kill brokers.
    const ROUGH: [Self; 2] = [Self::Outage, Self::Load];
}

/// The protocols that are compared, and their names.
pub(super) const PROTOCOLS: [(&str, GroupProtocol); 3] = [
    ("consumer", GroupProtocol::Consumer),
    ("classic, eager", GroupProtocol::Classic(Assignor::Range)),
    ("classic, cooperative", GroupProtocol::Classic(Assignor::CooperativeSticky)),
];

impl GroupsBench {
    /// Runs the command.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let mut cluster = if self.throw_away.ephemeral {
            let settings = SETTINGS.map(str::to_owned).to_vec();
            GroupsCluster::throw_away(self.throw_away.start(false, settings).await?).await?
        } else {
            GroupsCluster::other(self.bootstrap.addresses(connection)?, self.hook.clone())
        };
        cluster.has_coordinators().await?;
        let mut parts = self.parts.clone();
        if parts.is_empty() {
            parts.extend(Part::GENTLE);
            parts.extend(Part::ROUGH.iter().filter(|_| cluster.can_kill()));
        }
        let setting = format!("{} members, {} partitions", self.members, self.partitions);
        let mut figures = Figures { setting, figures: Vec::new() };
        for part in parts {
            figures.figures.extend(self.measure(part, &mut cluster).await?);
        }
        connection.output.emit(&figures)
    }

    async fn measure(&self, part: Part, cluster: &mut GroupsCluster) -> Result<Vec<Figure>, Failure> {
        let (members, partitions) = (usize::from(self.members), usize::from(self.partitions));
        let mut figures = Vec::new();
        match part {
            Part::Start | Part::Join => {
                let topic = cluster.topic(partitions).await?;
                for (name, protocol) in PROTOCOLS {
                    let goal = if protocol == GroupProtocol::Consumer { "<= 1000 ms" } else { "<= 3000 ms" };
                    let what = if part == Part::Start { "all start" } else { "one more joins" };
                    let mut samples = self.samples(format!("{what}, {name}"), self.times);
                    while samples.want_more() {
                        let group = rebalance::Scene { topic: &topic, protocol, members, partitions };
                        samples.take(match part {
                            Part::Start => group.all_start(cluster).await?,
                            _ => group.one_more_joins(cluster).await?,
                        });
                    }
                    figures.push(samples.figure(goal));
                }
            }
            Part::Commits => {
                say!("measuring commits");
                figures.push(commits::commits(cluster, Duration::from_secs(self.seconds)).await?);
            }
            Part::Outage => {
                for (name, protocol) in PROTOCOLS {
                    let mut samples = self.samples(format!("coordinator killed, {name}"), self.kills);
                    outage::outages(cluster, protocol, &mut samples).await?;
                    figures.push(samples.figure("<= 2000 ms"));
                }
            }
            Part::Load => {
                say!("measuring a coordinator that takes {} offsets over", self.offsets);
                figures.extend(commits::load(cluster, self.offsets).await?);
            }
        }
        Ok(figures)
    }

    fn samples(&self, what: String, times: u32) -> Samples {
        Samples::of(what, Extent { times, within: self.within.map(Duration::from_secs) })
    }
}
