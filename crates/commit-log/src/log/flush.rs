//! Syncing, off the append path. The owner hands out one job at a time; what is appended while it runs waits for
//! the next one and shares it (group commit). One at a time also means that what is durable is always a front of
//! the log.
//!
//! A flush syncs the `.log` files that grew, which is one, and nothing else unless it must: the names of files that are
//! new, and frames that vouch for headers which recovery could not foresee. Moving the recovery point up is a job of its
//! own (see `recovery_point`).

use std::sync::{Arc, Weak};

use super::{Durable, Log, owned::Shared};
use crate::{
    checkpoint::State,
    error::{DiskError, Fence, LogError},
    offset::Offset,
    options::FlushPolicy,
    segment::Segment,
};

/// Where flushing stands.
#[derive(Debug, Default)]
pub(super) struct FlushState {
    /// Of the job that is out.
    running: Weak<()>,
    /// How often files were created, and how many of these times the directory is synced for.
    names: u64,
    names_synced: u64,
    /// Behind the last batch whose frame must be durable with it.
    unforeseen_end: Offset,
    /// When the oldest write that is not synced was seen.
    waiting_since_ms: Option<i64>,
}

impl FlushState {
    pub(super) fn names_changed(&mut self) {
        self.names += 1;
    }

    /// A batch that ends here has a header that cannot be told from what is before it: its frame must become durable
    /// with it.
    pub(super) fn unforeseen(&mut self, end: Offset) {
        self.unforeseen_end = end;
    }

    /// A job that is out has nothing to say any more.
    pub(super) fn forget_job(&mut self) {
        self.running = Weak::new();
    }

    /// Batches, frames and names were all made durable elsewhere; so a job that is out has nothing to say.
    pub(super) fn all_synced(&mut self) {
        *self = Self::default();
    }
}

/// Makes everything durable that was appended before it was made. Needs no borrow of the log: run it anywhere,
/// then give the result to [`Log::complete_flush`].
#[derive(Debug)]
pub struct FlushJob {
    ticket: Arc<()>,
    shared: Arc<Shared>,
    segments: Vec<Segment>,
    end: Offset,
    /// As of when it was made.
    names: u64,
    sync_names: bool,
    sync_frames: bool,
}

/// What came of a [`FlushJob`].
#[derive(Debug)]
#[must_use = "the log does not know of it before `complete_flush`"]
pub struct FlushDone {
    ticket: Arc<()>,
    /// Nothing of a job that nobody waits for.
    result: Result<Option<Synced>, Fence>,
}

#[derive(Debug)]
struct Synced {
    end: Offset,
    /// Base and synced bytes of each segment.
    segments: Vec<(Offset, u32)>,
    names: u64,
}

impl FlushJob {
    /// Syncs. A failure fences the log at once, for good.
    pub fn run(self) -> FlushDone {
        if Arc::weak_count(&self.ticket) == 0 {
            // The log was cut since, or opened anew. A sync that failed now would be told to nobody who counts on these files, and
            // their next sync may find the pages clean.
            return FlushDone { ticket: self.ticket, result: Ok(None) };
        }
        let result = self.sync().map_err(|error| self.shared.fence(error)).and_then(|synced| {
            // Whatever failed meanwhile counts for this flush too.
            self.shared.check()?;
            Ok(Some(synced))
        });
        FlushDone { ticket: self.ticket, result }
    }

    fn sync(&self) -> Result<Synced, DiskError> {
        let files = &self.shared.files;
        for segment in self.segments.iter().filter(|segment| segment.synced < segment.size) {
            segment.sync_log(files)?;
        }
        if self.sync_frames {
            self.segments.iter().try_for_each(|segment| segment.sync_frames(files))?;
        }
        if self.sync_names {
            let dir = &self.shared.dir;
            files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))?;
        }
        let segments = self.segments.iter().map(|segment| (segment.base, segment.size)).collect();
        Ok(Synced { end: self.end, segments, names: self.names })
    }
}

