//! Files of deleted segments, which may stay for a while (`file.delete.delay.ms`): under names that no open reads, so that for
//! all that matters to the log they are gone. The next open removes what is left of them.

use std::{collections::VecDeque, path::PathBuf};

use super::Log;
use crate::{
    error::{DiskError, LogError},
    segment::Segment,
};

/// What their names end with.
pub(super) const DELETED_SUFFIX: &str = ".deleted";

/// In the order in which they were deleted, with when that was seen.
pub(super) type DeletedFiles = VecDeque<(PathBuf, Option<i64>)>;

impl Log {
    /// Takes the files of a segment away. Gives those that stay for a while.
    pub(super) fn delete_files(&self, segment: &Segment) -> Result<Vec<PathBuf>, DiskError> {
        if self.options.file_delete_delay_ms == 0 {
            segment.remove_files(&self.files)?;
            return Ok(Vec::new());
        }
        segment.rename_files(&self.files, DELETED_SUFFIX)
    }

    /// To be called now and then: removes files of deleted segments whose time has come, at most so many. `now_ms` is any
    /// clock that does not jump.
    ///
    /// # Errors
    /// If the disk failed. Nothing of the log is lost by that, and it is tried again a delay later.
    pub fn remove_deleted(&mut self, now_ms: i64, files_max: usize) -> Result<(), LogError> {
        let delay_ms = self.options.file_delete_delay_ms;
        for (_, since_ms) in &mut self.deleted {
            since_ms.get_or_insert(now_ms);
        }
        let due = |(_, since_ms): &(PathBuf, Option<i64>)| {
            since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= delay_ms)
        };
        for _ in 0..files_max {
            if !self.deleted.front().is_some_and(due) {
                break;
            }
            let Some((path, _)) = self.deleted.pop_front() else { break };
            if let Err(error) = self.files.remove(&path) {
                let failed = DiskError::during("remove", &path)(error);
                self.deleted.push_back((path, Some(now_ms)));
                return Err(failed.into());
            }
        }
        Ok(())
    }
}
