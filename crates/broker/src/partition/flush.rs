//! Making appended records durable, and then moving the log's recovery point up. Both are begun with the partition in hand
//! and done without it.
//!
//! What is appended while a sync runs shares the next one, so a busy partition needs no more syncs than fit one after the
//! other, however many producers there are. A checkpoint is due once a few MiB more are durable, or a segment is full;
//! there is one at a time for a partition, and [`CHECKPOINT_THREADS`] in all. Where they do not keep up, recovery points
//! stay behind, and nothing else. A shutdown needs none of them: closing a log moves its recovery point to its end.

use std::sync::Arc;

use super::{Partition, options::SEGMENTS_PER_PASS};

/// Checkpoints that are written at the same time.
pub(super) const CHECKPOINT_THREADS: usize = 2;

impl Partition {
    /// One sync of everything that was appended until it begins. Whether another is due at once. Blocks.
    pub(super) fn flush(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        let job = match state.running().map(|running| running.log.start_flush()) {
            Ok(Ok(Some(job))) => job,
            Ok(Ok(None)) | Err(_) => {
                state.flush_queued = false;
                return false;
            }
            Ok(Err(error)) => {
                state.flush_queued = false;
                self.storage_failed(&mut state, &error);
                return false;
            }
        };
        drop(state);
        let done = job.run();
        let mut state = self.lock();
        let checkpoint_queued = state.checkpoint_queued;
        let Ok(running) = state.running() else {
            state.flush_queued = false;
            return false;
        };
        if let Err(error) = running.log.complete_flush(done) {
            state.flush_queued = false;
            self.storage_failed(&mut state, &error);
            return false;
        }
        let again = running.is_sync_due(self.services.now().steady_ms);
        if !checkpoint_queued && running.log.checkpoint_due() {
            state.checkpoint_queued = true;
            self.services.checkpoints.push(Arc::clone(self));
        }
        state.flush_queued = again;
        self.confirmed(&mut state);
        again
    }

    /// Moves the recovery point up, if that is due; what is appended and synced meanwhile does not wait. Whether it is due
    /// again at once. Blocks.
    pub(super) fn checkpoint(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        state.checkpoint_queued = false;
        let job = match state.running().map(|running| running.log.start_checkpoint()) {
            Ok(Ok(Some(job))) => job,
            Ok(Ok(None)) | Err(_) => return false,
            Ok(Err(error)) => {
                self.storage_failed(&mut state, &error);
                return false;
            }
        };
        state.checkpoint_queued = true;
        drop(state);
        let done = job.run();
        let mut state = self.lock();
        state.checkpoint_queued = false;
        let Ok(running) = state.running() else { return false };
        let completed = running.log.complete_checkpoint(done);
        // What is below the log start may have waited for it.
        match completed.and_then(|()| running.log.delete_obsolete(SEGMENTS_PER_PASS)) {
            Ok(_) => {
                let again = running.log.checkpoint_due();
                state.checkpoint_queued = again;
                again
            }
            Err(error) => {
                self.storage_failed(&mut state, &error);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use commit_log::{batch::BatchBuilder, disk::sim::SimDisk};
    use common::Offset;
    use replica::Acks;

    use super::*;
    use crate::partition::testing::leader;

    fn produce(partition: &Arc<Partition>) -> Offset {
        let batch = BatchBuilder::default().record(0, None, Some(&[7; 200])).build(Offset(0)).unwrap().into();
        partition.produce(batch, Acks::All).unwrap().appended.last_offset
    }

    #[test]
    fn all_who_wait_share_a_sync() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[]);
        let batch =
            || BatchBuilder::default().record(0, None, Some(&[7; 200])).build(Offset(0)).unwrap().into();
        // The first sync of an epoch covers frames and names too.
        produce(&partition);
        while partition.flush() {}
        let produced = || partition.produce(batch(), Acks::All).unwrap().ack.unwrap();
        let mut acks: Vec<_> = (0..50).map(|_| produced()).collect();
        assert!(acks.iter_mut().all(|ack| ack.try_recv().is_err()), "nothing of it is durable");
        let calls = disk.calls();
        assert!(!partition.flush());
        assert_eq!(disk.calls(), calls + 1);
        assert!(acks.iter_mut().all(|ack| ack.try_recv() == Ok(Ok(()))));
    }

    #[test]
    fn producers_do_not_wait_for_a_checkpoint() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[("segment.bytes", "1024")]);
        let mut interrupted = 0;
        for calls in 0..20 {
            while !partition.lock().checkpoint_queued {
                produce(&partition);
                while partition.flush() {}
            }
            let theirs = Arc::clone(&partition);
            disk.interrupt_after(calls, move || {
                let last = produce(&theirs);
                while theirs.flush() {}
                assert!(theirs.high_watermark() > Some(last), "it is safe before the checkpoint is");
                assert!(theirs.lock().checkpoint_queued, "and starts no other one");
            });
            while partition.checkpoint() {}
            interrupted += u64::from(!disk.uninterrupted());
        }
        assert!(interrupted >= 10, "a checkpoint has {interrupted} calls");
        partition.close().unwrap();
    }

    #[test]
    fn producers_of_a_lazy_topic_do_not_wait_for_its_syncs() {
        for policy in ["os", "interval"] {
            let disk = SimDisk::new();
            let partition = leader(&disk, &[("flush.policy", policy)]);
            let large = || {
                let mut batch = BatchBuilder::default();
                batch.record(0, None, Some(&[7; 900_000]));
                let produced = partition.produce(batch.build(Offset(0)).unwrap().into(), Acks::All).unwrap();
                assert_eq!(produced.ack.unwrap().try_recv(), Ok(Ok(())), "it is as safe as it gets");
            };
            large();
            assert!(!partition.lock().flush_queued, "a little may wait");
            // The first sync of an epoch writes frames too, with the partition in hand.
            while partition.flush() {}
            (0..5).for_each(|_| large());
            assert!(partition.lock().flush_queued, "but not much");
            let theirs = Arc::clone(&partition);
            disk.interrupt_after(0, move || {
                let last = produce(&theirs);
                assert!(theirs.high_watermark() > Some(last));
            });
            assert!(!partition.flush(), "what came meanwhile is little again");
            assert!(!disk.uninterrupted());
            let mut state = partition.lock();
            let log = &state.running().unwrap().log;
            assert_eq!((log.durable().offset(), log.log_end()), (Offset(6), Offset(7)));
        }
    }

    #[test]
    fn what_a_lazy_topic_is_to_forget_goes() {
        for policy in ["os", "interval"] {
            let settings = [("flush.policy", policy), ("segment.bytes", "1000"), ("retention.bytes", "2000")];
            let partition = leader(&SimDisk::new(), &settings);
            for _ in 0..40 {
                produce(&partition);
                if partition.lock().flush_queued {
                    while partition.flush() {}
                }
            }
            while partition.checkpoint() {}
            while partition.retain(true) {}
            let mut state = partition.lock();
            let log = &state.running().unwrap().log;
            assert!(log.size_bytes() < 4_000, "{} bytes are left", log.size_bytes());
        }
    }
}
