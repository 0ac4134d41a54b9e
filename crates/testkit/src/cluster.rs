//! A cluster of real processes for a test. Whatever fails here fails the test, with the logs' place in the message.

#![expect(clippy::panic, reason = "a test helper: what fails here fails the test")]

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use client::{HttpClient, MetadataClient, MetadataClientOptions};
use common::{BrokerId, NodeId, config::ClusterConfig};
use local_cluster::{ClusterSpec, Database, Leadership, LocalCluster, Observer, wait_for};
use tempfile::TempDir;

use crate::postgres::PostgresServer;

/// How long a cluster of debug builds on a busy machine may take to start.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// How long conditions are waited for that should take a second at most.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Which database the metadata nodes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// A SQLite file each.
    Sqlite,
    /// A database each on a server that the test process shares.
    Postgres,
}

/// Waits until `check` gives a value, and fails the test if it does not within `deadline`.
///
/// # Panics
/// If the condition does not come about.
pub async fn eventually<T, E: Display>(
    what: &str,
    deadline: Duration,
    check: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    wait_for(what, deadline, check).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Waits until `condition` holds, and fails the test if it does not within `deadline`.
///
/// # Panics
/// If it does not hold.
pub async fn until(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    eventually(what, deadline, async || if condition().await { Ok(()) } else { Err("it is not so") }).await;
}

/// A running cluster. Its processes die with it.
#[derive(Debug)]
pub struct Cluster {
    local: LocalCluster,
    observer: Observer,
    client: MetadataClient,
    /// `Some` until a failed test keeps it.
    directory: Option<TempDir>,
}

impl Cluster {
    /// Starts a cluster of this `dmq` binary and waits until it is ready. `shape` may change what is started.
    ///
    /// # Panics
    /// If it does not become ready.
    pub async fn start(program: &Path, storage: Storage, shape: impl FnOnce(&mut ClusterSpec)) -> Self {
        let mut cluster = Self::launch(program, storage, shape).await;
        if let Err(error) = cluster.local.ready(START_DEADLINE).await {
            panic!("the cluster does not become ready: {error}");
        }
        cluster
    }

    /// Starts a cluster without waiting for anything.
    ///
    /// # Panics
    /// If its processes cannot be started.
    pub async fn launch(program: &Path, storage: Storage, shape: impl FnOnce(&mut ClusterSpec)) -> Self {
        let directory = match tempfile::Builder::new().prefix("dmq-test-").tempdir() {
            Ok(directory) => directory,
            Err(error) => panic!("no temporary directory: {error}"),
        };
        let mut spec = ClusterSpec::new(program, directory.path());
        shape(&mut spec);
        if storage == Storage::Postgres {
            let server = PostgresServer::shared();
            let database = |_| match server.create_database("node") {
                Ok(name) => server.tcp_url(&name),
                Err(error) => panic!("{error}"),
            };
            spec.database = Database::Postgres { urls: (0..spec.nodes).map(database).collect() };
        }
        let local = match LocalCluster::start(spec).await {
            Ok(local) => local,
            Err(error) => panic!("{error}"),
        };
        let observer = local.observer();
        let client =
            MetadataClient::new(HttpClient::default(), observer.urls(), MetadataClientOptions::default());
        Self { local, observer, client, directory: Some(directory) }
    }

    /// The processes.
    pub fn local(&mut self) -> &mut LocalCluster {
        &mut self.local
    }

    /// The view from outside.
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// A client that follows the leader.
    pub fn client(&self) -> &MetadataClient {
        &self.client
    }

    /// The database of each metadata node, by position, as `services.json` names it.
    ///
    /// # Panics
    /// If `services.json` is gone.
    pub fn databases(&self) -> Vec<String> {
        let text =
            std::fs::read_to_string(self.local.services_file()).unwrap_or_else(|error| panic!("{error}"));
        let file: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let nodes = file.pointer("/services/metadata-services").and_then(serde_json::Value::as_array);
        let names = nodes.into_iter().flatten().filter_map(|node| node.get("database")?.as_str());
        names.map(str::to_owned).collect()
    }

    /// Its configuration.
    pub fn config(&self) -> &ClusterConfig {
        self.local.config()
    }

    /// Its directory: `services.json`, data, logs.
    pub fn directory(&self) -> PathBuf {
        self.local.directory().to_owned()
    }

    /// Waits until all running nodes agree on a leader.
    ///
    /// # Panics
    /// If they do not.
    pub async fn leader(&self) -> Leadership {
        let down: Vec<NodeId> =
            self.local.members().iter().filter(|m| m.pid.is_none()).map(|m| NodeId(m.id)).collect();
        let observer = self.observer.without(&down);
        observer.agreed_leader(DEADLINE).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// If it does not run.
    pub async fn kill(&mut self, name: &str) {
        let process = self.process(name);
        if let Err(error) = process.kill().await {
            panic!("{error}");
        }
    }

    /// SIGTERM; returns how it ended.
    ///
    /// # Panics
    /// If it does not run, or does not end.
    pub async fn terminate(&mut self, name: &str) -> ExitStatus {
        let process = self.process(name);
        process.terminate(DEADLINE).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// SIGSTOP.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pause(&mut self, name: &str) {
        self.process(name).pause().unwrap_or_else(|error| panic!("{error}"));
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&mut self, name: &str) {
        self.process(name).resume().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Starts a process that does not run. Does not wait until it is ready.
    ///
    /// # Panics
    /// If it cannot be started.
    pub async fn restart(&mut self, name: &str) {
        let process = self.process(name);
        if let Err(error) = process.start().await {
            panic!("{error}");
        }
    }

    /// Waits until all running processes are ready.
    ///
    /// # Panics
    /// If they are not in time.
    pub async fn ready(&mut self) {
        if let Err(error) = self.local.ready(START_DEADLINE).await {
            panic!("{error}");
        }
    }

    fn process(&mut self, name: &str) -> &mut local_cluster::Process {
        self.local.process_mut(name).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The name of a metadata node's process.
pub fn node(id: NodeId) -> String {
    format!("metadata-{id}")
}

/// The name of a broker's process.
pub fn broker(id: BrokerId) -> String {
    format!("broker-{id}")
}

impl Drop for Cluster {
    #[expect(clippy::print_stderr, reason = "the place of the logs belongs to the test's output")]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let Some(directory) = self.directory.take() else { return };
        eprintln!("the cluster's files are kept in {}", directory.keep().display());
        for member in self.local.members() {
            if let Ok(process) = self.local.process(&member.name) {
                eprintln!("--- end of {}\n{}", member.log.display(), process.log_tail(15));
            }
        }
    }
}
