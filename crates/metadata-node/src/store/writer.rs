//! The one task that writes.
//!
//! It takes what waits in the queue, folds it into one transaction, commits it, and only then tells those who wait.
//! While a commit is under way the next operations gather: the slower the disk, the larger the transactions.
//!
//! When a connection breaks during a commit nobody knows whether it took effect. The writer then connects again, makes
//! sure that the database is still this node's, reads what is durable and compares: it either answers as if nothing
//! had happened, or commits once more, or stops for good.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::batch::{Done, LogEdit, Op};
use super::database::{Database, DbError, Mark, Step};
use super::projection::{Pending, snapshot_event};
use super::{Image, LogPosition, StoreError, StoreEvents, StoreGauges, StoreOptions};

/// How many payload bytes and rows are merged into one transaction at most.
const BATCH_BYTES_MAX: usize = 4 << 20;
const BATCH_ROWS_MAX: usize = 4096;
/// How long nothing may come before the database gets time for its upkeep.
const IDLE: Duration = Duration::from_millis(50);
/// How many times longer than any other transaction one that installs a snapshot may take.
const INSTALL_PATIENCE: u32 = 30;
/// Pauses between attempts to connect again.
const RECONNECT_BACKOFF: [Duration; 4] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
];

/// What a writer is started with.
pub(super) struct WriterParts<D> {
    pub(super) database: D,
    pub(super) queue: mpsc::Receiver<Op>,
    pub(super) options: StoreOptions,
    pub(super) gauges: Arc<StoreGauges>,
    pub(super) events: Arc<dyn StoreEvents>,
    pub(super) failed: watch::Sender<Option<StoreError>>,
    /// What is durable.
    pub(super) mark: Mark,
    /// What the complete snapshot covers.
    pub(super) snapshot_last: Option<LogPosition>,
}

pub(super) struct Writer<D> {
    parts: WriterParts<D>,
    pending: Pending,
    /// When the projection is to be written.
    due: Option<Instant>,
}

/// One transaction in the making.
#[derive(Default)]
struct Batch {
    log: LogEdit,
    steps: Vec<Step>,
    image: Option<(Option<LogPosition>, Image)>,
    snapshot: Option<(i64, Option<LogPosition>)>,
    /// The projection must be in it.
    project: bool,
    /// It is the last one, and who wants to know.
    close: Option<Done>,
    dones: Vec<Done>,
}

impl Batch {
    fn is_full(&self) -> bool {
        // A snapshot's switch is a transaction of its own, so that what comes after it sees it.
        self.snapshot.is_some()
            || self.close.is_some()
            || self.log.bytes() >= BATCH_BYTES_MAX
            || self.log.rows() >= BATCH_ROWS_MAX
    }
}

impl<D: Database> Writer<D> {
    pub(super) fn new(parts: WriterParts<D>) -> Self {
        let pending = Pending::new(parts.mark.projected);
        Self { parts, pending, due: None }
    }

