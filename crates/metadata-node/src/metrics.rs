//! Figures for Prometheus. Names follow Kafka's exporters where one exists, so that dashboards made for Kafka show
//! something; ours begin with `dmq_`. Units are seconds and bytes.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use common::BrokerStatus;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType,
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::Registry,
};

use crate::{
    http::Api,
    raft::{Rates, Role},
    store::StoreEvents,
};

/// Upper bounds of the buckets of request times, in seconds: from a heartbeat to a write that waits for its quorum.
const REQUEST_SECONDS: [f64; 12] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Upper bounds of the buckets of commit times of the database, in seconds.
const COMMIT_SECONDS: [f64; 11] = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0];

/// Upper bounds of the buckets of rows per commit.
const COMMIT_ROWS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 2_000.0];

/// All figures of a node.
pub struct Metrics {
    process: runtime::metrics::Metrics,
    requests: Family<RequestLabels, Histogram, RequestHistogram>,
    state: StateGauges,
    /// What the controller counts.
    pub(crate) controller: ControllerCounters,
    /// What the database's writer counts.
    pub store: Arc<StoreCounters>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    api: String,
    status: String,
}

#[derive(Clone)]
struct RequestHistogram;

impl MetricConstructor<Histogram> for RequestHistogram {
    fn new_metric(&self) -> Histogram {
        Histogram::new(REQUEST_SECONDS)
    }
}

/// Requests of one path.
pub(crate) struct RouteMetrics {
    api: String,
    family: Family<RequestLabels, Histogram, RequestHistogram>,
    /// By class of status, 1xx to 5xx; a class appears with its first answer.
    classes: [OnceLock<Histogram>; 5],
}

impl RouteMetrics {
    /// One request was answered.
    pub(crate) fn observe(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100);
        let Some(slot) = self.classes.get(class.saturating_sub(1)) else {
            return;
        };
        let histogram = slot.get_or_init(|| {
            let labels = RequestLabels { api: self.api.clone(), status: format!("{class}xx") };
            self.family.get_or_create(&labels).clone()
        });
        histogram.observe(took.as_secs_f64());
    }
}

/// What the node's state shows, read at each scrape.
#[derive(Default)]
struct StateGauges {
    live_brokers: LiveBrokers,
    brokers_registered: Gauge,
    brokers_online: Gauge,
    topics: Gauge,
    partitions: Gauge,
    offline_partitions: Gauge,
    under_replicated_partitions: Gauge,
    non_preferred_partitions: Gauge,
    metadata_version: Gauge,
    active_controller: Gauge,
    raft_state: Gauge,
    raft_leader: Gauge,
    raft_term: Gauge,
    raft_commit_index: Gauge,
    raft_last_log_index: Gauge,
    raft_snapshot_index: Gauge,
    raft_apply_lag: Gauge,
    store_queue: Gauge,
    projection_lag: Gauge,
    proposals: Counter,
    proposals_unknown: Counter,
    commit_micros: Counter,
    leader_changes: Counter,
    early_elections: Counter,
    rpcs_refused: Counter,
    snapshots_installed: Counter,
    unclean_elections: Counter,
    append_records_rate: Gauge<f64, AtomicU64>,
    commit_latency_avg: Gauge<f64, AtomicU64>,
}

/// The figure of the whole cluster that kafka_exporter has under this name. Every node knows it; only the controller tells it,
/// so that a sum over all nodes is right, as are dashboards that know of one exporter per cluster.
#[derive(Debug, Clone)]
struct LiveBrokers(Arc<AtomicI64>);

impl LiveBrokers {
    const NOT_TOLD: i64 = -1;

    fn set(&self, told: Option<usize>) {
        let told = told.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        self.0.store(told.unwrap_or(Self::NOT_TOLD), Ordering::Relaxed);
    }
}

impl Default for LiveBrokers {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(Self::NOT_TOLD)))
    }
}

impl Collector for LiveBrokers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let count = self.0.load(Ordering::Relaxed);
        if count == Self::NOT_TOLD {
            return Ok(());
        }
        let help = "Brokers that are not OFFLINE; told by the controller alone";
        let metric = encoder.encode_descriptor("kafka_brokers", help, None, MetricType::Gauge)?;
        ConstGauge::new(count).encode(metric)
    }
}

/// What the controller counts.
#[derive(Default)]
pub(crate) struct ControllerCounters {
    /// Heartbeats taken.
    pub(crate) heartbeats: Counter,
    /// Brokers proposed to be fenced because their session ran out.
    pub(crate) fenced_silent: Counter,
    /// Brokers proposed to be fenced because their process is known to be gone.
    pub(crate) fenced_gone: Counter,
    /// Times this node took office.
    pub(crate) reigns: Counter,
    /// Pushes that a broker acknowledged.
    pub(crate) pushes: Counter,
    /// Pushes that failed.
    pub(crate) pushes_failed: Counter,
}

