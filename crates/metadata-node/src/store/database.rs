//! What a database has to do for the store, and what crosses that line: plain rows and steps. All logic (merging,
//! ordering, what to do when a commit's outcome is unknown) is above it, in the writer.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use super::{
    Backend, HistoryEntry, HistoryQuery, LogPosition, LogRow, OpenError, SnapshotRecord, StoreError,
    VoteRecord,
};

/// The one connection that writes.
///
/// Between `begin` and `commit` all steps take effect together or not at all. When `commit` (or `run_alone`) has
/// returned `Ok` they are on disk; on an error other than [`DbError::Lost`] nothing has taken effect; on `Lost` that is
/// not known, and `reconnect` and `mark` find out. Every transaction makes sure that this process still owns the
/// database, and fails with [`DbError::Fenced`] if not.
pub(super) trait Database: Send + 'static {
    /// Which kind it is.
    fn backend(&self) -> Backend;

    /// Starts a transaction.
    fn begin(&mut self) -> impl Future<Output = Result<(), DbError>> + Send;

    /// Takes one step of the transaction; returns how many rows it touched.
    fn run(&mut self, step: &Step) -> impl Future<Output = Result<u64, DbError>> + Send;

    /// Makes the transaction durable.
    fn commit(&mut self) -> impl Future<Output = Result<(), DbError>> + Send;

    /// Ends the transaction without effect. Errors do not matter: the connection is not used again after them.
    fn rollback(&mut self) -> impl Future<Output = ()> + Send;

    /// A transaction of one step. Databases do better than this where they can.
    fn run_alone(&mut self, step: &Step) -> impl Future<Output = Result<u64, DbError>> + Send {
        async {
            self.begin().await?;
            let rows = self.run(step).await?;
            self.commit().await?;
            Ok(rows)
        }
    }

    /// What is durable now.
    fn mark(&mut self) -> impl Future<Output = Result<Mark, DbError>> + Send;

    /// Makes the connection again after [`DbError::Lost`] and takes hold of the database as its former owner. Whatever
    /// the old connection had begun is finished or undone on return.
    fn reconnect(&mut self) -> impl Future<Output = Result<(), DbError>> + Send;

    /// Upkeep between transactions; `idle`: nothing waits to be written.
    fn maintain(&mut self, idle: bool) -> impl Future<Output = Result<(), DbError>> + Send;

    /// Ends the connection in good order.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Reads, on connections of their own, so that they never wait for the writer nor it for them.
pub(super) trait Reader: Send + Sync + 'static {
    /// Entries `from..to`, oldest first, at most `limit`.
    fn log(&self, from: u64, to: u64, limit: usize) -> BoxFuture<'_, Result<Vec<LogRow>, DbError>>;

    /// Metadata events.
    fn history<'a>(&'a self, query: &'a HistoryQuery) -> BoxFuture<'a, Result<Vec<HistoryEntry>, DbError>>;

    /// The complete snapshot.
    fn snapshot(&self) -> BoxFuture<'_, Result<Option<SnapshotHead>, DbError>>;

    /// One chunk of a snapshot.
    fn chunk(&self, id: i64, seq: i64) -> BoxFuture<'_, Result<Option<Vec<u8>>, DbError>>;

    /// Ends the connections.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// How a database fails.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum DbError {
    /// The connection broke, or the server is restarting: whether the transaction took effect is not known.
    #[error("{0}")]
    Lost(String),
    /// No space left.
    #[error("no space left: {0}")]
    Full(String),
    /// This process owns the database no more.
    #[error("{0}")]
    Fenced(String),
    /// A row or a page makes no sense.
    #[error("{0}")]
    Damaged(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl DbError {
    /// As what the rest of the node sees.
    pub(super) fn into_store_error(self, backend: Backend) -> StoreError {
        match self {
            Self::Full(reason) => StoreError::Full { backend, reason },
            Self::Fenced(holder) => StoreError::Fenced { backend, holder },
            Self::Damaged(reason) => StoreError::Damaged { backend, reason },
            Self::Lost(reason) | Self::Other(reason) => StoreError::Database { backend, reason },
        }
    }
}

/// A failure while a database is being opened.
pub(super) fn open_error(url: &str, error: DbError) -> OpenError {
    let url = url.to_owned();
    match error {
        DbError::Damaged(reason) => OpenError::Damaged { url, reason },
        error => OpenError::Database { url, reason: error.to_string() },
    }
}

/// What is durable, as far as it tells one transaction's effect from its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) vote: Option<VoteRecord>,
    pub(super) purged: Option<LogPosition>,
    /// The last entry in the table.
    pub(super) last_row: Option<LogPosition>,
    pub(super) projected: Option<LogPosition>,
    /// The complete snapshot.
    pub(super) snapshot_id: Option<i64>,
}

