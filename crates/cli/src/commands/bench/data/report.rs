//! What was measured, and how it is shown.

use std::io::{self, Write};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::{Duration, Instant};

use super::processes::BrokerUse;
use crate::output::{Render, Table, or_dash};

const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;
const BYTES_PER_GB: f64 = 1e9;

/// Latencies up to a minute, to three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are constant and valid")
}

/// Counts records as they are done.
pub(super) struct Meter {
    begun: Instant,
    latencies_us: Histogram<u64>,
    /// By second since the beginning.
    seconds: Vec<Second>,
    records: u64,
    bytes: u64,
    last: Instant,
}

/// What was done in one second.
struct Second {
    records: u64,
    bytes: u64,
    slowest_us: u64,
}

impl Meter {
    /// Counts from now on.
    pub(super) fn new() -> Self {
        let begun = Instant::now();
        Self { begun, latencies_us: histogram(), seconds: Vec::new(), records: 0, bytes: 0, last: begun }
    }

    /// A record of `bytes` was done at a time, so long after it was due.
    pub(super) fn done(&mut self, at: Instant, bytes: usize, latency: Option<Duration>) {
        let second = at.duration_since(self.begun).as_secs() as usize;
        while self.seconds.len() <= second {
            self.seconds.push(Second { records: 0, bytes: 0, slowest_us: 0 });
        }
        let latency_us = latency.map(|latency| latency.as_micros() as u64);
        if let Some(second) = self.seconds.get_mut(second) {
            second.records += 1;
            second.bytes += bytes as u64;
            second.slowest_us = second.slowest_us.max(latency_us.unwrap_or_default());
        }
        if let Some(latency_us) = latency_us {
            self.latencies_us.saturating_record(latency_us.max(1));
        }
        self.records += 1;
        self.bytes += bytes as u64;
        self.last = self.last.max(at);
    }

    /// Both together.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.latencies_us.add(&other.latencies_us).expect("all histograms have the same bounds");
        for (second, done) in other.seconds.into_iter().enumerate() {
            match self.seconds.get_mut(second) {
                Some(own) => {
                    own.records += done.records;
                    own.bytes += done.bytes;
                    own.slowest_us = own.slowest_us.max(done.slowest_us);
                }
                None => self.seconds.push(done),
            }
        }
        self.records += other.records;
        self.bytes += other.bytes;
        self.begun = self.begun.min(other.begun);
        self.last = self.last.max(other.last);
        self
    }

    /// Everything counted.
    pub(super) fn report(self, what: &'static str, setting: String, brokers: Vec<BrokerUse>) -> DataReport {
        let seconds = self.last.duration_since(self.begun).as_secs_f64().max(1e-9);
        let at = |quantile| self.latencies_us.value_at_quantile(quantile) as f64 / 1000.0;
        let latency = (!self.latencies_us.is_empty()).then(|| Latency {
            n: self.latencies_us.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: self.latencies_us.max() as f64 / 1000.0,
        });
        let over_time = self.seconds.iter().enumerate().map(|(second, done)| OverTime {
            second,
            records: done.records,
            mib: done.bytes as f64 / BYTES_PER_MIB,
            max_ms: done.slowest_us as f64 / 1000.0,
        });
        let cpu_seconds: f64 = brokers.iter().map(|broker| broker.cpu_seconds).sum();
        let gigabytes = self.bytes as f64 / BYTES_PER_GB;
        DataReport {
            what,
            setting,
            records: self.records,
            failed: 0,
            unknown: 0,
            seconds,
            records_per_second: self.records as f64 / seconds,
            mib_per_second: self.bytes as f64 / BYTES_PER_MIB / seconds,
            latency,
            over_time: over_time.collect(),
            brokers_cpu_seconds_per_gb: (!brokers.is_empty() && gigabytes > 0.0)
                .then(|| cpu_seconds / gigabytes),
            brokers,
        }
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataReport {
    what: &'static str,
    setting: String,
    records: u64,
    /// Records that are not written.
    pub(super) failed: u64,
    /// Records of which nobody knows.
    pub(super) unknown: u64,
    seconds: f64,
    records_per_second: f64,
    mib_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
    over_time: Vec<OverTime>,
    brokers: Vec<BrokerUse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brokers_cpu_seconds_per_gb: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Latency {
    n: u64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OverTime {
    second: usize,
    records: u64,
    mib: f64,
    max_ms: f64,
}

impl Render for DataReport {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", self.what, self.setting)?;
        writeln!(
            out,
            "{} records in {:.2} s: {:.0} per second, {:.1} MiB/s; {} failed, {} unknown\n",
            self.records,
            self.seconds,
            self.records_per_second,
            self.mib_per_second,
            self.failed,
            self.unknown
        )?;
        if let Some(latency) = &self.latency {
            let mut table = Table::new(["LATENCY OF", "P50 MS", "P99 MS", "P99.9 MS", "MAX MS"]);
            table.row([
                latency.n.to_string(),
                format!("{:.2}", latency.p50_ms),
                format!("{:.2}", latency.p99_ms),
                format!("{:.2}", latency.p999_ms),
                format!("{:.2}", latency.max_ms),
            ]);
            table.write(out)?;
            writeln!(out)?;
        }
        let mut table = Table::new(["SECOND", "RECORDS", "MIB", "MAX MS"]);
        for second in &self.over_time {
            table.row([
                second.second.to_string(),
                second.records.to_string(),
                format!("{:.1}", second.mib),
                if self.latency.is_some() { format!("{:.1}", second.max_ms) } else { or_dash::<f64>(None) },
            ]);
        }
        table.write(out)?;
        if self.brokers.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let mut table = Table::new(["BROKER", "PID", "CPU S", "CPU % OF A CORE", "MEMORY MIB", "PEAK MIB"]);
        for broker in &self.brokers {
            table.row([
                broker.broker.to_string(),
                broker.pid.to_string(),
                format!("{:.2}", broker.cpu_seconds),
                format!("{:.0}", broker.cpu_percent),
                format!("{:.0}", broker.memory_mib),
                format!("{:.0}", broker.peak_mib),
            ]);
        }
        table.write(out)?;
        match self.brokers_cpu_seconds_per_gb {
            Some(cpu) => writeln!(out, "\nprocessor time of all brokers: {cpu:.2} s per GB"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_by_the_second_they_were_done_in() {
        let mut meter = Meter::new();
        let begun = meter.begun;
        for ms in [0, 10, 1500, 3999] {
            meter.done(begun + Duration::from_millis(ms), 1 << 20, Some(Duration::from_millis(ms)));
        }
        let report = meter.report("produce", String::new(), Vec::new());
        let records: Vec<u64> = report.over_time.iter().map(|second| second.records).collect();
        assert_eq!(records, [2, 1, 0, 1]);
        assert!((report.mib_per_second - 4.0 / 3.999).abs() < 0.01);
        assert!((report.latency.unwrap().max_ms - 3999.0).abs() < 5.0);
    }
}
