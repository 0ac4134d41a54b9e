//! What is not opened, and that the message names the thing, the value, and what would be right.

use std::time::Duration;

use common::{ClusterId, NodeId};
use testkit::postgres::PostgresServer;

use super::{Place, Running, on_both_databases};
use crate::store::{OpenError, StoreOptions};

on_both_databases!(
    another_cluster,
    another_node,
    a_newer_schema,
    an_older_schema,
    a_second_process,
    a_hole,
    half_a_vote,
    its_own_again
);

async fn refusal(options: StoreOptions) -> (OpenError, String) {
    match Running::open(options).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => {
            let text = error.to_string();
            (error, text)
        }
    }
}

fn assert_names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

async fn another_cluster(place: Place) {
    place.open().await.close().await;
    let options = StoreOptions { cluster_id: ClusterId("other".into()), ..place.options() };
    let (error, text) = refusal(options).await;
    assert!(matches!(error, OpenError::OtherCluster { .. }), "{text}");
    assert_names(&text, &["`test`", "`other`", "clusterId"]);
}

async fn another_node(place: Place) {
    place.open().await.close().await;
    let (error, text) = refusal(StoreOptions { node_id: NodeId(2), ..place.options() }).await;
    assert!(matches!(error, OpenError::OtherNode { found: NodeId(1), expected: NodeId(2), .. }), "{text}");
    assert_names(&text, &["node 1", "node 2", "of its own"]);
}

async fn a_newer_schema(place: Place) {
    place.open().await.close().await;
    place.sql("UPDATE raft_node SET schema_version = 99").await;
    let (error, text) = refusal(place.options()).await;
    assert!(matches!(error, OpenError::NewerSchema { found: 99, known: 2, .. }), "{text}");
}

/// What was written before a migration is there after it, with what is new at its default.
async fn an_older_schema(place: Place) {
    let (migrations, array) = match place.url.strip_prefix("sqlite:") {
        Some(path) => {
            std::fs::File::create(path).unwrap();
            (crate::store::sqlite::MIGRATIONS, ["[1,2]", "[1]"])
        }
        None => (crate::store::postgres::MIGRATIONS, ["{1,2}", "{1}"]),
    };
    let [replicas, isr] = array;
    let node = "INSERT INTO raft_node (one, cluster_id, node_id, storage_id, schema_version, owner_epoch, owner) \
                VALUES (1, 'test', 1, '1b4e28ba-2fa1-41d2-883f-0016d3cca427', 1, 0, 'nobody')";
    let topic =
        "INSERT INTO topics (topic_name, topic_id, replication_factor, configs) VALUES ('a', 'id', 2, '{}')";
    let partition = format!(
        "INSERT INTO partitions (topic_name, partition, leader, leader_epoch, partition_epoch, replicas, isr) \
         VALUES ('a', 0, 1, 0, 0, '{replicas}', '{isr}')"
    );
    let broker = "INSERT INTO brokers (broker_id, broker_epoch, incarnation_id, host, port, status) \
                  VALUES (1, 7, 'i', 'h', 1, 'ONLINE')";
    for sql in [migrations[0].sql, node, topic, &partition, broker] {
        place.sql(sql).await;
    }
    place.open().await.close().await;
    assert_eq!(place.sql("SELECT schema_version FROM raft_node").await, "2");
    let topics = "SELECT topic_name, partitions, under_replicated_partitions, reassigning_partitions FROM topic_overview";
    assert_eq!(place.sql(topics).await, "a|1|1|0");
    let replicas = "SELECT broker_id, CASE WHEN in_sync THEN 1 ELSE 0 END, CASE WHEN is_adding THEN 1 ELSE 0 END \
                    FROM replicas ORDER BY position";
    assert_eq!(place.sql(replicas).await, "1|1|0\n2|0|0");
    assert_eq!(
        place.sql("SELECT broker_id, replica_partitions, directory_id FROM broker_overview").await,
        "1|1|"
    );
    place.open().await.close().await;
}

async fn a_second_process(place: Place) {
    let first = place.open().await;
    let (error, text) = refusal(place.options()).await;
    assert!(matches!(error, OpenError::InUse { .. }), "{text}");
    assert_names(&text, &["already in use by", &std::process::id().to_string()]);
    first.close().await;
    place.open().await.close().await;
}

async fn a_hole(place: Place) {
    let running = place.open().await;
    append(&running, 1, 1..=9).await;
    running.close().await;
    place.sql("DELETE FROM raft_log WHERE idx = 4").await;
    let (error, text) = refusal(place.options()).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{text}");
    assert_names(&text, &["8 entries from 1 to 9", "restore it"]);
}

async fn half_a_vote(place: Place) {
    place.open().await.close().await;
    place.sql("UPDATE raft_state SET vote_term = 3").await;
    let (error, text) = refusal(place.options()).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{text}");
}

async fn its_own_again(place: Place) {
    let first = place.open().await;
    assert!(first.opened.fresh);
    let id = first.opened.storage_id;
    first.close().await;
    let second = place.open().await;
    assert!(!second.opened.fresh);
    assert_eq!(id, second.opened.storage_id);
    second.close().await;
}

