//! The state of a log, and the questions that need no IO.

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, OnceLock},
};

use super::{
    Durable,
    compaction::CompactionState,
    deleted::DeletedFiles,
    flush::FlushState,
    positions::Positions,
    recovery_point::{RecoveryState, Snapshots},
    replacing::{Pending, Replacing},
    tail::Tail,
    unapplied::Unapplied,
};
use common::LeaderEpoch;

use crate::{
    checkpoint::CheckpointFile,
    derived::{AbortedTransaction, Derived, EpochEnd, OpenTransaction, ProducerState},
    disk::DiskFile,
    error::{DiskError, Fence, LogError},
    files::Files,
    offset::Offset,
    options::{FlushPolicy, LogOptions},
    segment::Segment,
};

/// The log of one partition. All changes are made by its owner.
#[derive(Debug)]
pub struct Log {
    pub(super) dir: Arc<Path>,
    pub(super) files: Arc<Files>,
    pub(super) options: LogOptions,
    /// By base offset, rising; each ends at or below the base of the next. Never empty; the last one grows.
    pub(super) segments: Vec<Segment>,
    pub(super) positions: Positions,
    /// As of the log's end.
    pub(super) derived: Derived,
    /// The last batches.
    pub(super) tail: Tail,
    /// `.log` of the last segment, once something was appended to it.
    pub(super) active: Option<Arc<dyn DiskFile>>,
    /// Largest timestamp of the first batch of the last segment that has a time.
    pub(super) active_since_ms: Option<i64>,
    /// Offsets lost to damage, in order.
    pub(super) missing: Vec<Range<Offset>>,
    /// Some of that was never applied: `derived` lacks it.
    pub(super) unapplied: Option<Unapplied>,
    pub(super) flush: FlushState,
    pub(super) recovery: RecoveryState,
    pub(super) snapshots: Snapshots,
    pub(super) compaction: CompactionState,
    /// Segments that are about to take the place of others.
    pub(super) replacing: Option<Replacing>,
    /// Where the log ended when that was last seen to change, and when that was; no time once its memory was given back.
    pub(super) idle: (Offset, Option<i64>),
    /// Files of deleted segments that stay for a while.
    pub(super) deleted: DeletedFiles,
    /// Nothing was changed since a clean shutdown: the mark of it is still on disk.
    pub(super) clean: bool,
    pub(super) shared: Arc<Shared>,
}

/// Name of the file that says that a write or a sync failed.
pub(super) const FENCED_NAME: &str = "fenced";

/// What the owner shares with its flushes.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) files: Arc<Files>,
    pub(super) dir: Arc<Path>,
    pub(super) fence: OnceLock<Fence>,
    pub(super) checkpoint: CheckpointFile,
    pub(super) pending: Pending,
}

/// Tells the next open, as long as the machine runs, that a write or a sync failed: it must not believe what it reads
/// back from the page cache. After a restart of the machine there is no such cache, so the file need not be durable.
pub(super) fn mark_fenced(files: &Files, dir: &Path) {
    // Nothing more can be done if this fails too.
    let _ = files.disk().create(&dir.join(FENCED_NAME));
}

impl Shared {
    /// From now on nothing changes any more. The first reason stays.
    pub(super) fn fence(&self, error: DiskError) -> Fence {
        mark_fenced(&self.files, &self.dir);
        self.fence.get_or_init(|| Fence(error)).clone()
    }

    /// As [`Shared::fence`], where batches could not be appended. If the disk was full, that took nothing from what was
    /// written before: the page cache can be believed, and the next open needs no space for copies, of which there is none.
    pub(super) fn fence_append(&self, error: DiskError) -> Fence {
        if error.is_disk_full() { self.fence.get_or_init(|| Fence(error)).clone() } else { self.fence(error) }
    }

    pub(super) fn check(&self) -> Result<(), Fence> {
        self.fence.get().map_or(Ok(()), |fence| Err(fence.clone()))
    }
}

impl Log {
    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Offset of the first record that may be read.
    pub fn log_start(&self) -> Offset {
        self.positions.log_start()
    }

    /// Offset that the next record gets (Kafka: log end offset).
    pub fn log_end(&self) -> Offset {
        self.positions.end()
    }

    /// Up to where records survive a power cut.
    pub fn durable(&self) -> Durable {
        self.positions.durable()
    }

