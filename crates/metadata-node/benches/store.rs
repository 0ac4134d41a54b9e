//! What one store does, without Raft and HTTP around it: `cargo bench -p metadata-node --bench store`.
//!
//! Beside it, in the same run and directory, a loop that writes 4 KiB and calls fdatasync: what the disk gives at best.
//! Run on an otherwise idle machine; the ratio to the raw loop means more than the figure.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that fails has nothing to measure"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{BrokerId, ClusterId, MetadataVersion, NodeId, Partition, Topic, TopicId, TopicName};
use metadata_core::change::Before;
use metadata_core::{Change, Event};
use metadata_node::store::{AppliedEntry, EntryKind, LogPosition, LogRow, Store, StoreOptions};
use runtime::{TaskKind, Tasks};
use serde_json::value::RawValue;
use testkit::postgres::PostgresServer;

/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(2);
/// How many topics the projection is given.
const TOPICS: u64 = 20_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    println!("{:<34} {:>10} {:>10} {:>9} {:>9}", "", "commits/s", "rows/s", "p50 us", "p99 us");
    report("fdatasync of 4 KiB", 1, raw_fdatasync(dir.path()));
    let server = PostgresServer::start().unwrap();
    let databases = [
        ("sqlite", format!("sqlite:{}", dir.path().join("raft.db").display())),
        ("postgres (unix socket)", server.url(&server.create_database("bench").unwrap())),
        ("postgres (tcp)", server.tcp_url(&server.create_database("bench").unwrap())),
    ];
    for (name, url) in databases {
        runtime.block_on(measure(name, url));
    }
}

fn raw_fdatasync(dir: &Path) -> Vec<Duration> {
    let mut file = File::create(dir.join("raw")).unwrap();
    timed(|| {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
    })
}

fn timed(mut once: impl FnMut()) -> Vec<Duration> {
    let began = Instant::now();
    let mut took = Vec::new();
    while began.elapsed() < SPAN {
        let start = Instant::now();
        once();
        took.push(start.elapsed());
    }
    took
}

fn report(name: &str, rows: usize, mut took: Vec<Duration>) {
    took.sort_unstable();
    let per_second = took.len() as f64 / took.iter().sum::<Duration>().as_secs_f64();
    let at = |share: usize| took[took.len() * share / 100].as_micros();
    let rows_per_second = per_second * rows as f64;
    println!("{name:<34} {per_second:>10.0} {rows_per_second:>10.0} {:>9} {:>9}", at(50), at(99));
}

async fn measure(name: &str, url: String) {
    let tasks = Tasks::new();
    let options = StoreOptions::new(url, ClusterId("bench".into()), NodeId(1));
    let (store, writer, _) = Store::open(options, Arc::new(())).await.unwrap();
    tasks.spawn(TaskKind::Storage, "store.writer", |_| writer.run());
    let mut next = 1;
    for batch in [1, 16, 256] {
        let began = Instant::now();
        let mut took = Vec::new();
        while began.elapsed() < SPAN {
            let rows = rows(&mut next, batch);
            let start = Instant::now();
            store.append(rows).await.unwrap();
            took.push(start.elapsed());
        }
        report(&format!("{name}, {batch} rows"), batch, took);
    }
    topics(name, &store, &mut next).await;
    store.close().await.unwrap();
}

/// Creates topics as a busy cluster does: 64 at a time are committed and then applied.
async fn topics(name: &str, store: &Store, next: &mut u64) {
    let began = Instant::now();
    let first = *next;
    while *next < first + TOPICS {
        let rows = rows(next, 64);
        let applied = rows.iter().map(|row| created(row.position)).collect();
        store.append(rows).await.unwrap();
        store.project(applied).await.unwrap();
    }
    store.flush().await.unwrap();
    let per_second = TOPICS as f64 / began.elapsed().as_secs_f64();
    println!("{:<34} {per_second:>21.0}", format!("{name}, topics created"));
}

fn rows(next: &mut u64, count: usize) -> Vec<LogRow> {
    let mut row = || {
        let index = *next;
        *next += 1;
        let payload = format!(r#"{{"index":{index},"filling":"{}"}}"#, "x".repeat(200));
        let payload = RawValue::from_string(payload).unwrap().into();
        LogRow { position: LogPosition { term: 1, index }, kind: EntryKind::Command, payload: Some(payload) }
    };
    (0..count).map(|_| row()).collect()
}

fn created(position: LogPosition) -> AppliedEntry {
    let brokers = vec![BrokerId(101), BrokerId(102), BrokerId(103)];
    let topic = Topic {
        topic_name: TopicName::new(&format!("topic-{}", position.index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .unwrap(),
        topic_id: TopicId(uuid::Uuid::from_u128(u128::from(position.index))),
        replication_factor: 3,
        configs: Default::default(),
        partitions: vec![Partition {
            id: common::PartitionId(0),
            leader: Some(BrokerId(101)),
            leader_epoch: common::LeaderEpoch(0),
            partition_epoch: common::PartitionEpoch(0),
            replicas: brokers.clone(),
            isr: brokers,
            ..Partition::default()
        }],
    };
    let change = Change {
        version: MetadataVersion(position.index),
        seq: 0,
        time_ms: 1_700_000_000_000,
        author: "rest:127.0.0.1".into(),
        request_id: None,
        before: Before::Nothing,
        event: Arc::new(Event::TopicCreated { topic: Arc::new(topic) }),
    };
    AppliedEntry { position, changes: vec![change] }
}
