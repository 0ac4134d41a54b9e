//! Moving the recovery point up: what a crash makes the next start read begins there. A job of its own, beside the flushes,
//! because it syncs several files and nobody waits for it.
//!
//! **What it may say.** That everything below the new recovery point is durable, batches and frames, and what the log knew
//! there. What the log knows now is true at its end, which is not durable yet while batches keep coming. So both are taken
//! down when a flush begins ([`Prepared`]), and a job is made of it once the log is durable that far.
//!
//! **What happens meanwhile.** More is appended, flushed, rolled and compacted: none of that concerns what is below. A
//! truncation makes the job void, at the latest before it writes anything that could be believed: snapshots and checkpoint
//! are written under the lock of [`CheckpointFile`](crate::checkpoint::CheckpointFile), after a look whether it is.

use std::{
    io,
    sync::{Arc, Weak},
};

use super::{Log, owned::Shared};
use crate::{
    checkpoint::{encode_derived, write_snapshot},
    error::{DiskError, Fence, LogError},
    offset::Offset,
    segment::{Segment, file_name},
};

/// Where the recovery point stands, beside what the checkpoint says.
#[derive(Debug, Default)]
pub(super) struct RecoveryState {
    /// What comes next, once it is durable.
    prepared: Option<Prepared>,
    /// Of the job that is out.
    running: Weak<()>,
    /// Bytes appended since the open, and how many of them the recovery point has passed.
    appended_bytes: u64,
    passed_bytes: u64,
}

impl RecoveryState {
    pub(super) fn appended(&mut self, bytes: usize) {
        self.appended_bytes = self.appended_bytes.saturating_add(bytes as u64);
    }

    fn is_out(&self) -> bool {
        self.running.strong_count() > 0
    }
}

/// What the log knew at the base of its segments, for truncations that go back further than the recovery point.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Of segments that were begun since the recovery point was moved, rising.
    pub(super) pending: Vec<Snapshot>,
    /// Bases of segments that may have a file with it, rising.
    pub(super) stored: Vec<Offset>,
}

/// [`Derived`](crate::derived::Derived) as of the base of a segment, encoded.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) base: Offset,
    pub(super) derived: Arc<[u8]>,
}

impl Snapshots {
    /// Those that are on disk.
    pub(super) fn stored(bases: Vec<Offset>) -> Self {
        Self { pending: Vec::new(), stored: bases }
    }

    /// Forgets all whose base does not pass. Gives those whose files are to be removed.
    #[must_use]
    pub(super) fn keep(&mut self, pass: impl Fn(Offset) -> bool) -> Vec<Offset> {
        self.pending.retain(|snapshot| pass(snapshot.base));
        let (kept, gone) = std::mem::take(&mut self.stored).into_iter().partition(|base| pass(*base));
        self.stored = kept;
        gone
    }

    /// A job may write files for these from now on.
    fn may_be_stored(&mut self, snapshots: &[Snapshot]) {
        for Snapshot { base, .. } in snapshots {
            if let Err(at) = self.stored.binary_search(base) {
                self.stored.insert(at, *base);
            }
        }
    }

    /// A job has written them.
    fn are_stored(&mut self, bases: &[Offset]) {
        self.pending.retain(|snapshot| !bases.contains(&snapshot.base));
    }
}

/// A recovery point, and what goes with it.
#[derive(Debug)]
struct Prepared {
    end: Offset,
    log_start: Offset,
    generation: u64,
    derived: Vec<u8>,
    snapshots: Vec<Snapshot>,
    /// From the recovery point before on, with all frames handed to the operating system.
    segments: Vec<Segment>,
    appended_bytes: u64,
}

/// Moves the recovery point up. Needs no borrow of the log: run it anywhere, also while a flush runs, then give the result
/// to [`Log::complete_checkpoint`].
#[derive(Debug)]
pub struct CheckpointJob {
    ticket: Arc<()>,
    shared: Arc<Shared>,
    prepared: Prepared,
}

/// What came of a [`CheckpointJob`].
#[derive(Debug)]
#[must_use = "the log does not know of it before `complete_checkpoint`"]
pub struct CheckpointDone {
    ticket: Arc<()>,
    result: Result<Option<Stored>, Fence>,
}

#[derive(Debug)]
struct Stored {
    snapshots: Vec<Offset>,
    appended_bytes: u64,
}

impl CheckpointJob {
    /// Does it. A failure fences the log at once, for good.
    pub fn run(self) -> CheckpointDone {
        let result = self.shared.check().and_then(|()| {
            let written = self.write().map_err(|error| self.shared.fence(error))?;
            Ok(written.then(|| Stored {
                snapshots: self.prepared.snapshots.iter().map(|snapshot| snapshot.base).collect(),
                appended_bytes: self.prepared.appended_bytes,
            }))
        });
        CheckpointDone { ticket: self.ticket, result }
    }

