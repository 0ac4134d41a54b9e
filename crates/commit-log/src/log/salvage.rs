//! Saving what is good of a damaged segment.
//!
//! The good batches go to new files, and the damaged one is kept beside them under the name `.damaged`, for people. The
//! index says where batches begin even where the log itself no longer does, so one bad batch costs only itself.

use std::{io::IoSlice, ops::Range};

use super::{ranges::push_range, swap::Swap};
use crate::{
    batch::Batch,
    derived::Applied,
    disk::read_exact_at,
    error::{DiskError, IndexError, LogError},
    files::Files,
    offset::Offset,
    segment::{Segment, SegmentWriter, file_name},
};

/// Bytes copied at once.
const COPY_BYTES: u64 = 1 << 20;

/// What can be saved.
pub(super) struct Salvaged {
    /// The good batches.
    pub(super) segment: Segment,
    /// The offsets between them that had batches.
    pub(super) missing: Vec<Range<Offset>>,
    /// The batches behind the first damage.
    pub(super) applied: Vec<Applied>,
}

/// Copies the good batches to a file of its own. `good` is the front of the segment that is good, `known` the
/// segment as its index tells it.
pub(super) fn copy_good(
    files: &Files,
    good: &Segment,
    known: &Segment,
    log_bytes: u64,
) -> Result<Salvaged, LogError> {
    let mut writer = SegmentWriter::create(files, good.dir().into(), good.base)?;
    let (mut missing, mut applied) = (Vec::new(), Vec::new());
    let mut from = good.base;
    for index in 0..known.frame_count().max(good.frame_count()) {
        let view = if index < good.frame_count() { good } else { known };
        let frame = match view.frame(files, index) {
            Ok(frame) => frame,
            Err(IndexError::Damaged(_)) => break,
            Err(IndexError::Disk(error)) => return Err(error.into()),
        };
        let end = good.base + i64::from(frame.last_delta) + 1;
        let batch = if frame.end_position() <= log_bytes { view.read_one(files, index) } else { break };
        match batch {
            Ok(Ok(bytes)) => {
                let Ok((batch, _)) = Batch::split_first(&bytes) else { break };
                writer.push(&batch)?;
                applied.extend(Applied::of(&batch).ok().filter(|_| index >= good.frame_count()));
            }
            Ok(Err(LogError::Damaged(_))) => push_range(&mut missing, from..end),
            Ok(Err(error)) => return Err(error),
            Err(IndexError::Disk(error)) => return Err(error.into()),
            Err(IndexError::Damaged(_)) => break,
        }
        from = end;
    }
    Ok(Salvaged { segment: writer.finish()?, missing, applied })
}

/// Puts the copy in the place of the damaged segment.
pub(super) fn install(files: &Files, damaged: &Segment) -> Result<(), DiskError> {
    Swap { gone: vec![damaged.base], new: vec![damaged.base], keep_damaged: true }.run(files, damaged.dir())
}

/// Replaces a good segment by a copy of itself: pages that a failed sync left behind as clean are not written by the
/// next sync, those of a new file are.
pub(super) fn rewrite(files: &Files, segment: &Segment) -> Result<(), LogError> {
    let path = segment.dir().join(file_name(segment.base, "log.new"));
    files.remove(&path).map_err(DiskError::during("remove", &path))?;
    let target = files.create(&path).map_err(DiskError::during("create", &path))?;
    let source = segment.open_log(files)?;
    let mut position = 0;
    while position < u64::from(segment.size) {
        let len = COPY_BYTES.min(u64::from(segment.size) - position);
        let copied = read_exact_at(&*source, position, usize::try_from(len).unwrap_or(0))
            .and_then(|bytes| target.append(&mut [IoSlice::new(&bytes)]));
        copied.map_err(DiskError::during("copy", &path))?;
        position += len;
    }
    target.sync().map_err(DiskError::during("sync", &path))?;
    files.rename(&path, &segment.log_path()).map_err(DiskError::during("rename", &path))?;
    Ok(())
}
