//! The figures of partitions, looked up when somebody asks, in the names that Kafka's JMX exporters and kafka_exporter
//! gave to the world.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use replica::Replica;

use super::{
    Partition, Partitions,
    state::{Running, Stage},
};

/// Of more partitions than this, only sums are told: a series for each would be too many.
const SERIES_MAX: usize = 2_000;

/// Tells of the partitions of a broker.
#[derive(Debug)]
pub struct PartitionCollector(pub Partitions);

/// What is told of one partition.
struct Figures {
    labels: [(&'static str, String); 2],
    size_bytes: i64,
    log_start: i64,
    /// Of a partition that is led here.
    led: Option<Led>,
}

struct Led {
    high_watermark: i64,
    under_min_isr: bool,
    at_min_isr: bool,
    waiting: i64,
}

/// How many partitions do not work.
#[derive(Default)]
struct Counts {
    opening: i64,
    failed: i64,
    fenced: i64,
    offline: i64,
}

impl Partition {
    fn tell(&self, counts: &mut Counts) -> Option<Figures> {
        let name = self.name();
        let labels = [("topic", name.topic.to_string()), ("partition", name.partition.to_string())];
        let mut state = self.lock();
        counts.offline += i64::from(state.storage_trouble().is_some());
        match &state.stage {
            Stage::Opening => counts.opening += 1,
            Stage::Failed(_) => counts.failed += 1,
            Stage::Running(running) if running.log.fence().is_some() => counts.fenced += 1,
            Stage::Running(_) | Stage::Gone => {}
        }
        let waiting = i64::try_from(state.waiting.len()).unwrap_or(i64::MAX);
        let Running { log, replica, .. } = state.running().ok()?;
        let led = match replica {
            Replica::Leader(leader) => Some(Led {
                high_watermark: leader.high_watermark().0,
                under_min_isr: leader.is_under_min_isr(),
                at_min_isr: leader.isr().len() == leader.min_insync_replicas(),
                waiting,
            }),
            Replica::Follower(_) => None,
        };
        let size_bytes = i64::try_from(log.size_bytes()).unwrap_or(i64::MAX);
        Some(Figures { labels, size_bytes, log_start: log.log_start().0, led })
    }
}

/// A figure of one partition, if it has it.
type Figure = fn(&Figures) -> Option<i64>;

impl Collector for PartitionCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut counts = Counts::default();
        let mut figures: Vec<Figures> = self.0.all().iter().filter_map(|it| it.tell(&mut counts)).collect();
        figures.sort_by(|a, b| a.labels.cmp(&b.labels));
        let led = || figures.iter().filter_map(|figures| figures.led.as_ref());
        let sums: [(&str, &str, i64); 6] = [
            ("dmq_partitions_opening", "Replicas whose log is being opened", counts.opening),
            ("dmq_partitions_failed", "Replicas whose log cannot be opened", counts.failed),
            ("dmq_partitions_fenced", "Replicas that take no records since their disk failed", counts.fenced),
            (
                "kafka_server_replicamanager_offlinereplicacount",
                "Replicas that left the ISR, or stay as its last member, since their disk failed",
                counts.offline,
            ),
            (
                "dmq_log_size_bytes",
                "Bytes of all logs",
                figures.iter().map(|figures| figures.size_bytes).sum(),
            ),
            (
                "dmq_waiting_produces",
                "Batches that wait to be acknowledged",
                led().map(|led| led.waiting).sum(),
            ),
        ];
        for (name, help, value) in sums {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        if figures.len() > SERIES_MAX {
            return Ok(());
        }
        let each: [(&str, &str, Figure); 5] = [
            ("kafka_log_log_size", "Bytes of a log", |of| Some(of.size_bytes)),
            ("kafka_topic_partition_oldest_offset", "Where a log starts; told by its leader", |of| {
                of.led.as_ref().map(|_| of.log_start)
            }),
            ("kafka_topic_partition_current_offset", "The high watermark; told by the leader", |of| {
                of.led.as_ref().map(|led| led.high_watermark)
            }),
            ("kafka_cluster_partition_underminisr", "1 if acks=all is refused; told by the leader", |of| {
                of.led.as_ref().map(|led| led.under_min_isr.into())
            }),
            (
                "kafka_cluster_partition_atminisr",
                "1 if no in-sync replica may be lost; told by the leader",
                |of| of.led.as_ref().map(|led| led.at_min_isr.into()),
            ),
        ];
        for (name, help, figure) in each {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for of in &figures {
                let Some(value) = figure(of) else { continue };
                ConstGauge::new(value).encode(family.encode_family(&of.labels)?)?;
            }
        }
        Ok(())
    }
}
