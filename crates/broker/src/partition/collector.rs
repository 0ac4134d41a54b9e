//! The figures of partitions, looked up when somebody asks, in the names that Kafka's JMX exporters and kafka_exporter
//! gave to the world.

use std::fmt;

use common::BrokerId;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use replica::Replica;

use super::{
    Partition, PartitionName, Partitions,
    state::{Running, Stage, View},
};

/// Of more partitions than this, only sums are told: a series for each would be too many.
const SERIES_MAX: usize = 2_000;

/// Tells of the partitions of a broker.
#[derive(Debug)]
pub struct PartitionCollector(pub Partitions);

/// What is told of one partition.
struct Figures {
    name: PartitionName,
    size_bytes: i64,
    log_start: i64,
    /// Of a partition that is led here.
    led: Option<Led>,
    /// How far one that follows is behind what it knows to be committed.
    behind: Option<i64>,
}

struct Led {
    /// How many records each follower lacks, if it has fetched.
    lags: Vec<(BrokerId, i64)>,
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
        let behind = match replica {
            Replica::Leader(_) => None,
            Replica::Follower(follower) => Some((follower.high_watermark() - log.log_end()).max(0)),
        };
        let led = match replica {
            Replica::Leader(leader) => Some(Led {
                lags: leader
                    .followers()
                    .filter_map(|(follower, _)| Some((follower, leader.lag(follower, &View(log))?)))
                    .collect(),
                high_watermark: leader.high_watermark().0,
                under_min_isr: leader.is_under_min_isr(),
                at_min_isr: leader.isr().len() == leader.min_insync_replicas(),
                waiting,
            }),
            Replica::Follower(_) => None,
        };
        let size_bytes = i64::try_from(log.size_bytes()).unwrap_or(i64::MAX);
        Some(Figures { name: self.name().clone(), size_bytes, log_start: log.log_start().0, led, behind })
    }
}

/// What is told of all replicas here together.
fn encode_sums(figures: &[Figures], counts: &Counts, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let led = || figures.iter().filter_map(|figures| figures.led.as_ref());
    let count = |is: fn(&Led) -> bool| i64::try_from(led().filter(|led| is(led)).count()).unwrap_or(i64::MAX);
    let sums: [(&str, &str, i64); 9] = [
        (
            "kafka_server_replicamanager_underminisrpartitioncount",
            "Partitions led here whose ISR is too small for acks=all",
            count(|led| led.under_min_isr),
        ),
        (
            "kafka_server_replicamanager_atminisrpartitioncount",
            "Partitions led here of which no in-sync replica may be lost",
            count(|led| led.at_min_isr),
        ),
        (
            "kafka_server_replicafetchermanager_maxlag",
            "Records that the replica here lacks that is furthest behind its leader",
            figures.iter().filter_map(|figures| figures.behind).max().unwrap_or_default(),
        ),
        ("dmq_partitions_opening", "Replicas whose log is being opened", counts.opening),
        ("dmq_partitions_failed", "Replicas whose log cannot be opened", counts.failed),
        ("dmq_partitions_fenced", "Replicas that take no records since their disk failed", counts.fenced),
        (
            "kafka_server_replicamanager_offlinereplicacount",
            "Replicas that left the ISR, or stay as its last member, since their disk failed",
            counts.offline,
        ),
        ("dmq_log_size_bytes", "Bytes of all logs", figures.iter().map(|figures| figures.size_bytes).sum()),
        ("dmq_waiting_produces", "Batches that wait to be acknowledged", led().map(|led| led.waiting).sum()),
    ];
    for (name, help, value) in sums {
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)?;
    }
    Ok(())
}

type Labels = [(&'static str, String); 2];

impl Figures {
    fn labels(&self) -> Labels {
        [("topic", self.name.topic.to_string()), ("partition", self.name.partition.to_string())]
    }
}

/// What is told of each replica here, or by the leader of each partition.
fn encode_each(figures: &[(Labels, Figures)], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let each: [(&str, &str, Figure); 6] = [
        (
            "kafka_server_fetcherlagmetrics_consumerlag",
            "Records that a replica here lacks of what its leader has committed",
            |of| of.behind,
        ),
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
        for (labels, of) in figures {
            let Some(value) = figure(of) else { continue };
            ConstGauge::new(value).encode(family.encode_family(labels)?)?;
        }
    }
    Ok(())
}

/// How far each follower is behind its leader; told by that.
fn encode_lags(figures: &[(Labels, Figures)], mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Records that a follower lacks; told by the leader";
    let mut family = encoder.encode_descriptor("dmq_replica_lag", help, None, MetricType::Gauge)?;
    for ([topic, partition], of) in figures {
        for (follower, lag) in of.led.iter().flat_map(|led| &led.lags) {
            let labels = [topic.clone(), partition.clone(), ("replica", follower.to_string())];
            ConstGauge::new(*lag).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// A figure of one partition, if it has it.
type Figure = fn(&Figures) -> Option<i64>;

impl Collector for PartitionCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut counts = Counts::default();
        let mut figures: Vec<Figures> = self.0.all().iter().filter_map(|it| it.tell(&mut counts)).collect();
        encode_sums(&figures, &counts, &mut encoder)?;
        if figures.len() > SERIES_MAX {
            return Ok(());
        }
        figures.sort_by(|a, b| a.name.cmp(&b.name));
        let figures: Vec<_> = figures.into_iter().map(|of| (of.labels(), of)).collect();
        encode_each(&figures, &mut encoder)?;
        encode_lags(&figures, encoder)
    }
}