/// What the database's writer counts.
pub struct StoreCounters {
    commit_seconds: Histogram,
    commit_rows: Histogram,
    reconnects: Counter<u64, AtomicU64>,
}

impl Default for StoreCounters {
    fn default() -> Self {
        Self {
            commit_seconds: Histogram::new(COMMIT_SECONDS),
            commit_rows: Histogram::new(COMMIT_ROWS),
            reconnects: Counter::default(),
        }
    }
}

impl StoreEvents for StoreCounters {
    #[expect(clippy::cast_precision_loss, reason = "rows of one transaction are few")]
    fn committed(&self, took: Duration, rows: usize) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_rows.observe(rows as f64);
    }

    fn reconnected(&self) {
        self.reconnects.inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let requests = Family::new_with_constructor(RequestHistogram);
        let state = StateGauges::default();
        let controller = ControllerCounters::default();
        let store = Arc::new(StoreCounters::default());
        let process = runtime::metrics::Metrics::new(|registry| {
            registry.register(
                "dmq_request_duration_seconds",
                "Time to answer REST requests, by path and class of status",
                requests.clone(),
            );
            state.register(registry);
            controller.register(registry);
            store.register(registry);
        });
        Self { process, requests, state, controller, store }
    }
}

impl Metrics {
    /// The figures of one path.
    pub(crate) fn route(&self, api: &str) -> Arc<RouteMetrics> {
        let classes = std::array::from_fn(|_| OnceLock::new());
        Arc::new(RouteMetrics { api: api.to_owned(), family: self.requests.clone(), classes })
    }

    /// The text of `GET /metrics`.
    pub(crate) fn encode(&self, api: &Api) -> String {
        self.state.read(api);
        self.process.encode()
    }
}

impl StateGauges {
    fn register(&self, registry: &mut Registry) {
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge(
            "dmq_brokers_registered",
            "Registered brokers, also those that are OFFLINE",
            &self.brokers_registered,
        );
        gauge("dmq_brokers_online", "Brokers that are ONLINE", &self.brokers_online);
        gauge("dmq_topics", "Topics", &self.topics);
        gauge("dmq_partitions", "Partitions of all topics", &self.partitions);
        gauge(
            "kafka_controller_kafkacontroller_activecontrollercount",
            "1 on the controller, 0 elsewhere",
            &self.active_controller,
        );
        gauge(
            "kafka_controller_kafkacontroller_offlinepartitionscount",
            "Partitions without a leader",
            &self.offline_partitions,
        );
        gauge(
            "dmq_under_replicated_partitions",
            "Partitions whose ISR lacks a replica",
            &self.under_replicated_partitions,
        );
        gauge(
            "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
            "Partitions not led by their preferred leader",
            &self.non_preferred_partitions,
        );
        gauge(
            "dmq_metadata_version",
            "Raft index of the last change of the metadata",
            &self.metadata_version,
        );
        gauge(
            "kafka_server_raftmetrics_current_state",
            "Role in the quorum: 0 learner, 1 follower, 2 candidate, 3 leader",
            &self.raft_state,
        );
        gauge(
            "kafka_server_raftmetrics_current_leader",
            "Node id of the known leader, -1 if none is known",
            &self.raft_leader,
        );
        gauge("kafka_server_raftmetrics_current_epoch", "Raft term", &self.raft_term);
        gauge(
            "kafka_server_raftmetrics_high_watermark",
            "Last Raft index known to be committed",
            &self.raft_commit_index,
        );
        gauge(
            "kafka_server_raftmetrics_log_end_offset",
            "Last Raft index in the log",
            &self.raft_last_log_index,
        );
        gauge("dmq_raft_snapshot_index", "Last Raft index of the newest snapshot", &self.raft_snapshot_index);
        gauge("dmq_raft_apply_lag", "Committed entries not yet applied", &self.raft_apply_lag);
        gauge("dmq_sql_queue_length", "Operations that wait for the database's writer", &self.store_queue);
        gauge(
            "dmq_sql_projection_lag",
            "Applied entries whose changes are not yet in the SQL tables",
            &self.projection_lag,
        );
        self.register_raft_counters(registry);
        self.register_rates(registry);
        registry.register_collector(Box::new(self.live_brokers.clone()));
    }

    fn register_raft_counters(&self, registry: &mut Registry) {
        let mut counter =
            |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter("dmq_raft_proposals", "Proposals that got an outcome", &self.proposals);
        counter("dmq_raft_proposals_unknown", "Proposals whose outcome is unknown", &self.proposals_unknown);
        counter(
            "dmq_raft_commit_microseconds",
            "Time from proposal to outcome, summed up",
            &self.commit_micros,
        );
        counter("dmq_raft_leader_changes", "Times another leader or term was seen", &self.leader_changes);
        counter(
            "dmq_raft_early_elections",
            "Elections tried at once because the leader's process was gone",
            &self.early_elections,
        );
        counter("dmq_raft_rpcs_refused", "RPCs of other nodes that were refused", &self.rpcs_refused);
        counter(
            "dmq_raft_snapshots_installed",
            "Snapshots of a leader that replaced this node's state",
            &self.snapshots_installed,
        );
        counter(
            "kafka_controller_controllerstats_uncleanleaderelections",
            "Leaders elected that may lack acknowledged records; told by the controller that let them",
            &self.unclean_elections,
        );
    }

