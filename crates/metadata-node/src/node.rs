//! One node's life: take the port and the database, take part in the quorum, serve, and stop in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::config::{ClusterConfig, DatabaseUrl};
use common::{ClusterId, IncarnationId, NodeId};
use http_api::{Livez, ProcessRole};
use runtime::http::{BindError, HttpLimits};
use runtime::{TaskKind, Tasks, clock};
use uuid::Uuid;

use crate::Options;
use crate::controller::{Controller, ControllerOptions};
use crate::http::{self, Api};
use crate::metrics::Metrics;
use crate::raft::settings::Timings;
use crate::raft::{AdmissionError, Consensus, ConsensusError, ConsensusOptions};
use crate::store::{OpenError, Opened, Store, StoreEvents, StoreOptions};

/// How long tasks may take to end.
const DRAIN_GRACE: Duration = Duration::from_secs(5);

/// Why a node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Options or `services.json` are wrong.
    #[error("{0}")]
    Configuration(String),
    /// Refused: identity, unsafe or foreign database, port or database in use.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl StartError {
    /// The process exit code: 2 configuration, 3 refused to start, 1 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => 2,
            Self::Refused(_) => 3,
            Self::Failed(_) => 1,
        }
    }
}

impl From<BindError> for StartError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::InUse { .. } => Self::Refused(error.to_string()),
            BindError::Resolve { .. } | BindError::Refused { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::BadUrl { .. } => Self::Configuration(error.to_string()),
            OpenError::Unreachable { .. } | OpenError::Database { .. } => Self::Failed(error.to_string()),
            OpenError::OtherCluster { .. }
            | OpenError::OtherNode { .. }
            | OpenError::NewerSchema { .. }
            | OpenError::UnsafeSetting { .. }
            | OpenError::InUse { .. }
            | OpenError::Damaged { .. } => Self::Refused(error.to_string()),
        }
    }
}

impl From<ConsensusError> for StartError {
    fn from(error: ConsensusError) -> Self {
        match error {
            ConsensusError::Settings(_) => Self::Configuration(error.to_string()),
            ConsensusError::State(_) | ConsensusError::Raft(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<AdmissionError> for StartError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Stopped(_) => Self::Failed(error.to_string()),
            AdmissionError::LostDisk { .. }
            | AdmissionError::Removed { .. }
            | AdmissionError::OtherFounders { .. } => Self::Refused(error.to_string()),
        }
    }
}

/// Everything that one node is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which node.
    pub node_id: NodeId,
    /// Which cluster.
    pub cluster_id: ClusterId,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// Where its log is. May hold a password.
    pub database: DatabaseUrl,
    /// All metadata nodes of `services.json` with their URLs, this one among them.
    pub founders: BTreeMap<NodeId, String>,
    /// Timings of the quorum.
    pub timings: Timings,
    /// A broker that is silent for so long is OFFLINE.
    pub session_timeout: Duration,
    /// How often partitions are given back to their preferred leaders; zero: never.
    pub leader_rebalance: Duration,
}

impl Settings {
    /// From flags, environment and `services.json`.
    pub fn load(options: &Options) -> Result<Self, StartError> {
        let wrong = |text: String| StartError::Configuration(text);
        let config = runtime::services::load(&options.services).map_err(|error| wrong(error.to_string()))?;
        let id = options.id;
        let node = config.metadata_node(id).ok_or_else(|| {
            let known: Vec<String> = config.metadata_nodes.iter().map(|node| node.id.to_string()).collect();
            wrong(format!(
                "{} describes no metadata node {id}; it describes {}",
                options.services.display(),
                known.join(", ")
            ))
        })?;
        let database = match &options.database {
            Some(url) => DatabaseUrl::parse(url).map_err(|error| wrong(format!("--database: {error}")))?,
            None => node.database.clone(),
        };
        let database = database
            .expand(|name| std::env::var(name).ok())
            .map_err(|error| wrong(format!("database of metadata node {id}: {error}")))?;
        Ok(Self {
            node_id: id,
            cluster_id: config.cluster_id.clone(),
            host: options.host.clone().unwrap_or_else(|| node.host.clone()),
            port: options.port.unwrap_or(node.port),
            database: below(database, options.data_dir.as_deref()),
            founders: founders(&config),
            timings: timings(&config),
            session_timeout: config.broker.session_timeout,
            leader_rebalance: config.broker.leader_rebalance,
        })
    }
}

