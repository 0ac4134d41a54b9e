//! Saving what is good of a damaged segment.
//!
//! The good batches go to a new file, the damaged one is kept beside it under the name `.damaged`, for people. The
//! index says where batches begin even where the log itself no longer does, so one bad batch costs only itself.

use std::{io::IoSlice, ops::Range, path::Path, sync::Arc};

use super::open::push_range;
use crate::{
    batch::{Batch, HEADER_BYTES},
    derived::Applied,
    disk::{DiskFile, read_exact_at},
    error::{DiskError, IndexError, LogError},
    files::Files,
    offset::Offset,
    segment::{Segment, file_name},
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
    let dir: Arc<Path> = good.dir().into();
    let path = dir.join(file_name(good.base, "salvaged"));
    files.remove(&path).map_err(DiskError::during("remove", &path))?;
    let target = files.create(&path).map_err(DiskError::during("create", &path))?;
    let mut saved = Salvaged {
        segment: Segment::empty(Arc::clone(&dir), good.base),
        missing: Vec::new(),
        applied: Vec::new(),
    };
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
            Ok(Ok(bytes)) => keep(&mut saved, &*target, &bytes, index >= good.frame_count())
                .map_err(DiskError::during("write", &path))?,
            Ok(Err(LogError::Damaged(_))) => push_range(&mut saved.missing, from..end),
            Ok(Err(error)) => return Err(error),
            Err(IndexError::Disk(error)) => return Err(error.into()),
            Err(IndexError::Damaged(_)) => break,
        }
        from = end;
    }
    target.sync().map_err(DiskError::during("sync", &path))?;
    Ok(saved)
}

/// Replaces a good segment by a copy of itself: pages that a failed sync left behind as clean are not written by the
/// next sync, those of a new file are.
pub(super) fn rewrite(files: &Files, segment: &Segment) -> Result<(), LogError> {
    let path = segment.dir().join(file_name(segment.base, "salvaged"));
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

/// Puts the copy in the place of the damaged file.
pub(super) fn install(files: &Files, damaged: &Segment) -> Result<(), DiskError> {
    let (dir, log) = (damaged.dir(), damaged.log_path());
    let aside = dir.join(file_name(damaged.base, "damaged"));
    files.rename(&log, &aside).map_err(DiskError::during("rename", &log))?;
    finish_install(files, dir, damaged.base, false)
}

/// After a crash: a copy beside the segment is not known to be complete, a copy without the segment is.
pub(super) fn finish_install(
    files: &Files,
    dir: &Path,
    base: Offset,
    segment_is_there: bool,
) -> Result<(), DiskError> {
    let path = dir.join(file_name(base, "salvaged"));
    if segment_is_there {
        return files.remove(&path).map_err(DiskError::during("remove", &path));
    }
    let log = dir.join(file_name(base, "log"));
    files.rename(&path, &log).map_err(DiskError::during("rename", &path))?;
    files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))
}

fn keep(saved: &mut Salvaged, target: &dyn DiskFile, bytes: &[u8], behind: bool) -> std::io::Result<()> {
    let Ok((batch, _)) = Batch::split_first(bytes) else { return Ok(()) };
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(()) };
    target.append(&mut [IoSlice::new(bytes)])?;
    saved.segment.push(head, batch.header());
    if behind && let Ok(applied) = Applied::of(&batch) {
        saved.applied.push(applied);
    }
    Ok(())
}
