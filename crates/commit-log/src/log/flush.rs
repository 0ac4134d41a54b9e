//! Syncing, off the append path. The owner hands out one job at a time; what is appended while it runs waits for
//! the next one and shares it (group commit). One at a time also means that what is durable is always a front of
//! the log.

use std::sync::Arc;

use super::{Durable, Log, owned::Shared};
use crate::{
    checkpoint::{State, encode_derived, write_snapshot},
    error::{DiskError, Fence, LogError},
    offset::Offset,
    options::FlushPolicy,
    segment::{Segment, file_name},
};

/// Where flushing stands.
#[derive(Debug, Default)]
pub(super) struct FlushState {
    /// Of the job that is out.
    running: Option<Ticket>,
    jobs: u64,
    /// Files were created since the directory was synced.
    names_changed: bool,
    /// Bases of segments that have a snapshot file, rising.
    pub(super) snapshots: Vec<Offset>,
    /// The next flush must make frames durable too.
    needs_frames: bool,
    /// Bytes written since the last checkpoint was begun.
    since_checkpoint: u64,
    /// When the oldest write that is not synced was seen.
    waiting_since_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket(u64);

impl FlushState {
    /// Of a log whose bytes were all synced.
    pub(super) fn new(snapshots: Vec<Offset>) -> Self {
        Self { snapshots, ..Self::default() }
    }

    pub(super) fn names_changed(&mut self) {
        self.names_changed = true;
    }

    /// A batch came whose header cannot be told from what is before it: its frame must become durable with it.
    pub(super) fn needs_frames(&mut self) {
        self.needs_frames = true;
    }

    pub(super) fn written(&mut self, bytes: usize) {
        self.since_checkpoint = self.since_checkpoint.saturating_add(bytes as u64);
    }

    /// A job that is out has nothing to say any more.
    pub(super) fn forget_job(&mut self) {
        self.running = None;
    }
}

/// Makes everything durable that was appended before it was made. Needs no borrow of the log: run it anywhere,
/// then give the result to [`Log::complete_flush`].
#[derive(Debug)]
pub struct FlushJob {
    ticket: Ticket,
    shared: Arc<Shared>,
    segments: Vec<Segment>,
    end: Offset,
    sync_names: bool,
    checkpoint: Option<NewCheckpoint>,
}

/// What moves the recovery point up.
#[derive(Debug)]
struct NewCheckpoint {
    generation: u64,
    derived: Vec<u8>,
    snapshots: Vec<(Offset, Vec<u8>)>,
}

/// What came of a [`FlushJob`].
#[derive(Debug)]
#[must_use = "the log does not know of it before `complete_flush`"]
pub struct FlushDone {
    ticket: Ticket,
    result: Result<Synced, Fence>,
}

#[derive(Debug)]
struct Synced {
    end: Offset,
    /// Base and synced bytes of each segment.
    segments: Vec<(Offset, u32)>,
}

impl FlushJob {
    /// Syncs. A failure fences the log at once, for good.
    pub fn run(self) -> FlushDone {
        let result = self.sync().map_err(|error| self.shared.fence(error)).and_then(|synced| {
            // Whatever failed meanwhile counts for this flush too.
            self.shared.check()?;
            Ok(synced)
        });
        FlushDone { ticket: self.ticket, result }
    }

    fn sync(&self) -> Result<Synced, DiskError> {
        let files = &self.shared.files;
        for segment in &self.segments {
            if segment.synced < segment.size {
                segment.sync_log(files)?;
            }
        }
        if let Some(segment) = self.segments.last().filter(|_| self.sync_names) {
            let dir = segment.dir();
            files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))?;
        }
        if let Some(checkpoint) = &self.checkpoint {
            self.advance(checkpoint)?;
        }
        Ok(Synced {
            end: self.end,
            segments: self.segments.iter().map(|segment| (segment.base, segment.size)).collect(),
        })
    }

    /// Frames first, then what the log knows, then the recovery point that relies on both.
    fn advance(&self, checkpoint: &NewCheckpoint) -> Result<(), DiskError> {
        let files = &self.shared.files;
        let Some(dir) = self.segments.last().map(Segment::dir) else { return Ok(()) };
        for segment in &self.segments {
            segment.sync_frames(files)?;
        }
        for (base, derived) in &checkpoint.snapshots {
            write_snapshot(files, &dir.join(file_name(*base, "snapshot")), derived)?;
        }
        // Frames files are created without a sync of the directory; replacing the checkpoint does one, but only
        // after the recovery point has changed.
        files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))?;
        self.shared.checkpoint().advance(checkpoint.generation, self.end, checkpoint.derived.clone())
    }
}

