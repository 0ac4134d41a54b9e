//! Records that rot took: they are noted as missing, and put back with what another replica has of them.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use commit_log::{Damage, FillError, LogError};
use common::Offset;

use super::{Partition, PartitionError};

impl Partition {
    /// A read found damage. It is looked at again; what is damaged indeed is missing from now on, and will be asked of
    /// other replicas. Blocks.
    pub(super) fn damaged(self: &Arc<Self>, damage: &Damage) {
        let mut state = self.lock();
        let Ok(running) = state.running() else { return };
        match running.log.quarantine(damage) {
            Ok(found) if found.is_empty() => {}
            Ok(found) => {
                tracing::error!(
                    event = "partition.damaged", partition = %self.name(), ?found,
                    "records were damaged on disk: they are made good from other replicas; {damage}",
                );
                self.services.integrity.damaged(found.len());
                self.services.repairs.add(self);
            }
            Err(error) => self.storage_failed(&mut state, &error),
        }
    }

    /// A read found the index of a segment damaged, and did without: it is stored anew. Blocks.
    pub(super) fn restore_index(self: &Arc<Self>, segment: Offset) {
        let Some(job) = self.lock().running().ok().and_then(|running| running.log.plan_index(segment)) else {
            return;
        };
        // The partition goes on while the segment is read.
        let rebuilt = job.run();
        let mut state = self.lock();
        let Ok(running) = state.running() else { return };
        match rebuilt.and_then(|rebuilt| running.log.install_index(rebuilt)) {
            Err(error @ LogError::Fenced(_)) => self.storage_failed(&mut state, &error),
            Err(error) => {
                tracing::warn!(event = "partition.index", partition = %self.name(), "not stored anew: {error}");
            }
            Ok(_) => {}
        }
    }

    /// The first offsets that are missing, if they can be put back: a compacted log is [made anew](super::renew) instead.
    pub fn missing(&self) -> Option<Range<Offset>> {
        let mut state = self.lock();
        let compacted = state.wanted.config.cleanup_policy.compact;
        let missing = state.running().ok()?.log.missing().first().cloned();
        missing.filter(|_| !compacted)
    }

    /// Puts back what is missing: `records` is all that another replica has in `range`. Whether it took its place.
    /// Blocks.
    ///
    /// # Errors
    /// [`PartitionError::Storage`], if these are not the records that are missing, or the disk failed.
    pub fn fill(self: &Arc<Self>, range: Range<Offset>, records: Bytes) -> Result<bool, PartitionError> {
        let mut state = self.lock();
        let job = state.running()?.log.plan_fill(range.clone(), records).map_err(refused)?;
        drop(state);
        let filled = job.run()?;
        let mut state = self.lock();
        let placed = state.running()?.log.install_filled(filled)?;
        drop(state);
        if placed {
            self.services.integrity.repaired();
            let (start, end) = (range.start, range.end);
            tracing::info!(event = "partition.repaired", partition = %self.name(), %start, %end, "records are back");
            self.wake_all();
        }
        Ok(placed)
    }
}

fn refused(error: FillError) -> PartitionError {
    match error {
        FillError::Log(error) => error.into(),
        error => PartitionError::Storage(error.to_string()),
    }
}
