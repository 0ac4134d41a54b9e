//! The store in a Postgres database, or in a schema of one, that belongs to this node alone.
//!
//! - [`session`]: connecting, what is refused, and how a second process is kept out.
//!
//! Rows travel as one array per column (`UNNEST`), so that a statement's text, and with it its plan, is the same for any
//! number of rows. Every transaction reads `owner_epoch`; whoever takes the database over locks that table first, so a
//! transaction of the former owner is either done before or sees the new epoch.

mod session;

use sqlx::{Connection as _, Executor as _, PgConnection};

use self::session::Session;
use super::Backend;
use super::common_sql::LOG_FORMAT;
use super::database::{
    BrokerRow, Database, DbError, EventRow, Mark, PartitionRow, Step, TopicRow, to_column,
};

#[cfg(test)]
pub(super) use session::MIGRATIONS;
pub(super) use session::open;

/// The statements that both databases share.
pub(super) mod sql {
    use super::classify;
    crate::store::common_sql::common_sql!(sqlx::Postgres);
}

const APPEND_LOG: &str = "
INSERT INTO raft_log (idx, term, kind, fmt, payload)
SELECT idx, term, kind, $5, payload FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::text[])
    AS rows (idx, term, kind, payload)
WHERE (SELECT owner_epoch FROM raft_node) = $6";

const PUT_TOPICS: &str = "
INSERT INTO topics (topic_name, topic_id, replication_factor, configs)
SELECT topic_name, topic_id, replication_factor, configs::json
FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[])
    AS rows (topic_name, topic_id, replication_factor, configs)
ON CONFLICT (topic_name) DO UPDATE SET topic_id = excluded.topic_id,
    replication_factor = excluded.replication_factor, configs = excluded.configs";

const PUT_CONFIGS: &str = "
UPDATE topics SET configs = rows.configs::json
FROM UNNEST($1::text[], $2::text[]) AS rows (topic_name, configs) WHERE topics.topic_name = rows.topic_name";

const PUT_PARTITIONS: &str = "
INSERT INTO partitions (topic_name, partition, leader, leader_epoch, partition_epoch, replicas, isr, eligible, adding,
    target)
SELECT topic_name, partition, leader, leader_epoch, partition_epoch, replicas::bigint[], isr::bigint[],
    eligible::bigint[], adding::bigint[], target::bigint[]
FROM UNNEST($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[])
    AS rows (topic_name, partition, leader, leader_epoch, partition_epoch, replicas, isr, eligible, adding, target)
ON CONFLICT (topic_name, partition) DO UPDATE SET leader = excluded.leader,
    leader_epoch = excluded.leader_epoch, partition_epoch = excluded.partition_epoch,
    replicas = excluded.replicas, isr = excluded.isr, eligible = excluded.eligible, adding = excluded.adding,
    target = excluded.target";

const PUT_BROKERS: &str = "
INSERT INTO brokers (broker_id, broker_epoch, incarnation_id, host, port, kafka_port, rack, status,
    directory_id, disk_lost_at)
SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[],
    $8::text[], $9::text[], $10::bigint[])
ON CONFLICT (broker_id) DO UPDATE SET broker_epoch = excluded.broker_epoch,
    incarnation_id = excluded.incarnation_id, host = excluded.host, port = excluded.port,
    kafka_port = excluded.kafka_port, rack = excluded.rack, status = excluded.status,
    directory_id = excluded.directory_id, disk_lost_at = excluded.disk_lost_at";

const ADD_EVENTS: &str = "
INSERT INTO metadata_events (version, seq, time_ms, author, request_id, kind, subject, before, after)
SELECT version, seq, time_ms, author, request_id, kind, subject, before::json, after::json
FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[]) AS rows (version, seq, time_ms, author, request_id, kind, subject, before, after)";

/// Rows per statement: what is bound is held twice while it is sent.
const PIECE: usize = 4096;

pub(super) struct PostgresDatabase {
    session: Session,
    /// `None` while there is none.
    connection: Option<PgConnection>,
}

impl PostgresDatabase {
    fn connection(&mut self) -> Result<&mut PgConnection, DbError> {
        self.connection.as_mut().ok_or_else(|| DbError::Lost("not connected".to_owned()))
    }

