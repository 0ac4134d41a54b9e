//! A quorum in one process.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use common::{ClusterId, NodeId};
use metadata_core::{Command, Decided, Proposal};
use runtime::{TaskHandle, TaskKind, Tasks};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;
use uuid::Uuid;

use crate::http::raft_rpc;
use crate::raft::settings::Timings;
use crate::raft::{AdmissionError, Consensus, ConsensusOptions, ProposeError};
use crate::store::{Store, StoreOptions};

/// No condition of these tests takes this long unless it never comes true.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Node {
    pub(super) consensus: Consensus,
    pub(super) admitted: tokio::task::JoinHandle<Result<(), AdmissionError>>,
    pub(super) tasks: Tasks,
    writer: TaskHandle,
}

pub(super) struct Quorum {
    dir: TempDir,
    pub(super) founders: BTreeMap<NodeId, String>,
    pub(super) timings: Timings,
    pub(super) nodes: BTreeMap<u64, Node>,
}

async fn free_port() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    listener.local_addr().unwrap()
}

/// An address for each of `size` nodes.
pub(super) async fn fresh_addresses(size: u64) -> BTreeMap<NodeId, String> {
    let mut addresses = BTreeMap::new();
    for id in 1..=size {
        addresses.insert(NodeId(id), format!("http://{}", free_port().await));
    }
    addresses
}

impl Quorum {
    /// `size` nodes that are not started yet.
    pub(super) async fn new(size: u64) -> Self {
        let founders = fresh_addresses(size).await;
        let timings = Timings::new(100, (200, 300));
        Self { dir: tempfile::tempdir().unwrap(), founders, timings, nodes: BTreeMap::new() }
    }

    /// `size` nodes, started.
    pub(super) async fn started(size: u64) -> Self {
        let mut quorum = Self::new(size).await;
        for id in 1..=size {
            quorum.start(id).await;
        }
        quorum
    }

    pub(super) fn database(&self, id: u64) -> PathBuf {
        self.dir.path().join(format!("{id}.db"))
    }

    /// Starts a founder, or starts it again.
    pub(super) async fn start(&mut self, id: u64) {
        let url = self.founders.get(&NodeId(id)).unwrap().clone();
        self.start_at(id, &url).await;
    }

    /// Starts a node that is to listen at `url`.
    pub(super) async fn start_at(&mut self, id: u64, url: &str) {
        let tasks = Tasks::new();
        let cluster_id = ClusterId("test".into());
        let database = format!("sqlite:{}", self.database(id).display());
        let options = StoreOptions::new(database, cluster_id.clone(), NodeId(id));
        let (store, writer, opened) = Store::open(options, std::sync::Arc::new(())).await.unwrap();
        let writer = tasks.spawn(TaskKind::Storage, "store.writer", |_| writer.run());
        let options = ConsensusOptions {
            cluster_id,
            node_id: NodeId(id),
            founders: self.founders.clone(),
            timings: self.timings,
        };
        let consensus = Consensus::start(options, store, &opened, &tasks).await.unwrap();
        let listener = TcpListener::bind(url.strip_prefix("http://").unwrap()).await.unwrap();
        let livez = http_api::Livez {
            alive: true,
            role: http_api::ProcessRole::MetadataNode,
            id,
            incarnation_id: common::IncarnationId(Uuid::new_v4()),
        };
        let app = raft_rpc::router(consensus.clone()).merge(runtime::http::livez(&tasks, livez));
        tasks.spawn(TaskKind::Listener, "http", |stop| async move {
            stop.or(async { axum::serve(listener, app).await }).await;
        });
        let joining = consensus.clone();
        #[expect(clippy::disallowed_methods, reason = "a test that looks at the outcome")]
        let admitted = tokio::spawn(async move { joining.admit().await });
        self.nodes.insert(id, Node { consensus, admitted, tasks, writer });
    }

    /// Ends a node without a word.
    pub(super) async fn stop(&mut self, id: u64) {
        let node = self.nodes.remove(&id).unwrap();
        node.admitted.abort();
        node.consensus.shutdown().await;
        drop(node.consensus);
        node.tasks.drain(Duration::from_secs(5)).await;
        node.writer.ended().await;
    }

    pub(super) fn node(&self, id: u64) -> &Consensus {
        &self.nodes.get(&id).unwrap().consensus
    }

    /// Waits for one leader that all running nodes agree on, and returns it.
    pub(super) async fn leader(&self) -> u64 {
        self.eventually("one leader", || {
            let mut hints = self.nodes.values().map(|node| node.consensus.leader());
            let first = hints.next()?;
            let leader = first.leader.as_ref()?.id;
            let agree = hints.all(|hint| hint.is(leader) && hint.term == first.term);
            let established = self.nodes.get(&leader.0)?.consensus.leader().is_self;
            (agree && established).then_some(leader.0)
        })
        .await
    }

    /// Waits until all running nodes have applied the same, and returns the index.
    pub(super) async fn converged(&self) -> u64 {
        self.eventually("the same state everywhere", || {
            let mut all = self.nodes.values().map(|node| node.consensus.status());
            let first = all.next()?;
            let same = all.all(|status| {
                status.state_digest == first.state_digest && status.last_log_index == first.last_applied
            });
            same.then_some(first.last_applied)
        })
        .await
    }

    /// Asks again and again until there is an answer.
    pub(super) async fn eventually<T>(&self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        let statuses = || -> Vec<_> { self.nodes.values().map(|node| node.consensus.status()).collect() };
        let missing = || format!("{:#?}", statuses());
        testkit::eventually(what, PATIENCE, async || condition().ok_or_else(missing)).await
    }

    /// Has the leader commit a command; follows a leader that changes.
    pub(super) async fn write(&self, request_id: Uuid) -> Decided {
        let written = async {
            loop {
                let leader = self.leader().await;
                match self.node(leader).propose(proposal(request_id)).await {
                    Ok(decided) => return decided,
                    Err(ProposeError::NotController(_) | ProposeError::OutcomeUnknown { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        within("a write", written).await
    }

    /// Commits `count` commands, many at a time.
    pub(super) async fn write_many(&self, count: usize) {
        for batch in (0..count).collect::<Vec<_>>().chunks(64) {
            let writes = batch.iter().map(|_| self.write(Uuid::new_v4()));
            futures_util::future::join_all(writes).await;
        }
    }
}

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

/// A command that needs no other before it: each registers another broker.
pub(super) fn proposal(request_id: Uuid) -> Proposal {
    let unique = u32::from_ne_bytes(request_id.as_bytes()[..4].try_into().unwrap());
    Proposal {
        time_ms: 1,
        author: "test".into(),
        request_id: Some(request_id),
        command: Command::RegisterBroker {
            broker_id: common::BrokerId(i32::try_from(unique >> 1).unwrap()),
            incarnation_id: common::IncarnationId(request_id),
            host: "localhost".into(),
            port: 8081,
            kafka_port: None,
            rack: None,
            directory_id: None,
            previous_is_gone: true,
        },
    }
}
