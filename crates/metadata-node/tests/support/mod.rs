//! A quorum of real processes of the thin binary, a broker that is alive and no more, and a workload.

#![allow(dead_code, reason = "each test file uses its own part of this module")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code in functions without #[test]")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use client::{CallError, HttpClient, MetadataClient, MetadataClientOptions, api};
use common::config::{ClusterConfig, DatabaseUrl, MetadataNodeConfig, TimingProfile};
use common::{BrokerId, IncarnationId, NodeId};
use http_api::query::RaftLogQuery;
use http_api::{CreateTopicRequest, Livez, ProcessRole, RaftLogEntry, RegisterBrokerRequest};
use local_cluster::ports::ReservedPort;
use local_cluster::{Leadership, Member, Observer, Process, Role};
use runtime::http::HttpLimits;
use runtime::{TaskKind, Tasks};
use tempfile::TempDir;
use tokio::sync::Mutex;
use uuid::Uuid;

/// No wait of these tests takes this long unless its condition never comes true.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The broker that all topics are placed on.
const BROKER: BrokerId = BrokerId(101);

/// Metadata nodes as processes, and one broker in this process that answers probes and nothing else.
pub(crate) struct Quorum {
    pub(crate) dir: TempDir,
    pub(crate) processes: BTreeMap<u64, Process>,
    pub(crate) observer: Observer,
    pub(crate) client: MetadataClient,
    config: ClusterConfig,
    _ports: Vec<ReservedPort>,
    _broker: Tasks,
}

impl Quorum {
    /// Starts `size` nodes on SQLite and waits for a leader.
    pub(crate) async fn start(size: u64) -> Self {
        let mut quorum = Self::prepare(size).await;
        for id in 1..=size {
            quorum.start_node(id).await;
        }
        quorum.leader().await;
        quorum
    }

    /// [`Self::start`] with timings that a busy machine does not mistake for a dead leader: heartbeats every 250 ms,
    /// elections after a second.
    pub(crate) async fn start_patient(size: u64) -> Self {
        let mut quorum = Self::prepare(size).await;
        quorum.config.raft = TimingProfile::Remote.raft();
        std::fs::write(quorum.services(), quorum.config.to_json()).unwrap();
        for id in 1..=size {
            quorum.start_node(id).await;
        }
        quorum.leader().await;
        quorum
    }

    /// Writes `services.json` and starts nothing.
    pub(crate) async fn prepare(size: u64) -> Self {
        let dir = tempfile::Builder::new().prefix("dmq-raft-").tempdir().unwrap();
        let ports: Vec<ReservedPort> = (0..size).map(|_| ReservedPort::find().unwrap()).collect();
        let mut config = ClusterConfig::local(0, 0);
        for (id, port) in (1..).zip(&ports) {
            let database = dir.path().join(format!("{id}/raft.db")).display().to_string();
            config.metadata_nodes.push(MetadataNodeConfig {
                host: "127.0.0.1".into(),
                url: format!("http://127.0.0.1:{}", port.number()),
                database: DatabaseUrl::sqlite(&database),
                ..MetadataNodeConfig::local(id, port.number())
            });
        }
        // The broker of these tests does not heartbeat.
        config.broker.session_timeout = Duration::from_secs(3600);
        std::fs::write(dir.path().join("services.json"), config.to_json()).unwrap();
        let urls: BTreeMap<NodeId, String> =
            config.metadata_nodes.iter().map(|node| (node.id, node.url.clone())).collect();
        let options = MetadataClientOptions { retry_for: DEADLINE, ..MetadataClientOptions::default() };
        let client = MetadataClient::new(HttpClient::default(), urls.values().cloned(), options);
        Self {
            dir,
            processes: BTreeMap::new(),
            observer: Observer::new(urls),
            client,
            config,
            _ports: ports,
            _broker: Tasks::new(),
        }
    }

    pub(crate) fn services(&self) -> PathBuf {
        self.dir.path().join("services.json")
    }

