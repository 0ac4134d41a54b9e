//! What was measured, and how it is shown.

use std::{
    io::{self, Write},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::load::Load;
use crate::{
    drill::report::Timing,
    output::{Render, Table},
};

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

    /// From samples.
    pub(crate) fn of(name: impl Into<String>, samples: &[Duration], goal: &'static str) -> Self {
        Self::timing(name, &Timing::of(samples), goal)
    }

    /// From a timing of a drill.
    pub(crate) fn timing(name: impl Into<String>, timing: &Timing, goal: &'static str) -> Self {
        Self {
            name: name.into(),
            n: timing.n as u64,
            per_second: None,
            p50_ms: timing.p50_ms,
            p95_ms: timing.p95_ms,
            p99_ms: timing.p99_ms,
            max_ms: timing.max_ms,
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