    fn check_owner(&self, epoch: i64) -> Result<(), DbError> {
        let own = self.session.owner_epoch;
        if epoch == own {
            Ok(())
        } else {
            Err(DbError::Fenced(format!("owner {epoch}; this process is owner {own}")))
        }
    }
}

impl Database for PostgresDatabase {
    fn backend(&self) -> Backend {
        Backend::Postgres
    }

    async fn begin(&mut self) -> Result<(), DbError> {
        let query = sqlx::raw_sql("BEGIN; SELECT owner_epoch FROM raft_node");
        let row = self.connection()?.fetch_one(query).await.map_err(classify)?;
        self.check_owner(sqlx::Row::try_get(&row, 0).map_err(classify)?)
    }

    async fn run(&mut self, step: &Step) -> Result<u64, DbError> {
        let owner_epoch = self.session.owner_epoch;
        let connection = self.connection()?;
        let mut affected = 0;
        match step {
            Step::AppendLog(rows) => {
                for piece in rows.chunks(PIECE) {
                    affected += append_log(connection, piece, owner_epoch).await?;
                }
            }
            Step::DropTopics(names) => {
                for statement in [
                    "DELETE FROM partitions WHERE topic_name = ANY($1)",
                    "DELETE FROM topics WHERE topic_name = ANY($1)",
                ] {
                    affected += execute(connection, sqlx::query(statement).bind(names)).await?;
                }
            }
            Step::PutConfigs(rows) => {
                let (names, configs): (Vec<&str>, Vec<&str>) =
                    rows.iter().map(|(name, configs)| (name.as_str(), configs.as_str())).unzip();
                affected += execute(connection, sqlx::query(PUT_CONFIGS).bind(names).bind(configs)).await?;
            }
            Step::PutTopics(rows) => {
                for piece in rows.chunks(PIECE) {
                    affected += put_topics(connection, piece).await?;
                }
            }
            Step::PutPartitions(rows) => {
                for piece in rows.chunks(PIECE) {
                    affected += put_partitions(connection, piece).await?;
                }
            }
            Step::PutBrokers(rows) => affected += put_brokers(connection, rows).await?,
            Step::AddEvents(rows) => {
                for piece in rows.chunks(PIECE) {
                    affected += add_events(connection, piece).await?;
                }
            }
            step => return sql::run_common(connection, step).await,
        }
        Ok(affected)
    }

    async fn commit(&mut self) -> Result<(), DbError> {
        self.connection()?.execute(sqlx::raw_sql("COMMIT")).await.map_err(classify)?;
        Ok(())
    }

    async fn rollback(&mut self) {
        if let Some(connection) = &mut self.connection {
            // Without a transaction under way there is nothing to roll back.
            connection.execute(sqlx::raw_sql("ROLLBACK")).await.ok();
        }
    }

    /// An append checks the owner within its one statement.
    async fn run_alone(&mut self, step: &Step) -> Result<u64, DbError> {
        if let Step::AppendLog(rows) = step
            && rows.len() <= PIECE
        {
            return self.run(step).await;
        }
        self.begin().await?;
        let rows = self.run(step).await?;
        self.commit().await?;
        Ok(rows)
    }

    async fn mark(&mut self) -> Result<Mark, DbError> {
        sql::mark(self.connection()?).await
    }

    async fn reconnect(&mut self) -> Result<(), DbError> {
        // Whatever the old one was doing, nothing is read from it any more.
        self.connection = None;
        self.connection = Some(self.session.reconnect().await?);
        Ok(())
    }

    async fn maintain(&mut self, _idle: bool) -> Result<(), DbError> {
        Ok(())
    }

    async fn close(self) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(event = "store_close_failed", %error, "closing the connection");
        }
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

async fn execute(connection: &mut PgConnection, query: Query<'_>) -> Result<u64, DbError> {
    Ok(query.execute(connection).await.map_err(classify)?.rows_affected())
}

/// One array of the values that `column` takes from `rows`.
fn array<'r, T, V>(rows: &'r [T], column: impl FnMut(&'r T) -> V) -> Vec<V> {
    rows.iter().map(column).collect()
}

