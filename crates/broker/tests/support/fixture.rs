//! A broker under test, in this process.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use broker::{Broker, Settings, StartError, link::LinkStatus};
use client::{HttpClient, HttpOptions, HttpRequest, Reply};
use common::{BrokerId, ClusterId};
use http_api::{Readiness, StorageStatus, paths};
use runtime::{ShutdownReason, Tasks};

/// How long a condition may take to come true.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, and fails the test if it does not in time.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFnMut() -> bool) {
    testkit::until(what, DEADLINE, condition).await;
}

/// A running broker.
pub(crate) struct BrokerFixture {
    pub(crate) tasks: Tasks,
    broker: Broker,
    pub(crate) data_dir: PathBuf,
    http: HttpClient,
}

impl BrokerFixture {
    /// The usual settings, but heartbeats come ten times as often, and nothing else takes long.
    pub(crate) fn settings(metadata_nodes: Vec<String>, data_dir: &Path) -> Settings {
        Settings {
            broker_id: BrokerId(101),
            cluster_id: ClusterId("test".into()),
            listen_host: "127.0.0.1".into(),
            listen_port: 0,
            advertised_host: "127.0.0.1".into(),
            advertised_port: 0,
            kafka_port: None,
            advertised_kafka_port: None,
            rack: None,
            data_dir: data_dir.to_owned(),
            metadata_nodes,
            heartbeat_interval: Duration::from_millis(50),
            // Long enough for a busy machine to send some heartbeats meanwhile.
            session_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(1),
            metadata_refresh: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(2),
            delete_delay: Duration::from_millis(100),
            brokers: 1,
            config: broker::broker_config::BrokerConfig::default(),
        }
    }

    /// The same, and the first heartbeat is the only one: what happens is told by pushes.
    pub(crate) fn settings_for_pushes(metadata_nodes: Vec<String>, data_dir: &Path) -> Settings {
        Settings {
            heartbeat_interval: DEADLINE * 2,
            session_timeout: DEADLINE * 10,
            ..Self::settings(metadata_nodes, data_dir)
        }
    }

    pub(crate) async fn start(settings: Settings) -> Self {
        let tasks = Tasks::new();
        let data_dir = settings.data_dir.clone();
        let broker = Broker::start(settings, &tasks).await.unwrap();
        // Also for those who ask the broker to wait.
        let http = HttpClient::new(HttpOptions { request_timeout: DEADLINE * 2, ..HttpOptions::default() });
        Self { tasks, broker, data_dir, http }
    }

    /// Started, and following with all metadata there are.
    pub(crate) async fn following(settings: Settings) -> Self {
        let broker = Self::start(settings).await;
        eventually("the broker is ready", async || broker.readiness().await.ready).await;
        broker
    }

    pub(crate) fn url(&self) -> &str {
        self.broker.url()
    }

    /// Where Kafka clients are served.
    pub(crate) fn kafka(&self) -> String {
        format!("127.0.0.1:{}", self.broker.kafka_port().unwrap())
    }

    pub(crate) fn link(&self) -> LinkStatus {
        self.broker.follower().status()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.http.send(HttpRequest::get(format!("{}{path}", self.url()))).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &serde_json::Value) -> Reply {
        self.http.send(HttpRequest::post_json(format!("{}{path}", self.url()), body)).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.http.send(HttpRequest::new(http::Method::DELETE, format!("{}{path}", self.url()))).await.unwrap()
    }

    pub(crate) async fn status(&self) -> StorageStatus {
        self.get(paths::STORAGE_STATUS).await.json().unwrap()
    }

    pub(crate) async fn readiness(&self) -> Readiness {
        self.get("/readyz?verbose").await.json().unwrap()
    }

    /// Names of the directories in the data directory, sorted.
    pub(crate) fn dirs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.data_dir).unwrap().map(Result::unwrap);
        let mut names: Vec<String> = entries
            .filter(|entry| entry.file_type().unwrap().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Runs to its end, which somebody else brings about.
    pub(crate) async fn ends(self) -> Result<(), StartError> {
        self.broker.serve(&self.tasks).await
    }

    /// Told to stop, as by SIGTERM.
    pub(crate) async fn stop(self) -> Result<(), StartError> {
        self.tasks.shutdown().request(ShutdownReason::Signal("SIGTERM"));
        self.ends().await
    }
}
