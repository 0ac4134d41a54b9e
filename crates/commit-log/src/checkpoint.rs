//! The small files of a log: its `checkpoint`, and a `.snapshot` per segment. Replaced whole, checksummed.
//!
//! `checkpoint`, big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `dmqlog` and the format's number, 0 and 1 |
//! | 4 | CRC-32C of everything behind it |
//! | 1 | 0: open, or crashed; 1: shut down cleanly; 2: being emptied, so that all segments are to be deleted |
//! | 8 | log start offset |
//! | 8 | recovery point |
//! | 4 | number of missing ranges, and for each its first offset (8) and the one after its last (8) |
//! | rest | what the log knew at the recovery point: epochs, producers, transactions |
//!
//! A `.snapshot` has the same eight bytes but `dmqsnp`, the CRC, and the rest as of the offset in its name.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    bytes::Reader, derived::Derived, disk::read_exact_at, error::DiskError, files::Files, offset::Offset,
};

const CHECKPOINT_MAGIC: &[u8; 8] = b"dmqlog\0\x01";
const SNAPSHOT_MAGIC: &[u8; 8] = b"dmqsnp\0\x01";

/// Name of the checkpoint file.
pub(crate) const CHECKPOINT_NAME: &str = "checkpoint";

/// What may be believed of the files beside the checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// Batches may have come since.
    #[default]
    Open,
    /// Everything up to the recovery point is all there is.
    Clean,
    /// No segment counts: the log begins anew at its start.
    Emptying,
}

/// What a log must not forget. See the [module](self).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) state: State,
    pub(crate) log_start: Offset,
    /// Everything below it is durable, batches and frames; recovery starts here.
    pub(crate) recovery_point: Offset,
    /// Offsets that were lost to damage and not fetched again.
    pub(crate) missing: Vec<Range<Offset>>,
    /// [`Derived`] as of the recovery point, encoded.
    pub(crate) derived: Vec<u8>,
}

/// The checkpoint on disk. The owner of the log changes it, and so do jobs beside it, one after the other; what it says
/// can be asked for while it is written.
#[derive(Debug)]
pub(crate) struct CheckpointFile {
    files: Arc<Files>,
    path: PathBuf,
    /// Locked for a moment only.
    known: Mutex<Known>,
    /// Held while files are written.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct Known {
    /// As it is on disk.
    current: Arc<Checkpoint>,
    /// Counts truncations: a job that was made before one has nothing to say any more.
    generation: u64,
}

impl CheckpointFile {
    /// Reads it. `None`: it is missing or damaged.
    pub(crate) fn read(files: &Files, dir: &Path) -> Result<Option<Checkpoint>, DiskError> {
        let bytes = read_small(files, &dir.join(CHECKPOINT_NAME), *CHECKPOINT_MAGIC)?;
        Ok(bytes.and_then(|bytes| Checkpoint::decode(&bytes)))
    }

    pub(crate) fn new(files: Arc<Files>, dir: &Path, current: Checkpoint) -> Self {
        let known = Mutex::new(Known { current: Arc::new(current), generation: 0 });
        Self { files, path: dir.join(CHECKPOINT_NAME), known, writing: Mutex::default() }
    }

    pub(crate) fn current(&self) -> Arc<Checkpoint> {
        Arc::clone(&lock(&self.known).current)
    }

    pub(crate) fn generation(&self) -> u64 {
        lock(&self.known).generation
    }

    /// Replaces it, durably. Waits for a job that is writing.
    pub(crate) fn write(&self, change: impl FnOnce(&mut Checkpoint)) -> Result<(), DiskError> {
        let _writing = lock(&self.writing);
        self.replace(change)
    }

    /// For jobs: as [`CheckpointFile::write`], and `before` that whatever has to be on disk first. Nothing happens, and
    /// `false` is the answer, if `generation` is not the one any more.
    pub(crate) fn write_of(
        &self,
        generation: u64,
        before: impl FnOnce() -> Result<(), DiskError>,
        change: impl FnOnce(&mut Checkpoint),
    ) -> Result<bool, DiskError> {
        let _writing = lock(&self.writing);
        if generation != self.generation() {
            return Ok(false);
        }
        before()?;
        self.replace(change).map(|()| true)
    }

    /// From here on jobs that are under way write nothing. Waits for one that is writing.
    pub(crate) fn invalidate_jobs(&self) {
        let _writing = lock(&self.writing);
        lock(&self.known).generation += 1;
    }

    /// Whether a job is writing: who changes the file now would wait for it.
    #[cfg(test)]
    pub(crate) fn is_being_written(&self) -> bool {
        self.writing.try_lock().is_err()
    }

