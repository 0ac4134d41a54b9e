//! Statements whose text and types are the same on both databases, written once and compiled for each.
//!
//! `$1` is a parameter in both; numbers are `BIGINT` / `INTEGER`, texts and JSON are read as `TEXT`.

use super::database::{DbError, Mark, from_column, json_column};
use super::{EntryKind, LogPosition, LogRow, OpenError, StoreOptions, VoteRecord};

/// Version of the payloads' format in `raft_log`.
pub(super) const LOG_FORMAT: i64 = 1;

/// One step of the schema's history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    pub(super) number: i64,
    pub(super) sql: &'static str,
}

/// Who a database says it belongs to.
#[derive(Debug, Clone)]
pub(super) struct NodeRow {
    pub(super) cluster_id: String,
    pub(super) node_id: i64,
    pub(super) storage_id: String,
    pub(super) schema_version: i64,
    pub(super) owner_epoch: i64,
}

pub(super) const SELECT_NODE: &str =
    "SELECT cluster_id, node_id, storage_id, schema_version, owner_epoch FROM raft_node";

/// One row with everything in it, so that it is one moment.
pub(super) const SELECT_MARK: &str = "
SELECT s.vote_term, s.vote_node, s.vote_committed, s.purged_idx, s.purged_term,
       (SELECT idx FROM raft_log ORDER BY idx DESC LIMIT 1),
       (SELECT term FROM raft_log ORDER BY idx DESC LIMIT 1),
       a.idx, a.term,
       (SELECT max(id) FROM raft_snapshot WHERE complete = 1)
FROM raft_state AS s, metadata_applied AS a";

/// Entries, first, last. Without a gap the first is the last minus their number plus one.
pub(super) const SELECT_LOG_EXTENT: &str =
    "SELECT count(*), coalesce(min(idx), 0), coalesce(max(idx), 0) FROM raft_log";

/// All snapshots that are known, whole or not.
pub(super) const SELECT_SNAPSHOT_ID_MAX: &str = "SELECT coalesce(max(id), 0) FROM (\
    SELECT id FROM raft_snapshot UNION ALL SELECT id FROM raft_snapshot_chunk) AS ids";

pub(super) const SELECT_LOG: &str =
    "SELECT idx, term, kind, fmt, payload FROM raft_log WHERE idx >= $1 AND idx < $2 ORDER BY idx LIMIT $3";

pub(super) const SELECT_SNAPSHOT: &str = "
SELECT id, last_idx, last_term, membership, fmt, codec, bytes, sha256
FROM raft_snapshot WHERE complete = 1 ORDER BY id DESC LIMIT 1";

pub(super) const SELECT_CHUNK: &str = "SELECT data FROM raft_snapshot_chunk WHERE id = $1 AND seq = $2";

/// History has four shapes, so that each can use an index.
pub(super) const SELECT_EVENTS_NEWEST: &str = "
SELECT version, seq, time_ms, author, request_id, kind, subject, CAST(before AS TEXT), CAST(after AS TEXT)
FROM metadata_events ORDER BY version DESC, seq DESC LIMIT $1";
pub(super) const SELECT_EVENTS_SINCE: &str = "
SELECT version, seq, time_ms, author, request_id, kind, subject, CAST(before AS TEXT), CAST(after AS TEXT)
FROM metadata_events WHERE version > $2 ORDER BY version, seq LIMIT $1";
pub(super) const SELECT_EVENTS_NEWEST_OF: &str = "
SELECT version, seq, time_ms, author, request_id, kind, subject, CAST(before AS TEXT), CAST(after AS TEXT)
FROM metadata_events WHERE subject = $2 ORDER BY version DESC, seq DESC LIMIT $1";
pub(super) const SELECT_EVENTS_SINCE_OF: &str = "
SELECT version, seq, time_ms, author, request_id, kind, subject, CAST(before AS TEXT), CAST(after AS TEXT)
FROM metadata_events WHERE subject = $2 AND version > $3 ORDER BY version, seq LIMIT $1";

