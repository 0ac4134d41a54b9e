//! Nodes in this process, with everything that a real one has but signals.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use common::{ClusterId, NodeId, config::DatabaseUrl};
use http_api::{ErrorCode, Problem};
use http_body_util::BodyExt;
use metadata_core::{State, command::FEATURE_LEVEL_MAX};
use runtime::Tasks;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    controller::{Controller, ControllerOptions},
    http::{Api, router},
    metrics::Metrics,
    raft::{Consensus, ConsensusOptions, settings::Timings},
    store::{Store, StoreOptions},
};

/// No condition of these tests takes this long unless it never comes true.
const PATIENCE: Duration = Duration::from_secs(60);

/// The brokers that tests register do not heartbeat, and are to be there until the test has ended, however busy the machine is.
pub(crate) const SESSION: Duration = Duration::from_secs(600);

/// A node and what keeps it alive.
pub(crate) struct TestNode {
    pub(crate) consensus: Consensus,
    pub(crate) router: Router,
    pub(crate) url: String,
    pub(crate) tasks: Tasks,
    _dir: TempDir,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem, which is checked to be well formed.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: Problem = serde_json::from_value(self.json()).unwrap();
        assert_eq!(problem.status, problem.code.status(), "{self:?}");
        assert!(!problem.detail.is_empty() && !problem.title.is_empty(), "{self:?}");
        assert!(problem.kind.starts_with("urn:dmq:problem:"), "{self:?}");
        problem
    }

    /// Checks that it is this problem, under its own status.
    #[track_caller]
    pub(crate) fn is(&self, code: ErrorCode) -> Problem {
        let problem = self.problem();
        assert_eq!(problem.code, code, "{self:?}");
        assert_eq!(self.status.as_u16(), code.status(), "{self:?}");
        problem
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks the status and gives the body.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

/// URLs of `size` nodes on free ports.
pub(crate) async fn founders(size: u64) -> BTreeMap<NodeId, String> {
    // All are held until all are known, so that no port is given twice.
    let mut listeners = Vec::new();
    let mut founders = BTreeMap::new();
    for id in 1..=size {
        let listener = runtime::http::bind("127.0.0.1", 0).await.unwrap();
        founders.insert(NodeId(id), format!("http://{}", listener.local_addr().unwrap()));
        listeners.push(listener);
    }
    founders
}

impl TestNode {
    /// The only node of a cluster, leading.
    pub(crate) async fn leading() -> Self {
        Self::leading_with(SESSION).await
    }

    /// The only node of a cluster, leading, with this session timeout for brokers.
    pub(crate) async fn leading_with(session_timeout: Duration) -> Self {
        let node = Self::start(1, &founders(1).await, session_timeout).await;
        node.admit();
        node.eventually("leadership", || node.consensus.leader().is_self.then_some(())).await;
        // The controller gives a new cluster the highest feature level; no test is to meet that half-way.
        let level = || node.consensus.read(State::feature_level);
        node.eventually("the feature level", || (level() == FEATURE_LEVEL_MAX).then_some(())).await;
        node
    }

    /// One of several nodes. It takes part once it is [admitted](Self::admit).
    pub(crate) async fn start(
        id: u64,
        founders: &BTreeMap<NodeId, String>,
        session_timeout: Duration,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tasks = Tasks::new();
        let cluster_id = ClusterId("test".into());
        let database = DatabaseUrl::sqlite(&dir.path().join("raft.db").to_string_lossy());
        let metrics = Arc::new(Metrics::default());
        let options = StoreOptions::new(database.expose(), cluster_id.clone(), NodeId(id));
        let (store, writer, opened) = Store::open(options, metrics.store.clone()).await.unwrap();
        tasks.spawn(runtime::TaskKind::Storage, "store.writer", |_stop| writer.run());
        let options = ConsensusOptions {
            cluster_id,
            node_id: NodeId(id),
            founders: founders.clone(),
            // A busy machine must not depose the leader that a test has found.
            timings: Timings::new(200, (1_000, 1_500)),
        };
        let consensus = Consensus::start(options, store.clone(), &opened, &tasks).await.unwrap();
        let options = ControllerOptions { session_timeout, leader_rebalance: Duration::from_millis(50) };
        let controller = Controller::start(consensus.clone(), Arc::clone(&metrics), options, &tasks);
        let router = router(Api::new(consensus.clone(), store, controller, metrics));
        let url = founders[&NodeId(id)].clone();
        let (host, port) = url.trim_start_matches("http://").split_once(':').unwrap();
        let listener = runtime::http::bind(host, port.parse().unwrap()).await.unwrap();
        runtime::http::serve(&tasks, listener, router.clone(), runtime::http::HttpLimits::default());
        Self { consensus, router, url, tasks, _dir: dir }
    }

    /// Lets the node take part in its quorum.
    pub(crate) fn admit(&self) {
        let consensus = self.consensus.clone();
        self.tasks.spawn(
            runtime::TaskKind::Background,
            "admit",
            |_stop| async move { consensus.admit().await },
        );
    }

    /// Sends a request straight into the router.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// `GET path`.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A request with a JSON body.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// `POST path` with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call(Method::POST, path, body).await
    }

    /// A request without a body.
    pub(crate) async fn bare(&self, method: Method, path: &str) -> Reply {
        self.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }

    /// Registers broker `id` at `port` and gives its epoch.
    pub(crate) async fn register(&self, id: i32, port: u16) -> i64 {
        let incarnation = uuid::Uuid::new_v4();
        self.register_as(id, port, incarnation).await.expect(201)["brokerEpoch"].as_i64().unwrap()
    }

    /// Registers broker `id` at `port` as this incarnation.
    pub(crate) async fn register_as(&self, id: i32, port: u16, incarnation: uuid::Uuid) -> Reply {
        let body = serde_json::json!({
            "brokerId": id, "host": "127.0.0.1", "port": port, "incarnationId": incarnation,
        });
        self.post("/api/v1/metadata/brokers", &body).await
    }

    /// Waits for a condition.
    pub(crate) async fn eventually<T>(&self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        let missing = || format!("{:#?}", self.consensus.status());
        testkit::eventually(what, PATIENCE, async || condition().ok_or_else(missing)).await
    }
}