    /// Frames first, then what the log knows, then the recovery point that relies on both. `false`: the log was cut
    /// meanwhile, and nothing happened.
    fn write(&self) -> Result<bool, DiskError> {
        let Shared { files, dir, checkpoint, .. } = &*self.shared;
        let Prepared { end, log_start, generation, derived, snapshots, segments, .. } = &self.prepared;
        for segment in segments {
            match segment.sync_frames(files) {
                // A truncation has taken them.
                Err(error)
                    if error.source.kind() == io::ErrorKind::NotFound
                        && *generation != checkpoint.generation() =>
                {
                    return Ok(false);
                }
                synced => synced?,
            }
        }
        // Files of frames are created without a sync of the directory; replacing the checkpoint does one, but only
        // after the recovery point has changed.
        files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))?;
        let before = || {
            snapshots.iter().try_for_each(|snapshot| {
                write_snapshot(files, &dir.join(file_name(snapshot.base, "snapshot")), &snapshot.derived)
            })
        };
        checkpoint.write_of(*generation, before, |next| {
            next.start_at(*log_start);
            next.recovery_point = *end;
            next.derived.clone_from(derived);
        })
    }
}

impl Log {
    /// Whether [`Log::start_checkpoint`] has a job. To be asked after each flush.
    pub fn checkpoint_due(&self) -> bool {
        let durable = self.durable().offset();
        !self.recovery.is_out()
            && match &self.recovery.prepared {
                Some(prepared) => prepared.end <= durable,
                None => durable == self.log_end() && self.wants_checkpoint(),
            }
    }

    /// A job that moves the recovery point up, if enough has become durable since the last one or a segment was begun.
    /// `None` while one is out.
    pub fn start_checkpoint(&mut self) -> Result<Option<CheckpointJob>, LogError> {
        self.shared.check()?;
        if !self.checkpoint_due() {
            return Ok(None);
        }
        self.prepare_checkpoint()?;
        Ok(self.recovery.prepared.take().map(|prepared| self.checkpoint_job(prepared)))
    }

    /// Takes the result of a job.
    pub fn complete_checkpoint(&mut self, done: CheckpointDone) -> Result<(), LogError> {
        let stored = done.result?;
        if Weak::ptr_eq(&self.recovery.running, &Arc::downgrade(&done.ticket)) {
            self.recovery.running = Weak::new();
            if let Some(stored) = stored {
                self.recovery.passed_bytes = stored.appended_bytes;
                self.snapshots.are_stored(&stored.snapshots);
            }
        }
        Ok(())
    }

    /// Takes down what the next checkpoint will say, if one is wanted and none is under way: as of the log's end, which
    /// becomes durable with a flush that begins now.
    pub(super) fn prepare_checkpoint(&mut self) -> Result<(), LogError> {
        if self.recovery.prepared.is_none() && !self.recovery.is_out() && self.wants_checkpoint() {
            self.recovery.prepared = Some(self.prepared()?);
        }
        Ok(())
    }

    /// Here and now, to the log's end, all of which is durable.
    pub(super) fn move_recovery_point(&mut self) -> Result<(), LogError> {
        let current = self.shared.checkpoint.current();
        let stored = (current.recovery_point, current.log_start) == (self.log_end(), self.log_start());
        if stored && self.snapshots.pending.is_empty() { Ok(()) } else { self.store_recovery_point() }
    }

    /// The same, whatever the checkpoint says already.
    pub(super) fn store_recovery_point(&mut self) -> Result<(), LogError> {
        let prepared = self.prepared()?;
        let job = self.checkpoint_job(prepared);
        self.complete_checkpoint(job.run())
    }

    /// What is prepared or under way has nothing to say any more. Waits for a job that is writing.
    pub(super) fn forget_checkpoint(&mut self) {
        self.recovery.prepared = None;
        self.recovery.running = Weak::new();
        self.shared.checkpoint.invalidate_jobs();
    }

    fn wants_checkpoint(&self) -> bool {
        let bytes = self.recovery.appended_bytes - self.recovery.passed_bytes;
        bytes >= self.options.checkpoint_bytes || !self.snapshots.pending.is_empty()
    }

    fn prepared(&mut self) -> Result<Prepared, LogError> {
        let first = self.segment_of(self.shared.checkpoint.current().recovery_point);
        self.store_frames_from(first)?;
        Ok(Prepared {
            end: self.log_end(),
            log_start: self.log_start(),
            generation: self.shared.checkpoint.generation(),
            derived: encode_derived(&self.derived),
            snapshots: self.snapshots.pending.clone(),
            segments: self.segments.iter().skip(first).cloned().collect(),
            appended_bytes: self.recovery.appended_bytes,
        })
    }

    fn checkpoint_job(&mut self, prepared: Prepared) -> CheckpointJob {
        let ticket = Arc::new(());
        self.recovery.running = Arc::downgrade(&ticket);
        self.snapshots.may_be_stored(&prepared.snapshots);
        CheckpointJob { ticket, shared: Arc::clone(&self.shared), prepared }
    }
}
