//! Many rows per statement: a statement costs a hop to SQLite's thread and back, a row in it only its insertion.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type, sqlite::SqliteArguments};

use super::super::database::{BrokerRow, DbError, EventRow, PartitionRow, TopicRow};
use super::classify;

/// Up to so many rows get a statement of exactly their number.
const EXACT: usize = 32;
/// More rows are cut into pieces of these sizes first.
const LARGE: usize = 128;

/// A table to insert into.
pub(super) struct Insert {
    head: &'static str,
    columns: usize,
}

pub(super) const LOG: Insert =
    Insert { head: "INSERT INTO raft_log (idx, term, kind, fmt, payload) VALUES ", columns: 5 };
const TOPICS: Insert = Insert {
    head: "INSERT OR REPLACE INTO topics (topic_name, topic_id, replication_factor, configs) VALUES ",
    columns: 4,
};
const PARTITIONS: Insert = Insert {
    head: "INSERT OR REPLACE INTO partitions (topic_name, partition, leader, leader_epoch, partition_epoch, \
           replicas, isr, eligible, adding, target) VALUES ",
    columns: 10,
};
const BROKERS: Insert = Insert {
    head: "INSERT OR REPLACE INTO brokers (broker_id, broker_epoch, incarnation_id, host, port, kafka_port, rack, \
           status, directory_id, disk_lost_at) VALUES ",
    columns: 10,
};
const EVENTS: Insert = Insert {
    head: "INSERT INTO metadata_events (version, seq, time_ms, author, request_id, kind, subject, before, after) \
           VALUES ",
    columns: 9,
};

/// The values of one statement.
#[derive(Default)]
pub(super) struct Values(SqliteArguments);

impl Values {
    pub(super) fn add<'t, T: Encode<'t, Sqlite> + Type<Sqlite> + 't>(
        &mut self,
        value: T,
    ) -> Result<(), DbError> {
        sqlx::Arguments::add(&mut self.0, value).map_err(|error| DbError::Other(error.to_string()))
    }
}

/// The texts of the statements, made once per number of rows.
#[derive(Default)]
pub(super) struct Bulk {
    texts: HashMap<(&'static str, usize), Arc<str>>,
}

impl Bulk {
    /// Whether so many rows go into one statement.
    pub(super) fn is_one_statement(rows: usize) -> bool {
        rows <= EXACT || rows == LARGE
    }

    pub(super) async fn insert<T>(
        &mut self,
        connection: &mut SqliteConnection,
        insert: &Insert,
        mut rows: &[T],
        bind: impl Fn(&T, &mut Values) -> Result<(), DbError>,
    ) -> Result<u64, DbError> {
        let mut affected = 0;
        while !rows.is_empty() {
            let size = [LARGE, EXACT].into_iter().find(|size| rows.len() >= *size).unwrap_or(rows.len());
            let (piece, rest) = rows.split_at(size);
            let mut values = Values::default();
            for row in piece {
                bind(row, &mut values)?;
            }
            let query = sqlx::query_with(AssertSqlSafe(self.text(insert, size)), values.0);
            affected += query.execute(&mut *connection).await.map_err(classify)?.rows_affected();
            rows = rest;
        }
        Ok(affected)
    }

    pub(super) async fn put_topics(
        &mut self,
        connection: &mut SqliteConnection,
        rows: &[TopicRow],
    ) -> Result<u64, DbError> {
        self.insert(connection, &TOPICS, rows, |row, values| {
            values.add(row.topic_name.as_str())?;
            values.add(row.topic_id.as_str())?;
            values.add(row.replication_factor)?;
            values.add(row.configs.as_str())
        })
        .await
    }

    pub(super) async fn put_partitions(
        &mut self,
        connection: &mut SqliteConnection,
        rows: &[PartitionRow],
    ) -> Result<u64, DbError> {
        self.insert(connection, &PARTITIONS, rows, |row, values| {
            values.add(Arc::clone(&row.topic_name))?;
            values.add(row.partition)?;
            values.add(row.leader)?;
            values.add(row.leader_epoch)?;
            values.add(row.partition_epoch)?;
            values.add(format!("[{}]", row.replicas))?;
            values.add(format!("[{}]", row.isr))?;
            values.add(format!("[{}]", row.eligible))?;
            values.add(format!("[{}]", row.adding))?;
            values.add(row.target.as_ref().map(|ids| format!("[{ids}]")))
        })
        .await
    }

    pub(super) async fn put_brokers(
        &mut self,
        connection: &mut SqliteConnection,
        rows: &[BrokerRow],
    ) -> Result<u64, DbError> {
        self.insert(connection, &BROKERS, rows, |row, values| {
            values.add(row.broker_id)?;
            values.add(row.broker_epoch)?;
            values.add(row.incarnation_id.as_str())?;
            values.add(row.host.as_str())?;
            values.add(row.port)?;
            values.add(row.kafka_port)?;
            values.add(row.rack.as_deref())?;
            values.add(row.status)?;
            values.add(row.directory_id.as_deref())?;
            values.add(row.disk_lost_at)
        })
        .await
    }

    pub(super) async fn add_events(
        &mut self,
        connection: &mut SqliteConnection,
        rows: &[EventRow],
    ) -> Result<u64, DbError> {
        self.insert(connection, &EVENTS, rows, |row, values| {
            values.add(row.version)?;
            values.add(row.seq)?;
            values.add(row.time_ms)?;
            values.add(Arc::clone(&row.author))?;
            values.add(row.request_id.as_deref())?;
            values.add(row.kind)?;
            values.add(row.subject.as_str())?;
            values.add(row.before.as_deref())?;
            values.add(row.after.as_deref())
        })
        .await
    }

    /// `INSERT ... VALUES (?,?),(?,?)...`: nothing but our own text goes into it, values are bound.
    fn text(&mut self, insert: &Insert, rows: usize) -> Arc<str> {
        let text = self.texts.entry((insert.head, rows)).or_insert_with(|| {
            let tuple = format!("({})", vec!["?"; insert.columns].join(","));
            let mut text = String::from(insert.head);
            for row in 0..rows {
                write!(text, "{}{tuple}", if row == 0 { "" } else { "," })
                    .expect("writing to a String cannot fail");
            }
            text.into()
        });
        Arc::clone(text)
    }
}