/// One step of a transaction: one statement, or a few where a statement cannot hold all rows.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Remembers the vote.
    Vote(VoteRecord),
    /// Deletes entries after this index; `None`: all.
    TruncateLog(Option<u64>),
    /// Appends entries.
    AppendLog(Vec<LogRow>),
    /// Deletes entries up to this one and remembers it.
    PurgeLog(LogPosition),
    /// Starts a snapshot that nobody sees yet.
    StageSnapshot { id: i64, record: Box<SnapshotRecord>, bytes: i64, sha256: String },
    /// Adds a piece of it. Again with the same `seq`: replaces it.
    SnapshotChunk { id: i64, seq: i64, data: Bytes },
    /// Makes it the snapshot, and deletes all others that were begun before it.
    CompleteSnapshot(i64),
    /// Deletes a snapshot that was begun and is not wanted any more.
    DropSnapshot(i64),
    /// Empties topics, partitions and brokers.
    ClearMetadata,
    /// Deletes topics with their partitions.
    DropTopics(Vec<String>),
    /// Writes topics.
    PutTopics(Vec<TopicRow>),
    /// Writes settings of topics that are there.
    PutConfigs(Vec<(String, String)>),
    /// Writes partitions.
    PutPartitions(Vec<PartitionRow>),
    /// Deletes brokers.
    DropBrokers(Vec<i64>),
    /// Writes brokers.
    PutBrokers(Vec<BrokerRow>),
    /// Writes the status of brokers that are there.
    PutStatuses(Vec<(i64, i64, &'static str)>),
    /// Adds events.
    AddEvents(Vec<EventRow>),
    /// Moves the projection's position on, if it is where it is thought to be: one row, else none.
    Applied { from: Option<LogPosition>, to: LogPosition },
}

/// A row of `topics`.
#[derive(Debug, Clone)]
pub(super) struct TopicRow {
    pub(super) topic_name: String,
    pub(super) topic_id: String,
    pub(super) replication_factor: i64,
    /// A JSON object.
    pub(super) configs: String,
}

/// A row of `partitions`.
#[derive(Debug, Clone)]
pub(super) struct PartitionRow {
    pub(super) topic_name: Arc<str>,
    pub(super) partition: i64,
    pub(super) leader: Option<i64>,
    pub(super) leader_epoch: i64,
    pub(super) partition_epoch: i64,
    /// Broker ids, separated by commas: each database has its own brackets around them.
    pub(super) replicas: String,
    pub(super) isr: String,
    pub(super) eligible: String,
    pub(super) adding: String,
    /// `None`: its replicas do not move.
    pub(super) target: Option<String>,
}

/// A row of `brokers`.
#[derive(Debug, Clone)]
pub(super) struct BrokerRow {
    pub(super) broker_id: i64,
    pub(super) broker_epoch: i64,
    pub(super) incarnation_id: String,
    pub(super) host: String,
    pub(super) port: i64,
    pub(super) kafka_port: Option<i64>,
    pub(super) rack: Option<String>,
    pub(super) status: &'static str,
    pub(super) directory_id: Option<String>,
    pub(super) disk_lost_at: Option<i64>,
}

/// A row of `metadata_events`.
#[derive(Debug, Clone)]
pub(super) struct EventRow {
    pub(super) version: i64,
    pub(super) seq: i64,
    pub(super) time_ms: i64,
    pub(super) author: Arc<str>,
    pub(super) request_id: Option<String>,
    pub(super) kind: &'static str,
    pub(super) subject: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// A row of `raft_snapshot`.
#[derive(Debug, Clone)]
pub(super) struct SnapshotHead {
    pub(super) id: i64,
    pub(super) record: SnapshotRecord,
    pub(super) bytes: i64,
    pub(super) sha256: String,
}

/// A JSON text from a column.
pub(super) fn json_column(text: String, column: impl std::fmt::Display) -> Result<Box<RawValue>, DbError> {
    RawValue::from_string(text).map_err(|error| DbError::Damaged(format!("{column} is no JSON: {error}")))
}

/// An index, a term or an id as a column has it.
///
/// # Errors
/// Above 2^63, which no log reaches.
pub(super) fn to_column(number: u64) -> Result<i64, DbError> {
    i64::try_from(number).map_err(|_| DbError::Other(format!("{number} exceeds the bound {}", i64::MAX)))
}

/// The number in a column.
pub(super) fn from_column(number: i64, column: impl std::fmt::Display) -> Result<u64, DbError> {
    u64::try_from(number).map_err(|_| DbError::Damaged(format!("{column} is {number}, below 0")))
}