pub(super) const INSERT_NODE: &str = "INSERT INTO raft_node (one, cluster_id, node_id, storage_id, schema_version, owner_epoch, owner) \
     VALUES (1, $1, $2, $3, $4, 0, '')";
pub(super) const UPDATE_SCHEMA: &str = "UPDATE raft_node SET schema_version = $1";
pub(super) const UPDATE_OWNER: &str = "UPDATE raft_node SET owner_epoch = owner_epoch + 1, owner = $1";

/// A position from two columns.
pub(super) fn position(
    index: Option<i64>,
    term: Option<i64>,
    of: &str,
) -> Result<Option<LogPosition>, DbError> {
    match (index, term) {
        (None, None) => Ok(None),
        (Some(index), Some(term)) => {
            Ok(Some(LogPosition { term: from_column(term, of)?, index: from_column(index, of)? }))
        }
        (index, term) => {
            Err(DbError::Damaged(format!("{of} is (index {index:?}, term {term:?}), half of a position")))
        }
    }
}

/// An entry from its columns.
pub(super) fn log_row(
    idx: i64,
    term: i64,
    kind: &str,
    fmt: i64,
    payload: Option<String>,
) -> Result<LogRow, DbError> {
    let wrong = |what: String| DbError::Damaged(format!("raft_log entry {idx}: {what}"));
    if fmt != LOG_FORMAT {
        return Err(wrong(format!("fmt is {fmt}, known is {LOG_FORMAT}")));
    }
    let kind = EntryKind::from_name(kind).ok_or_else(|| wrong(format!("kind is `{kind}`")))?;
    if payload.is_none() != (kind == EntryKind::Blank) {
        return Err(wrong(format!(
            "a {} {} payload",
            kind.name(),
            if payload.is_some() { "with" } else { "without" }
        )));
    }
    let position =
        LogPosition { term: from_column(term, "raft_log.term")?, index: from_column(idx, "raft_log.idx")? };
    let payload = payload.map(|text| json_column(text, format_args!("the payload of raft_log entry {idx}")));
    Ok(LogRow { position, kind, payload: payload.transpose()?.map(Into::into) })
}

/// Refuses a database that is not this node's.
pub(super) fn check_identity(
    row: &NodeRow,
    known_schema: i64,
    options: &StoreOptions,
    url: &str,
) -> Result<(), OpenError> {
    let url = || url.to_owned();
    if row.cluster_id != options.cluster_id.0 {
        let found = common::ClusterId(row.cluster_id.clone());
        return Err(OpenError::OtherCluster { url: url(), found, expected: options.cluster_id.clone() });
    }
    if u64::try_from(row.node_id) != Ok(options.node_id.0) {
        let found = common::NodeId(u64::try_from(row.node_id).unwrap_or(0));
        return Err(OpenError::OtherNode { url: url(), found, expected: options.node_id });
    }
    if row.schema_version > known_schema {
        return Err(OpenError::NewerSchema { url: url(), found: row.schema_version, known: known_schema });
    }
    Ok(())
}

/// Refuses a log with a hole. Returns the index of its first entry, or of the one that would be.
pub(super) fn check_extent(
    (count, first, last): (i64, i64, i64),
    purged: Option<LogPosition>,
) -> Result<u64, DbError> {
    if count > 0 && last - first + 1 != count {
        let reason = format!("raft_log has {count} entries from {first} to {last}: some are missing");
        return Err(DbError::Damaged(reason));
    }
    if let Some(purged) = purged
        && count > 0
        && u64::try_from(first) != Ok(purged.index + 1)
    {
        let reason = format!("raft_log begins at {first}, but was purged up to {}", purged.index);
        return Err(DbError::Damaged(reason));
    }
    match purged {
        Some(purged) => Ok(purged.index + 1),
        None => from_column(first, "raft_log.idx"),
    }
}

