//! Liveness and pushes: a real node, and brokers that are processes of their own as far as the network can tell.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{Next, from_fn},
    routing::post,
};
use common::{BrokerId, BrokerStatus, IncarnationId};
use http_api::{ErrorCode, Livez, MetadataPush, ProcessRole, PushAck, UpdateType, paths};
use metadata_core::Event;
use runtime::Tasks;
use serde_json::json;
use tokio::{runtime::Runtime, sync::watch, time::Instant};
use uuid::Uuid;

use crate::http::tests::harness::TestNode;

/// A session so long that it plays no part.
const LONG: Duration = Duration::from_secs(60);

/// What happens within this time did not wait for a [`LONG`] session, however busy the machine is. How fast it is on an
/// idle one is measured by `dmq drill run kill-broker`.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A broker with a runtime of its own: ending that closes its sockets as the end of a process does.
struct FakeBroker {
    id: i32,
    port: u16,
    incarnation: Uuid,
    tasks: Tasks,
    runtime: Option<Runtime>,
    pushes: watch::Receiver<Vec<MetadataPush>>,
    watches: watch::Receiver<usize>,
}

impl FakeBroker {
    /// Starts one on `port`, or on a free one.
    async fn start(id: i32, port: u16) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let incarnation = Uuid::new_v4();
        let tasks = Tasks::new();
        let (sender, pushes) = watch::channel(Vec::new());
        let (counter, watches) = watch::channel(0);
        let livez = Livez {
            alive: true,
            role: ProcessRole::Broker,
            id: u64::try_from(id).unwrap(),
            incarnation_id: IncarnationId(incarnation),
        };
        let router = Router::new()
            .route(paths::STORAGE_METADATA, post(take_push))
            .with_state((BrokerId(id), Arc::new(sender)))
            .merge(runtime::http::livez(&tasks, livez))
            .layer(from_fn(move |request: Request, next: Next| {
                if request.uri().query() == Some("watch=true") {
                    counter.send_modify(|count| *count += 1);
                }
                next.run(request)
            }));
        let (told, port_told) = tokio::sync::oneshot::channel();
        let serving = tasks.clone();
        runtime.spawn(async move {
            let listener = runtime::http::bind("127.0.0.1", port).await.unwrap();
            told.send(listener.local_addr().unwrap().port()).unwrap();
            runtime::http::serve(&serving, listener, router, runtime::http::HttpLimits::default());
        });
        let port = port_told.await.unwrap();
        Self { id, port, incarnation, tasks, runtime: Some(runtime), pushes, watches }
    }

    async fn register(&self, node: &TestNode) {
        node.register_as(self.id, self.port, self.incarnation).await.expect(201);
    }

    /// Waits until the controller has met it and watches it.
    async fn watched(&mut self) {
        self.watches.wait_for(|count| *count > 0).await.unwrap();
    }

    /// SIGKILL: returns when its sockets are closed, those of connections too.
    async fn kill(&mut self) {
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(AT_ONCE)).await.unwrap();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Pushed = (BrokerId, Arc<watch::Sender<Vec<MetadataPush>>>);

async fn take_push(
    State((broker_id, pushes)): State<Pushed>,
    Json(push): Json<MetadataPush>,
) -> Json<PushAck> {
    pushes.send_modify(|all| all.push(push));
    Json(PushAck { success: true, broker_id, applied: true })
}

fn status(node: &TestNode, id: i32) -> BrokerStatus {
    node.consensus.read(|state| state.broker(BrokerId(id)).unwrap().status)
}

async fn becomes(node: &TestNode, id: i32, wanted: BrokerStatus) -> Duration {
    let begun = Instant::now();
    let what = format!("broker {id} to be {wanted:?}");
    node.eventually(&what, || (status(node, id) == wanted).then_some(())).await;
    begun.elapsed()
}

#[tokio::test]
async fn killed_process_is_offline_and_replaced_at_once() {
    let node = TestNode::leading_with(LONG).await;
    let mut brokers = Vec::new();
    for id in 101..=103 {
        brokers.push(FakeBroker::start(id, 0).await);
        brokers.last().unwrap().register(&node).await;
    }
    let topic = json!({"topicName": "t", "numPartitions": 6, "replicationFactor": 3});
    node.post("/api/v1/metadata/topics", &topic).await.expect(201);
    for broker in &mut brokers {
        broker.watched().await;
    }
    brokers[0].kill().await;
    let took = becomes(&node, 101, BrokerStatus::Offline).await;
    assert!(took < AT_ONCE, "{took:?}");
    let without_leader = node.consensus.read(metadata_core::State::offline_partitions);
    assert_eq!(without_leader, 0);
    assert_eq!(node.consensus.read(|state| state.leader_partitions(BrokerId(101))), 0);
    assert_eq!(status(&node, 102), BrokerStatus::Online);
    // Its successor on the same port has its id at once.
    let successor = FakeBroker::start(101, brokers[0].port).await;
    successor.register(&node).await;
    assert_eq!(status(&node, 101), BrokerStatus::Online);
}

