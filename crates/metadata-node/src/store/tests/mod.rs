//! The store's tests. Those of behaviour run on both databases from one body.

mod conformance;
mod crash;
mod damage;
mod kill;

mod projected;
mod reconnect;

mod refusals;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use common::{BrokerId, ClusterId, MetadataVersion, NodeId, Partition, Topic, TopicName};
use metadata_core::change::Before;
use metadata_core::{Change, Event};
use runtime::{TaskHandle, TaskKind, Tasks};
use serde_json::value::RawValue;
use tempfile::TempDir;
use testkit::postgres::PostgresServer;

use super::{
    AppliedEntry, EntryKind, LogPosition, LogRow, OpenError, Opened, SnapshotRecord, Store, StoreOptions,
    StoreWriter,
};

/// Runs each named body, `async fn body(place: Place)`, once per database.
macro_rules! on_both_databases {
    ($($body:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $body() {
                super::$body(crate::store::tests::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $body() {
                super::$body(crate::store::tests::Place::postgres()).await;
            })*
        }
    };
}
use on_both_databases;

/// Where a test's database is.
pub(super) struct Place {
    pub(super) url: String,
    /// Removed with the place.
    pub(super) dir: Option<TempDir>,
    /// Name of the Postgres database.
    pub(super) database: Option<String>,
}

impl Place {
    pub(super) fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("raft.db").display());
        Self { url, dir: Some(dir), database: None }
    }

    pub(super) fn postgres() -> Self {
        let server = PostgresServer::shared();
        let database = server.create_database("store").unwrap();
        Self { url: server.url(&database), dir: None, database: Some(database) }
    }

    pub(super) fn options(&self) -> StoreOptions {
        StoreOptions::new(self.url.clone(), ClusterId("test".into()), NodeId(1))
    }

    pub(super) async fn open(&self) -> Running {
        self.try_open().await.unwrap()
    }

    pub(super) async fn try_open(&self) -> Result<Running, OpenError> {
        Running::open(self.options()).await
    }

    /// Runs SQL beside the store, as an operator could; rows as `a|b` lines.
    pub(super) async fn sql(&self, sql: &str) -> String {
        if let Some(database) = &self.database {
            return PostgresServer::shared().sql(database, sql).unwrap();
        }
        use sqlx::{Column as _, ConnectOptions as _, Row as _, ValueRef as _};
        let path = self.url.strip_prefix("sqlite:").unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut connection = options.connect().await.unwrap();
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        let line = |row: &sqlx::sqlite::SqliteRow| {
            let cell = |column: &sqlx::sqlite::SqliteColumn| {
                if row.try_get_raw(column.ordinal()).unwrap().is_null() {
                    return String::new();
                }
                row.try_get_unchecked::<String, _>(column.ordinal()).unwrap()
            };
            row.columns().iter().map(cell).collect::<Vec<_>>().join("|")
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// An open store with its writer running.
pub(super) struct Running {
    pub(super) store: Store,
    pub(super) opened: Opened,
    tasks: Tasks,
    writer: TaskHandle,
}

impl Running {
    pub(super) async fn open(options: StoreOptions) -> Result<Self, OpenError> {
        Ok(Self::of(Store::open(options, Arc::new(())).await?))
    }

    pub(super) fn of((store, writer, opened): (Store, StoreWriter, Opened)) -> Self {
        let tasks = Tasks::new();
        let writer = tasks.spawn(TaskKind::Storage, "store.writer", |_| writer.run());
        Self { store, opened, tasks, writer }
    }

    /// Ends it in good order.
    pub(super) async fn close(self) {
        self.store.close().await.unwrap();
        self.ended().await;
    }

    /// Waits for the writer's end.
    pub(super) async fn ended(self) {
        self.writer.ended().await;
        drop(self.tasks);
    }
}

pub(super) fn at(term: u64, index: u64) -> LogPosition {
    LogPosition { term, index }
}

/// Entries of `term` with a payload that tells them apart.
pub(super) fn rows(term: u64, range: std::ops::RangeInclusive<u64>) -> Vec<LogRow> {
    range
        .map(|index| LogRow {
            position: at(term, index),
            kind: EntryKind::Command,
            payload: Some(json(&format!(r#"{{"term":{term},"index":{index}}}"#))),
        })
        .collect()
}

pub(super) fn json(text: &str) -> Arc<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap().into()
}

/// A topic with one partition.
pub(super) fn topic(name: &str) -> Arc<Topic> {
    Arc::new(Topic {
        topic_name: TopicName::new(name).unwrap(),
        topic_id: common::TopicId(uuid::Uuid::from_u128(7)),
        replication_factor: 2,
        configs: BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]),
        partitions: vec![Partition {
            id: common::PartitionId(0),
            leader: Some(BrokerId(1)),
            leader_epoch: common::LeaderEpoch(0),
            partition_epoch: common::PartitionEpoch(0),
            replicas: vec![BrokerId(1), BrokerId(2)],
            isr: vec![BrokerId(1)],
            ..Partition::default()
        }],
    })
}

/// An applied entry that created topic `t<index>`.
pub(super) fn created(term: u64, index: u64) -> AppliedEntry {
    let change = Change {
        version: MetadataVersion(index),
        seq: 0,
        time_ms: 1_700_000_000_000,
        author: "rest:test".into(),
        request_id: None,
        before: Before::Nothing,
        event: Arc::new(Event::TopicCreated { topic: topic(&format!("t{index}")) }),
    };
    AppliedEntry { position: at(term, index), changes: vec![change] }
}

/// A snapshot's record and some bytes.
pub(super) fn snapshot_at(position: LogPosition, bytes: usize) -> (SnapshotRecord, Bytes) {
    let membership = RawValue::from_string(format!(r#"{{"at":{}}}"#, position.index)).unwrap();
    let record = SnapshotRecord { last: Some(position), membership, format: 1, codec: "zstd".to_owned() };
    let data: Vec<u8> = (0..bytes).map(|i| (i as u64 * 31 + position.index) as u8).collect();
    (record, data.into())
}