    fn register_rates(&self, registry: &mut Registry) {
        registry.register(
            "kafka_server_raftmetrics_append_records_rate",
            "Entries per second that this node proposed as leader, over the last 30 to 60 s",
            self.append_records_rate.clone(),
        );
        registry.register(
            "kafka_server_raftmetrics_commit_latency_avg",
            "Average time in ms from proposal to outcome, over the last 30 to 60 s; NaN if nothing was proposed",
            self.commit_latency_avg.clone(),
        );
    }

    fn read(&self, api: &Api) {
        let leads = api.consensus.leader().is_self;
        api.consensus.read(|state| {
            let count = |is: fn(BrokerStatus) -> bool| state.brokers().filter(|it| is(it.status)).count();
            let online = count(|status| status == BrokerStatus::Online);
            let live = count(|status| status != BrokerStatus::Offline);
            self.live_brokers.set(leads.then_some(live));
            set(&self.brokers_registered, state.broker_count());
            set(&self.brokers_online, online);
            set(&self.topics, state.topic_count());
            set(&self.partitions, state.total_partitions());
            set(&self.offline_partitions, state.offline_partitions());
            set(&self.under_replicated_partitions, state.under_replicated_partitions());
            set(&self.non_preferred_partitions, state.non_preferred_partitions());
            set(&self.metadata_version, state.version().0);
        });
        let status = api.consensus.status();
        self.active_controller.set(i64::from(leads));
        self.raft_state.set(match status.role {
            Role::Learner => 0,
            Role::Follower => 1,
            Role::Candidate => 2,
            Role::Leader => 3,
        });
        self.raft_leader.set(status.leader_id.map_or(-1, |id| i64::try_from(id.0).unwrap_or(i64::MAX)));
        set(&self.raft_term, status.current_term.0);
        set(&self.raft_commit_index, status.commit_index);
        set(&self.raft_last_log_index, status.last_log_index);
        set(&self.raft_snapshot_index, status.snapshot_index);
        set(&self.raft_apply_lag, status.commit_index.saturating_sub(status.last_applied));
        let store = api.store.gauges();
        set(&self.store_queue, store.queue_length());
        set(&self.projection_lag, status.last_applied.saturating_sub(store.projected_index()));
        let figures = api.consensus.figures();
        let count = |counter: &Counter, value| counter.inner().store(value, Ordering::Relaxed);
        count(&self.proposals, figures.proposals());
        count(&self.proposals_unknown, figures.proposals_unknown());
        count(&self.commit_micros, figures.commit_micros());
        count(&self.leader_changes, figures.leader_changes());
        count(&self.early_elections, figures.early_elections());
        count(&self.rpcs_refused, figures.rpcs_refused());
        count(&self.snapshots_installed, figures.snapshots_installed());
        count(&self.unclean_elections, figures.unclean_elections());
        let Rates { per_second, latency_avg } = figures.lately();
        self.append_records_rate.set(per_second);
        self.commit_latency_avg.set(latency_avg.map_or(f64::NAN, |avg| avg.as_secs_f64() * 1_000.0));
    }
}

/// Prometheus knows signed numbers only.
fn set<N: TryInto<i64>>(gauge: &Gauge, value: N) {
    gauge.set(value.try_into().unwrap_or(i64::MAX));
}

impl ControllerCounters {
    fn register(&self, registry: &mut Registry) {
        let mut counter =
            |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter("dmq_heartbeats", "Heartbeats of brokers that were taken", &self.heartbeats);
        counter(
            "dmq_brokers_fenced_silent",
            "Brokers fenced at the end of their session",
            &self.fenced_silent,
        );
        counter(
            "dmq_brokers_fenced_gone",
            "Brokers fenced because their process was gone",
            &self.fenced_gone,
        );
        counter("dmq_controller_reigns", "Times this node became controller", &self.reigns);
        counter("dmq_pushes", "Pushes that brokers acknowledged", &self.pushes);
        counter(
            "dmq_pushes_failed",
            "Pushes that failed; brokers do not depend on them",
            &self.pushes_failed,
        );
    }
}

impl StoreCounters {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "dmq_sql_commit_seconds",
            "Time of the database's commits",
            self.commit_seconds.clone(),
        );
        registry.register("dmq_sql_commit_rows", "Rows per commit", self.commit_rows.clone());
        registry.register("dmq_sql_reconnects", "Connections made again", self.reconnects.clone());
    }
}
