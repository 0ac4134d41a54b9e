//! `dmq bench`: figures, each measured against a real cluster and printed with its distribution.

mod data;
mod groups;
mod idle;
mod load;
mod metadata;
mod outages;

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Subcommand;
use hdrhistogram::Histogram;
use serde::Serialize;

use self::load::Load;
use crate::{
    connection::ConnectionArgs,
    drill::report::Timing,
    exit::Failure,
    output::{Render, Table},
};

/// Commands that measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// The control plane: topic creations, commits, heartbeats, pulls, discovery
    Metadata(metadata::MetadataBench),
    /// How fast, and how soon, records are acknowledged
    Produce(data::ProduceBench),
    /// How fast records are read
    Consume(data::ConsumeBench),
    /// How long records take from a producer to a consumer
    EndToEnd(data::EndToEndBench),
    /// Consumer groups: rebalances, commits, a coordinator that is killed
    Groups(groups::GroupsBench),
    /// A cluster that does nothing: start, memory, processor time
    Idle(idle::IdleBench),
}

impl BenchCommand {
    /// Runs the command.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        match self {
            Self::Metadata(bench) => bench.run(connection).await,
            Self::Produce(bench) => bench.run(connection).await,
            Self::Consume(bench) => bench.run(connection).await,
            Self::EndToEnd(bench) => bench.run(connection).await,
            Self::Groups(bench) => bench.run(connection).await,
            Self::Idle(bench) => bench.run(connection).await,
        }
    }
}

/// What was measured, as one line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    /// What.
    pub(crate) name: String,
    /// Samples.
    pub(crate) n: u64,
    /// Per second; `None` where only the latency matters.
    pub(crate) per_second: Option<f64>,
    /// Median, in milliseconds.
    pub(crate) p50_ms: f64,
    /// 95th percentile, in milliseconds.
    pub(crate) p95_ms: f64,
    /// 99th percentile, in milliseconds.
    pub(crate) p99_ms: f64,
    /// The slowest, in milliseconds.
    pub(crate) max_ms: f64,
    /// Answers that were not the wanted ones; 0 in a valid run.
    pub(crate) refused: u64,
    /// What the project wants to reach.
    pub(crate) goal: &'static str,
}

impl Figure {
    /// From latencies in microseconds.
    pub(crate) fn latency(
        name: impl Into<String>,
        latencies_us: &Histogram<u64>,
        goal: &'static str,
    ) -> Self {
        let at = |quantile: f64| latencies_us.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            name: name.into(),
            n: latencies_us.len(),
            per_second: None,
            p50_ms: at(0.50),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: latencies_us.max() as f64 / 1000.0,
            refused: 0,
            goal,
        }
    }

    /// From a run of the load generator.
    pub(crate) fn load(name: impl Into<String>, load: &Load, goal: &'static str) -> Self {
        Self {
            per_second: Some(load.rate()),
            refused: load.refused,
            ..Self::latency(name, &load.latencies_us, goal)
        }
    }
}

/// Samples as a figure.
fn figure_of(name: impl Into<String>, samples: &[Duration], goal: &'static str) -> Figure {
    let Timing { n, p50_ms, p95_ms, p99_ms, max_ms } = Timing::of(samples);
    let (name, n) = (name.into(), n as u64);
    Figure { name, n, per_second: None, p50_ms, p95_ms, p99_ms, max_ms, refused: 0, goal }
}

/// All that a benchmark measured.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Where and on what.
    pub(crate) setting: String,
    /// One line each.
    pub(crate) figures: Vec<Figure>,
}

impl Render for Figures {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.setting)?;
        let mut table = Table::new([
            "FIGURE",
            "N",
            "PER SECOND",
            "P50 MS",
            "P95 MS",
            "P99 MS",
            "MAX MS",
            "REFUSED",
            "GOAL",
        ]);
        for figure in &self.figures {
            table.row([
                figure.name.clone(),
                figure.n.to_string(),
                figure.per_second.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")),
                format!("{:.2}", figure.p50_ms),
                format!("{:.2}", figure.p95_ms),
                format!("{:.2}", figure.p99_ms),
                format!("{:.2}", figure.max_ms),
                figure.refused.to_string(),
                figure.goal.to_owned(),
            ]);
        }
        table.write(out)
    }
}