async fn append_log(
    connection: &mut PgConnection,
    rows: &[super::LogRow],
    owner_epoch: i64,
) -> Result<u64, DbError> {
    let indexes: Result<Vec<i64>, DbError> = rows.iter().map(|row| to_column(row.position.index)).collect();
    let terms: Result<Vec<i64>, DbError> = rows.iter().map(|row| to_column(row.position.term)).collect();
    let query = sqlx::query(APPEND_LOG)
        .bind(indexes?)
        .bind(terms?)
        .bind(array(rows, |row| row.kind.name()))
        .bind(array(rows, |row| row.payload.as_ref().map(|payload| payload.get())))
        .bind(LOG_FORMAT)
        .bind(owner_epoch);
    execute(connection, query).await
}

async fn put_topics(connection: &mut PgConnection, rows: &[TopicRow]) -> Result<u64, DbError> {
    let query = sqlx::query(PUT_TOPICS)
        .bind(array(rows, |row| row.topic_name.as_str()))
        .bind(array(rows, |row| row.topic_id.as_str()))
        .bind(array(rows, |row| row.replication_factor))
        .bind(array(rows, |row| row.configs.as_str()));
    execute(connection, query).await
}

async fn put_partitions(connection: &mut PgConnection, rows: &[PartitionRow]) -> Result<u64, DbError> {
    let query = sqlx::query(PUT_PARTITIONS)
        .bind(array(rows, |row| &*row.topic_name))
        .bind(array(rows, |row| row.partition))
        .bind(array(rows, |row| row.leader))
        .bind(array(rows, |row| row.leader_epoch))
        .bind(array(rows, |row| row.partition_epoch))
        .bind(array(rows, |row| format!("{{{}}}", row.replicas)))
        .bind(array(rows, |row| format!("{{{}}}", row.isr)))
        .bind(array(rows, |row| format!("{{{}}}", row.eligible)))
        .bind(array(rows, |row| format!("{{{}}}", row.adding)))
        .bind(array(rows, |row| row.target.as_ref().map(|ids| format!("{{{ids}}}"))));
    execute(connection, query).await
}

async fn put_brokers(connection: &mut PgConnection, rows: &[BrokerRow]) -> Result<u64, DbError> {
    let query = sqlx::query(PUT_BROKERS)
        .bind(array(rows, |row| row.broker_id))
        .bind(array(rows, |row| row.broker_epoch))
        .bind(array(rows, |row| row.incarnation_id.as_str()))
        .bind(array(rows, |row| row.host.as_str()))
        .bind(array(rows, |row| row.port))
        .bind(array(rows, |row| row.kafka_port))
        .bind(array(rows, |row| row.rack.as_deref()))
        .bind(array(rows, |row| row.status))
        .bind(array(rows, |row| row.directory_id.as_deref()))
        .bind(array(rows, |row| row.disk_lost_at));
    execute(connection, query).await
}

async fn add_events(connection: &mut PgConnection, rows: &[EventRow]) -> Result<u64, DbError> {
    let query = sqlx::query(ADD_EVENTS)
        .bind(array(rows, |row| row.version))
        .bind(array(rows, |row| row.seq))
        .bind(array(rows, |row| row.time_ms))
        .bind(array(rows, |row| &*row.author))
        .bind(array(rows, |row| row.request_id.as_deref()))
        .bind(array(rows, |row| row.kind))
        .bind(array(rows, |row| row.subject.as_str()))
        .bind(array(rows, |row| row.before.as_deref()))
        .bind(array(rows, |row| row.after.as_deref()));
    execute(connection, query).await
}

/// What Postgres' error codes (appendix A of its manual) mean for the writer.
fn classify(error: sqlx::Error) -> DbError {
    let text = error.to_string();
    match &error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            // Connection exceptions, shutdown, crash of another process, starting up, no connection free,
            // killed while idle, canceled, deadlock and serialization failure: all may go well the next time.
            Some(code) if code.starts_with("08") => DbError::Lost(text),
            Some(
                "57P01" | "57P02" | "57P03" | "57P05" | "53300" | "25P03" | "57014" | "40P01" | "40001"
                | "55P03",
            ) => DbError::Lost(text),
            Some("53100") => DbError::Full(text),
            Some("XX001" | "XX002") => DbError::Damaged(text),
            _ => DbError::Other(text),
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed => DbError::Lost(text),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => DbError::Damaged(text),
        _ => DbError::Other(text),
    }
}