pub(super) async fn append(running: &Running, term: u64, range: std::ops::RangeInclusive<u64>) {
    running.store.ask(|done| crate::store::Op::Append(super::rows(term, range), done)).await.unwrap();
}

#[tokio::test]
async fn sqlite_that_does_not_sync() {
    let place = Place::sqlite();
    for value in ["off", "normal", "1"] {
        let options =
            StoreOptions { database: format!("{}?synchronous={value}", place.url), ..place.options() };
        let (error, text) = refusal(options).await;
        assert!(matches!(error, OpenError::UnsafeSetting { setting: "synchronous", .. }), "{text}");
        assert_names(&text, &[value, "`full`"]);
    }
    let options = StoreOptions { database: format!("{}?synchronous=extra", place.url), ..place.options() };
    Running::open(options).await.unwrap().close().await;
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let place = Place::sqlite();
    let path = place.dir.as_ref().unwrap().path().join("raft.db");
    std::fs::write(&path, vec![b'x'; 8192]).unwrap();
    let (error, text) = refusal(place.options()).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{text}");

    // A page in the middle that was overwritten.
    std::fs::remove_file(&path).unwrap();
    let running = place.open().await;
    append(&running, 1, 1..=2000).await;
    running.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let (error, text) = refusal(place.options()).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{text}");
}

#[tokio::test]
async fn a_link_does_not_hide_who_uses_the_file() {
    let place = Place::sqlite();
    let running = place.open().await;
    let link = place.dir.as_ref().unwrap().path().join("link.db");
    std::os::unix::fs::symlink(place.dir.as_ref().unwrap().path().join("raft.db"), &link).unwrap();
    let options = StoreOptions { database: format!("sqlite:{}", link.display()), ..place.options() };
    let (error, text) = refusal(options).await;
    assert!(matches!(error, OpenError::InUse { .. }), "{text}");
    running.close().await;
}

#[tokio::test]
async fn postgres_that_commits_before_it_syncs() {
    let place = Place::postgres();
    let name = place.database.clone().unwrap();
    place.sql(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    let (error, text) = refusal(place.options()).await;
    assert!(matches!(error, OpenError::UnsafeSetting { setting: "synchronous_commit", .. }), "{text}");
    assert_names(&text, &["`off`", "must be on"]);
    place.sql(&format!("ALTER DATABASE {name} SET synchronous_commit = remote_write")).await;
    place.open().await.close().await;
}

/// Settings of a whole server: on a server of its own.
#[tokio::test]
async fn postgres_that_does_not_sync_at_all() {
    let server = PostgresServer::start().unwrap();
    let options = StoreOptions::new(server.url("postgres"), ClusterId("test".into()), NodeId(1));
    for setting in ["fsync", "full_page_writes"] {
        server.sql("postgres", &format!("ALTER SYSTEM SET {setting} = off")).unwrap();
        server.sql("postgres", "SELECT pg_reload_conf()").unwrap();
        // A session that begins after the reload was asked for may still see the old value for a moment.
        while server.sql("postgres", &format!("SHOW {setting}")).unwrap() == "on" {}
        let (error, text) = refusal(options.clone()).await;
        assert!(
            matches!(&error, OpenError::UnsafeSetting { setting: found, .. } if *found == setting),
            "{text}"
        );
        server.sql("postgres", &format!("ALTER SYSTEM RESET {setting}")).unwrap();
        server.sql("postgres", "SELECT pg_reload_conf()").unwrap();
        while server.sql("postgres", &format!("SHOW {setting}")).unwrap() == "off" {}
    }
    let running = Running::open(options).await.unwrap();
    assert!(running.opened.server_id.is_some());
    running.close().await;
}

#[tokio::test]
async fn postgres_that_is_not_there() {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let url = format!("postgres://u:secret@127.0.0.1:{free}/d");
    let mut options = StoreOptions::new(url, ClusterId("test".into()), NodeId(1));
    options.connect_timeout = Duration::from_millis(200);
    let (error, text) = refusal(options).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert_names(&text, &[&free.to_string(), "within"]);

    let mut options = Place::postgres().options();
    options.database = PostgresServer::shared().url("missing");
    let (error, text) = refusal(options).await;
    assert!(matches!(error, OpenError::Database { .. }), "{text}");
    assert_names(&text, &["\"missing\" does not exist"]);
}

#[test]
fn migrations_have_the_same_numbers_and_are_all_embedded() {
    let listed = |database: &str| {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/");
        let names = std::fs::read_dir(format!("{dir}{database}")).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(listed("sqlite"), listed("postgres"));
    let numbers: Vec<i64> = listed("sqlite").iter().map(|name| name[..4].parse().unwrap()).collect();
    for embedded in [crate::store::sqlite::MIGRATIONS, crate::store::postgres::MIGRATIONS] {
        assert_eq!(numbers, embedded.iter().map(|migration| migration.number).collect::<Vec<_>>());
    }
    assert_eq!(numbers, (1..=numbers.len() as i64).collect::<Vec<_>>());
}