impl Log {
    /// Whether the flush policy wants a flush now, or the recovery point should move. `now_ms` is any clock that
    /// does not jump.
    pub fn flush_due(&mut self, now_ms: i64) -> bool {
        if self.flush.running.is_some() || self.log_end() == self.durable().offset() {
            return false;
        }
        let since = *self.flush.waiting_since_ms.get_or_insert(now_ms);
        match self.options.flush {
            FlushPolicy::Ack => true,
            FlushPolicy::Interval { max_ms, max_bytes } => {
                now_ms.saturating_sub(since) >= max_ms || self.unsynced_bytes() >= max_bytes
            }
            FlushPolicy::Os => !self.snapshots.is_empty(),
        }
    }

    /// A job that makes everything durable that the log has now. `None` while one is out, or if there is nothing to
    /// do.
    pub fn start_flush(&mut self) -> Result<Option<FlushJob>, LogError> {
        let far = self.flush.since_checkpoint >= self.options.checkpoint_bytes;
        self.flush_job(far || self.flush.needs_frames || !self.snapshots.is_empty())
    }

    /// As [`Log::start_flush`], and moves the recovery point up in any case.
    pub fn start_checkpoint(&mut self) -> Result<Option<FlushJob>, LogError> {
        self.flush_job(true)
    }

    /// Takes the result of a job. Gives what is durable now.
    pub fn complete_flush(&mut self, done: FlushDone) -> Result<Durable, LogError> {
        if self.flush.running != Some(done.ticket) {
            // The log was truncated since: what the job made durable is not what the log has.
            done.result?;
            return Ok(self.durable());
        }
        self.flush.running = None;
        let synced = done.result?;
        for (base, size) in synced.segments {
            if let Ok(index) = self.segments.binary_search_by_key(&base, |segment| segment.base)
                && let Some(segment) = self.segments.get_mut(index)
            {
                // A segment that was replaced meanwhile is durable already.
                segment.synced = segment.synced.max(size.min(segment.size));
            }
        }
        self.flush.waiting_since_ms = None;
        Ok(self.positions.flushed(synced.end))
    }

    /// Flushes here and now, everything, and moves the recovery point to the log's end.
    pub fn flush(&mut self) -> Result<Durable, LogError> {
        match self.flush_job(true)? {
            Some(job) => self.complete_flush(job.run()),
            None => Ok(self.durable()),
        }
    }

    /// Flushes and marks the shutdown as clean, so that the next open reads nothing.
    pub fn close(mut self) -> Result<(), LogError> {
        self.flush.forget_job();
        self.flush()?;
        if self.clean {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        self.change(|| shared.checkpoint().write(|next| next.state = State::Clean))
    }

    fn flush_job(&mut self, checkpoint: bool) -> Result<Option<FlushJob>, LogError> {
        self.shared.check()?;
        if self.flush.running.is_some() {
            // Asked first: a job that is out may hold the checkpoint for as long as a sync takes.
            return Ok(None);
        }
        let recovery_point = self.shared.checkpoint().current().recovery_point;
        let end = self.log_end();
        let stored = recovery_point == end && self.snapshots.is_empty();
        if end == self.durable().offset() && (!checkpoint || stored) {
            return Ok(None);
        }
        let from = if checkpoint { recovery_point } else { self.durable().offset() };
        let first = self.segment_of(from);
        let files = &self.files;
        let mut segments = Vec::new();
        for segment in self.segments.iter_mut().skip(first) {
            if checkpoint {
                segment.store_frames(files, 0).map_err(|error| self.shared.fence(error))?;
            }
            segments.push(segment.clone());
        }
        self.flush.jobs += 1;
        let ticket = Ticket(self.flush.jobs);
        self.flush.running = Some(ticket);
        let checkpoint = checkpoint.then(|| self.new_checkpoint());
        let sync_names = std::mem::take(&mut self.flush.names_changed);
        let shared = Arc::clone(&self.shared);
        Ok(Some(FlushJob { ticket, shared, segments, end, sync_names, checkpoint }))
    }

    fn unsynced_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.size - segment.synced)).sum()
    }

    fn new_checkpoint(&mut self) -> NewCheckpoint {
        (self.flush.since_checkpoint, self.flush.needs_frames) = (0, false);
        let snapshots = std::mem::take(&mut self.snapshots);
        self.flush.snapshots.extend(snapshots.iter().map(|(base, _)| *base));
        NewCheckpoint {
            generation: self.shared.checkpoint().generation(),
            derived: encode_derived(&self.derived),
            snapshots,
        }
    }
}
