//! Putting new segments in the place of others, in one step.
//!
//! The new files are written and synced beside the old ones, under names that do not count. Then a file `swap` says
//! what goes and what comes: the moment it is durable, the swap has happened. What follows (removing, renaming) can be
//! done any number of times, by whoever opens the log next if a crash was quicker.

use std::{io, path::Path};

use crate::{
    bytes::Reader,
    checkpoint::{read_small, seal, unseal},
    error::{DiskError, LogError},
    files::Files,
    offset::Offset,
    segment::file_name,
};

/// Name of the file.
pub(crate) const SWAP_NAME: &str = "swap";

const MAGIC: &[u8; 8] = b"dmqswp\0\x01";

/// What goes and what comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Swap {
    /// Base offsets of the segments that go.
    pub(crate) gone: Vec<Offset>,
    /// Base offsets of those that come; some may be the same.
    pub(crate) new: Vec<Offset>,
    /// Whether a `.log` that is replaced is kept, for people, as `.damaged`.
    pub(crate) keep_damaged: bool,
}

impl Swap {
    /// Makes it happen. An error after this has begun leaves it to the next open.
    pub(crate) fn run(&self, files: &Files, dir: &Path) -> Result<(), DiskError> {
        let path = dir.join(SWAP_NAME);
        files.replace(&path, &self.encode()).map_err(DiskError::during("replace", &path))?;
        self.finish(files, dir)
    }

    /// Finishes what a crash interrupted, once the file is there.
    pub(crate) fn recover(files: &Files, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(SWAP_NAME);
        let bytes = read_small(files, &path, *MAGIC)?;
        let swap = bytes.and_then(|bytes| Self::decode(&bytes)).ok_or_else(|| LogError::Format {
            path,
            reason: "it says which files count, and is damaged".to_owned(),
        })?;
        Ok(swap.finish(files, dir)?)
    }

    fn finish(&self, files: &Files, dir: &Path) -> Result<(), DiskError> {
        let path = |base: &Offset, suffix| dir.join(file_name(*base, suffix));
        let remove = |path: &Path| files.remove(path).map_err(DiskError::during("remove", path));
        let rename = |from: &Path, to: &Path| match files.rename(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result.map(|()| true).map_err(DiskError::during("rename", from)),
        };
        for base in self.gone.iter().filter(|base| !self.new.contains(base)) {
            remove(&path(base, "frames"))?;
            remove(&path(base, "log"))?;
        }
        for base in &self.new {
            rename(&path(base, "frames.new"), &path(base, "frames"))?;
            let (new, log) = (path(base, "log.new"), path(base, "log"));
            if self.keep_damaged && files.disk().open(&new).is_ok() {
                rename(&log, &path(base, "damaged"))?;
            }
            rename(&new, &log)?;
        }
        let sync = || files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir));
        sync()?;
        remove(&dir.join(SWAP_NAME))?;
        // Before anything else is named like what went: an old `swap` must not come back to it.
        sync()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = vec![u8::from(self.keep_damaged)];
        for bases in [&self.gone, &self.new] {
            body.extend_from_slice(&u32::try_from(bases.len()).unwrap_or(u32::MAX).to_be_bytes());
            bases.iter().for_each(|base| body.extend_from_slice(&base.0.to_be_bytes()));
        }
        seal(*MAGIC, &body)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(unseal(*MAGIC, bytes)?);
        let keep_damaged = match reader.take()? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let mut bases = || {
            let count = reader.u32()?;
            (0..count).map(|_| reader.i64().map(Offset)).collect::<Option<Vec<_>>>()
        };
        let (gone, new) = (bases()?, bases()?);
        reader.is_empty().then_some(Self { gone, new, keep_damaged })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let swap = Swap { gone: vec![Offset(0), Offset(7)], new: vec![Offset(0)], keep_damaged: false };
        let bytes = swap.encode();
        assert_eq!(Swap::decode(&bytes), Some(swap));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Swap::decode(&bytes), None, "bit {bit}");
        }
    }
}
