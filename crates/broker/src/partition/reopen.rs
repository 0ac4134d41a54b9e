//! Going on after the disk failed. A failed write or sync fences the log object for good; what it has is still read, but
//! nothing is added. Opening the log anew looks at the disk and keeps what is really there, so that a disk that was full
//! is used again once there is space.

use std::{path::PathBuf, sync::Arc};

use commit_log::Log;
use replica::Replica;

use super::{
    Partition,
    state::{Running, View},
};

/// From one try to the next.
const TRY_INTERVAL_MS: i64 = 5_000;

impl Partition {
    /// Tries to open the log anew if it is fenced. Blocks.
    pub(super) fn reopen_if_fenced(self: &Arc<Self>) {
        let Some(dir) = self.reopen_due() else { return };
        let options = match self.lock().running() {
            Ok(running) => running.log.options().clone(),
            Err(_) => return,
        };
        let opening = self.opening();
        match Log::open(&dir, Arc::clone(&self.services.files), options) {
            Ok((log, _)) => self.take_over(log),
            Err(error) => {
                tracing::warn!(event = "partition.still_failed", partition = %self.name(), "the disk: {error}");
            }
        }
        drop(opening);
        self.wake_all();
    }

    /// The directory of a log that is to be opened anew now.
    fn reopen_due(&self) -> Option<PathBuf> {
        let now_ms = self.services.now().steady_ms;
        let mut state = self.lock();
        let running = state.running().ok()?;
        running.log.fence()?;
        if running.reopen_at_ms.is_some_and(|at| now_ms < at) {
            return None;
        }
        running.reopen_at_ms = Some(now_ms.saturating_add(TRY_INTERVAL_MS));
        Some(running.log.dir().to_owned())
    }

    /// Goes on with what was on disk. A leader that lost records it had must not give their offsets to others: followers
    /// may have them, in this very epoch. It waits for another epoch, which a restart brings about.
    fn take_over(self: &Arc<Self>, log: Log) {
        let mut state = self.lock();
        let Ok(running) = state.running() else { return };
        let lost = running.log.log_end() - log.log_end();
        if matches!(running.replica, Replica::Leader(_)) && lost > 0 {
            tracing::error!(
                event = "partition.still_failed", partition = %self.name(), lost,
                "records that were not synced are gone; this leader takes no more, restart the broker",
            );
            return;
        }
        tracing::info!(
            event = "partition.reopened", partition = %self.name(), log_end = %log.log_end(),
            "the disk works again: the log takes records",
        );
        running.log = log;
        if let Running { log, replica: Replica::Follower(follower), .. } = running {
            follower.truncated(&View(log));
        }
        self.grown(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use commit_log::{
        batch::BatchBuilder,
        disk::sim::{Fault, SimDisk},
    };
    use common::Offset;
    use replica::Acks;

    use super::*;
    use crate::partition::{PartitionError, testing::leader};

    fn produce(partition: &Arc<Partition>) -> Result<i64, PartitionError> {
        let batch = BatchBuilder::default().record(0, None, None).build(Offset(0)).unwrap().into();
        Ok(partition.produce(batch, Acks::All)?.appended.base_offset.0)
    }

    #[test]
    fn a_disk_that_was_full_is_used_again() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[]);
        assert_eq!(produce(&partition), Ok(0));
        partition.flush();
        disk.fail_after(0, Fault::Full);
        assert!(matches!(produce(&partition), Err(PartitionError::Storage(_))));
        disk.clear_fault();
        assert!(matches!(produce(&partition), Err(PartitionError::Storage(_))), "it stays fenced");
        partition.reopen_if_fenced();
        assert_eq!(produce(&partition), Ok(1));
        partition.flush();
        let end = partition.lock().running().unwrap().replica.high_watermark();
        assert_eq!(end, Offset(2));
    }

    #[test]
    fn a_disk_that_stays_full_is_not_asked_all_the_time() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[]);
        disk.fail_after(0, Fault::Full);
        assert!(produce(&partition).is_err());
        partition.reopen_if_fenced();
        let calls = disk.calls();
        partition.reopen_if_fenced();
        assert_eq!(disk.calls(), calls);
    }
}
