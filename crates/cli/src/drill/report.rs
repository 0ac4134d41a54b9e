//! What a drill says in the end.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use common::PartitionId;
use serde::Serialize;

use super::{
    history::{Counts, Findings},
    records::history::PartitionVerdict,
};
use crate::output::{Render, Table};

/// Verdict, timings, and what was checked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Which drill.
    pub(crate) drill: String,
    /// On what.
    pub(crate) cluster: String,
    /// How often it was run.
    pub(crate) times: usize,
    /// PASS or FAIL.
    pub(crate) verdict: Verdict,
    /// Timings by name.
    pub(crate) timings: BTreeMap<&'static str, Timing>,
    /// The workload's writes.
    pub(crate) writes: Counts,
    /// Broken promises.
    #[serde(flatten)]
    pub(crate) findings: Findings,
    /// What became of the records, by partition; empty if none were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) records: Vec<RecordsReport>,
    /// What else was checked, by name.
    pub(crate) checks: BTreeMap<&'static str, Check>,
    /// Why it was cut short, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// What became of the records of a partition.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordsReport {
    partition: PartitionId,
    #[serde(flatten)]
    verdict: PartitionVerdict,
}

impl RecordsReport {
    /// Of a partition.
    pub(crate) fn of((partition, verdict): (PartitionId, PartitionVerdict)) -> Self {
        Self { partition, verdict }
    }
}

/// A table of the partitions, and the first of what is wrong with each.
fn render_records(records: &[RecordsReport], out: &mut dyn Write) -> io::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([
        "PARTITION",
        "ACKNOWLEDGED",
        "REFUSED",
        "UNKNOWN",
        "LOST",
        "DUPLICATED",
        "REORDERED",
        "INVENTED",
        "RETRACTED",
    ]);
    for RecordsReport { partition, verdict } in records {
        let [lost, duplicated, reordered, invented, retracted] =
            verdict.findings().map(|(_, findings)| findings.len().to_string());
        table.row([
            partition.to_string(),
            verdict.acknowledged.to_string(),
            verdict.refused.to_string(),
            verdict.unknown.to_string(),
            lost,
            duplicated,
            reordered,
            invented,
            retracted,
        ]);
    }
    writeln!(out)?;
    table.write(out)?;
    for RecordsReport { partition, verdict } in records {
        for (kind, findings) in verdict.findings() {
            for finding in findings.iter().take(3) {
                writeln!(out, "  {kind} in partition {partition}: {finding}")?;
            }
        }
    }
    writeln!(out)
}

/// Whether the cluster did what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Verdict {
    /// It did.
    Pass,
    /// It did not.
    Fail,
}

/// How long something took, over all runs, in milliseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timing {
    pub(crate) n: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Timing {
    /// Sums samples up; percentiles by nearest rank.
    pub(crate) fn of(samples: &[Duration]) -> Self {
        let mut sorted: Vec<f64> = samples.iter().map(|sample| sample.as_secs_f64() * 1000.0).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(rank).copied().unwrap_or_default()
        };
        Self { n: sorted.len(), p50_ms: at(50), p95_ms: at(95), p99_ms: at(99), max_ms: at(100) }
    }
}

/// How often a check held.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    /// How often.
    pub(crate) passed: usize,
    /// How often not.
    pub(crate) failed: usize,
    /// What was seen the first time that it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) example: Option<String>,
}

impl Render for Report {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let verdict = match self.verdict {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
        };
        writeln!(out, "{verdict}  {} on {}, {} time(s)\n", self.drill, self.cluster, self.times)?;
        let mut timings = Table::new(["TIMING", "N", "P50 MS", "P95 MS", "P99 MS", "MAX MS"]);
        for (name, timing) in &self.timings {
            timings.row([
                (*name).to_owned(),
                timing.n.to_string(),
                format!("{:.0}", timing.p50_ms),
                format!("{:.0}", timing.p95_ms),
                format!("{:.0}", timing.p99_ms),
                format!("{:.0}", timing.max_ms),
            ]);
        }
        timings.write(out)?;
        writeln!(
            out,
            "\nwrites: {} acknowledged, {} refused, {} unknown; of the acknowledged {} were lost",
            self.writes.acknowledged,
            self.writes.refused,
            self.writes.unknown,
            self.findings.lost.len()
        )?;
        render_records(&self.records, out)?;
        for (name, check) in &self.checks {
            let mark = if check.failed == 0 { "ok  " } else { "FAIL" };
            writeln!(out, "  {mark} {name} ({} of {})", check.passed, check.passed + check.failed)?;
            if let Some(example) = &check.example {
                writeln!(out, "       {example}")?;
            }
        }
        let findings = [
            ("lost", &self.findings.lost),
            ("invented", &self.findings.invented),
            ("diverged", &self.findings.diverged),
            ("applied twice", &self.findings.repeated),
        ];
        for (kind, found) in findings {
            for finding in found.iter().take(10) {
                writeln!(out, "  {kind}: {finding}")?;
            }
        }
        match &self.error {
            Some(error) => writeln!(out, "\ncut short: {error}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
        let timing = Timing::of(&samples);
        assert_eq!((timing.n, timing.p50_ms, timing.p95_ms), (200, 100.0, 190.0));
        assert_eq!((timing.p99_ms, timing.max_ms), (198.0, 200.0));
        assert_eq!(Timing::of(&[Duration::from_millis(7)]).p50_ms, 7.0);
    }
}
