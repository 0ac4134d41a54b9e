//! Segments that take the place of others, with the syncs done without the log in hand.
//!
//! A replacement is planned with the log in hand, [run](SwapJob::run) without it, and taken in with it again. In between the
//! log serves the old segments, whose files are kept open for it; on disk either may be there. Whatever else would change
//! these files takes the replacement in first, and waits for it if it is running: so for anybody who has the log in hand, what
//! is in memory and what is on disk differ in nothing but that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Log, compaction::write_cleaned, owned::Shared, swap::Swap};
use crate::{
    error::{DiskError, Fence, LogError},
    offset::Offset,
    segment::Segment,
};

/// What a replacement still has to do on disk, in this order.
#[derive(Debug, Default)]
pub(super) struct OnDisk {
    /// From now on markers of transactions may be gone: how far the log was compacted before.
    pub(super) begun: Option<Offset>,
    pub(super) swap: Option<Swap>,
    /// How far it is then.
    pub(super) cleaned: Option<Offset>,
}

/// Locked while it is being done.
pub(super) type Pending = Mutex<OnDisk>;

/// What a replacement changes in memory, once it is done on disk.
#[derive(Debug, Default)]
pub(super) struct Replacing {
    pub(super) old: Vec<Segment>,
    pub(super) new: Vec<Segment>,
    /// What it is to the compaction that it is a step of.
    pub(super) step: Option<CompactionStep>,
}

#[derive(Debug, Default)]
pub(super) struct CompactionStep {
    /// Markers of aborted transactions of which nothing is left.
    pub(super) forgotten: Vec<Offset>,
    /// The last step: everything below was compacted.
    pub(super) cleaned: Option<Offset>,
}

/// Replaces segments on disk; needs no borrow of the log: run it anywhere, then call [`Log::settle`].
#[derive(Debug)]
#[must_use = "nothing has changed before it was run, and `Log::settle` was called"]
pub struct SwapJob {
    shared: Arc<Shared>,
}

impl SwapJob {
    /// Does it, unless somebody was quicker. A failure fences the log at once, for good.
    pub fn run(self) -> Result<(), LogError> {
        Ok(self.shared.replace_files()?)
    }
}

impl Shared {
    fn replace_files(&self) -> Result<(), Fence> {
        let mut pending = self.pending();
        // Whoever finds the log fenced leaves it to the next open: the file `swap`, if it is there, tells that what to do.
        self.check()?;
        let OnDisk { begun, swap, cleaned } = std::mem::take(&mut *pending);
        let write = || {
            begun.map_or(Ok(()), |begun| write_cleaned(&self.files, &self.dir, begun))?;
            swap.map_or(Ok(()), |swap| swap.run(&self.files, &self.dir))?;
            cleaned.map_or(Ok(()), |cleaned| write_cleaned(&self.files, &self.dir, cleaned))
        };
        write().map_err(|error: DiskError| self.fence(error))
    }

    fn pending(&self) -> MutexGuard<'_, OnDisk> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Begins a replacement of neighbours, none of them the last segment; the new ones are durable, under their preliminary
    /// names. `None`: the old ones are not there any more, and nothing happened.
    pub(super) fn replace(&mut self, replacing: Replacing) -> Result<Option<SwapJob>, LogError> {
        self.settle()?;
        let Replacing { old, new, step } = &replacing;
        let cleaned = step.as_ref().and_then(|step| step.cleaned);
        let mut on_disk = OnDisk { cleaned, ..OnDisk::default() };
        if let Some(first) = old.first().or_else(|| new.first()) {
            let at = self.segments.partition_point(|segment| segment.base < first.base);
            let range = at..at + old.len();
            let same = self.segments.get(range.clone()).is_some_and(|segments| {
                segments
                    .iter()
                    .zip(old)
                    .all(|(segment, old)| segment.is_same(old) && segment.base == old.base)
            });
            if !same || range.end >= self.segments.len() {
                return Ok(None);
            }
            self.begin_changes()?;
            self.change(|| old.iter().try_for_each(|segment| segment.keep_open(&self.files)))?;
            let bases = |segments: &[Segment]| segments.iter().map(|segment| segment.base).collect();
            on_disk.swap = Some(Swap { gone: bases(old), new: bases(new), keep_damaged: false });
            on_disk.begun = (step.is_some() && !self.compaction.begun).then_some(self.compaction.cleaned);
        }
        *self.shared.pending() = on_disk;
        self.replacing = Some(replacing);
        Ok(Some(SwapJob { shared: Arc::clone(&self.shared) }))
    }

    /// Takes in a replacement that was begun, and finishes it first if its job has not.
    pub fn settle(&mut self) -> Result<(), LogError> {
        if self.replacing.is_none() {
            return Ok(self.shared.check()?);
        }
        self.shared.replace_files()?;
        let Some(Replacing { old, new, step }) = self.replacing.take() else { return Ok(()) };
        if let Some(first) = old.first().or_else(|| new.first()) {
            let at = self.segments.partition_point(|segment| segment.base < first.base);
            let is_new = |base: &Offset| new.iter().any(|segment| segment.base == *base);
            let is_old = |base: &Offset| old.iter().any(|segment| segment.base == *base);
            let merged = self.snapshots.keep(|base| !is_old(&base) || is_new(&base));
            self.segments.splice(at..at + old.len(), new);
            self.tail.clear();
            self.change(|| self.remove_snapshots(&merged))?;
        }
        if let Some(CompactionStep { forgotten, cleaned }) = step {
            self.derived.transactions.forget_aborted(&forgotten);
            self.compaction.begun |= !old.is_empty() || cleaned.is_some();
            self.compaction.cleaned = cleaned.unwrap_or(self.compaction.cleaned);
        }
        Ok(())
    }
}
