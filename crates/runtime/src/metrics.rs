//! The Prometheus registry of a process, with figures of the process itself under their conventional names
//! (`process_resident_memory_bytes`, `process_cpu_seconds_total`, ...), read from `/proc` at each scrape.

use std::{fmt, fs, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

/// `Content-Type` of the text that [`Metrics::encode`] makes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a process. Cheap to clone; made once, when all its parts have registered theirs.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
}

impl Metrics {
    /// Lets `register` add the metrics of the process' parts, and adds those of the process itself.
    pub fn new(register: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::default();
        register(&mut registry);
        registry.register_collector(Box::new(ProcessCollector));
        Self { registry: Arc::new(registry) }
    }

    /// The text of `GET /metrics`.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

/// Clock ticks per second of `/proc/<pid>/stat`: 100 on every Linux since 2.6, whatever the kernel's own rate.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory page size. `VmRSS` in `status` is in kB already; nothing here counts pages.
const KIB: u64 = 1024;

/// What a process uses right now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessFigures {
    /// Resident memory in bytes.
    pub resident_memory_bytes: u64,
    /// Processor time, user and system, in seconds.
    pub cpu_seconds: f64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Threads.
    pub threads: u64,
    /// When it started, in Unix seconds.
    pub start_time_seconds: f64,
}

impl ProcessFigures {
    /// Reads them for `pid`, or for this process; `None` where there is no such process or no `/proc`.
    pub fn read(pid: Option<u32>) -> Option<Self> {
        let directory = pid.map_or_else(|| "/proc/self".to_owned(), |pid| format!("/proc/{pid}"));
        let status = fs::read_to_string(format!("{directory}/status")).ok()?;
        let stat = fs::read_to_string(format!("{directory}/stat")).ok()?;
        let boot_time = fs::read_to_string("/proc/stat").ok()?;
        Some(Self {
            resident_memory_bytes: status_field(&status, "VmRSS:").unwrap_or(0) * KIB,
            threads: status_field(&status, "Threads:").unwrap_or(0),
            open_fds: fs::read_dir(format!("{directory}/fd")).map_or(0, |fds| fds.count() as u64),
            cpu_seconds: (stat_field(&stat, 14)? + stat_field(&stat, 15)?) as f64 / TICKS_PER_SECOND,
            start_time_seconds: status_field(&boot_time, "btime ")? as f64
                + stat_field(&stat, 22)? as f64 / TICKS_PER_SECOND,
        })
    }
}

/// The number after `name` at the beginning of a line.
fn status_field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Field `number` of `/proc/<pid>/stat`, counted from 1 as in proc(5). The second field, the program's name, is
/// in parentheses and may contain spaces and parentheses, so counting starts behind its last parenthesis.
fn stat_field(stat: &str, number: usize) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(figures) = ProcessFigures::read(None) else { return Ok(()) };
        let mut gauge = |name, help, value: f64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)
        };
        gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes",
            figures.resident_memory_bytes as f64,
        )?;
        gauge("process_open_fds", "Open file descriptors", figures.open_fds as f64)?;
        gauge("process_threads", "Threads of the process", figures.threads as f64)?;
        gauge(
            "process_start_time_seconds",
            "Start of the process in Unix seconds",
            figures.start_time_seconds,
        )?;
        let metric = encoder.encode_descriptor(
            "process_cpu_seconds",
            "Processor time, user and system, in seconds",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(figures.cpu_seconds).encode(metric)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn encodes_registered_and_process_metrics() {
        let counter = Counter::<u64>::default();
        counter.inc_by(3);
        let metrics = Metrics::new(|registry| {
            registry.register("dmq_things", "Things", counter.clone());
        });
        let text = metrics.encode();
        assert!(text.contains("dmq_things_total 3\n"), "{text}");
        for name in ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds "] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn reads_figures_of_this_process() {
        let figures = ProcessFigures::read(None).unwrap();
        assert!(figures.resident_memory_bytes > 100 * KIB);
        assert!(figures.threads >= 1);
        assert!(figures.open_fds >= 3);
        let now = crate::clock::unix_ms() as f64 / 1000.0;
        assert!((now - 86_400.0..=now + 2.0).contains(&figures.start_time_seconds), "{figures:?}");
        assert_eq!(ProcessFigures::read(Some(u32::MAX)), None);
    }

    #[test]
    fn a_program_name_with_spaces_and_parentheses_is_skipped() {
        assert_eq!(stat_field("7 (a) b (c)) S 1 2", 4), Some(1));
        assert_eq!(stat_field("7 (x) S 1 2", 2), None);
        assert_eq!(stat_field("no name", 4), None);
    }
}
