//! A broker follows its controller through elections, failures and lies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic like the tests")]

mod support;

use std::time::{Duration, Instant};

use broker::{Settings, StartError};
use common::{BrokerEpoch, BrokerId, BrokerStatus, MetadataVersion, NodeId, Term};
use http_api::{ErrorCode, UpdateType, storage::ReplicaRole};
use metadata_core::Command;
use support::{BrokerFixture, Quorum, eventually, fixture::DEADLINE, send_push};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A quorum of three and a broker that follows it.
async fn following() -> (Quorum, TempDir, BrokerFixture) {
    let quorum = Quorum::start(3).await;
    let dir = tempfile::tempdir().unwrap();
    let broker = BrokerFixture::following(BrokerFixture::settings(quorum.urls(), dir.path())).await;
    (quorum, dir, broker)
}

/// The same, with a broker that hears of nothing by itself.
async fn following_by_pushes() -> (Quorum, TempDir, BrokerFixture) {
    let quorum = Quorum::start(3).await;
    let dir = tempfile::tempdir().unwrap();
    let settings = BrokerFixture::settings_for_pushes(quorum.urls(), dir.path());
    let broker = BrokerFixture::following(settings).await;
    (quorum, dir, broker)
}

/// The same, with a shutdown that would wait for longer than the test does.
async fn following_patiently() -> (Quorum, TempDir, BrokerFixture) {
    let quorum = Quorum::start(3).await;
    let dir = tempfile::tempdir().unwrap();
    let shutdown_timeout = DEADLINE * 2;
    let settings = Settings { shutdown_timeout, ..BrokerFixture::settings(quorum.urls(), dir.path()) };
    let broker = BrokerFixture::following(settings).await;
    (quorum, dir, broker)
}

/// Told to stop, and ends long before its time for that is over.
async fn stops(broker: BrokerFixture) {
    tokio::time::timeout(DEADLINE, broker.stop()).await.expect("an end in time").unwrap();
}

/// Ends by itself, and says why.
async fn ends(broker: BrokerFixture) -> StartError {
    tokio::time::timeout(DEADLINE, broker.ends()).await.expect("an end in time").unwrap_err()
}

