//! The store in a SQLite file: WAL, `synchronous = FULL`, one process.
//!
//! - [`open`]: what is refused, and how a second process is kept out.
//! - [`bulk`]: many rows per statement.

mod bulk;
mod open;

use std::fs::File;

use sqlx::{Connection as _, SqliteConnection};

use self::bulk::Bulk;
use super::Backend;
use super::common_sql::LOG_FORMAT;
use super::database::{Database, DbError, Mark, Step, to_column};

#[cfg(test)]
pub(super) use open::MIGRATIONS;
pub(super) use open::open;

/// How much is written to the WAL, roughly, before its pages are copied into the database even though there is more to
/// write; and how much when there is not. SQLite's own automatic checkpoint would strike in the middle of commits.
const CHECKPOINT_BUSY_BYTES: usize = 16 << 20;
const CHECKPOINT_IDLE_BYTES: usize = 256 << 10;
/// What a commit writes to the WAL beside its payload: the pages it touches are written whole.
const COMMIT_BYTES: usize = 3 * 4096;

/// The statements that both databases share.
pub(super) mod sql {
    use super::classify;
    crate::store::common_sql::common_sql!(sqlx::Sqlite);
}

pub(super) struct SqliteDatabase {
    connection: SqliteConnection,
    bulk: Bulk,
    /// What this process wrote into `raft_node` when it took hold of the file.
    owner_epoch: i64,
    /// Estimate of what the last checkpoint left in the WAL.
    wal_bytes: usize,
    /// Held open, and thereby locked, as long as the database is.
    _lock: File,
}

impl Database for SqliteDatabase {
    fn backend(&self) -> Backend {
        Backend::Sqlite
    }

    async fn begin(&mut self) -> Result<(), DbError> {
        self.wal_bytes += COMMIT_BYTES;
        let query = sqlx::query_scalar("BEGIN IMMEDIATE; SELECT owner_epoch FROM raft_node");
        let epoch: i64 = query.fetch_one(&mut self.connection).await.map_err(classify)?;
        if epoch != self.owner_epoch {
            return Err(DbError::Fenced(format!(
                "owner {epoch}; this process is owner {}",
                self.owner_epoch
            )));
        }
        Ok(())
    }

    async fn run(&mut self, step: &Step) -> Result<u64, DbError> {
        let connection = &mut self.connection;
        match step {
            Step::AppendLog(rows) => {
                self.wal_bytes += rows.iter().map(super::LogRow::bytes).sum::<usize>();
                self.bulk
                    .insert(connection, &bulk::LOG, rows, |row, values| {
                        values.add(to_column(row.position.index)?)?;
                        values.add(to_column(row.position.term)?)?;
                        values.add(row.kind.name())?;
                        values.add(LOG_FORMAT)?;
                        values.add(row.payload.as_ref().map(|payload| payload.get()))
                    })
                    .await
            }
            Step::DropTopics(names) => {
                let names =
                    serde_json::to_string(names).map_err(|error| DbError::Other(error.to_string()))?;
                let mut rows = 0;
                for statement in [
                    "DELETE FROM partitions WHERE topic_name IN (SELECT value FROM json_each($1))",
                    "DELETE FROM topics WHERE topic_name IN (SELECT value FROM json_each($1))",
                ] {
                    let query = sqlx::query(statement).bind(names.as_str());
                    rows += query.execute(&mut *connection).await.map_err(classify)?.rows_affected();
                }
                Ok(rows)
            }
            Step::PutConfigs(rows) => {
                for (name, configs) in rows {
                    let query = sqlx::query("UPDATE topics SET configs = $2 WHERE topic_name = $1");
                    let query = query.bind(name.as_str()).bind(configs.as_str());
                    query.execute(&mut *connection).await.map_err(classify)?;
                }
                Ok(rows.len() as u64)
            }
            Step::PutTopics(rows) => self.bulk.put_topics(connection, rows).await,
            Step::PutPartitions(rows) => self.bulk.put_partitions(connection, rows).await,
            Step::PutBrokers(rows) => self.bulk.put_brokers(connection, rows).await,
            Step::AddEvents(rows) => {
                self.wal_bytes += rows.len() * 1024;
                self.bulk.add_events(connection, rows).await
            }
            step => sql::run_common(connection, step).await,
        }
    }

    async fn commit(&mut self) -> Result<(), DbError> {
        sqlx::query("COMMIT").execute(&mut self.connection).await.map_err(classify)?;
        Ok(())
    }

    async fn rollback(&mut self) {
        // Without a transaction under way, or after an error that ended it, there is nothing to roll back.
        sqlx::query("ROLLBACK").execute(&mut self.connection).await.ok();
    }

    /// One statement needs no BEGIN and COMMIT around it.
    async fn run_alone(&mut self, step: &Step) -> Result<u64, DbError> {
        if let Step::AppendLog(rows) = step
            && Bulk::is_one_statement(rows.len())
        {
            self.wal_bytes += COMMIT_BYTES;
            return self.run(step).await;
        }
        self.begin().await?;
        let rows = self.run(step).await?;
        self.commit().await?;
        Ok(rows)
    }

    async fn mark(&mut self) -> Result<Mark, DbError> {
        sql::mark(&mut self.connection).await
    }

    async fn reconnect(&mut self) -> Result<(), DbError> {
        Err(DbError::Other("a file has no connection that could be made again".to_owned()))
    }

    async fn maintain(&mut self, idle: bool) -> Result<(), DbError> {
        let bound = if idle { CHECKPOINT_IDLE_BYTES } else { CHECKPOINT_BUSY_BYTES };
        if self.wal_bytes < bound {
            return Ok(());
        }
        self.wal_bytes = 0;
        // PASSIVE waits for nobody; what readers keep it from copying is copied the next time.
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_optional(&mut self.connection)
            .await
            .map_err(classify)?;
        Ok(())
    }

    async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(event = "store_close_failed", %error, "closing the database");
        }
    }
}

/// What SQLite's result codes (<https://sqlite.org/rescode.html>) mean for the writer.
fn classify(error: sqlx::Error) -> DbError {
    match &error {
        sqlx::Error::Database(database) => {
            let code: i32 = database.code().and_then(|code| code.parse().ok()).unwrap_or(1);
            match code & 0xff {
                13 => DbError::Full(error.to_string()),
                11 | 26 => DbError::Damaged(error.to_string()),
                _ => DbError::Other(error.to_string()),
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => DbError::Damaged(error.to_string()),
        _ => DbError::Other(error.to_string()),
    }
}
