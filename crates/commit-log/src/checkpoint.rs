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
    sync::Arc,
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

/// The checkpoint on disk, written by the owner of the log and by its flushes, one at a time.
#[derive(Debug)]
pub(crate) struct CheckpointFile {
    files: Arc<Files>,
    path: PathBuf,
    current: Checkpoint,
    /// Counts truncations: a flush that began before one has nothing to say any more.
    generation: u64,
}

impl CheckpointFile {
    /// Reads it. `None`: it is missing or damaged.
    pub(crate) fn read(files: &Files, dir: &Path) -> Result<Option<Checkpoint>, DiskError> {
        let bytes = read_small(files, &dir.join(CHECKPOINT_NAME), *CHECKPOINT_MAGIC)?;
        Ok(bytes.and_then(|bytes| Checkpoint::decode(&bytes)))
    }

    pub(crate) fn new(files: Arc<Files>, dir: &Path, current: Checkpoint) -> Self {
        Self { files, path: dir.join(CHECKPOINT_NAME), current, generation: 0 }
    }

    pub(crate) fn current(&self) -> &Checkpoint {
        &self.current
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Replaces it, durably.
    pub(crate) fn write(&mut self, change: impl FnOnce(&mut Checkpoint)) -> Result<(), DiskError> {
        let mut next = self.current.clone();
        change(&mut next);
        self.files.replace(&self.path, &next.encode()).map_err(DiskError::during("replace", &self.path))?;
        self.current = next;
        Ok(())
    }

    /// Moves the recovery point up, unless the log was truncated since `generation` or another flush was further.
    pub(crate) fn advance(
        &mut self,
        generation: u64,
        recovery_point: Offset,
        derived: Vec<u8>,
    ) -> Result<(), DiskError> {
        if generation != self.generation || recovery_point < self.current.recovery_point {
            return Ok(());
        }
        self.write(|next| (next.recovery_point, next.derived) = (recovery_point, derived))
    }

    /// Makes flushes that are under way meaningless.
    pub(crate) fn invalidate_flushes(&mut self) {
        self.generation += 1;
    }
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
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
