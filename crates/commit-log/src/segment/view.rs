//! A segment as a value, and the changes to its files.

use std::{
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::frame::{FRAME_BYTES, Frame};
use crate::{
    batch::{BatchHeader, HEADER_BYTES},
    disk::DiskFile,
    error::DiskError,
    files::Files,
    offset::Offset,
};

/// Frames kept in memory before the older half of them is written out: a tail consumer finds its place without IO.
const TAIL_FRAMES_MAX: usize = 128;

/// Name of the file with this suffix of the segment with this base offset.
pub(crate) fn file_name(base: Offset, suffix: &str) -> String {
    format!("{:020}.{suffix}", base.0)
}

/// Base offset and suffix of a file name; the inverse of [`file_name`].
pub(crate) fn parse_file_name(name: &str) -> Option<(Offset, &str)> {
    let (base, suffix) = name.split_once('.')?;
    (base.len() == 20).then_some(())?;
    Some((Offset(base.parse().ok().filter(|base| *base >= 0)?), suffix))
}

/// A segment as of some moment. See the [module](super).
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(super) dir: Arc<Path>,
    /// First offset it may hold; the name of its files.
    pub(crate) base: Offset,
    /// Offset of whatever comes after its last batch; its base if it has none.
    pub(crate) end: Offset,
    /// Bytes of batches in `.log`.
    pub(crate) size: u32,
    /// Front of `.log` that is known to be durable. Never more than `size`.
    pub(crate) synced: u32,
    /// Largest timestamp of its records in ms; -1 without records.
    pub(crate) max_timestamp_ms: i64,
    /// Frames in `.frames`. The ones after them are `tail`.
    pub(super) stored: u32,
    pub(super) tail: Arc<Vec<Frame>>,
    /// Chain value of the last frame.
    pub(super) header_check: u32,
    /// The same for all views of the same files; see [`Segment::retire`].
    pub(super) retired: Arc<OnceLock<Retired>>,
}

/// The files of a segment that has been replaced or deleted, for the views of it that are still out.
#[derive(Debug)]
pub(super) struct Retired {
    log: Arc<dyn DiskFile>,
    frames: Option<Arc<dyn DiskFile>>,
}

impl Segment {
    /// A segment without batches. Creates nothing.
    pub(crate) fn empty(dir: Arc<Path>, base: Offset) -> Self {
        Self {
            dir,
            base,
            end: base,
            size: 0,
            synced: 0,
            max_timestamp_ms: -1,
            stored: 0,
            tail: Arc::default(),
            header_check: 0,
            retired: Arc::default(),
        }
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.dir.join(file_name(self.base, "log"))
    }

    pub(crate) fn frames_path(&self) -> PathBuf {
        self.dir.join(file_name(self.base, "frames"))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// How many batches it has.
    pub(crate) fn frame_count(&self) -> u32 {
        self.stored + u32::try_from(self.tail.len()).unwrap_or(u32::MAX)
    }

    /// Whether a batch has a place here; if not, the next segment begins with it.
    pub(crate) fn has_room(&self, header: &BatchHeader, max_bytes: u32, max_index_bytes: u32) -> bool {
        let size = u64::from(self.size) + header.size_bytes() as u64;
        let index_size = (u64::from(self.frame_count()) + 1) * FRAME_BYTES as u64;
        let last_delta = header.last_offset() - self.base;
        let fits = size <= u64::from(max_bytes) && index_size <= u64::from(max_index_bytes);
        self.is_empty() || (fits && i32::try_from(last_delta).is_ok())
    }

    /// Takes note of a batch that was written behind the last one.
    pub(crate) fn push(&mut self, head: &[u8; HEADER_BYTES], header: &BatchHeader) {
        self.header_check = crc32c::crc32c_append(self.header_check, head);
        self.max_timestamp_ms = self.max_timestamp_ms.max(header.max_timestamp_ms);
        self.end = header.next_offset();
        let size = u32::try_from(header.size_bytes()).unwrap_or(u32::MAX);
        Arc::make_mut(&mut self.tail).push(Frame {
            position: self.size,
            size,
            last_delta: u32::try_from(header.last_offset() - self.base).unwrap_or(u32::MAX),
            synced: self.synced,
            max_timestamp_ms: self.max_timestamp_ms,
            header_check: self.header_check,
        });
        self.size = self.size.saturating_add(size);
    }

    /// Writes frames out once there are many: not durable, they are needed only once the recovery point passes.
    pub(crate) fn trim_tail(&mut self, files: &Files) -> Result<(), DiskError> {
        if self.tail.len() < TAIL_FRAMES_MAX { Ok(()) } else { self.store_frames(files, TAIL_FRAMES_MAX / 2) }
    }

    /// Writes out all frames but the last `keep`.
    pub(crate) fn store_frames(&mut self, files: &Files, keep: usize) -> Result<(), DiskError> {
        let count = self.tail.len().saturating_sub(keep);
        if count == 0 {
            return Ok(());
        }
        let path = self.frames_path();
        let file = if self.stored == 0 { files.create(&path) } else { files.open(&path) };
        file.and_then(|file| file.append(&mut [IoSlice::new(&self.encode_tail(count))]))
            .map_err(DiskError::during("write", &path))?;
        self.forget_tail(count);
        Ok(())
    }

    /// The first `count` frames that are not stored, as they are stored.
    pub(super) fn encode_tail(&self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count * FRAME_BYTES);
        for (index, frame) in (self.stored..).zip(self.tail.iter().take(count)) {
            bytes.extend_from_slice(&frame.encode(self.base, index));
        }
        bytes
    }