    /// Writes until the queue is closed or an error ends it for good.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        let outcome = self.work().await;
        if let Err(error) = &outcome {
            tracing::error!(event = "store_failed", %error, "the store has failed; nothing is acknowledged from here on");
            self.parts.failed.send_replace(Some(error.clone()));
        }
        // What still waits is answered by being dropped.
        self.parts.queue.close();
        self.parts.database.close().await;
        let closed = outcome?;
        if let Some(done) = closed {
            done.tell(Ok(()));
        }
        Ok(())
    }

    /// Returns who waits for the database to be closed.
    async fn work(&mut self) -> Result<Option<Done>, StoreError> {
        let mut idle = false;
        loop {
            let Some(mut batch) = self.next_batch(&mut idle).await? else { return Ok(None) };
            let dones = std::mem::take(&mut batch.dones);
            let close = batch.close.take();
            match self.write(batch).await {
                Ok(()) => dones.into_iter().for_each(|done| done.tell(Ok(()))),
                Err(error) => {
                    dones.into_iter().for_each(|done| done.tell(Err(error.clone())));
                    return Err(error);
                }
            }
            if close.is_some() {
                return Ok(close);
            }
            self.maintain(false).await?;
        }
    }

    /// Waits for something to do; `None`: nobody can ask any more, and nothing is left.
    async fn next_batch(&mut self, idle: &mut bool) -> Result<Option<Batch>, StoreError> {
        let mut batch = Batch::default();
        loop {
            let wake = match (self.due, *idle) {
                (Some(due), _) => Some(due),
                (None, false) => Some(Instant::now() + IDLE),
                (None, true) => None,
            };
            let op = match wake {
                Some(wake) => timeout_at(wake, self.parts.queue.recv()).await,
                None => Ok(self.parts.queue.recv().await),
            };
            match op {
                Ok(Some(op)) => {
                    *idle = false;
                    self.take_in(op, &mut batch)?;
                    break;
                }
                Ok(None) if self.pending.entries() == 0 => return Ok(None),
                Ok(None) => {
                    batch.project = true;
                    return Ok(Some(batch));
                }
                Err(_) if self.due.is_some() => {
                    batch.project = true;
                    return Ok(Some(batch));
                }
                Err(_) => {
                    *idle = true;
                    self.maintain(true).await?;
                }
            }
        }
        while !batch.is_full()
            && let Ok(op) = self.parts.queue.try_recv()
        {
            self.take_in(op, &mut batch)?;
        }
        Ok(Some(batch))
    }

    fn take_in(&mut self, op: Op, batch: &mut Batch) -> Result<(), StoreError> {
        self.parts.gauges.queued.fetch_sub(1, Ordering::Relaxed);
        match op {
            Op::Vote(vote, done) => {
                batch.log.vote(vote);
                batch.dones.push(done);
            }
            Op::Append(rows, done) => {
                batch.log.append(rows);
                batch.dones.push(done);
            }
            Op::Truncate(after, done) => {
                batch.log.truncate(after);
                batch.dones.push(done);
            }
            Op::Purge(to, done) => {
                // What the projection has not got yet may be in no snapshot that survives: it is written before, or
                // with, the entries that go.
                batch.project = true;
                batch.log.purge(to);
                batch.dones.push(done);
            }
            Op::Project(entries) => {
                for entry in &entries {
                    self.pending.push(entry)?;
                }
                if self.pending.entries() > 0 && self.due.is_none() {
                    self.due = Some(Instant::now() + self.parts.options.projection_delay);
                }
            }
            Op::StageSnapshot { id, record, bytes, sha256, done } => {
                batch.steps.push(Step::StageSnapshot { id, record, bytes, sha256 });
                batch.dones.push(done);
            }
            Op::SnapshotChunk { id, seq, data, done } => {
                batch.steps.push(Step::SnapshotChunk { id, seq, data });
                batch.dones.push(done);
            }
            Op::CompleteSnapshot { id, last, image, done } => {
                // So the projection is never behind the snapshot that the state is restored from.
                batch.project = true;
                batch.snapshot = Some((id, last));
                batch.image = image.map(|image| (last, image));
                batch.dones.push(done);
            }
            Op::Flush(done) => {
                batch.project = true;
                batch.dones.push(done);
            }
            Op::Close(done) => {
                batch.project = true;
                batch.close = Some(done);
            }
        }
        Ok(())
    }

    async fn write(&mut self, batch: Batch) -> Result<(), StoreError> {
        let mut after = self.parts.mark;
        let mut steps = Vec::new();
        let Batch { mut log, steps: snapshot_steps, image, snapshot, project, .. } = batch;
        log.take(&mut after, &mut steps);
        steps.extend(snapshot_steps);
        let project = project
            || self.pending.entries() >= self.parts.options.projection_entries
            || self.due.is_some_and(|due| due <= Instant::now());
        if project {
            self.due = None;
            for step in self.pending.take() {
                if let Step::Applied { to, .. } = step {
                    after.projected = Some(to);
                }
                steps.push(step);
            }
        }
        let mut snapshot_last = self.parts.snapshot_last;
        if let Some((id, last)) = snapshot {
            let index = |at: Option<LogPosition>| at.map(|at| at.index);
            if index(last) < index(snapshot_last) {
                // A newer one came in between; the log below it may be gone, so it stays.
                steps.push(Step::DropSnapshot(id));
            } else {
                steps.push(Step::CompleteSnapshot(id));
                after.snapshot_id = Some(id);
                snapshot_last = last;
            }
        }
        let batch_installs = image.is_some();
        if let Some((Some(at), image)) = image
            && after.projected.is_none_or(|projected| projected.index < at.index)
        {
            steps.extend(image.steps());
            steps.push(Step::AddEvents(vec![snapshot_event(at, self.parts.options.node_id.0, now_ms())]));
            steps.push(Step::Applied { from: self.pending.jump(Some(at)), to: at });
            after.projected = Some(at);
        }
        if steps.is_empty() {
            return Ok(());
        }
        // An image of the whole metadata takes as long as it is large.
        let patience = if batch_installs { INSTALL_PATIENCE } else { 1 };
        self.commit(&steps, after, self.parts.options.commit_timeout.saturating_mul(patience)).await?;
        self.parts.mark = after;
        self.parts.snapshot_last = snapshot_last;
        let projected = after.projected.map_or(0, |at| at.index);
        self.parts.gauges.projected_index.store(projected, Ordering::Relaxed);
        Ok(())
    }

    /// Commits `steps`, after which the database must be at `after`, through as many connections as that takes.
    async fn commit(&mut self, steps: &[Step], after: Mark, patience: Duration) -> Result<(), StoreError> {
        let backend = self.parts.database.backend();
        let began = Instant::now();
        let rows = loop {
            let attempt = attempt(&mut self.parts.database, steps);
            let reason = match timeout(patience, attempt).await {
                Ok(Ok(rows)) => break rows,
                Ok(Err(DbError::Lost(reason))) => reason,
                Ok(Err(error)) => {
                    self.parts.database.rollback().await;
                    return Err(error.into_store_error(backend));
                }
                Err(_) => format!("no answer within {patience:?}"),
            };
            if began.elapsed() > patience.saturating_add(self.parts.options.reconnect_timeout) {
                // The connection is there each time, and breaks each time.
                return Err(StoreError::Lost { backend, waited_ms: began.elapsed().as_millis(), reason });
            }
            let found = self.reconnect(reason).await?;
            if found == self.parts.mark {
                // It did not take effect; or nothing of it shows in a mark, and then it can be done twice.
                continue;
            }
            if found == after {
                break 0;
            }
            let own = self.parts.mark;
            let holder =
                format!("somebody: expected {own:?} or {after:?} after reconnecting, found {found:?}");
            return Err(StoreError::Fenced { backend, holder });
        };
        self.parts.events.committed(began.elapsed(), rows);
        Ok(())
    }

    /// Connects again, within the bound; returns what is durable.
    async fn reconnect(&mut self, mut reason: String) -> Result<Mark, StoreError> {
        let backend = self.parts.database.backend();
        tracing::warn!(event = "store_connection_lost", backend = backend.name(), reason, "connecting again");
        let began = Instant::now();
        let deadline = began + self.parts.options.reconnect_timeout;
        let mut backoff = RECONNECT_BACKOFF.into_iter();
        let mut pause = Duration::ZERO;
        loop {
            let database = &mut self.parts.database;
            let attempt = async {
                database.reconnect().await?;
                database.mark().await
            };
            match timeout_at(deadline, attempt).await {
                Ok(Ok(mark)) => {
                    let took_ms = began.elapsed().as_millis();
                    tracing::info!(
                        event = "store_reconnected",
                        backend = backend.name(),
                        took_ms,
                        "connected again"
                    );
                    self.parts.gauges.reconnects.fetch_add(1, Ordering::Relaxed);
                    self.parts.events.reconnected();
                    return Ok(mark);
                }
                Ok(Err(DbError::Lost(again))) => reason = again,
                Ok(Err(error)) => return Err(error.into_store_error(backend)),
                Err(_) => {}
            }
            pause = backoff.next().unwrap_or(pause);
            if Instant::now() + pause >= deadline {
                return Err(StoreError::Lost { backend, waited_ms: began.elapsed().as_millis(), reason });
            }
            sleep(pause).await;
        }
    }

    async fn maintain(&mut self, idle: bool) -> Result<(), StoreError> {
        match self.parts.database.maintain(idle).await {
            Ok(()) => Ok(()),
            // Nothing was under way, so there is nothing to find out: the next commit deals with it.
            Err(DbError::Lost(_)) => Ok(()),
            Err(error) => Err(error.into_store_error(self.parts.database.backend())),
        }
    }
}

/// One attempt at a transaction.
async fn attempt<D: Database>(database: &mut D, steps: &[Step]) -> Result<usize, DbError> {
    if let [step] = steps {
        let rows = database.run_alone(step).await?;
        return check(step, rows);
    }
    database.begin().await?;
    let mut total = 0;
    for step in steps {
        let rows = database.run(step).await?;
        total += check(step, rows)?;
    }
    database.commit().await?;
    Ok(total)
}

/// Some steps must touch exactly the rows they name.
fn check(step: &Step, rows: u64) -> Result<usize, DbError> {
    let (expected, what) = match step {
        Step::AppendLog(entries) => (entries.len() as u64, "appended entries"),
        Step::Vote(_) => (1, "rows of raft_state"),
        Step::Applied { .. } => (1, "rows of metadata_applied at the expected position"),
        Step::CompleteSnapshot(_) => (1, "staged snapshots"),
        _ => return Ok(usize::try_from(rows).unwrap_or(usize::MAX)),
    };
    if rows == expected {
        return Ok(usize::try_from(rows).unwrap_or(usize::MAX));
    }
    Err(DbError::Fenced(format!("somebody: {rows} {what} instead of {expected}")))
}

/// For people only.
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