    /// Up to where appends may be acknowledged, by the flush policy.
    pub fn acknowledged(&self) -> Offset {
        match self.options.flush {
            FlushPolicy::Ack => self.durable().offset(),
            _ => self.log_end(),
        }
    }

    /// The settings.
    pub fn options(&self) -> &LogOptions {
        &self.options
    }

    /// New settings, for what comes.
    pub fn set_options(&mut self, options: LogOptions) {
        self.tail.set_max(options.tail_bytes);
        self.options = options;
    }

    /// Why the log takes no more changes, if so.
    pub fn fence(&self) -> Option<&Fence> {
        self.shared.fence.get()
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.size)).sum()
    }

    /// How many segments there are; at least 1.
    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Offsets that were lost to damage and have to be fetched from another replica.
    pub fn missing(&self) -> &[Range<Offset>] {
        &self.missing
    }

    /// The epoch of the last record.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.derived.epochs.latest()
    }

    /// The epoch that the record at `offset` was written in.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.derived.epochs.at(offset)
    }

    /// Every epoch with its first offset, rising.
    pub fn epochs(&self) -> &[(LeaderEpoch, Offset)] {
        self.derived.epochs.entries()
    }

    /// Where `epoch` ends in this log (OffsetForLeaderEpoch). `None` if the log cannot know.
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<EpochEnd> {
        self.derived.epochs.end_of(epoch, self.log_end())
    }

    /// Up to where a `read_committed` consumer may read, given the high watermark. Never above it.
    pub fn last_stable(&self, high_watermark: Offset) -> Offset {
        self.derived.transactions.last_stable(high_watermark)
    }

    /// All replicas have everything below this: what that decided need not be remembered.
    pub fn note_replicated(&mut self, high_watermark: Offset) {
        self.derived.transactions.replicated(high_watermark);
    }

    /// Aborted transactions with records in the range, by their first offset.
    pub fn aborted_transactions(&self, range: &Range<Offset>) -> Vec<AbortedTransaction> {
        self.derived.transactions.aborted(range)
    }

    /// Transactions that are not decided.
    pub fn open_transactions(&self) -> Vec<OpenTransaction> {
        self.derived.producers.open_transactions().collect()
    }

    /// What is remembered of each producer, by id.
    pub fn producers(&self) -> Vec<ProducerState> {
        self.derived.producers.states().collect()
    }

    /// How many producers are remembered.
    pub fn producer_count(&self) -> usize {
        self.derived.producers.len()
    }

    /// Forgets producers that wrote nothing since `before_ms` (`producer.id.expiration.ms`); those with an open
    /// transaction stay.
    pub fn expire_producers(&mut self, before_ms: i64) {
        self.derived.expire_producers(before_ms);
    }

    /// To be called now and then: [releases memory](Log::release_memory) once nothing was appended for `idle_ms`. `now_ms` is
    /// any clock that does not jump.
    pub fn release_if_idle(&mut self, now_ms: i64, idle_ms: i64) {
        let end = self.log_end();
        match self.idle {
            (known, _) if known != end => self.idle = (end, Some(now_ms)),
            (_, Some(since_ms)) if now_ms.saturating_sub(since_ms) >= idle_ms => {
                self.idle.1 = None;
                self.release_memory();
            }
            _ => {}
        }
    }

    /// Gives back the memory and the open file that an idle log does not need.
    pub fn release_memory(&mut self) {
        self.tail.clear();
        for segment in &mut self.segments {
            segment.release_memory();
        }
        self.segments.shrink_to_fit();
        if self.positions.durable().offset() == self.positions.end()
            && let Some(segment) = self.segments.last()
        {
            self.active = None;
            self.files.forget(&segment.log_path());
            self.files.forget(&segment.frames_path());
        }
    }

    /// Its segments, for those who look at all of them.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Number in `segments` of the one that holds `offset`, or would.
    pub(super) fn segment_of(&self, offset: Offset) -> usize {
        self.segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
    }

    /// Does something to the disk; if that fails, the log is fenced.
    pub(super) fn change<T>(&self, change: impl FnOnce() -> Result<T, DiskError>) -> Result<T, LogError> {
        self.shared.check()?;
        change().map_err(|error| self.shared.fence(error).into())
    }
}