#[tokio::test]
async fn silent_broker_is_offline_after_its_session_and_back_with_its_next_heartbeat() {
    let session = Duration::from_millis(600);
    let node = TestNode::leading_with(session).await;
    let broker = FakeBroker::start(101, 0).await;
    broker.register(&node).await;
    let begun = Instant::now();
    becomes(&node, 101, BrokerStatus::Offline).await;
    let took = begun.elapsed();
    assert!(took >= session / 2, "{took:?}");
    // The process lives: it was only silent. The answer does not wait; a later one says that it is back.
    let heartbeat = "/api/v1/metadata/heartbeat/101";
    let answer = node.bare(axum::http::Method::POST, heartbeat).await.expect(200);
    assert_eq!(answer["brokerStatus"], "OFFLINE");
    becomes(&node, 101, BrokerStatus::Online).await;
}

#[tokio::test]
async fn leader_that_was_held_up_does_not_blame_the_brokers() {
    let session = Duration::from_secs(2);
    let node = TestNode::leading_with(session).await;
    let mut broker = FakeBroker::start(101, 0).await;
    broker.register(&node).await;
    broker.watched().await;
    let version = node.consensus.read(metadata_core::State::version);
    // Holds up the whole node: it runs on this thread.
    std::thread::sleep(session + session / 4);
    // The controller has looked around when it watches another broker, and what it proposed then stands before a later
    // write.
    let mut other = FakeBroker::start(102, 0).await;
    other.register(&node).await;
    other.watched().await;
    let topic = json!({"topicName": "t", "numPartitions": 1, "replicationFactor": 1});
    node.post("/api/v1/metadata/topics", &topic).await.expect(201);
    assert_eq!(status(&node, 101), BrokerStatus::Online);
    let statuses = node.consensus.deltas_since(version).unwrap();
    let statuses = statuses.iter().filter(|(_, event)| matches!(**event, Event::BrokerStatusChanged { .. }));
    assert_eq!(statuses.count(), 0);
}

#[tokio::test]
async fn broker_that_left_in_good_order_is_fenced_when_its_process_is_gone() {
    let node = TestNode::leading_with(LONG).await;
    let mut broker = FakeBroker::start(101, 0).await;
    broker.register(&node).await;
    broker.watched().await;
    let body = json!({
        "brokerEpoch": node.consensus.read(|state| state.broker(BrokerId(101)).unwrap().broker_epoch),
        "wantShutdown": true,
    });
    let answer = node.post("/api/v1/metadata/heartbeat/101", &body).await.expect(200);
    assert_eq!(answer["brokerStatus"], "DRAINING");
    // It says `leaving` and closes its port.
    broker.tasks.drain(Duration::from_secs(5)).await;
    broker.kill().await;
    let took = becomes(&node, 101, BrokerStatus::Offline).await;
    assert!(took < AT_ONCE, "{took:?}");
}

#[tokio::test]
async fn second_process_with_an_id_is_refused_while_the_first_lives() {
    let node = TestNode::leading_with(LONG).await;
    let mut first = FakeBroker::start(101, 0).await;
    first.register(&node).await;
    let second = FakeBroker::start(101, 0).await;
    let refused = node.register_as(101, second.port, second.incarnation).await;
    refused.is(ErrorCode::DuplicateBrokerId);
    // The first one still has it.
    let answer = node.bare(axum::http::Method::POST, "/api/v1/metadata/heartbeat/101").await.expect(200);
    assert_eq!(answer["brokerStatus"], "ONLINE");
    // Once it is dead, the second one need not wait for a session to end.
    first.kill().await;
    second.register(&node).await;
}