    fn replace(&self, change: impl FnOnce(&mut Checkpoint)) -> Result<(), DiskError> {
        let mut next = Checkpoint::clone(&self.current());
        change(&mut next);
        self.files.replace(&self.path, &next.encode()).map_err(DiskError::during("replace", &self.path))?;
        lock(&self.known).current = Arc::new(next);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = vec![match self.state {
            State::Open => 0,
            State::Clean => 1,
            State::Emptying => 2,
        }];
        body.extend_from_slice(&self.log_start.0.to_be_bytes());
        body.extend_from_slice(&self.recovery_point.0.to_be_bytes());
        body.extend_from_slice(&u32::try_from(self.missing.len()).unwrap_or(u32::MAX).to_be_bytes());
        for range in &self.missing {
            body.extend_from_slice(&range.start.0.to_be_bytes());
            body.extend_from_slice(&range.end.0.to_be_bytes());
        }
        body.extend_from_slice(&self.derived);
        seal(*CHECKPOINT_MAGIC, &body)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(unseal(*CHECKPOINT_MAGIC, bytes)?);
        let state = match reader.take()? {
            [0] => State::Open,
            [1] => State::Clean,
            [2] => State::Emptying,
            _ => return None,
        };
        let (log_start, recovery_point) = (Offset(reader.i64()?), Offset(reader.i64()?));
        let mut missing = Vec::new();
        for _ in 0..reader.u32()? {
            missing.push(Offset(reader.i64()?)..Offset(reader.i64()?));
        }
        let derived = reader.take_slice(reader.len())?.to_vec();
        Some(Self { state, log_start, recovery_point, missing, derived })
    }

    /// The log starts here, if not behind it already: what is missing below is so on purpose.
    pub(crate) fn start_at(&mut self, start: Offset) {
        self.log_start = self.log_start.max(start);
        self.missing.retain(|missing| missing.end > start);
    }

    /// What the log knew at the recovery point.
    pub(crate) fn derived(&self) -> Option<Derived> {
        decode_derived(&self.derived)
    }
}

pub(crate) fn encode_derived(derived: &Derived) -> Vec<u8> {
    let mut out = Vec::new();
    derived.encode(&mut out);
    out
}

pub(crate) fn decode_derived(bytes: &[u8]) -> Option<Derived> {
    let mut reader = Reader::new(bytes);
    Derived::decode(&mut reader).filter(|_| reader.is_empty())
}

/// Writes what the log knew at a segment's base offset, durably.
pub(crate) fn write_snapshot(files: &Files, path: &Path, derived: &[u8]) -> Result<(), DiskError> {
    files.replace(path, &seal(*SNAPSHOT_MAGIC, derived)).map_err(DiskError::during("replace", path))
}

/// `None`: it is missing or damaged.
pub(crate) fn read_snapshot(files: &Files, path: &Path) -> Result<Option<Derived>, DiskError> {
    let bytes = read_small(files, path, *SNAPSHOT_MAGIC)?;
    Ok(bytes.and_then(|bytes| decode_derived(unseal(*SNAPSHOT_MAGIC, &bytes)?)))
}

/// A file's bytes: its magic, the CRC-32C of the body, the body.
pub(crate) fn seal(magic: [u8; 8], body: &[u8]) -> Vec<u8> {
    [&magic[..], &crc32c::crc32c(body).to_be_bytes(), body].concat()
}

/// The inverse of [`seal`]; `None` if anything was altered.
pub(crate) fn unseal(magic: [u8; 8], bytes: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(bytes);
    let (found, crc) = (reader.take::<8>()?, reader.u32()?);
    let body = reader.take_slice(reader.len())?;
    (found == magic && crc == crc32c::crc32c(body)).then_some(body)
}

/// Larger files are looked at before they are read into memory.
const READ_AT_ONCE_BYTES: usize = 1 << 20;

/// `None`: it is missing, or too large for one that does not even begin with `magic`.
pub(crate) fn read_small(files: &Files, path: &Path, magic: [u8; 8]) -> Result<Option<Vec<u8>>, DiskError> {
    let read = || {
        let file = files.disk().open(path)?;
        let size = usize::try_from(file.size()?).map_err(io::Error::other)?;
        if size > READ_AT_ONCE_BYTES && read_exact_at(&*file, 0, magic.len())? != magic {
            return Ok(None);
        }
        read_exact_at(&*file, 0, size).map(Some)
    };
    match read() {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::during("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let checkpoint = Checkpoint {
            state: State::Clean,
            log_start: Offset(3),
            recovery_point: Offset(9),
            missing: vec![Offset(4)..Offset(6)],
            derived: encode_derived(&Derived::default()),
        };
        let bytes = checkpoint.encode();
        assert_eq!(Checkpoint::decode(&bytes), Some(checkpoint));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Checkpoint::decode(&bytes), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(Checkpoint::decode(&bytes[..len]), None);
        }
    }
}
