//! The first change of a log that was shut down in order. The mark of that has to go before, durably: whoever is about to append
//! where nothing may wait for a disk has it done elsewhere. After a restart that concerns each partition once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use commit_log::Log;

use super::Partition;

/// Whether a log has its first change before it, where everybody who appends can see it without the partition's lock.
#[derive(Debug, Default)]
pub(super) struct Untouched(AtomicBool);

impl Untouched {
    pub(super) fn note(&self, log: &Log) {
        self.0.store(log.is_clean(), Ordering::Relaxed);
    }
}

impl Partition {
    /// Whether the first append would have to wait for the disk: [`touch`](Self::touch) it before.
    pub fn is_untouched(&self) -> bool {
        self.untouched.0.load(Ordering::Relaxed)
    }

    /// Does what the first append would have to wait for. Blocks, without the lock. What fails here fails again there.
    pub fn touch(self: &Arc<Self>) {
        let job = self.lock().running().ok().and_then(|running| running.log.plan_unmark());
        let Some(job) = job else { return };
        let done = job.run();
        let mut state = self.lock();
        let Ok(running) = state.running() else { return };
        if let Ok(Some(done)) = done {
            running.log.mark_removed(done);
        }
        self.untouched.note(&running.log);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use commit_log::{batch::BatchBuilder, disk::sim::SimDisk};
    use common::Offset;
    use replica::Acks;

    use super::*;
    use crate::partition::testing::leader;

    fn produce(partition: &Arc<Partition>) {
        let batch = BatchBuilder::default().record(0, None, Some(&[7; 200])).build(Offset(0)).unwrap().into();
        partition.produce(batch, Acks::Leader).unwrap();
    }

    /// A partition whose log was closed in order, with something in it.
    fn restarted(disk: &SimDisk) -> Arc<Partition> {
        let partition = leader(disk, &[]);
        produce(&partition);
        partition.close().unwrap();
        partition.open(Path::new("orders-0"), Offset(0));
        partition
    }

    #[test]
    fn the_first_append_after_a_restart_waits_for_nothing() {
        let disk = SimDisk::new();
        let partition = restarted(&disk);
        assert!(partition.is_untouched());
        let theirs = Arc::clone(&partition);
        disk.interrupt_after(2, move || assert!(theirs.state_is_free(), "others go on meanwhile"));
        partition.touch();
        assert!(!disk.uninterrupted() && !partition.is_untouched());
        let calls = disk.calls();
        produce(&partition);
        let first = disk.calls() - calls;
        produce(&partition);
        assert!(
            first <= disk.calls() - calls - first + 1,
            "it opens the file, and nothing else: {first} calls"
        );
        // A crash now is one.
        disk.reboot(1);
        let (log, recovered) =
            Log::open(Path::new("orders-0"), Arc::clone(&partition.services.files), Default::default())
                .unwrap();
        assert!(!recovered.clean && !log.is_clean());
    }

    #[test]
    fn an_append_that_did_not_wait_for_it_does_it_itself() {
        let disk = SimDisk::new();
        let partition = restarted(&disk);
        produce(&partition);
        assert!(!partition.is_untouched());
        partition.touch();
    }
}