#[tokio::test]
async fn suspicion_alone_fences_nobody() {
    let node = TestNode::leading_with(LONG).await;
    let mut broker = FakeBroker::start(101, 0).await;
    broker.register(&node).await;
    broker.watched().await;
    let suspicion = json!({"suspect": 101, "reporter": 102, "reason": "connection reset"});
    let answer = node.post(paths::SUSPICIONS, &suspicion).await.expect(202);
    assert_eq!(answer["checking"], true);
    // At most one check in a while, however many reports.
    let answer = node.post(paths::SUSPICIONS, &suspicion).await.expect(202);
    assert_eq!(answer["checking"], false);
    // Something that is decided after the check, by the same task.
    let mut other = FakeBroker::start(102, 0).await;
    other.register(&node).await;
    other.watched().await;
    assert_eq!(status(&node, 101), BrokerStatus::Online);
}

#[tokio::test]
async fn address_that_never_answered_is_judged_by_heartbeats_alone() {
    let node = TestNode::leading_with(Duration::from_secs(6)).await;
    // Nobody listens on port 1: a broker that is registered and kept alive by hand.
    node.register(101, 1).await;
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut interval = tokio::time::interval(Duration::from_millis(50));
    while Instant::now() < deadline {
        let answer = node.bare(axum::http::Method::POST, "/api/v1/metadata/heartbeat/101").await.expect(200);
        assert_eq!(answer["brokerStatus"], "ONLINE");
        interval.tick().await;
    }
    // A third of a session of silence, and the refusal is believed.
    becomes(&node, 101, BrokerStatus::Offline).await;
}

#[tokio::test]
async fn pushes_say_who_leads_and_then_what_is_new() {
    let node = TestNode::leading_with(LONG).await;
    let mut broker = FakeBroker::start(101, 0).await;
    broker.register(&node).await;
    let term = node.consensus.leader().term;
    let first = broker.pushes.wait_for(|pushes| !pushes.is_empty()).await.unwrap()[0].clone();
    assert_eq!(first.update_type, UpdateType::ControllerChanged);
    assert_eq!((first.controller_id.0, first.controller_term), (1, term));
    assert_eq!(first.controller_url, node.url);
    for n in 0..20 {
        let topic = json!({"topicName": format!("t{n}"), "numPartitions": 1, "replicationFactor": 1});
        node.post("/api/v1/metadata/topics", &topic).await.expect(201);
    }
    let version = node.consensus.read(metadata_core::State::version);
    let pushes = broker.pushes.wait_for(|pushes| pushes.last().is_some_and(|push| push.version == version));
    let pushes = pushes.await.unwrap().clone();
    assert!(pushes[1..].iter().all(|push| push.update_type == UpdateType::MetadataChanged), "{pushes:?}");
    assert!(pushes.is_sorted_by(|a, b| a.version <= b.version), "{pushes:?}");
}

#[tokio::test]
async fn partitions_return_to_a_broker_that_is_in_sync_again() {
    let node = TestNode::leading_with(LONG).await;
    let mut brokers = Vec::new();
    for id in [101, 102] {
        brokers.push(FakeBroker::start(id, 0).await);
        brokers.last().unwrap().register(&node).await;
    }
    for broker in &mut brokers {
        broker.watched().await;
    }
    let topic = json!({"topicName": "t", "assignments": [[101, 102]]});
    let topic = node.post("/api/v1/metadata/topics", &topic).await.expect(201);
    brokers[0].kill().await;
    becomes(&node, 101, BrokerStatus::Offline).await;
    let successor = FakeBroker::start(101, brokers[0].port).await;
    successor.register(&node).await;
    let (partition, epochs) = node.consensus.read(|state| {
        let partition = state.topic("t").unwrap().partitions[0].clone();
        (partition, [101, 102].map(|id| state.broker(BrokerId(id)).unwrap().broker_epoch))
    });
    assert_eq!(partition.leader, Some(BrokerId(102)));
    let change = json!({
        "topicName": "t", "topicId": topic["topicId"], "partition": 0, "leaderEpoch": partition.leader_epoch,
        "partitionEpoch": partition.partition_epoch,
        "newIsr": [{"brokerId": 101, "brokerEpoch": epochs[0]}, {"brokerId": 102, "brokerEpoch": epochs[1]}],
    });
    let body = json!({"brokerId": 102, "brokerEpoch": epochs[1], "changes": [change]});
    let answer = node.post("/api/v1/metadata/isr", &body).await.expect(200);
    assert_eq!(answer["results"][0]["state"]["isr"], json!([101, 102]));
    let leader = || node.consensus.read(|state| state.topic("t").unwrap().partitions[0].leader);
    node.eventually("101 to lead again", || (leader() == Some(BrokerId(101))).then_some(())).await;
}