/// [`SELECT_MARK`]'s columns.
pub(super) type MarkRow = (
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

pub(super) fn mark(row: MarkRow) -> Result<Mark, DbError> {
    let vote = match (row.0, row.1, row.2) {
        (None, None, None) => None,
        (Some(term), Some(node), Some(committed @ 0..=1)) => Some(VoteRecord {
            term: from_column(term, "raft_state.vote_term")?,
            node: common::NodeId(from_column(node, "raft_state.vote_node")?),
            committed: committed == 1,
        }),
        vote => return Err(DbError::Damaged(format!("raft_state holds {vote:?}, which is no vote"))),
    };
    Ok(Mark {
        vote,
        purged: position(row.3, row.4, "raft_state.purged")?,
        last_row: position(row.5, row.6, "raft_log's last entry")?,
        projected: position(row.7, row.8, "metadata_applied")?,
        snapshot_id: row.9,
    })
}

/// Statements that both databases take as they are.
macro_rules! common_sql {
    ($sqlx_database:ty) => {
        use crate::store::common_sql as sql;
        use crate::store::database::{DbError, Mark, SnapshotHead, Step, from_column, json_column, open_error, to_column};
        use crate::store::{HistoryEntry, HistoryQuery, LogRow, OpenError, SnapshotRecord, StoreOptions};
        use futures_util::future::BoxFuture;

        type Connection = <$sqlx_database as sqlx::Database>::Connection;

        async fn node(connection: &mut Connection) -> Result<Option<sql::NodeRow>, sqlx::Error> {
            let row: Option<(String, i64, String, i64, i64)> =
                sqlx::query_as(sql::SELECT_NODE).fetch_optional(connection).await?;
            Ok(row.map(|(cluster_id, node_id, storage_id, schema_version, owner_epoch)| sql::NodeRow {
                cluster_id,
                node_id,
                storage_id,
                schema_version,
                owner_epoch,
            }))
        }

        /// Within a transaction: checks whose the database is, brings its schema up to date, and takes hold of it.
        /// Returns its identity and whether it was created just now.
        pub(super) async fn claim(
            connection: &mut Connection,
            exists: bool,
            migrations: &[sql::Migration],
            options: &StoreOptions,
            url: &str,
            owner: &str,
        ) -> Result<(sql::NodeRow, bool), OpenError> {
            let failed = |error: sqlx::Error| sql_error(url, error);
            let known = migrations.last().map_or(0, |migration| migration.number);
            let found = if exists { node(connection).await.map_err(failed)? } else { None };
            if let Some(row) = &found {
                sql::check_identity(row, known, options, url)?;
            } else if exists {
                return Err(OpenError::Damaged { url: url.to_owned(), reason: "raft_node has no row".to_owned() });
            }
            let at = found.as_ref().map_or(0, |row| row.schema_version);
            for migration in migrations.iter().filter(|migration| migration.number > at) {
                sqlx::raw_sql(migration.sql).execute(&mut *connection).await.map_err(failed)?;
            }
            if found.is_none() {
                let query = sqlx::query(sql::INSERT_NODE)
                    .bind(options.cluster_id.0.clone())
                    .bind(to_column(options.node_id.0).map_err(|error| open_error(url, error))?)
                    .bind(uuid::Uuid::new_v4().to_string())
                    .bind(known);
                query.execute(&mut *connection).await.map_err(failed)?;
            }
            sqlx::query(sql::UPDATE_SCHEMA).bind(known).execute(&mut *connection).await.map_err(failed)?;
            sqlx::query(sql::UPDATE_OWNER)
                .bind(owner.to_owned())
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
            let row = node(connection).await.map_err(failed)?;
            let row = row.ok_or_else(|| OpenError::Damaged {
                url: url.to_owned(),
                reason: "raft_node has no row".to_owned(),
            })?;
            Ok((row, found.is_none()))
        }

        /// What is durable, after checking that it makes sense.
        pub(super) async fn load(
            connection: &mut Connection,
            url: &str,
        ) -> Result<(Mark, u64, i64), OpenError> {
            let failed = |error: DbError| open_error(url, error);
            let mark = mark(connection).await.map_err(failed)?;
            let extent = log_extent(connection).await.map_err(failed)?;
            let first = sql::check_extent(extent, mark.purged).map_err(failed)?;
            Ok((mark, first, snapshot_id_max(connection).await.map_err(failed)?))
        }

        fn sql_error(url: &str, error: sqlx::Error) -> OpenError {
            open_error(url, classify(error))
        }

        pub(super) async fn mark(connection: &mut Connection) -> Result<Mark, DbError> {
            let row: Option<sql::MarkRow> =
                sqlx::query_as(sql::SELECT_MARK).fetch_optional(connection).await.map_err(classify)?;
            sql::mark(row.ok_or_else(|| DbError::Damaged("raft_state or metadata_applied has no row".to_owned()))?)
        }

        /// How many entries there are, the first and the last index.
        async fn log_extent(connection: &mut Connection) -> Result<(i64, i64, i64), DbError> {
            sqlx::query_as(sql::SELECT_LOG_EXTENT).fetch_one(connection).await.map_err(classify)
        }

        async fn snapshot_id_max(connection: &mut Connection) -> Result<i64, DbError> {
            sqlx::query_scalar(sql::SELECT_SNAPSHOT_ID_MAX).fetch_one(connection).await.map_err(classify)
        }

        /// Steps of one row or of a range.
        pub(super) async fn run_common(connection: &mut Connection, step: &Step) -> Result<u64, DbError> {
            let query = match step {
                Step::Vote(vote) => {
                    sqlx::query("UPDATE raft_state SET vote_term = $1, vote_node = $2, vote_committed = $3")
                        .bind(to_column(vote.term)?)
                        .bind(to_column(vote.node.0)?)
                        .bind(i64::from(vote.committed))
                }
                Step::TruncateLog(after) => sqlx::query("DELETE FROM raft_log WHERE idx > $1")
                    .bind(after.map(to_column).transpose()?.unwrap_or(-1)),
                Step::PurgeLog(to) => {
                    sqlx::query("UPDATE raft_state SET purged_idx = $1, purged_term = $2")
                        .bind(to_column(to.index)?)
                        .bind(to_column(to.term)?)
                        .execute(&mut *connection)
                        .await
                        .map_err(classify)?;
                    sqlx::query("DELETE FROM raft_log WHERE idx <= $1").bind(to_column(to.index)?)
                }
                Step::StageSnapshot { id, record, bytes, sha256 } => sqlx::query(
                    "INSERT INTO raft_snapshot (id, last_idx, last_term, membership, fmt, codec, bytes, sha256, \
                     complete) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT (id) DO NOTHING",
                )
                .bind(*id)
                .bind(record.last.map(|last| to_column(last.index)).transpose()?)
                .bind(record.last.map(|last| to_column(last.term)).transpose()?)
                .bind(record.membership.get().to_owned())
                .bind(i64::from(record.format))
                .bind(record.codec.clone())
                .bind(*bytes)
                .bind(sha256.clone()),
                Step::SnapshotChunk { id, seq, data } => sqlx::query(
                    "INSERT INTO raft_snapshot_chunk (id, seq, data) VALUES ($1, $2, $3) \
                     ON CONFLICT (id, seq) DO NOTHING",
                )
                .bind(*id)
                .bind(*seq)
                .bind(data.to_vec()),
                Step::CompleteSnapshot(id) => return complete_snapshot(connection, *id).await,
                Step::DropSnapshot(id) => {
                    execute(connection, sqlx::query("DELETE FROM raft_snapshot_chunk WHERE id = $1").bind(*id))
                        .await?;
                    sqlx::query("DELETE FROM raft_snapshot WHERE id = $1").bind(*id)
                }
                Step::ClearMetadata => {
                    execute(connection, sqlx::query("DELETE FROM partitions")).await?;
                    execute(connection, sqlx::query("DELETE FROM topics")).await?;
                    sqlx::query("DELETE FROM brokers")
                }
                Step::Applied { from, to } => sqlx::query(
                    "UPDATE metadata_applied SET idx = $1, term = $2 WHERE idx IS NOT DISTINCT FROM $3",
                )
                .bind(to_column(to.index)?)
                .bind(to_column(to.term)?)
                .bind(from.map(|from| to_column(from.index)).transpose()?),
                Step::PutStatuses(rows) => return put_statuses(connection, rows).await,
                Step::DropBrokers(ids) => return drop_brokers(connection, ids).await,
                step => return Err(DbError::Other(format!("step {step:?} has no common form"))),
            };
            execute(connection, query).await
        }

        async fn put_statuses(
            connection: &mut Connection,
            rows: &[(i64, i64, &'static str)],
        ) -> Result<u64, DbError> {
            for (id, epoch, status) in rows {
                let query =
                    sqlx::query("UPDATE brokers SET broker_epoch = $2, status = $3 WHERE broker_id = $1");
                execute(connection, query.bind(*id).bind(*epoch).bind(*status)).await?;
            }
            Ok(rows.len() as u64)
        }

        async fn drop_brokers(connection: &mut Connection, ids: &[i64]) -> Result<u64, DbError> {
            for id in ids {
                let query = sqlx::query("DELETE FROM brokers WHERE broker_id = $1");
                execute(connection, query.bind(*id)).await?;
            }
            Ok(ids.len() as u64)
        }

        type Query<'q> = sqlx::query::Query<'q, $sqlx_database, <$sqlx_database as sqlx::Database>::Arguments>;

        async fn execute(connection: &mut Connection, query: Query<'_>) -> Result<u64, DbError> {
            Ok(query.execute(connection).await.map_err(classify)?.rows_affected())
        }

        async fn complete_snapshot(connection: &mut Connection, id: i64) -> Result<u64, DbError> {
            let query = sqlx::query("DELETE FROM raft_snapshot_chunk WHERE id < $1");
            execute(connection, query.bind(id)).await?;
            execute(connection, sqlx::query("DELETE FROM raft_snapshot WHERE id < $1").bind(id)).await?;
            execute(connection, sqlx::query("UPDATE raft_snapshot SET complete = 1 WHERE id = $1").bind(id)).await
        }

        /// Reads on a pool of a few connections.
        pub(super) struct PoolReader(pub(super) sqlx::Pool<$sqlx_database>);

        type EventColumns = (
            i64,
            i64,
            i64,
            String,
            Option<String>,
            String,
            String,
            Option<String>,
            Option<String>,
        );

        impl PoolReader {
            async fn read_log(&self, from: u64, to: u64, limit: usize) -> Result<Vec<LogRow>, DbError> {
                let to = i64::try_from(to).unwrap_or(i64::MAX);
                let limit = i64::try_from(limit).unwrap_or(i64::MAX);
                let rows: Vec<(i64, i64, String, i64, Option<String>)> = sqlx::query_as(sql::SELECT_LOG)
                    .bind(to_column(from)?)
                    .bind(to)
                    .bind(limit)
                    .fetch_all(&self.0)
                    .await
                    .map_err(classify)?;
                rows.into_iter().map(|(idx, term, kind, fmt, payload)| sql::log_row(idx, term, &kind, fmt, payload)).collect()
            }

            async fn read_history(&self, query: &HistoryQuery) -> Result<Vec<HistoryEntry>, DbError> {
                let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
                let since = query.since.map(|since| i64::try_from(since.0).unwrap_or(i64::MAX));
                let of_topic = query.topic.as_ref().map(|name| format!("topic:{name}"));
                let of_broker = query.broker.map(|id| format!("broker:{id}"));
                let subject = match (of_topic, of_broker) {
                    // No event is about both.
                    (Some(_), Some(_)) => return Ok(Vec::new()),
                    (topic, broker) => topic.or(broker),
                };
                let query = match (subject, since) {
                    (None, None) => sqlx::query_as(sql::SELECT_EVENTS_NEWEST).bind(limit),
                    (None, Some(since)) => sqlx::query_as(sql::SELECT_EVENTS_SINCE).bind(limit).bind(since),
                    (Some(subject), None) => {
                        sqlx::query_as(sql::SELECT_EVENTS_NEWEST_OF).bind(limit).bind(subject)
                    }
                    (Some(subject), Some(since)) => {
                        sqlx::query_as(sql::SELECT_EVENTS_SINCE_OF).bind(limit).bind(subject).bind(since)
                    }
                };
                let rows: Vec<EventColumns> = query.fetch_all(&self.0).await.map_err(classify)?;
                rows.into_iter().map(history_entry).collect()
            }

            async fn read_snapshot(&self) -> Result<Option<SnapshotHead>, DbError> {
                type Columns = (i64, Option<i64>, Option<i64>, String, i64, String, i64, String);
                let row: Option<Columns> =
                    sqlx::query_as(sql::SELECT_SNAPSHOT).fetch_optional(&self.0).await.map_err(classify)?;
                let Some((id, last_idx, last_term, membership, fmt, codec, bytes, sha256)) = row else {
                    return Ok(None);
                };
                let record = SnapshotRecord {
                    last: sql::position(last_idx, last_term, "raft_snapshot.last")?,
                    membership: json_column(membership, "raft_snapshot.membership")?,
                    format: u16::try_from(fmt)
                        .map_err(|_| DbError::Damaged(format!("raft_snapshot.fmt is {fmt}")))?,
                    codec,
                };
                Ok(Some(SnapshotHead { id, record, bytes, sha256 }))
            }

            async fn read_chunk(&self, id: i64, seq: i64) -> Result<Option<Vec<u8>>, DbError> {
                let query = sqlx::query_scalar(sql::SELECT_CHUNK).bind(id).bind(seq);
                query.fetch_optional(&self.0).await.map_err(classify)
            }
        }

        fn history_entry(row: EventColumns) -> Result<HistoryEntry, DbError> {
            let (version, seq, time_ms, author, request_id, kind, subject, before, after) = row;
            let of = |column: &str| format!("metadata_events.{column} of version {version}");
            Ok(HistoryEntry {
                version: common::MetadataVersion(from_column(version, of("version"))?),
                // The row that tells of an installed snapshot stands before the events of its version.
                seq: u32::try_from(seq.max(0)).map_err(|_| DbError::Damaged(format!("{} is {seq}", of("seq"))))?,
                time_ms: from_column(time_ms, of("time_ms"))?,
                author,
                request_id: request_id
                    .map(|id| id.parse().map_err(|_| DbError::Damaged(format!("{} is `{id}`", of("request_id")))))
                    .transpose()?,
                kind,
                subject,
                before: before.map(|text| json_column(text, of("before"))).transpose()?,
                after: after.map(|text| json_column(text, of("after"))).transpose()?,
            })
        }

        impl crate::store::database::Reader for PoolReader {
            fn log(&self, from: u64, to: u64, limit: usize) -> BoxFuture<'_, Result<Vec<LogRow>, DbError>> {
                Box::pin(self.read_log(from, to, limit))
            }

            fn history<'a>(
                &'a self,
                query: &'a HistoryQuery,
            ) -> BoxFuture<'a, Result<Vec<HistoryEntry>, DbError>> {
                Box::pin(self.read_history(query))
            }

            fn snapshot(&self) -> BoxFuture<'_, Result<Option<SnapshotHead>, DbError>> {
                Box::pin(self.read_snapshot())
            }

            fn chunk(&self, id: i64, seq: i64) -> BoxFuture<'_, Result<Option<Vec<u8>>, DbError>> {
                Box::pin(self.read_chunk(id, seq))
            }

            fn close(&self) -> BoxFuture<'_, ()> {
                Box::pin(self.0.close())
            }
        }
    };
}

pub(super) use common_sql;