    /// The first `count` frames of the tail are stored now.
    pub(super) fn forget_tail(&mut self, count: usize) {
        self.stored += u32::try_from(count).unwrap_or(u32::MAX);
        Arc::make_mut(&mut self.tail).drain(..count);
    }

    /// Makes `.frames` hold the frames of this view, and nothing else. Those that stay are never gone meanwhile, not
    /// even in a crash: they may be all that vouches for durable batches.
    pub(crate) fn replace_frames(&mut self, files: &Files) -> Result<(), DiskError> {
        let path = self.frames_path();
        if self.frame_count() == 0 {
            return files.remove(&path).map_err(DiskError::during("remove", &path));
        }
        if self.stored == 0 {
            files
                .replace(&path, &self.encode_tail(self.tail.len()))
                .map_err(DiskError::during("replace", &path))?;
            self.forget_tail(self.tail.len());
            return Ok(());
        }
        let size = u64::from(self.stored) * FRAME_BYTES as u64;
        files
            .open(&path)
            .and_then(|file| if file.size()? == size { Ok(()) } else { file.truncate(size) })
            .map_err(DiskError::during("truncate", &path))?;
        self.store_frames(files, 0)
    }

    /// Takes the frames that are on disk in `known`, a view of the same batches, for stored ones.
    pub(crate) fn keep_stored(&mut self, known: &Self) {
        let count = known.stored.min(self.frame_count()).saturating_sub(self.stored);
        self.stored += count;
        Arc::make_mut(&mut self.tail).drain(..usize::try_from(count).unwrap_or(0));
    }

    /// Gives memory back that only makes tail reads faster.
    pub(crate) fn release_memory(&mut self) {
        if self.tail.is_empty() {
            self.tail = Arc::default();
        }
    }

    pub(crate) fn open_log(&self, files: &Files) -> Result<Arc<dyn DiskFile>, DiskError> {
        let path = self.log_path();
        self.open_file(files, &path, |retired| Some(Arc::clone(&retired.log)))
            .map_err(DiskError::during("open", &path))
    }

    /// The `.frames` file; `NotFound` where there is none.
    pub(super) fn open_frames(&self, files: &Files) -> io::Result<Arc<dyn DiskFile>> {
        self.open_file(files, &self.frames_path(), |retired| retired.frames.clone())
    }

    /// Asks for retired files last: if there are none after a file was opened, it was not another segment's yet.
    fn open_file(
        &self,
        files: &Files,
        path: &Path,
        retired: impl Fn(&Retired) -> Option<Arc<dyn DiskFile>>,
    ) -> io::Result<Arc<dyn DiskFile>> {
        let file =
            if self.retired.get().is_none() { files.open(path) } else { Err(io::ErrorKind::NotFound.into()) };
        match self.retired.get() {
            Some(files) => retired(files).ok_or_else(|| io::ErrorKind::NotFound.into()),
            None => file,
        }
    }

    /// Before the files of a segment are replaced or deleted: views that are out keep the old ones open, so that a
    /// read that was planned goes on as if nothing had happened.
    pub(crate) fn retire(&self, files: &Files) -> Result<(), DiskError> {
        if Arc::strong_count(&self.retired) > 1 { self.keep_open(files) } else { Ok(()) }
    }

    /// The same, for views that are still to be made, too.
    pub(crate) fn keep_open(&self, files: &Files) -> Result<(), DiskError> {
        let retired = Retired { log: self.open_log(files)?, frames: self.open_frames(files).ok() };
        // Whoever was first has the same files.
        let _ = self.retired.set(retired);
        Ok(())
    }

    /// Whether both are views of the same files, so that what was made of one can take the place of the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.retired, &other.retired)
    }

    /// Makes the batches durable.
    pub(crate) fn sync_log(&self, files: &Files) -> Result<(), DiskError> {
        self.open_log(files)?.sync().map_err(DiskError::during("sync", &self.log_path()))
    }

    /// Makes the stored frames durable.
    pub(crate) fn sync_frames(&self, files: &Files) -> Result<(), DiskError> {
        if self.stored == 0 {
            return Ok(());
        }
        let path = self.frames_path();
        self.open_frames(files).and_then(|file| file.sync()).map_err(DiskError::during("sync", &path))
    }

    /// Lets the names of both files end so as well. Gives the new ones.
    pub(crate) fn rename_files(&self, files: &Files, suffix: &str) -> Result<Vec<PathBuf>, DiskError> {
        let mut renamed = Vec::new();
        for path in [self.frames_path(), self.log_path()] {
            let mut to = path.as_os_str().to_owned();
            to.push(suffix);
            match files.rename(&path, to.as_ref()) {
                // A segment may be without its index.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                result => result.map_err(DiskError::during("rename", &path))?,
            }
            renamed.push(to.into());
        }
        Ok(renamed)
    }

    /// Removes both files.
    pub(crate) fn remove_files(&self, files: &Files) -> Result<(), DiskError> {
        for path in [self.frames_path(), self.log_path()] {
            files.remove(&path).map_err(DiskError::during("remove", &path))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_kafkas() {
        assert_eq!(file_name(Offset(170_210), "log"), "00000000000000170210.log");
        assert_eq!(parse_file_name("00000000000000170210.log"), Some((Offset(170_210), "log")));
        for name in
            ["170210.log", "0000000000000017021x.log", "-0000000000000170210.log", "00000000000000170210"]
        {
            assert_eq!(parse_file_name(name), None);
        }
    }
}
