//! [`Store`]: what the rest of the node holds.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, watch};
use uuid::Uuid;

use super::batch::Op;
use super::database::{Database, DbError, Mark, Reader};
use super::options::{DatabaseUrl, without_password};
use super::writer::{Writer, WriterParts};
use super::{
    AppliedEntry, Backend, HistoryEntry, HistoryQuery, LogPosition, LogRow, OpenError, StoreError,
    StoreEvents, StoreGauges, StoreOptions, VoteRecord, postgres, sqlite,
};

/// How many operations may wait for the writer; more wait for room.
const QUEUE_MAX: usize = 1024;

/// An open database. Cheap to clone; all clones are the same database.
#[derive(Clone)]
pub struct Store {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    backend: Backend,
    queue: mpsc::Sender<Op>,
    pub(super) reader: Box<dyn Reader>,
    gauges: Arc<StoreGauges>,
    failed: watch::Receiver<Option<StoreError>>,
    /// Snapshots are stored one after the other.
    pub(super) snapshot: Mutex<()>,
    pub(super) snapshot_id: AtomicI64,
}

/// What was found at open.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Which kind of database.
    pub backend: Backend,
    /// Drawn when this database was created. A node that comes back with another one lost its log and its vote.
    pub storage_id: Uuid,
    /// Whether it was created just now.
    pub fresh: bool,
    /// The last vote.
    pub vote: Option<VoteRecord>,
    /// All entries up to here were purged.
    pub purged: Option<LogPosition>,
    /// Index of the first entry, or of the one that would be.
    pub first_index: u64,
    /// The last entry; if there is none, `purged`.
    pub last_log: Option<LogPosition>,
    /// Up to here the projection holds all changes. All this was applied, so it was committed. Never behind the snapshot.
    pub projected: Option<LogPosition>,
    /// Identifies the Postgres server (its `system_identifier`): two voters on one server share its fate.
    pub server_id: Option<u64>,
}

/// The task that writes. Run it as a task whose end ends the node.
pub struct StoreWriter {
    run: Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>,
}

impl StoreWriter {
    /// Writes until [`Store::close`], or until every [`Store`] is dropped; what waits then is written first. An error is
    /// final: the node must end, and start again from what is durable.
    pub async fn run(self) -> Result<(), StoreError> {
        self.run.await
    }
}

/// What opening a database gives.
pub(super) struct Parts<D> {
    pub(super) database: D,
    pub(super) reader: Box<dyn Reader>,
    pub(super) storage_id: String,
    pub(super) fresh: bool,
    pub(super) mark: Mark,
    pub(super) first_index: u64,
    pub(super) snapshot_id_max: i64,
    pub(super) server_id: Option<u64>,
}

impl Store {
    /// Opens, migrates and takes hold of a database, or says why not. Bounded by [`StoreOptions::connect_timeout`].
    pub async fn open(
        mut options: StoreOptions,
        events: Arc<dyn StoreEvents>,
    ) -> Result<(Self, StoreWriter, Opened), OpenError> {
        match DatabaseUrl::parse(&options.database)? {
            DatabaseUrl::Sqlite(url) => {
                // A file cannot be reached again in another way: however slow the disk is, it is waited for.
                options.commit_timeout = Duration::MAX;
                let parts = sqlite::open(&options, &url).await?;
                Self::start(parts, options, events).await
            }
            DatabaseUrl::Postgres(connect) => {
                let url = without_password(&options.database);
                let parts = postgres::open(&options, *connect, &url).await?;
                Self::start(parts, options, events).await
            }
        }
    }

