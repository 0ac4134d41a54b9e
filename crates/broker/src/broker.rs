//! One broker's life: take the data directory, listen, follow the controller, and leave in order.

use std::{sync::Arc, time::Duration};

use client::{ControllerDiscovery, HttpClient, HttpOptions};
use common::{BrokerId, IncarnationId};
use http_api::{Livez, ProcessRole};
use runtime::{
    TaskKind, Tasks,
    http::{BindError, HttpLimits},
    metrics::Metrics,
};
use thiserror::Error;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    data_plane::DataPlane,
    follower::{Follower, FollowerTask},
    http::{self, Context},
    identity::{DataDir, DataDirError},
    image::{MetadataImage, SharedImage},
    link::End,
    metrics::{LinkMetrics, StateCollector},
    options::Options,
    settings::{InvalidSettings, Settings},
};

/// How long tasks may take to end once the broker has left: every log is synced and closed in it.
const DRAIN_GRACE: Duration = Duration::from_secs(30);

/// Why a broker did not start, or stopped by itself.
#[derive(Debug, Error)]
pub enum StartError {
    /// Options or `services.json` are wrong.
    #[error("{0}")]
    Configuration(String),
    /// Refused: directory of another broker or in use, port in use, broker id in use, wrong cluster.
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

impl From<InvalidSettings> for StartError {
    fn from(error: InvalidSettings) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<DataDirError> for StartError {
    fn from(error: DataDirError) -> Self {
        match error {
            DataDirError::Io { .. } | DataDirError::Unwritable(_) => Self::Failed(error.to_string()),
            DataDirError::InUse { .. }
            | DataDirError::Foreign { .. }
            | DataDirError::Unnamed { .. }
            | DataDirError::Unreadable(_)
            | DataDirError::Incomplete { .. } => Self::Refused(error.to_string()),
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

impl From<End> for StartError {
    fn from(end: End) -> Self {
        match end {
            End::DuplicateId { .. } | End::Refused { .. } | End::WrongCluster { .. } => {
                Self::Refused(end.to_string())
            }
            End::Fenced { .. } | End::Left { .. } => Self::Failed(end.to_string()),
        }
    }
}

/// Runs the broker until it is told to stop (SIGTERM, SIGINT), is fenced, or fails.
pub async fn run(options: Options) -> Result<(), StartError> {
    let settings = Settings::load(&options)?;
    let tasks = Tasks::new();
    runtime::shutdown::watch_signals(&tasks)
        .map_err(|error| StartError::Failed(format!("cannot watch signals: {error}")))?;
    Broker::start(settings, &tasks).await?.serve(&tasks).await
}

/// A broker that runs.
#[derive(Debug)]
pub struct Broker {
    follower: Follower,
    url: String,
    kafka_port: Option<u16>,
    shutdown_timeout: Duration,
    ended: watch::Receiver<Option<End>>,
    /// Locked for as long as the broker runs.
    _data_dir: DataDir,
}

impl Broker {
    /// Starts everything: once this returns, the REST API answers and the broker looks for the controller.
    pub async fn start(settings: Settings, tasks: &Tasks) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&settings.data_dir, &settings.cluster_id, settings.broker_id)?;
        let listener = runtime::http::bind(&settings.listen_host, settings.listen_port).await?;
        let port = advertised_port(&settings, &listener);
        let incarnation_id = IncarnationId(Uuid::new_v4());
        let http = http_client(&settings);
        let image: SharedImage = Arc::new(MetadataImage::new(settings.cluster_id.clone()));
        let link_metrics = LinkMetrics::default();
        let config = settings.link();
        let follower = Follower::new(config, seed(incarnation_id), link_metrics.clone());

        let mut data_plane =
            DataPlane::start(&settings, &data_dir, incarnation_id, tasks, &http, &image, &follower).await?;
        let (partitions, replicas) = (data_plane.partitions.clone(), data_plane.replicas.clone());
        let kafka_port = data_plane.kafka_port();
        let collector =
            StateCollector::new(settings.broker_id, follower.clone(), Arc::clone(&image), replicas.clone());
        let figures = http::Figures::default();
        let metrics = Metrics::new(|registry| {
            link_metrics.register(registry);
            figures.register(registry);
            data_plane.register_metrics(registry);
            registry.register_collector(Box::new(collector));
        });
        let context = Context {
            broker_id: settings.broker_id,
            incarnation_id,
            cluster_id: settings.cluster_id.clone(),
            session_timeout: settings.session_timeout,
            follower: follower.clone(),
            image: Arc::clone(&image),
            replicas: replicas.clone(),
            partitions: partitions.clone(),
            metrics,
            groups: data_plane.groups.clone(),
            lines: figures.lines(),
            figures,
            records: http::Gateway::new(settings.broker_id, &image, &partitions, &http, tasks.shutdown()),
        };
        let routes =
            http::router(context, runtime::http::livez(tasks, livez(settings.broker_id, incarnation_id)));
        runtime::http::serve(tasks, listener, routes, HttpLimits::default());
        data_plane.serve(tasks);

        let task = FollowerTask {
            follower: follower.clone(),
            discovery: ControllerDiscovery::new(http.clone(), settings.metadata_nodes.clone()),
            http,
            config,
            registration: settings.registration(
                port,
                kafka_port,
                incarnation_id,
                data_dir.identity().directory_id,
            ),
            image,
            replicas,
            partitions,
            metrics: link_metrics,
        };
        let ended = start_link(task, tasks);
        let url = format!("http://{}:{port}", settings.advertised_host);
        tracing::info!(
            event = "broker.started", broker_id = %settings.broker_id, %url, %incarnation_id,
            data_dir = %data_dir.path().display(), directory_id = %data_dir.identity().directory_id,
            "broker {} answers at {url}", settings.broker_id,
        );
        let shutdown_timeout = settings.shutdown_timeout;
        Ok(Self { follower, url, kafka_port, shutdown_timeout, ended, _data_dir: data_dir })
    }

    /// Base URL of its REST API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Port of its Kafka listener, if it has one.
    pub fn kafka_port(&self) -> Option<u16> {
        self.kafka_port
    }

    /// The link to the controller.
    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Waits for the shutdown of `tasks`, hands leaderships over, and ends all tasks.
    pub async fn serve(mut self, tasks: &Tasks) -> Result<(), StartError> {
        tasks.shutdown().requested().await;
        self.follower.leave();
        // The link keeps to the same limit; the margin is for a request that is under way.
        let limit = self.shutdown_timeout + Duration::from_secs(1);
        let _ = tokio::time::timeout(limit, self.ended.wait_for(Option::is_some)).await;
        let outcome = tasks.supervise(DRAIN_GRACE).await;
        match (self.ended.borrow().clone(), outcome) {
            (_, Ok(())) => Ok(()),
            (Some(end), Err(_)) if !matches!(end, End::Left { .. }) => Err(end.into()),
            (_, Err(failed)) => Err(StartError::Failed(failed.to_string())),
        }
    }
}

/// The port that others reach the REST API by.
fn advertised_port(settings: &Settings, listener: &tokio::net::TcpListener) -> u16 {
    match settings.advertised_port {
        // Any free one was asked for.
        0 => listener.local_addr().map_or(0, |address| address.port()),
        port => port,
    }
}

/// Connections to metadata nodes and other brokers.
fn http_client(settings: &Settings) -> HttpClient {
    HttpClient::new(HttpOptions {
        connect_timeout: settings.request_timeout,
        cluster_id: Some(settings.cluster_id.clone()),
        agent: Some(format!("dmq-broker/{}", settings.broker_id)),
        ..HttpOptions::default()
    })
}

/// What `/livez` says of this process.
fn livez(broker_id: BrokerId, incarnation_id: IncarnationId) -> Livez {
    let id = u64::try_from(broker_id.0).unwrap_or_default();
    Livez { alive: true, role: ProcessRole::Broker, id, incarnation_id }
}

/// Starts the link's task. Gives what it ended with; anything but leaving ends the process.
fn start_link(task: FollowerTask, tasks: &Tasks) -> watch::Receiver<Option<End>> {
    let (report, ended) = watch::channel(None);
    tasks.spawn(TaskKind::Coordinator, "controller.link", move |stop| async move {
        let Some(end) = stop.or(task.run()).await else { return Ok(()) };
        report.send_replace(Some(end.clone()));
        if matches!(end, End::Left { .. }) {
            stop.requested().await;
            return Ok(());
        }
        Err(end)
    });
    ended
}

/// Spreads the pauses of brokers: as random as the incarnation is.
fn seed(incarnation: IncarnationId) -> u64 {
    let (high, low) = incarnation.0.as_u64_pair();
    high ^ low
}