impl Log {
    /// Whether the flush policy wants a flush now. `now_ms` is any clock that does not jump.
    pub fn flush_due(&mut self, now_ms: i64) -> bool {
        if self.flush.running.strong_count() > 0 || self.log_end() == self.durable().offset() {
            return false;
        }
        let since = *self.flush.waiting_since_ms.get_or_insert(now_ms);
        match self.options.flush {
            FlushPolicy::Ack => true,
            FlushPolicy::Interval { max_ms } => now_ms.saturating_sub(since) >= max_ms || self.has_backlog(),
            FlushPolicy::Os => self.has_backlog(),
        }
    }

    /// A job that makes everything durable that the log has now. `None` while one is out, or if there is nothing to
    /// do.
    pub fn start_flush(&mut self) -> Result<Option<FlushJob>, LogError> {
        self.shared.check()?;
        let durable = self.durable().offset();
        let end = self.log_end();
        if end == durable || self.flush.running.strong_count() > 0 {
            return Ok(None);
        }
        let first = self.segment_of(durable);
        let sync_frames = self.flush.unforeseen_end > durable;
        if sync_frames {
            self.store_frames_from(first)?;
        }
        self.prepare_checkpoint()?;
        let ticket = Arc::new(());
        self.flush.running = Arc::downgrade(&ticket);
        Ok(Some(FlushJob {
            ticket,
            shared: Arc::clone(&self.shared),
            segments: self.segments.iter().skip(first).cloned().collect(),
            end,
            names: self.flush.names,
            // A file of frames may be new too.
            sync_names: sync_frames || self.flush.names > self.flush.names_synced,
            sync_frames,
        }))
    }

    /// Takes the result of a job. Gives what is durable now.
    pub fn complete_flush(&mut self, done: FlushDone) -> Result<Durable, LogError> {
        let is_expected = Weak::ptr_eq(&self.flush.running, &Arc::downgrade(&done.ticket));
        let Some(synced) = done.result?.filter(|_| is_expected) else {
            // The log was truncated since: what the job made durable is not what the log has.
            return Ok(self.durable());
        };
        self.flush.forget_job();
        for (base, size) in synced.segments {
            if let Ok(index) = self.segments.binary_search_by_key(&base, |segment| segment.base)
                && let Some(segment) = self.segments.get_mut(index)
            {
                // A segment that was replaced meanwhile is durable already.
                segment.synced = segment.synced.max(size.min(segment.size));
            }
        }
        self.flush.names_synced = synced.names;
        self.flush.waiting_since_ms = None;
        Ok(self.positions.flushed(synced.end))
    }

    /// Flushes here and now, everything, and moves the recovery point to the log's end. Jobs that are under way confirm
    /// nothing any more.
    pub fn flush(&mut self) -> Result<Durable, LogError> {
        self.forget_jobs();
        if let Some(job) = self.start_flush()? {
            self.complete_flush(job.run())?;
        }
        self.move_recovery_point()?;
        Ok(self.durable())
    }

    /// Flushes and marks the shutdown as clean, so that the next open reads nothing.
    pub fn close(mut self) -> Result<(), LogError> {
        self.settle()?;
        self.flush()?;
        if self.clean {
            return Ok(());
        }
        self.change(|| self.shared.checkpoint.write(|next| next.state = State::Clean))
    }

    /// From here on nothing that is under way changes a file or is taken for done. For those who open the log anew, too,
    /// before they do. Waits for a job that is writing the checkpoint or replacing segments.
    pub fn forget_jobs(&mut self) {
        self.flush.forget_job();
        self.forget_checkpoint();
        // If that fails, the log is fenced, and the next open finishes it.
        let _ = self.settle();
    }

    /// Hands the frames of these segments to the operating system.
    pub(super) fn store_frames_from(&mut self, first: usize) -> Result<(), LogError> {
        for segment in self.segments.iter_mut().skip(first) {
            segment.store_frames(&self.files, 0).map_err(|error| self.shared.fence(error))?;
        }
        Ok(())
    }

    /// Whether more waits for a sync than is good, whoever waits for it.
    fn has_backlog(&self) -> bool {
        let durable = self.durable().offset();
        let unsynced = self.segments.iter().skip(self.segment_of(durable));
        let bytes: u64 = unsynced.map(|segment| u64::from(segment.size - segment.synced)).sum();
        bytes >= self.options.unsynced_bytes_max
            || self.segments.last().is_some_and(|last| last.base > durable)
    }
}
