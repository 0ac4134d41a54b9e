//! `dmq bench idle`: what a cluster costs that does nothing: time to start, memory of each process, processor time
//! of all together.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Args;
use local_cluster::{ClusterSpec, LocalCluster, Role};
use runtime::metrics::ProcessFigures;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    output::{Render, Table, say},
};

/// How long the processes may take to become ready.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// From ready to the beginning of the measurement: first connections, first writes, first snapshots of caches.
const SETTLE: Duration = Duration::from_secs(3);

const START_MS_GOAL: f64 = 2000.0;
const NODE_MIB_GOAL: f64 = 40.0;
const BROKER_MIB_GOAL: f64 = 30.0;
const CPU_PERCENT_GOAL: f64 = 3.0;

const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

/// Starts a throw-away cluster and measures what it costs while nobody asks anything of it.
#[derive(Debug, Args)]
pub(crate) struct IdleBench {
    /// Metadata nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=9))]
    nodes: u64,
    /// Brokers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=50))]
    brokers: u64,
    /// How long processor time is measured
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

impl IdleBench {
    /// Runs it. Exit code 1: a goal was missed.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let directory = tempfile::Builder::new().prefix("dmq-idle-").tempdir()?;
        let mut spec = ClusterSpec::new(std::env::current_exe()?, directory.path());
        (spec.nodes, spec.brokers) = (self.nodes, self.brokers);
        let mut cluster = LocalCluster::prepare(spec).await.map_err(Failure::failed)?;
        let begun = Instant::now();
        for role in [Role::Metadata, Role::Broker] {
            cluster.start_role(role).await.map_err(Failure::failed)?;
            cluster.ready(READY_DEADLINE).await.map_err(Failure::failed)?;
        }
        let started = begun.elapsed();
        say!("The cluster is ready; measuring it for {} s ...", self.seconds);
        tokio::time::sleep(SETTLE).await;
        let before = cpu_seconds(&cluster)?;
        let measured_from = Instant::now();
        tokio::time::sleep(Duration::from_secs(self.seconds)).await;
        let spent = cpu_seconds(&cluster)? - before;
        let cpu_percent = 100.0 * spent / measured_from.elapsed().as_secs_f64();
        let report = IdleReport { figures: figures(&cluster, started, cpu_percent)? };
        cluster.stop().await.map_err(Failure::failed)?;
        connection.output.emit(&report)?;
        if report.figures.iter().all(|figure| figure.met) {
            return Ok(());
        }
        Err(Failure::new(Exit::Failed, "a goal was missed"))
    }
}

/// One measured figure and its goal: at most so much.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IdleFigure {
    name: String,
    value: f64,
    unit: &'static str,
    at_most: f64,
    met: bool,
}

impl IdleFigure {
    fn new(name: impl Into<String>, value: f64, unit: &'static str, at_most: f64) -> Self {
        Self { name: name.into(), value, unit, at_most, met: value <= at_most }
    }
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct IdleReport {
    figures: Vec<IdleFigure>,
}

impl Render for IdleReport {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["FIGURE", "VALUE", "UNIT", "AT MOST", "MET"]);
        for figure in &self.figures {
            table.row([
                figure.name.clone(),
                format!("{:.1}", figure.value),
                figure.unit.to_owned(),
                format!("{:.1}", figure.at_most),
                if figure.met { "yes" } else { "NO" }.to_owned(),
            ]);
        }
        table.write(out)
    }
}

fn figures(cluster: &LocalCluster, started: Duration, cpu_percent: f64) -> Result<Vec<IdleFigure>, Failure> {
    let mut figures = vec![IdleFigure::new(
        "start of the cluster to ready",
        started.as_secs_f64() * 1000.0,
        "ms",
        START_MS_GOAL,
    )];
    for member in cluster.members() {
        let memory = read(&member)?.resident_memory_bytes as f64 / BYTES_PER_MIB;
        let goal = match member.role {
            Role::Metadata => NODE_MIB_GOAL,
            Role::Broker => BROKER_MIB_GOAL,
        };
        figures.push(IdleFigure::new(format!("memory of {}", member.name), memory, "MiB", goal));
    }
    let name = "processor time of all, of one core";
    figures.push(IdleFigure::new(name, cpu_percent, "%", CPU_PERCENT_GOAL));
    Ok(figures)
}

/// Processor time that all processes have used so far.
fn cpu_seconds(cluster: &LocalCluster) -> Result<f64, Failure> {
    cluster.members().iter().map(|member| read(member).map(|figures| figures.cpu_seconds)).sum()
}

fn read(member: &local_cluster::Member) -> Result<ProcessFigures, Failure> {
    ProcessFigures::read(member.pid)
        .filter(|_| member.pid.is_some())
        .ok_or_else(|| Failure::failed(format!("{} does not run, or there is no /proc", member.name)))
}
