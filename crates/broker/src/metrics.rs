//! The broker's figures: Kafka's names where Kafka has them, `dmq_` for what is ours.

use std::{fmt, time::Duration};

use common::BrokerId;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use crate::{follower::Follower, image::SharedImage, replicas::Replicas};

/// Upper bounds of the latency histograms, in seconds: from a local round trip to a heartbeat's timeout.
const LATENCY_BUCKETS: [f64; 12] = [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// One label with one value.
type Label = [(&'static str, &'static str); 1];

/// What is counted as it happens. Clones count together.
#[derive(Debug, Clone)]
pub struct LinkMetrics {
    heartbeats: Family<Label, Counter>,
    heartbeat_seconds: Histogram,
    discoveries: Family<Label, Counter>,
    pulls: Family<Label, Counter>,
    pull_seconds: Histogram,
    pushes: Family<Label, Counter>,
}

/// What a pull brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullKind {
    /// A full image.
    Full,
    /// Deltas, maybe none.
    Delta,
    /// Nothing.
    Failed,
}

impl Default for LinkMetrics {
    fn default() -> Self {
        Self {
            heartbeats: Family::default(),
            heartbeat_seconds: Histogram::new(LATENCY_BUCKETS),
            discoveries: Family::default(),
            pulls: Family::default(),
            pull_seconds: Histogram::new(LATENCY_BUCKETS),
            pushes: Family::default(),
        }
    }
}

impl LinkMetrics {
    /// A heartbeat was answered or given up.
    pub fn heartbeat(&self, ok: bool, took: Duration) {
        self.heartbeats.get_or_create(&outcome(ok)).inc();
        if ok {
            self.heartbeat_seconds.observe(took.as_secs_f64());
        }
    }

    /// A round of discovery ended.
    pub fn discovery(&self, ok: bool) {
        self.discoveries.get_or_create(&outcome(ok)).inc();
    }

    /// A pull ended.
    pub fn pull(&self, kind: PullKind, took: Duration) {
        let name = match kind {
            PullKind::Full => "full",
            PullKind::Delta => "delta",
            PullKind::Failed => "failed",
        };
        self.pulls.get_or_create(&[("kind", name)]).inc();
        if kind != PullKind::Failed {
            self.pull_seconds.observe(took.as_secs_f64());
        }
    }

    /// The controller pushed.
    pub fn push(&self, applied: bool) {
        self.pushes.get_or_create(&[("applied", if applied { "true" } else { "false" })]).inc();
    }

    /// Makes these figures part of `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("dmq_broker_heartbeats", "Heartbeats sent, by result", self.heartbeats.clone());
        registry.register_with_unit(
            "dmq_broker_heartbeat_duration",
            "Time from sending a heartbeat to its answer",
            Unit::Seconds,
            self.heartbeat_seconds.clone(),
        );
        registry.register(
            "dmq_broker_controller_discoveries",
            "Rounds of asking all metadata nodes for the controller, by result",
            self.discoveries.clone(),
        );
        registry.register(
            "dmq_broker_metadata_pulls",
            "Metadata pulls, by what they brought",
            self.pulls.clone(),
        );
        registry.register_with_unit(
            "dmq_broker_metadata_pull_duration",
            "Time from asking for metadata to having taken it in",
            Unit::Seconds,
            self.pull_seconds.clone(),
        );
        registry.register(
            "dmq_broker_metadata_pushes",
            "Pushes of the controller, by whether they told anything new",
            self.pushes.clone(),
        );
    }
}

fn outcome(ok: bool) -> Label {
    [("result", if ok { "ok" } else { "failed" })]
}

/// What is looked up when somebody asks.
#[derive(Debug)]
pub struct StateCollector {
    broker_id: BrokerId,
    follower: Follower,
    image: SharedImage,
    replicas: Replicas,
}

impl StateCollector {
    /// The figures of this broker.
    pub fn new(broker_id: BrokerId, follower: Follower, image: SharedImage, replicas: Replicas) -> Self {
        Self { broker_id, follower, image, replicas }
    }
}

impl Collector for StateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let link = self.follower.status();
        let replicas = self.replicas.figures();
        let held = Held::count(&self.image, self.broker_id);
        let rediscoveries = encoder.encode_descriptor(
            "dmq_broker_rediscoveries",
            "How often the controller was looked for anew after failures",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(link.rediscoveries).encode(rediscoveries)?;
        let lag = link.known_version.0.saturating_sub(link.metadata_version.unwrap_or_default().0);
        let gauges: [(&str, &str, u64); 12] = [
            ("kafka_server_replicamanager_partitioncount", "Replicas assigned to this broker", held.replicas),
            ("kafka_server_replicamanager_leadercount", "Partitions that this broker leads", held.led),
            (
                "kafka_server_replicamanager_underreplicatedpartitions",
                "Partitions led by this broker whose ISR lacks a replica",
                held.under_replicated,
            ),
            ("dmq_broker_following", "1 while registered with a controller", link.following.into()),
            ("dmq_broker_epoch", "Epoch of the registration", epoch(link.broker_epoch)),
            ("dmq_broker_controller_term", "Highest controller term seen", link.term.0),
            (
                "dmq_broker_heartbeat_failures_in_a_row",
                "Failed heartbeats and registrations since the last success",
                link.consecutive_failures.into(),
            ),
            ("dmq_broker_metadata_version", "Version of the metadata", self.image.version().0),
            ("dmq_broker_metadata_lag", "How far the metadata is behind the newest version known", lag),
            ("dmq_broker_replica_directories", "Replicas on disk", replicas.replicas as u64),
            (
                "dmq_broker_deleted_replicas",
                "Directories of deleted topics that await their removal",
                replicas.deleted as u64,
            ),
            (
                "dmq_broker_stray_replicas",
                "Replicas on disk that the metadata does not know, and directories put aside",
                replicas.strays as u64,
            ),
        ];
        for (name, help, value) in gauges {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        encode_whole(&self.image, self.broker_id, &mut encoder)?;
        encode_led(&led_by(&self.image, self.broker_id), encoder)
    }
}