    pub(crate) fn database(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("{id}/raft.db"))
    }

    pub(crate) fn log(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("{id}.log"))
    }

    /// Starts a node, or starts it again.
    pub(crate) async fn start_node(&mut self, id: u64) {
        let services = self.services();
        let (log, url) = (self.log(id), self.observer.url(NodeId(id)).to_owned());
        let process = self.processes.entry(id).or_insert_with(|| {
            let member =
                Member { name: format!("metadata-{id}"), role: Role::Metadata, id, url, log, pid: None };
            let args = ["--id".into(), id.to_string().into(), "--services".into(), services.into_os_string()];
            Process::new(member, binary().to_owned(), args.into())
        });
        process.start().await.unwrap();
    }

    /// SIGKILL.
    pub(crate) async fn kill(&mut self, id: u64) {
        self.process(id).kill().await.unwrap();
    }

    /// SIGTERM.
    pub(crate) async fn terminate(&mut self, id: u64) -> ExitStatus {
        self.process(id).terminate(DEADLINE).await.unwrap()
    }

    pub(crate) fn process(&mut self, id: u64) -> &mut Process {
        self.processes.get_mut(&id).unwrap()
    }

    /// What a node has logged.
    pub(crate) fn logged(&self, id: u64) -> String {
        std::fs::read_to_string(self.log(id)).unwrap_or_default()
    }

    /// The nodes that run.
    pub(crate) fn running(&self) -> Observer {
        let down: Vec<NodeId> = self
            .observer
            .nodes()
            .filter(|id| self.processes.get(&id.0).and_then(Process::pid).is_none())
            .collect();
        self.observer.without(&down)
    }

    /// Waits until all running nodes agree on a leader.
    pub(crate) async fn leader(&self) -> Leadership {
        match self.running().agreed_leader(DEADLINE).await {
            Ok(leader) => leader,
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Waits until all running nodes have the same state, and returns the index it stands for.
    pub(crate) async fn converged(&self) -> u64 {
        let view = self.running();
        let same = testkit::eventually("all nodes have the same state", DEADLINE, async || {
            let mut seen = BTreeSet::new();
            for (node, status) in view.statuses().await {
                let status = status.map_err(|error| format!("node {node}: {error}"))?;
                seen.insert((status.state_digest_index, status.state_digest, status.last_log_index));
            }
            match (seen.len(), seen.first()) {
                (1, Some((applied, _, last))) if applied == last => Ok(*applied),
                _ => Err(format!("{seen:?}")),
            }
        });
        same.await
    }

    /// Fails the test with the last lines of every log.
    pub(crate) fn fail(&self, reason: &str) -> ! {
        for process in self.processes.values() {
            eprintln!("--- {}\n{}", process.name(), process.log_tail(30));
        }
        panic!("{reason}")
    }

    /// Registers the broker that topics are placed on.
    pub(crate) async fn with_broker(mut self) -> Self {
        let tasks = Tasks::new();
        let listener = runtime::http::bind("127.0.0.1", 0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let incarnation_id = IncarnationId(Uuid::new_v4());
        let livez = Livez { alive: true, role: ProcessRole::Broker, id: 101, incarnation_id };
        runtime::http::serve(&tasks, listener, runtime::http::livez(&tasks, livez), HttpLimits::default());
        let request = RegisterBrokerRequest {
            broker_id: BROKER,
            host: "127.0.0.1".into(),
            port,
            kafka_port: None,
            rack: None,
            incarnation_id,
            directory_id: None,
        };
        self.client.call(&api::register_broker(&request)).await.unwrap();
        self._broker = tasks;
        self
    }

    /// All durable log entries of a node, by index.
    pub(crate) async fn entries(&self, id: u64) -> BTreeMap<u64, RaftLogEntry> {
        let mut entries = BTreeMap::new();
        let mut from = 0;
        loop {
            let query = RaftLogQuery { from: Some(from), limit: Some(1000) };
            let page = self.observer.ask(NodeId(id), &api::raft_log(&query)).await.unwrap();
            let Some(last) = page.last() else { return entries };
            from = last.index + 1;
            entries.extend(page.into_iter().map(|entry| (entry.index, entry)));
        }
    }

    /// Fails unless all nodes hold the same log where they hold any (Log Matching), and every acknowledged topic.
    pub(crate) async fn check(&self, workload: &Workload) {
        self.converged().await;
        let mut by_index: BTreeMap<u64, (u64, RaftLogEntry)> = BTreeMap::new();
        for id in self.observer.nodes() {
            for (index, entry) in self.entries(id.0).await {
                match by_index.get(&index) {
                    None => {
                        by_index.insert(index, (id.0, entry));
                    }
                    Some((other, first)) => assert_eq!(
                        (first.term, &first.payload),
                        (entry.term, &entry.payload),
                        "entry {index} differs between node {other} and node {id}"
                    ),
                }
            }
        }
        let acknowledged = workload.acknowledged.lock().await;
        for id in self.observer.nodes() {
            let topics = self.observer.ask(id, &api::topics()).await.unwrap();
            let known: BTreeSet<String> =
                topics.into_iter().map(|topic| topic.topic_name.to_string()).collect();
            let lost: Vec<_> = acknowledged.difference(&known).collect();
            assert!(lost.is_empty(), "node {id} lacks {} acknowledged topics: {lost:?}", lost.len());
        }
    }
}

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_metadata-node"))
}

/// Clients that create topics until they are told to stop.
pub(crate) struct Workload {
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    count: Arc<AtomicU64>,
    tasks: Tasks,
}

impl Workload {
    pub(crate) fn start(quorum: &Quorum, clients: usize) -> Self {
        let workload = Self { acknowledged: Arc::default(), count: Arc::default(), tasks: Tasks::new() };
        for client in 0..clients {
            let metadata = quorum.client.clone();
            let acknowledged = Arc::clone(&workload.acknowledged);
            let count = Arc::clone(&workload.count);
            workload.tasks.spawn(TaskKind::Coordinator, "workload", |stop| async move {
                for number in 0.. {
                    if stop.is_requested() {
                        return Ok(());
                    }
                    let topic_name = format!("t-{client}-{number}");
                    create_topic(&metadata, &topic_name).await?;
                    acknowledged.lock().await.insert(topic_name);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), CallError>(())
            });
        }
        workload
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until `more` topics were created from now on.
    pub(crate) async fn progress(&self, more: u64) {
        let target = self.count() + more;
        testkit::eventually("the workload goes on", DEADLINE, async || {
            let count = self.count();
            if count >= target { Ok(()) } else { Err(format!("{count} of {target} topics")) }
        })
        .await;
    }

    /// Ends the clients; each finishes the request at hand.
    pub(crate) async fn stop(&self) {
        assert!(
            !self.tasks.shutdown().is_requested(),
            "a client failed: {:?}",
            self.tasks.shutdown().reason()
        );
        self.tasks.drain(DEADLINE).await;
    }
}

pub(crate) async fn create_topic(client: &MetadataClient, topic_name: &str) -> Result<(), CallError> {
    let request = CreateTopicRequest {
        topic_name: topic_name.to_owned(),
        num_partitions: Some(1),
        replication_factor: Some(1),
        configs: BTreeMap::new(),
        assignments: None,
    };
    client.call(&api::create_topic(&request)).await.map(|_| ())
}
