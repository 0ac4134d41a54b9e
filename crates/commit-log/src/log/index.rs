//! Storing the index of a segment anew, where a read found it damaged. The batches are walked without the log in hand.

use std::sync::Arc;

use super::{Log, read::rebuild};
use crate::{
    error::{Damage, LogError},
    files::Files,
    offset::Offset,
    segment::{ScanEnd, Segment},
};

/// Makes the index of a segment anew from its batches; needs no borrow of the log.
#[derive(Debug)]
pub struct IndexJob {
    files: Arc<Files>,
    segment: Segment,
}

/// What came of an [`IndexJob`].
#[derive(Debug)]
#[must_use = "nothing has changed before `install_index`"]
pub struct RebuiltIndex(Segment);

impl IndexJob {
    /// Does the work.
    ///
    /// # Errors
    /// If the batches are damaged too, or the disk failed. Nothing has changed.
    pub fn run(self) -> Result<RebuiltIndex, LogError> {
        rebuild(&self.files, &self.segment).map(RebuiltIndex)
    }
}

impl Log {
    /// A job that makes the index of the segment that begins at `base` anew; `None` if there is no such segment any more.
    pub fn plan_index(&self, base: Offset) -> Option<IndexJob> {
        let index = self.segments.binary_search_by_key(&base, |segment| segment.base).ok()?;
        let segment = self.segments.get(index)?.clone();
        Some(IndexJob { files: Arc::clone(&self.files), segment })
    }

    /// Stores an index that was made anew. `false` if the segment was replaced or cut meanwhile: nothing happened.
    ///
    /// # Errors
    /// If batches that came since are damaged, or the disk failed.
    pub fn install_index(&mut self, rebuilt: RebuiltIndex) -> Result<bool, LogError> {
        self.settle()?;
        let RebuiltIndex(mut rebuilt) = rebuilt;
        let found = self.segments.binary_search_by_key(&rebuilt.base, |segment| segment.base);
        let Some(segment) = found.ok().and_then(|index| self.segments.get_mut(index)) else {
            return Ok(false);
        };
        if !segment.is_same(&rebuilt) || segment.size < rebuilt.size {
            return Ok(false);
        }
        if rebuilt.size < segment.size {
            let file = rebuilt.open_log(&self.files)?;
            let end = rebuilt.extend_from_log(file, u64::from(segment.size), |_, _| Ok(Ok(())))?;
            if end != ScanEnd::Done || rebuilt.end != segment.end {
                let range = rebuilt.end.min(segment.end)..segment.end;
                let reason = "batches at its end are damaged".to_owned();
                return Err(Damage { segment: segment.base, range, reason }.into());
            }
        }
        rebuilt.synced = segment.synced;
        rebuilt.replace_frames(&self.files).map_err(|error| self.shared.fence(error))?;
        *segment = rebuilt;
        Ok(true)
    }

    /// All of it at once.
    pub(super) fn restore_index(&mut self, base: Offset) -> Result<(), LogError> {
        if let Some(job) = self.plan_index(base) {
            self.install_index(job.run()?)?;
        }
        Ok(())
    }
}