/// What one broker tells for all, in the names of kafka_exporter: each its own address, and of each topic the leader of the
/// first partition that has one.
fn encode_whole(image: &SharedImage, broker: BrokerId, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let address = image.read(|state| {
        let own = state.broker(broker)?;
        Some(format!("{}:{}", own.host, own.kafka_port.unwrap_or(own.port)))
    });
    let help = "Always 1: a broker and its address; told by itself";
    let mut family = encoder.encode_descriptor("kafka_broker_info", help, None, MetricType::Gauge)?;
    if let Some(address) = address {
        let labels = [("id", broker.to_string()), ("address", address)];
        ConstGauge::new(1_i64).encode(family.encode_family(&labels)?)?;
    }
    let topics: Vec<(String, u64)> = image.read(|state| {
        let tells = |topic: &&std::sync::Arc<common::Topic>| {
            topic.partitions.iter().find_map(|partition| partition.leader) == Some(broker)
        };
        let told = state.topics().filter(tells).take(SERIES_MAX + 1);
        told.map(|topic| (topic.topic_name.to_string(), topic.partitions.len() as u64)).collect()
    });
    let help = "Partitions of a topic; told by the leader of the first that has one";
    let mut family = encoder.encode_descriptor("kafka_topic_partitions", help, None, MetricType::Gauge)?;
    for (topic, partitions) in topics.iter().filter(|_| topics.len() <= SERIES_MAX) {
        ConstGauge::new(*partitions).encode(family.encode_family(&[("topic", topic.as_str())])?)?;
    }
    Ok(())
}

/// Of more partitions than this, no series are told: that would be too many.
const SERIES_MAX: usize = 2_000;

/// A partition that is led here.
struct LedPartition {
    labels: [(&'static str, String); 2],
    leader: i64,
    replicas: i64,
    isr: i64,
    under_replicated: bool,
    preferred: bool,
}

/// A figure of a partition.
type Figure = fn(&LedPartition) -> i64;

/// In the names of kafka_exporter, whose dashboards teams already have.
fn encode_led(led: &[LedPartition], mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
    if led.len() > SERIES_MAX {
        return Ok(());
    }
    let each: [(&str, &str, Figure); 5] = [
        ("kafka_topic_partition_leader", "Id of the leader; told by it", |of| of.leader),
        ("kafka_topic_partition_replicas", "How many replicas there are; told by the leader", |of| {
            of.replicas
        }),
        (
            "kafka_topic_partition_in_sync_replica",
            "How many replicas are in sync; told by the leader",
            |of| of.isr,
        ),
        (
            "kafka_topic_partition_under_replicated_partition",
            "1 if the ISR lacks a replica; told by the leader",
            |of| of.under_replicated.into(),
        ),
        (
            "kafka_topic_partition_leader_is_preferred",
            "1 if the first replica leads; told by the leader",
            |of| of.preferred.into(),
        ),
    ];
    for (name, help, figure) in each {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for of in led {
            ConstGauge::new(figure(of)).encode(family.encode_family(&of.labels)?)?;
        }
    }
    Ok(())
}

fn led_by(image: &SharedImage, broker: BrokerId) -> Vec<LedPartition> {
    let count = |many: &[BrokerId]| i64::try_from(many.len()).unwrap_or(i64::MAX);
    image.read(|state| {
        let partitions = state.topics().flat_map(|topic| topic.partitions.iter().map(move |it| (topic, it)));
        let led = partitions.filter(|(_, partition)| partition.leader == Some(broker)).take(SERIES_MAX + 1);
        let told = led.map(|(topic, partition)| LedPartition {
            labels: [("topic", topic.topic_name.to_string()), ("partition", partition.id.to_string())],
            leader: broker.0.into(),
            replicas: count(&partition.replicas),
            isr: count(&partition.isr),
            under_replicated: partition.isr.len() < partition.settled_replicas(),
            preferred: partition.replicas.first() == Some(&broker),
        });
        told.collect()
    })
}

fn epoch(epoch: Option<common::BrokerEpoch>) -> u64 {
    epoch.and_then(|epoch| u64::try_from(epoch.0).ok()).unwrap_or(0)
}

/// What a broker holds.
#[derive(Debug, Default)]
struct Held {
    replicas: u64,
    led: u64,
    under_replicated: u64,
}

impl Held {
    fn count(image: &SharedImage, broker: BrokerId) -> Self {
        image.read(|state| {
            let mut held = Self {
                replicas: state.replica_partitions(broker) as u64,
                led: state.leader_partitions(broker) as u64,
                under_replicated: 0,
            };
            // Only a leader counts a partition, so that the sum over all brokers is that of the cluster.
            if state.under_replicated_partitions() > 0 {
                held.under_replicated = state
                    .topics()
                    .flat_map(|topic| &topic.partitions)
                    .filter(|partition| partition.leader == Some(broker))
                    .filter(|partition| partition.isr.len() < partition.settled_replicas())
                    .count() as u64;
            }
            held
        })
    }
}