#[tokio::test]
async fn registers_and_takes_everything_in() {
    let quorum = Quorum::start(3).await;
    for id in [101, 102, 103] {
        quorum.register_other(id);
    }
    quorum.create_topic("orders", 2, &[101, 102]);
    quorum.create_topic("elsewhere", 1, &[102, 103]);
    let dir = tempfile::tempdir().unwrap();
    let broker = BrokerFixture::following(BrokerFixture::settings(quorum.urls(), dir.path())).await;
    assert_eq!(broker.dirs(), ["orders-0", "orders-1"]);
    let status = broker.status().await;
    assert_eq!(status.metadata_version, quorum.version());
    assert_eq!(status.status, Some(BrokerStatus::Online));
    assert_eq!(status.controller.unwrap().id, NodeId(1));
    assert!(status.heartbeat.last_success.is_some());
    // It came back under its id, so partition leadership went to the other replica meanwhile.
    let orders = &status.partitions[0];
    assert_eq!((orders.topic_name.as_str(), orders.role), ("orders", ReplicaRole::Follower));
    assert_eq!(status.partitions.len(), 2);
    assert_eq!(quorum.core().registrations, 1);
    // It names the disk that its data is on, so that another one in its place is noticed.
    let disk = quorum.core().state.broker(BrokerId(101)).unwrap().directory_id.unwrap();
    let own = std::fs::read_to_string(dir.path().join("meta.properties")).unwrap();
    assert!(own.contains(&format!("directory.id={disk}\n")), "{own}");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn discovers_the_controller_with_nodes_down_or_silent() {
    let quorum = Quorum::start(3).await;
    quorum.stop(2).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let nodes = vec![quorum.url(2), silent_url, quorum.url(1)];
    let broker = BrokerFixture::start(BrokerFixture::settings(nodes, dir.path())).await;
    eventually("the broker follows", async || broker.link().following).await;
}

#[tokio::test]
async fn heartbeats_come_at_the_set_interval_and_say_what_the_broker_has() {
    let (quorum, _dir, _broker) = following().await;
    let count = || quorum.core().heartbeats.len();
    let (before, begun) = (count(), Instant::now());
    eventually("twenty heartbeats came", async || count() >= before + 20).await;
    let each = begun.elapsed() / 20;
    assert!(each >= Duration::from_millis(45), "{each:?}");
    let version = quorum.version();
    assert_eq!(quorum.core().heartbeats.last().unwrap().1.metadata_version, Some(version));
}

#[tokio::test]
async fn catches_up_by_deltas_on_a_push() {
    let (quorum, _dir, broker) = following_by_pushes().await;
    let full = quorum.core().full_answers;
    quorum.create_topic("pushed", 1, &[101]);
    assert!(send_push(&broker, &quorum.push(UpdateType::MetadataChanged)).await.applied);
    eventually("the push is followed", async || broker.dirs() == ["pushed-0"]).await;
    assert_eq!(quorum.core().full_answers, full, "deltas are enough");
}

#[tokio::test]
async fn catches_up_by_deltas_without_a_push() {
    let (quorum, _dir, broker) = following().await;
    quorum.register_other(102);
    let full = quorum.core().full_answers;
    quorum.create_topic("found", 1, &[101]);
    eventually("the heartbeat is followed", async || broker.dirs() == ["found-0"]).await;
    assert_eq!(quorum.core().full_answers, full, "deltas are enough");
    let status = broker.status().await;
    assert_eq!(status.metadata_version, quorum.version());
    assert!(status.partitions.iter().all(|replica| replica.role == ReplicaRole::Leader && replica.in_sync));
}

#[tokio::test]
async fn takes_a_full_image_when_deltas_do_not_reach_back() {
    let (quorum, _dir, broker) = following().await;
    let full = quorum.core().full_answers;
    {
        // Between two pulls: created, and the deltas forgotten.
        let mut core = quorum.core();
        core.heartbeats_fail_with = Some(ErrorCode::Overloaded);
    }
    quorum.create_topic("orders", 3, &[101]);
    quorum.forget_deltas();
    quorum.core().heartbeats_fail_with = None;
    eventually("the image is taken in", async || broker.dirs().len() == 3).await;
    assert_eq!(quorum.core().full_answers, full + 1);
}

#[tokio::test]
async fn switches_to_the_new_controller_at_once_when_it_says_so() {
    let (quorum, _dir, broker) = following_by_pushes().await;
    quorum.elect(2);
    assert!(send_push(&broker, &quorum.push(UpdateType::ControllerChanged)).await.applied);
    eventually("the new controller has a heartbeat", async || quorum.last_heartbeat_at() == Some(2)).await;
    let status = broker.status().await;
    let controller = status.controller.unwrap();
    assert_eq!((controller.id, controller.term), (NodeId(2), Term(2)));
    assert_eq!(status.heartbeat.rediscoveries, 0);
    assert_eq!(quorum.core().registrations, 1, "the registration holds");
}

#[tokio::test]
async fn late_pushes_change_nothing() {
    let (quorum, _dir, broker) = following_by_pushes().await;
    let old = quorum.push(UpdateType::ControllerChanged);
    quorum.elect(3);
    let new = quorum.push(UpdateType::ControllerChanged);
    assert!(send_push(&broker, &new).await.applied);
    for late in [&old, &new] {
        let ack = send_push(&broker, late).await;
        assert!(ack.success && !ack.applied);
        assert_eq!(ack.broker_id, BrokerId(101));
    }
    let mut older_version = new.clone();
    older_version.update_type = UpdateType::MetadataChanged;
    older_version.version = MetadataVersion(0);
    assert!(!send_push(&broker, &older_version).await.applied);
    let mut older_term_newer_version = old.clone();
    older_term_newer_version.version = MetadataVersion(1_000_000);
    assert!(!send_push(&broker, &older_term_newer_version).await.applied);
    assert_eq!(broker.link().controller.unwrap().id, NodeId(3));
    assert_eq!(broker.link().known_version, quorum.version());
}

#[tokio::test]
async fn a_503_that_names_the_leader_is_followed() {
    let (quorum, _dir, broker) = following().await;
    quorum.elect(3);
    eventually("node 3 has a heartbeat", async || quorum.last_heartbeat_at() == Some(3)).await;
    assert_eq!(broker.status().await.heartbeat.rediscoveries, 0);
}

#[tokio::test]
async fn after_three_failures_the_controller_is_looked_for_anew() {
    let (quorum, _dir, broker) = following().await;
    quorum.stop(1).await;
    quorum.elect(2);
    eventually("node 2 has a heartbeat", async || quorum.last_heartbeat_at() == Some(2)).await;
    let status = broker.status().await;
    assert_eq!(status.heartbeat.rediscoveries, 1);
    assert_eq!(status.controller.unwrap().id, NodeId(2));
    assert_eq!(quorum.core().registrations, 1);
}

#[tokio::test]
async fn a_node_that_was_cut_off_is_not_believed() {
    let (quorum, _dir, broker) = following().await;
    quorum.elect(2);
    send_push(&broker, &quorum.push(UpdateType::ControllerChanged)).await;
    // Node 1 still takes itself for the leader of term 1, and the others cannot be reached.
    quorum.core().stale.insert(1, (1, 1));
    let taken_by_1 = || quorum.core().heartbeats.iter().filter(|(node, _)| *node == 1).count();
    eventually("node 2 has a heartbeat", async || quorum.last_heartbeat_at() == Some(2)).await;
    let before = taken_by_1();
    quorum.stop(2).await;
    quorum.stop(3).await;
    eventually("the broker looks anew", async || broker.link().rediscoveries > 0).await;
    eventually("the broker has met node 1", async || {
        broker.link().trouble.is_some_and(|trouble| trouble.contains("term 1"))
    })
    .await;
    assert_eq!(taken_by_1(), before);
    assert!(!broker.readiness().await.ready);
    // Healed: it is elected, and says so.
    quorum.core().stale.clear();
    quorum.elect(1);
    send_push(&broker, &quorum.push(UpdateType::ControllerChanged)).await;
    eventually("node 1 has a heartbeat", async || taken_by_1() > before).await;
}

#[tokio::test]
async fn flapping_leaders_are_followed_to_the_last() {
    let (quorum, _dir, broker) = following().await;
    for round in 0..30 {
        quorum.elect(round % 3 + 1);
        quorum.create_topic(&format!("t{round}"), 1, &[101]);
        if round % 2 == 0 {
            send_push(&broker, &quorum.push(UpdateType::ControllerChanged)).await;
        }
    }
    eventually("everything is there", async || broker.dirs().len() == 30).await;
    eventually("the last leader is followed", async || {
        broker.link().controller.is_some_and(|controller| controller.term == Term(31))
    })
    .await;
    assert_eq!(quorum.core().registrations, 1);
    assert_eq!(broker.status().await.broker_epoch, Some(BrokerEpoch(1)));
}

#[tokio::test]
async fn an_unknown_broker_registers_again_as_itself() {
    let (quorum, _dir, broker) = following().await;
    quorum.apply(Command::RemoveBroker { broker_id: BrokerId(101) }).result.unwrap();
    eventually("it registers again", async || quorum.core().registrations == 2).await;
    eventually("it is ready again", async || broker.readiness().await.ready).await;
    let incarnation = broker.status().await.incarnation_id;
    assert_eq!(quorum.core().state.broker(BrokerId(101)).unwrap().incarnation_id, incarnation);
}

#[tokio::test]
async fn whoever_is_fenced_by_a_newer_process_ends() {
    let (quorum, _dir, broker) = following().await;
    {
        let mut core = quorum.core();
        core.previous_is_gone = false;
    }
    quorum.register_other(101);
    let error = ends(broker).await;
    assert!(matches!(error, StartError::Failed(_)), "{error:?}");
    assert!(error.to_string().contains("fenced by another process"), "{error}");
}

#[tokio::test]
async fn a_broker_id_that_stays_in_use_is_refused() {
    let quorum = Quorum::start(1).await;
    quorum.register_other(101);
    quorum.core().previous_is_gone = false;
    let dir = tempfile::tempdir().unwrap();
    let mut settings = BrokerFixture::settings(quorum.urls(), dir.path());
    settings.session_timeout = Duration::from_millis(300);
    let waited = settings.session_timeout * 2;
    let broker = BrokerFixture::start(settings).await;
    let begun = Instant::now();
    let error = ends(broker).await;
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(begun.elapsed() >= waited, "two sessions are waited");
}

#[tokio::test]
async fn another_cluster_is_left_at_once() {
    let quorum = Quorum::start(1).await;
    let dir = tempfile::tempdir().unwrap();
    let mut settings = BrokerFixture::settings(quorum.urls(), dir.path());
    settings.cluster_id.0 = "other".into();
    let broker = BrokerFixture::start(settings).await;
    let error = ends(broker).await;
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("metadata of cluster `test`"), "{error}");
}

#[tokio::test]
async fn a_shutdown_hands_leaderships_over_first() {
    let (quorum, _dir, broker) = following_patiently().await;
    quorum.register_other(102);
    quorum.create_topic("orders", 4, &[101, 102]);
    eventually("it leads", async || broker.dirs().len() == 4).await;
    assert_eq!(quorum.core().state.leader_partitions(BrokerId(101)), 4);
    stops(broker).await;
    let core = quorum.core();
    assert!(core.heartbeats.last().unwrap().1.want_shutdown);
    assert_eq!(core.state.broker(BrokerId(101)).unwrap().status, BrokerStatus::Draining);
    assert_eq!(core.state.leader_partitions(BrokerId(101)), 0);
    assert_eq!(core.state.leader_partitions(BrokerId(102)), 4);
}

#[tokio::test]
async fn a_shutdown_without_a_controller_is_quick() {
    let (quorum, _dir, broker) = following_patiently().await;
    for node in 1..=3 {
        quorum.stop(node).await;
    }
    stops(broker).await;
}
