//! `dmq drill list|run`: break a cluster on purpose, and see what it costs.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Subcommand, ValueEnum};
use local_cluster::Database;
use runtime::Tasks;
use serde::Serialize;

use super::up::CLUSTER_DIRECTORY;
use crate::{
    connection::ConnectionArgs,
    drill::{
        catalogue::{self, Drill, Extent},
        report::Verdict,
        target::Target,
    },
    exit::{Exit, Failure},
    output::{Render, Table, say},
};

/// What to do with drills.
#[derive(Debug, Subcommand)]
pub(crate) enum DrillCommand {
    /// List drills
    List,
    /// Run a drill. Exit code 0: it passed; 6: the cluster broke a promise or did not recover
    Run(RunArgs),
}

/// Which drill, on what.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Which drill
    drill: Drill,
    /// How often
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    times: u32,
    /// rebalance-storm: brokers that are killed [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=10_000))]
    kills: Option<u32>,
    /// rebalance-storm: members that come, leave, vanish or are restarted [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    churns: Option<u32>,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// A throw-away cluster, or the one that `dmq up` runs.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    throw_away: ThrowAwayArgs,
    /// The data directory that `dmq up` was given
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "ephemeral")]
    data_dir: PathBuf,
}

/// A throw-away cluster.
#[derive(Debug, Args)]
pub(crate) struct ThrowAwayArgs {
    /// Start a throw-away cluster instead of using the running one
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Metadata nodes of the throw-away cluster
    #[arg(long, default_value_t = 3, requires = "ephemeral", value_parser = clap::value_parser!(u64).range(1..=7))]
    nodes: u64,
    /// Brokers of the throw-away cluster
    #[arg(long, default_value_t = 3, requires = "ephemeral", value_parser = clap::value_parser!(u64).range(0..=50))]
    brokers: u64,
    /// Empty Postgres databases for its metadata nodes, one URL each; without it they use SQLite
    #[arg(
        long,
        value_name = "URL[,URL]",
        value_delimiter = ',',
        requires = "ephemeral",
        hide_env_values = true
    )]
    databases: Vec<String>,
}

impl RunArgs {
    async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        if self.drill.needs_throw_away() && !self.cluster.throw_away.ephemeral {
            return Err(Failure::usage(format!("{} needs --ephemeral", self.drill.name())));
        }
        let extent = self.extent()?;
        let tasks = Tasks::new();
        runtime::shutdown::watch_signals(&tasks)?;
        let mut target = self.cluster.target(self.drill).await?;
        let report = tokio::select! {
            report = catalogue::run(self.drill, extent, &mut target) => Some(report?),
            _ = tasks.shutdown().requested() => None,
        };
        let Some(report) = report else {
            // Nobody else would: `dmq up` never starts a process again by itself.
            target.repair().await?;
            return Err(Failure::failed("interrupted: there is no verdict"));
        };
        connection.output.emit(&report)?;
        if report.verdict == Verdict::Pass {
            return Ok(());
        }
        if self.cluster.throw_away.ephemeral {
            say!("the cluster's files are kept in {}", target.keep_files().display());
        }
        Err(Failure::new(Exit::VerdictFail, String::new()))
    }

    /// How much of it is wanted.
    fn extent(&self) -> Result<Extent, Failure> {
        if self.drill != Drill::RebalanceStorm && (self.kills.is_some() || self.churns.is_some()) {
            return Err(Failure::usage("--kills and --churns are for rebalance-storm; others have --times"));
        }
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let mut extent = Extent::from(count(self.times));
        extent.storm.kills = self.kills.map_or(extent.storm.kills, count);
        extent.storm.churns = self.churns.map_or(extent.storm.churns, count);
        Ok(extent)
    }
}

impl ClusterArgs {
    /// The cluster that is meant.
    async fn target(&self, drill: Drill) -> Result<Target, Failure> {
        if self.throw_away.ephemeral {
            self.throw_away.start(drill.needs_fault_proxies(), drill.settings()).await
        } else {
            Target::running(&self.data_dir.join(CLUSTER_DIRECTORY))
        }
    }
}

impl ThrowAwayArgs {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(&self, fault_proxies: bool, settings: Vec<String>) -> Result<Target, Failure> {
        let wanted = usize::try_from(self.nodes).unwrap_or_default();
        if !self.databases.is_empty() && self.databases.len() != wanted {
            return Err(Failure::usage(format!(
                "--databases has {} URLs for {wanted} metadata nodes",
                self.databases.len()
            )));
        }
        say!("starting a throw-away cluster");
        Target::throw_away(|spec| {
            spec.nodes = self.nodes;
            spec.brokers = self.brokers;
            spec.fault_proxies = fault_proxies;
            spec.settings = settings;
            if !self.databases.is_empty() {
                spec.database = Database::Postgres { urls: self.databases.clone() };
            }
        })
        .await
    }
}

impl DrillCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        match self {
            Self::List => connection.output.emit(&DrillList::new()),
            Self::Run(args) => args.run(connection).await,
        }
    }
}

/// A drill in the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DrillInfo {
    name: String,
    about: String,
    needs_throw_away: bool,
}

#[derive(Serialize)]
#[serde(transparent)]
struct DrillList(Vec<DrillInfo>);

impl DrillList {
    fn new() -> Self {
        let drills = Drill::value_variants().iter().map(|drill| DrillInfo {
            name: drill.name(),
            about: drill.about(),
            needs_throw_away: drill.needs_throw_away(),
        });
        Self(drills.collect())
    }
}

impl Render for DrillList {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["DRILL", "WHAT IT DOES"]);
        for drill in &self.0 {
            table.row([drill.name.clone(), drill.about.clone()]);
        }
        table.write(out)
    }
}
