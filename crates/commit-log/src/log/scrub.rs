//! Looking for rot before anyone reads it: piece by piece, so that the owner decides how fast, and forgets nothing if the log
//! changes in between.

use std::sync::Arc;

use super::{Log, read::with_index};
use crate::{
    error::{Damage, LogError},
    files::Files,
    offset::Offset,
    segment::Segment,
};

/// Checks a piece of a log as of the moment this was made; needs no borrow of it.
#[derive(Debug)]
pub struct Scrub {
    files: Arc<Files>,
    segment: Segment,
    from: Offset,
    max_bytes: usize,
}

/// What a [`Scrub`] found.
#[derive(Debug)]
pub struct Scrubbed {
    /// Where the next piece begins.
    pub next: Offset,
    /// Bytes of batches that were read.
    pub bytes: usize,
    /// What is not as it was written: for [`Log::quarantine`].
    pub damages: Vec<Damage>,
    /// The segment whose index is not, and is to be [stored anew](Log::plan_index).
    pub damaged_index: Option<Offset>,
}

impl Log {
    /// Plans a check of the batches from `from` on: of at most `max_bytes`, but of one batch at least, and of one segment
    /// only. What is known to be missing is passed over. `None`: there is nothing from there on.
    pub fn plan_scrub(&self, from: Offset, max_bytes: usize) -> Option<Scrub> {
        let from = from.max(self.log_start());
        let from =
            self.missing.iter().find(|missing| missing.contains(&from)).map_or(from, |missing| missing.end);
        let segment = self.segments.iter().skip(self.segment_of(from)).find(|segment| segment.end > from)?;
        Some(Scrub { files: Arc::clone(&self.files), segment: segment.clone(), from, max_bytes })
    }
}

impl Scrub {
    /// Reads and checks.
    ///
    /// # Errors
    /// If the disk failed, or the segment is gone since.
    pub fn run(self) -> Result<Scrubbed, LogError> {
        let Self { files, mut segment, from, max_bytes } = self;
        let mut indexes = Vec::new();
        let whole = segment.size as usize;
        let located = with_index(&files, &mut segment, &mut indexes, |segment| {
            segment.locate(&files, from, segment.end, max_bytes)
        });
        let damaged_index = indexes.pop();
        match located {
            Ok(Some(located)) => {
                let next = located.end();
                let damages = segment.check_between(&files, from, next)?;
                Ok(Scrubbed { next, bytes: located.size(), damages, damaged_index })
            }
            // Nothing of the segment's end is left: a gap.
            Ok(None) => Ok(Scrubbed { next: segment.end, bytes: 0, damages: Vec::new(), damaged_index }),
            // Neither index nor batches tell what is where.
            Err(LogError::Damaged(damage)) => {
                Ok(Scrubbed { next: segment.end, bytes: whole, damages: vec![damage], damaged_index: None })
            }
            Err(error) => Err(error),
        }
    }
}
