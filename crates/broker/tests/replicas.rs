//! Replica directories come with assignments, and go with committed deletions only.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic like the tests")]

mod support;

use std::{fs, path::Path, time::Duration};

use common::TopicId;
use support::{BrokerFixture, Quorum, eventually};
use tempfile::TempDir;

async fn quorum_and_dir() -> (Quorum, TempDir) {
    (Quorum::start(1).await, tempfile::tempdir().unwrap())
}

async fn start(quorum: &Quorum, dir: &TempDir) -> BrokerFixture {
    BrokerFixture::following(BrokerFixture::settings(quorum.urls(), dir.path())).await
}

/// Empty while it is not there.
fn metadata_of(dir: &Path) -> String {
    fs::read_to_string(dir.join("partition.metadata")).unwrap_or_default()
}

fn names(id: TopicId) -> String {
    format!("version: 0\ntopic_id: {id}\n")
}

fn check(readiness: &http_api::Readiness, name: &str) -> http_api::Check {
    readiness.checks.iter().find(|check| check.name == name).unwrap().clone()
}

#[tokio::test]
async fn a_deleted_topics_data_is_put_aside_and_removed_later() {
    let (quorum, dir) = quorum_and_dir().await;
    let mut settings = BrokerFixture::settings(quorum.urls(), dir.path());
    settings.delete_delay = Duration::from_secs(3);
    let broker = BrokerFixture::following(settings).await;
    quorum.create_topic("orders", 2, &[101]);
    quorum.create_topic("other", 1, &[101]);
    eventually("the directories are there", async || broker.dirs().len() == 3).await;
    fs::write(dir.path().join("orders-0/00000000000000000000.log"), "records").unwrap();
    quorum.delete_topic("orders");
    eventually("they are put aside", async || {
        let dirs = broker.dirs();
        dirs.len() == 3 && dirs.iter().filter(|dir| dir.ends_with("-delete")).count() == 2
    })
    .await;
    eventually("they are removed", async || broker.dirs() == ["other-0"]).await;
}

#[tokio::test]
async fn a_topic_created_anew_is_another_topic() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir).await;
    let first = quorum.create_topic("orders", 1, &[101]);
    let replica = dir.path().join("orders-0");
    eventually("the directory is there", async || metadata_of(&replica) == names(first)).await;
    quorum.delete_topic("orders");
    let second = quorum.create_topic("orders", 1, &[101]);
    eventually("the new one's directory is there", async || metadata_of(&replica) == names(second)).await;
    eventually("the old one's is removed", async || broker.dirs() == ["orders-0"]).await;
}

#[tokio::test]
async fn a_deletion_missed_while_away_is_found_in_the_history() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir).await;
    quorum.create_topic("gone", 1, &[101]);
    quorum.create_topic("again", 1, &[101]);
    eventually("the directories are there", async || broker.dirs().len() == 2).await;
    broker.stop().await.unwrap();
    quorum.delete_topic("gone");
    quorum.delete_topic("again");
    quorum.register_other(101);
    let again = quorum.create_topic("again", 1, &[101]);
    let broker = start(&quorum, &dir).await;
    eventually("only the new topic's directory is left", async || {
        broker.dirs() == ["again-0"] && metadata_of(&dir.path().join("again-0")) == names(again)
    })
    .await;
}