fn founders(config: &ClusterConfig) -> BTreeMap<NodeId, String> {
    let url = |url: &str| url.trim_end_matches('/').to_owned();
    config.metadata_nodes.iter().map(|node| (node.id, url(&node.url))).collect()
}

fn timings(config: &ClusterConfig) -> Timings {
    let millis = |duration: Duration| clock::as_ms(duration);
    let raft = config.raft;
    let election = (millis(raft.election_timeout_min), millis(raft.election_timeout_max));
    Timings::new(millis(raft.heartbeat), election)
}

/// A relative SQLite path starts from `data_dir`, if one is given.
fn below(database: DatabaseUrl, data_dir: Option<&Path>) -> DatabaseUrl {
    match data_dir {
        Some(data_dir) => database.with_sqlite_base(&data_dir.to_string_lossy()),
        None => database,
    }
}

/// Runs the node until it is told to stop (SIGTERM, SIGINT) or its Raft core stops by itself.
pub async fn run(options: Options) -> Result<(), StartError> {
    let settings = Settings::load(&options)?;
    let tasks = Tasks::new();
    runtime::shutdown::watch_signals(&tasks)
        .map_err(|error| StartError::Failed(format!("cannot watch signals: {error}")))?;
    let node = match Node::start(settings, &tasks).await {
        Ok(node) => node,
        Err(error) => {
            tasks.drain(DRAIN_GRACE).await;
            return Err(error);
        }
    };
    node.serve(&tasks).await
}

/// A node that runs.
pub struct Node {
    consensus: Consensus,
}

impl Node {
    /// Takes the port and the database, and serves. It takes part in the quorum only in [`Self::serve`].
    pub async fn start(settings: Settings, tasks: &Tasks) -> Result<Self, StartError> {
        let started = Instant::now();
        let listener = runtime::http::bind(&settings.host, settings.port).await?;
        let metrics = Arc::new(Metrics::default());
        let (store, opened) = open(&settings, metrics.store.clone(), tasks).await?;
        let options = ConsensusOptions {
            cluster_id: settings.cluster_id.clone(),
            node_id: settings.node_id,
            founders: settings.founders.clone(),
            timings: settings.timings,
        };
        let consensus = Consensus::start(options, store.clone(), &opened, tasks).await?;
        let options = ControllerOptions {
            session_timeout: settings.session_timeout,
            leader_rebalance: settings.leader_rebalance,
        };
        let controller = Controller::start(consensus.clone(), Arc::clone(&metrics), options, tasks);
        let livez = Livez {
            alive: true,
            role: ProcessRole::MetadataNode,
            id: settings.node_id.0,
            incarnation_id: IncarnationId(Uuid::new_v4()),
        };
        let api = Api::new(consensus.clone(), store, controller, metrics);
        let routes = http::router(api).merge(runtime::http::livez(tasks, livez));
        runtime::http::serve(tasks, listener, routes, HttpLimits::default());
        tracing::info!(
            event = "node.started",
            node = %settings.node_id,
            cluster_id = %settings.cluster_id,
            host = %settings.host,
            port = settings.port,
            storage = opened.backend.name(),
            elapsed_ms = clock::as_ms(started.elapsed()),
            "metadata node listens"
        );
        Ok(Self { consensus })
    }

    /// Takes part in the quorum until the shutdown is requested; then hands leadership over and ends all tasks.
    pub async fn serve(self, tasks: &Tasks) -> Result<(), StartError> {
        let shutdown = tasks.shutdown().clone();
        let admitted = tokio::select! {
            admitted = self.consensus.admit() => admitted,
            _ = shutdown.requested() => Ok(()),
        };
        if let Err(error) = admitted {
            drop(self);
            tasks.drain(DRAIN_GRACE).await;
            return Err(error.into());
        }
        let reason = shutdown.requested().await;
        if !reason.is_failure() {
            self.consensus.hand_over().await;
        }
        // The writer ends when nobody holds the store any more.
        drop(self);
        tasks.supervise(DRAIN_GRACE).await.map_err(|error| StartError::Failed(error.to_string()))
    }
}

async fn open(
    settings: &Settings,
    events: Arc<dyn StoreEvents>,
    tasks: &Tasks,
) -> Result<(Store, Opened), StartError> {
    let database = settings.database.expose();
    let options = StoreOptions::new(database, settings.cluster_id.clone(), settings.node_id);
    let (store, writer, opened) = Store::open(options, events).await?;
    tasks.spawn(TaskKind::Storage, "store.writer", |_stop| writer.run());
    Ok((store, opened))
}
