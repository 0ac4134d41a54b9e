//! Batches that were lost before the log had taken note of them: rot behind the recovery point, found by the start after a
//! crash. What the log knows of epochs, producers and transactions lacks them, so a repeated batch might pass for a new
//! one. Once a peer has put back whatever is missing, all of that is made anew.
//!
//! **When a crash comes.** The file `unapplied` says what the log knew before the first of them. It is durable before any
//! checkpoint passes them, and goes after the checkpoint that has made it good. Both can be done again.

use std::{ops::Range, path::Path};

use super::{Log, compaction::forget_without_marker};
use crate::{
    bytes::Reader,
    checkpoint::{decode_derived, encode_derived, read_small, seal, unseal},
    derived::Derived,
    error::{DiskError, LogError},
    files::Files,
    offset::Offset,
};

/// Name of the file.
pub(super) const UNAPPLIED_NAME: &str = "unapplied";

const MAGIC: &[u8; 8] = b"dmqlst\0\x01";

/// What the log knew before the first batch that it has lost without having applied it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unapplied {
    /// As of here.
    pub(super) from: Offset,
    pub(super) derived: Derived,
}

impl Unapplied {
    /// What the file says, if it is there; a damaged one says nothing.
    pub(super) fn read(files: &Files, dir: &Path) -> Result<Option<Self>, DiskError> {
        let bytes = read_small(files, &dir.join(UNAPPLIED_NAME), *MAGIC)?;
        Ok(bytes.and_then(|bytes| Self::decode(&bytes)))
    }

    /// Writes the file, durably.
    pub(super) fn write(&self, files: &Files, dir: &Path) -> Result<(), DiskError> {
        let path = dir.join(UNAPPLIED_NAME);
        files.replace(&path, &self.encode()).map_err(DiskError::during("replace", &path))
    }

    /// Removes the file, durably: one that came back would say what is long out of date.
    pub(super) fn remove(files: &Files, dir: &Path) -> Result<(), DiskError> {
        let path = dir.join(UNAPPLIED_NAME);
        files.remove(&path).map_err(DiskError::during("remove", &path))?;
        files.disk().sync_dir(dir).map_err(DiskError::during("sync", dir))
    }

    /// Whether a batch may still come that was not applied.
    pub(super) fn concerns(&self, missing: &[Range<Offset>]) -> bool {
        missing.iter().any(|missing| missing.end > self.from)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        seal(*MAGIC, &[&self.from.0.to_be_bytes()[..], &encode_derived(&self.derived)].concat())
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(unseal(*MAGIC, bytes)?);
        let from = Offset(reader.i64()?);
        let derived = decode_derived(reader.take_slice(reader.len())?)?;
        Some(Self { from, derived })
    }
}

impl Log {
    /// Whether some of what is missing was never applied. Until it is back the last batches of its producers are not known: one
    /// that is sent again passes for a new one, and one that is new may not seem to be next.
    pub fn lacks_unapplied(&self) -> bool {
        self.unapplied.as_ref().is_some_and(|unapplied| unapplied.concerns(&self.missing))
    }

    /// What follows from the batches up to `end`, given what was known at an offset before.
    pub(super) fn derived_since(
        &self,
        from: Offset,
        mut derived: Derived,
        end: Offset,
    ) -> Result<Derived, LogError> {
        for segment in self.segments.iter().filter(|segment| segment.end > from && segment.base < end) {
            self.replay(segment, from..end, &mut derived)?;
        }
        derived.start_at(self.log_start().min(end));
        if self.compaction.begun {
            forget_without_marker(&self.files, &self.segments, &self.missing, &mut derived)?;
        }
        Ok(derived)
    }

    /// Batches are back in their place, and these offsets are all that is missing now. If nothing is that was never applied,
    /// what follows from the batches is made anew, and stored.
    pub(super) fn apply_again(&mut self, missing: &[Range<Offset>]) -> Result<(), LogError> {
        let over = self.unapplied.as_ref().filter(|unapplied| !unapplied.concerns(missing));
        let Some(Unapplied { from, derived }) = over.cloned() else { return Ok(()) };
        self.derived = self.derived_since(from, derived, self.log_end())?;
        // Neither these nor the checkpoint, if one is under way, know better.
        let gone = self.snapshots.keep(|base| base <= from);
        self.flush()?;
        self.change(|| self.remove_snapshots(&gone))?;
        self.store_recovery_point()
    }

    /// Forgets that something was lost, once it is back and stored, or nobody can put it back any more.
    pub(super) fn forget_unapplied(&mut self) -> Result<(), LogError> {
        if self.unapplied.take_if(|unapplied| !unapplied.concerns(&self.missing)).is_some() {
            self.change(|| Unapplied::remove(&self.files, &self.dir))?;
        }
        Ok(())
    }
}