#[tokio::test]
async fn absence_is_no_deletion() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir).await;
    quorum.create_topic("orders", 1, &[101]);
    eventually("the directory is there", async || broker.dirs() == ["orders-0"]).await;
    fs::write(dir.path().join("orders-0/00000000000000000000.log"), "records").unwrap();
    broker.stop().await.unwrap();
    // The topic is not in the metadata any more, and nothing says why.
    quorum.delete_topic("orders");
    quorum.core().forgets_history = true;
    let broker = start(&quorum, &dir).await;
    eventually("it was asked about", async || {
        check(&broker.readiness().await, "replicas").detail.contains("1 that the metadata does not know")
    })
    .await;
    assert_eq!(broker.dirs(), ["orders-0"]);
    let metrics = String::from_utf8(broker.get("/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("\ndmq_broker_stray_replicas 1\n"), "{metrics}");
    // A new topic of that name gets the place; the data is kept beside it.
    quorum.create_topic("orders", 1, &[101]);
    eventually("the old data is put aside", async || broker.dirs().len() == 2).await;
    let stray = broker.dirs().into_iter().find(|name| name.ends_with("-stray")).unwrap();
    assert!(dir.path().join(stray).join("00000000000000000000.log").exists());
}

#[tokio::test]
async fn a_start_finishes_what_a_crash_left_half_done() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir).await;
    let orders = quorum.create_topic("orders", 3, &[101]);
    eventually("the directories are there", async || broker.dirs().len() == 3).await;
    broker.stop().await.unwrap();
    let replica = |partition: u32| dir.path().join(format!("orders-{partition}"));
    for partition in 0..3 {
        // As if the crash had come before there was a log.
        fs::remove_dir_all(replica(partition)).unwrap();
        fs::create_dir(replica(partition)).unwrap();
    }
    // Torn before the file was complete; torn before the file was made; complete but with data of nobody's.
    fs::write(replica(0).join("partition.metadata"), "version: 0\ntopic_").unwrap();
    fs::write(replica(2).join("partition.metadata"), "").unwrap();
    fs::write(replica(2).join("data"), "precious").unwrap();
    fs::create_dir(dir.path().join("left.0123-delete")).unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    let broker = start(&quorum, &dir).await;
    for partition in 0..3 {
        assert_eq!(metadata_of(&replica(partition)), names(orders));
    }
    eventually("the left-over is removed", async || broker.dirs().len() == 5).await;
    let stray = broker.dirs().into_iter().find(|name| name.ends_with("-stray")).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join(stray).join("data")).unwrap(), "precious");
    assert!(dir.path().join("lost+found").exists(), "what is not ours is left alone");
}

#[tokio::test]
async fn a_disk_that_refuses_is_told_and_tried_again() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir).await;
    // A file where a directory has to be.
    fs::write(dir.path().join("orders-1"), "").unwrap();
    quorum.create_topic("orders", 3, &[101]);
    eventually("the broker is not ready", async || !broker.readiness().await.ready).await;
    let refused = check(&broker.readiness().await, "replicas");
    assert!(
        refused.detail.contains("the disk refuses") && refused.detail.contains("orders-1"),
        "{refused:?}"
    );
    fs::remove_file(dir.path().join("orders-1")).unwrap();
    eventually("the broker is ready again", async || broker.readiness().await.ready).await;
    assert_eq!(broker.dirs(), ["orders-0", "orders-1", "orders-2"]);
}

#[tokio::test]
async fn long_names_find_room() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir).await;
    let name = "x".repeat(249);
    quorum.create_topic(&name, 1, &[101]);
    eventually("the directory is there", async || broker.dirs() == [format!("{name}-0")]).await;
    quorum.delete_topic(&name);
    eventually("it is removed", async || broker.dirs().is_empty()).await;
    assert!(broker.readiness().await.ready);
}

#[tokio::test]
async fn a_replica_that_moved_away_is_put_aside_and_removed_later() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir).await;
    quorum.register_other(102);
    quorum.create_topic("orders", 2, &[101]);
    quorum.create_topic("other", 1, &[102]);
    eventually("the directories are there", async || broker.dirs().len() == 2).await;
    // One goes, another comes.
    quorum.move_to("other", &[101]);
    quorum.move_to("orders", &[102]);
    eventually("only the present ones are left", async || broker.dirs() == ["orders-1", "other-0"]).await;
    // It comes again, empty.
    quorum.move_to("orders", &[101]);
    eventually("it is there again", async || broker.dirs() == ["orders-0", "orders-1", "other-0"]).await;
    assert!(broker.readiness().await.ready);
}

#[tokio::test]
async fn a_move_missed_while_away_is_made_up_for_by_an_image_that_knows_this_process() {
    let (quorum, dir) = quorum_and_dir().await;
    let broker = start(&quorum, &dir).await;
    quorum.register_other(102);
    quorum.create_topic("orders", 2, &[101]);
    eventually("the directories are there", async || broker.dirs().len() == 2).await;
    // It leaves without a word, so that the controllers take it for ONLINE still.
    quorum.depose();
    broker.stop().await.unwrap();
    quorum.move_to("orders", &[102]);
    quorum.elect(1);
    let broker = start(&quorum, &dir).await;
    eventually("only the present one is left", async || broker.dirs() == ["orders-1"]).await;
}
