//! What is due now and then: syncs that wait for their time, followers that fell behind, records and producers that are
//! too old.

use std::sync::Arc;

use commit_log::{LogError, LogOptions, StartJob};
use replica::Replica;

use super::{
    Partition, PartitionError,
    options::SEGMENTS_PER_PASS,
    state::{Running, State, View},
};

/// How often a few segments are deleted in one go, with appends in between.
const PASSES_MAX: usize = 8;

/// Files of deleted segments that go in one look, so that nobody waits long for the log.
const DELETED_FILES_PER_LOOK: usize = 16;

/// A log that nothing was appended to for so long keeps neither batches in memory nor a file open.
const IDLE_MS: i64 = 60_000;

impl Partition {
    /// What is due every second. `tail_bytes` is its share of the memory for last batches.
    pub(super) fn look_after(self: &Arc<Self>, tail_bytes: usize) {
        let now = self.services.now();
        let mut state = self.lock();
        state.waiting.forget_gone();
        let queued = state.flush_queued;
        let Ok(running) = state.running() else { return };
        if running.log.options().tail_bytes != tail_bytes {
            running.log.set_options(LogOptions { tail_bytes, ..running.log.options().clone() });
        }
        running.log.release_if_idle(now.steady_ms, IDLE_MS);
        if let Err(error) = running.log.remove_deleted(now.steady_ms, DELETED_FILES_PER_LOOK) {
            tracing::warn!(event = "partition.not_removed", partition = %self.name(), "{error}");
        }
        let flush = !queued && running.log.fence().is_none() && running.is_sync_due(now.steady_ms);
        let Running { log, replica, .. } = running;
        if let Replica::Leader(leader) = replica {
            leader.set_in_session(self.services.has_session());
            let is_cut_off = leader.is_cut_off(now.steady_ms);
            let effects = leader.tick(&View(log), now.steady_ms);
            self.act(&mut state, effects);
            if is_cut_off {
                self.send_away(&mut state);
            }
        }
        if flush {
            state.flush_queued = true;
            self.services.flush.push(Arc::clone(self));
        }
    }

    /// Whoever waits here shall look for the leader elsewhere: what it waits for needs a follower that may never come back.
    fn send_away(&self, state: &mut State) {
        state.waiting.fail(&PartitionError::NotLeader);
        self.wake_all();
    }

    /// Deletes a little of what the topic no longer wants; true if there may be more. `may_delete`: whether the wall clock
    /// can be believed. Blocks.
    pub(super) fn retain(self: &Arc<Self>, may_delete: bool) -> bool {
        let now = self.services.now();
        let expiration: i64 = self.services.config.number("producer.id.expiration.ms");
        let mut state = self.lock();
        let Ok(Running { log, replica, retention, .. }) = state.running() else { return false };
        if log.fence().is_some() {
            return false;
        }
        if may_delete {
            log.expire_producers(now.wall_ms.saturating_sub(expiration));
        }
        // A follower deletes what its leader deleted, and whatever was left of that.
        let job = match (retention.as_ref(), &*replica) {
            (Some(retention), Replica::Leader(leader)) => {
                let wall_ms = may_delete.then_some(now.wall_ms);
                log.plan_retention(retention, wall_ms, leader.high_watermark())
            }
            _ => Ok(None),
        };
        drop(state);
        match self.start_moved(job) {
            Ok(segments) if segments > 0 => {
                tracing::info!(
                    event = "partition.retained", partition = %self.name(), segments, "deleted old segments",
                );
                true
            }
            _ => false,
        }
    }

    /// The log starts further on, or is to: `job` came of that. Notes it on disk, then deletes a little of what is below. Gives
    /// how many segments. Blocks.
    pub(super) fn start_moved(
        self: &Arc<Self>,
        job: Result<Option<StartJob>, LogError>,
    ) -> Result<usize, PartitionError> {
        let mut moved = match job {
            Ok(Some(job)) => job.run().map(|_| true),
            job => job.map(|_| false),
        };
        if moved.is_ok() {
            // What recovery would read is not deleted.
            while self.checkpoint() {}
        }
        let mut deleted = 0;
        for _ in 0..PASSES_MAX {
            let mut state = self.lock();
            let Running { log, .. } = state.running()?;
            match moved.and_then(|moved| Ok((moved, log.delete_obsolete(SEGMENTS_PER_PASS)?))) {
                Ok((moved, segments)) => {
                    if moved {
                        self.confirmed(&mut state);
                        self.wake_all();
                    }
                    deleted += segments;
                    if segments < SEGMENTS_PER_PASS {
                        break;
                    }
                }
                Err(error) => {
                    self.storage_failed(&mut state, &error);
                    return Err(error.into());
                }
            }
            moved = Ok(false);
        }
        Ok(deleted)
    }
}

#[cfg(test)]
mod tests {
    use commit_log::{batch::BatchBuilder, disk::sim::SimDisk};
    use common::Offset;
    use replica::Acks;

    use super::*;
    use crate::partition::testing::leader;

    fn produce(partition: &Arc<Partition>) {
        let batch = BatchBuilder::default().record(0, None, Some(&[7; 200])).build(Offset(0)).unwrap().into();
        partition.produce(batch, Acks::All).unwrap();
        while partition.flush() {}
    }

    #[test]
    fn records_are_deleted_while_others_are_produced() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[("segment.bytes", "1024")]);
        (0..40).for_each(|_| produce(&partition));
        let theirs = Arc::clone(&partition);
        disk.interrupt_after(2, move || produce(&theirs));
        assert_eq!(partition.delete_records(None), Ok((Offset(40), Offset(40))));
        assert!(!disk.uninterrupted());
        let mut state = partition.lock();
        let log = &state.running().unwrap().log;
        assert_eq!((log.log_start(), log.log_end()), (Offset(40), Offset(41)));
        assert!(log.segment_count() <= 2, "{} segments are left", log.segment_count());
    }
}