    /// A store on a database that is open.
    pub(super) async fn start<D: Database>(
        parts: Parts<D>,
        options: StoreOptions,
        events: Arc<dyn StoreEvents>,
    ) -> Result<(Self, StoreWriter, Opened), OpenError> {
        let url = without_password(&options.database);
        let damaged = |reason: String| OpenError::Damaged { url: url.clone(), reason };
        let storage_id = parts.storage_id.parse();
        let storage_id =
            storage_id.map_err(|_| damaged(format!("raft_node.storage_id is `{}`", parts.storage_id)))?;
        let snapshot = parts.reader.snapshot().await.map_err(|error| damaged(error.to_string()))?;
        let snapshot_last = snapshot.and_then(|head| head.record.last);
        let index = |at: Option<LogPosition>| at.map(|at| at.index);
        let mark = parts.mark;
        if index(snapshot_last) > index(mark.projected) {
            let reason = format!(
                "the projection is at {:?}, behind the snapshot at {snapshot_last:?}",
                mark.projected
            );
            return Err(damaged(reason));
        }
        let backend = parts.database.backend();
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let (failed, failed_watch) = watch::channel(None);
        let gauges = Arc::new(StoreGauges::default());
        gauges.projected_index.store(index(mark.projected).unwrap_or(0), Ordering::Relaxed);
        let writer = Writer::new(WriterParts {
            database: parts.database,
            queue: receiver,
            options,
            gauges: Arc::clone(&gauges),
            events,
            failed,
            mark,
            snapshot_last,
        });
        let opened = Opened {
            backend,
            storage_id,
            fresh: parts.fresh,
            vote: mark.vote,
            purged: mark.purged,
            first_index: parts.first_index,
            last_log: mark.last_row.or(mark.purged),
            projected: mark.projected,
            server_id: parts.server_id,
        };
        let shared = Shared {
            backend,
            queue,
            reader: parts.reader,
            gauges,
            failed: failed_watch,
            snapshot: Mutex::new(()),
            snapshot_id: AtomicI64::new(parts.snapshot_id_max),
        };
        Ok((Self { shared: Arc::new(shared) }, StoreWriter { run: Box::pin(writer.run()) }, opened))
    }

    /// Which kind of database it is.
    pub fn backend(&self) -> Backend {
        self.shared.backend
    }

    /// Appends entries after the last one. Durable on return. (Raft does not wait: see `raft::log_store`.)
    pub async fn append(&self, rows: Vec<LogRow>) -> Result<(), StoreError> {
        self.ask(|done| Op::Append(rows, done)).await
    }

    /// Hands over what was applied, in order, for the projection. Its rows are written within
    /// [`StoreOptions::projection_delay`]; waits only if the writer is far behind. Entries that the projection holds already
    /// are left out, so a restarted node may hand over what it applies again.
    pub async fn project(&self, entries: Vec<AppliedEntry>) -> Result<(), StoreError> {
        self.send(Op::Project(entries)).await
    }

    /// Metadata events. Everything handed to [`Self::project`] before the call is in it.
    pub async fn history(&self, query: HistoryQuery) -> Result<Vec<HistoryEntry>, StoreError> {
        self.flush().await?;
        self.shared.reader.history(&query).await.map_err(|error| self.read_error(error))
    }

    /// Durable log entries from index `from` on, at most `limit`, oldest first.
    pub async fn log(&self, from: u64, limit: usize) -> Result<Vec<LogRow>, StoreError> {
        self.log_range(from, u64::MAX, limit).await
    }

    /// Durable log entries `from..to`, at most `limit`, oldest first.
    pub(crate) async fn log_range(
        &self,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<LogRow>, StoreError> {
        self.shared.reader.log(from, to, limit).await.map_err(|error| self.read_error(error))
    }

    /// Returns once the projection of all that was handed over is durable.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.ask(Op::Flush).await
    }

    /// Writes all that waits, ends the writer, and frees the database for another process: it is free on return. Nothing
    /// can be read or written after it.
    pub async fn close(&self) -> Result<(), StoreError> {
        // Readers first: SQLite's last connection tidies up, and only the writer's may.
        self.shared.reader.close().await;
        self.ask(Op::Close).await
    }

    /// Figures to be read at any time.
    pub fn gauges(&self) -> &StoreGauges {
        &self.shared.gauges
    }

    /// Follows whether the store has failed: then it stays so, and says why.
    pub fn watch_failure(&self) -> watch::Receiver<Option<StoreError>> {
        self.shared.failed.clone()
    }

    /// Queues an operation. Operations of one caller keep their order.
    pub(crate) async fn send(&self, op: Op) -> Result<(), StoreError> {
        // Counted before it is there, so that the count never drops below zero.
        self.shared.gauges.queued.fetch_add(1, Ordering::Relaxed);
        if self.shared.queue.send(op).await.is_err() {
            self.shared.gauges.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(self.shared.failed.borrow().clone().unwrap_or(StoreError::Closed));
        }
        Ok(())
    }

    pub(super) fn read_error(&self, error: DbError) -> StoreError {
        error.into_store_error(self.shared.backend)
    }
}
