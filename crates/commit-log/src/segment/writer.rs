//! Writing the files of a segment anew, beside those that are in use: `.log.new` and `.frames.new`.

use std::{
    io::IoSlice,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Segment, file_name};
use crate::{
    batch::{Batch, HEADER_BYTES},
    disk::DiskFile,
    error::DiskError,
    files::Files,
    offset::Offset,
};

/// What names of files end with that do not count before they are renamed.
pub(crate) const NEW_SUFFIX: &str = ".new";

/// Bytes written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Frames kept in memory until they are written.
const FRAMES_MAX: usize = 4_096;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    segment: Segment,
    log: Arc<dyn DiskFile>,
    log_path: PathBuf,
    frames: Arc<dyn DiskFile>,
    frames_path: PathBuf,
    /// Batches that are not written yet.
    buffer: Vec<u8>,
}

impl SegmentWriter {
    /// Begins a segment, and both its files; what an earlier attempt left goes.
    pub(crate) fn create(files: &Files, dir: Arc<Path>, base: Offset) -> Result<Self, DiskError> {
        let create = |suffix: &str| {
            let path = dir.join(file_name(base, suffix));
            files.remove(&path).map_err(DiskError::during("remove", &path))?;
            let file = files.disk().create(&path).map_err(DiskError::during("create", &path))?;
            Ok::<_, DiskError>((path, file))
        };
        let (log_path, log) = create("log.new")?;
        let (frames_path, frames) = create("frames.new")?;
        let segment = Segment::empty(Arc::clone(&dir), base);
        Ok(Self { segment, log, log_path, frames, frames_path, buffer: Vec::new() })
    }

    /// Adds a batch behind the last one.
    pub(crate) fn push(&mut self, batch: &Batch<'_>) -> Result<(), DiskError> {
        let Some(head) = batch.bytes().first_chunk::<HEADER_BYTES>() else { return Ok(()) };
        self.buffer.extend_from_slice(batch.bytes());
        // The files count only once all of them is durable.
        self.segment.synced = self.segment.size;
        self.segment.push(head, batch.header());
        if self.buffer.len() >= CHUNK_BYTES {
            self.write_batches()?;
        }
        if self.segment.tail.len() >= FRAMES_MAX { self.write_frames() } else { Ok(()) }
    }

    /// Makes both files durable, though not yet their names. Gives the segment as it is once they are renamed.
    pub(crate) fn finish(mut self) -> Result<Segment, DiskError> {
        self.write_batches()?;
        self.write_frames()?;
        self.log.sync().map_err(DiskError::during("sync", &self.log_path))?;
        self.frames.sync().map_err(DiskError::during("sync", &self.frames_path))?;
        self.segment.synced = self.segment.size;
        self.segment.release_memory();
        Ok(self.segment)
    }

    fn write_batches(&mut self) -> Result<(), DiskError> {
        if !self.buffer.is_empty() {
            let written = self.log.append(&mut [IoSlice::new(&self.buffer)]);
            written.map_err(DiskError::during("write", &self.log_path))?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn write_frames(&mut self) -> Result<(), DiskError> {
        let count = self.segment.tail.len();
        if count > 0 {
            let written = self.frames.append(&mut [IoSlice::new(&self.segment.encode_tail(count))]);
            written.map_err(DiskError::during("write", &self.frames_path))?;
            self.segment.forget_tail(count);
        }
        Ok(())
    }
}

impl Segment {
    /// Removes what [`SegmentWriter::finish`] has made, if it has not been renamed.
    pub(crate) fn remove_new(&self, files: &Files) -> Result<(), DiskError> {
        ["log.new", "frames.new"].iter().try_for_each(|suffix| {
            let path = self.dir.join(file_name(self.base, suffix));
            files.remove(&path).map_err(DiskError::during("remove", &path))
        })
    }
}
