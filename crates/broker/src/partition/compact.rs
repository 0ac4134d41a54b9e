//! Compaction (`cleanup.policy=compact`): a task that goes over the partitions of such topics now and then, one after the
//! other. What is kept is decided in `commit-log`; here is when it is looked at, and who does the work.

use std::{sync::Arc, time::Duration};

use commit_log::{Compaction, LogError};
use common::topic_config::TopicConfig;
use runtime::{Stop, TaskKind, Tasks};

use super::{Partition, Partitions, keeper::resume_panic, state::Running};

/// The least from one look at all partitions to the next, whatever `log.cleaner.backoff.ms` says: a look costs as much as
/// there are partitions.
const BACKOFF_MIN: Duration = Duration::from_millis(100);

/// Starts the task.
pub(super) fn start(tasks: &Tasks, partitions: &Partitions) {
    let partitions = partitions.clone();
    tasks.spawn(TaskKind::Background, "partition.compact", move |stop| async move {
        let pause = || partitions.services().config.time("log.cleaner.backoff.ms").max(BACKOFF_MIN);
        while stop.or(tokio::time::sleep(pause())).await.is_some() {
            let (all, stop) = (partitions.all(), stop.clone());
            let round = tokio::task::spawn_blocking(move || {
                for partition in all {
                    partition.compact(&stop);
                }
            });
            resume_panic(round.await);
        }
    });
}

impl Partition {
    /// Compacts the log if its topic wants that and it is worth it. Blocks, with the lock held for moments only.
    pub(super) fn compact(self: &Arc<Self>, stop: &Stop) {
        let now = self.services.now();
        let mut state = self.lock();
        let buffer_bytes = self.services.config.number("log.cleaner.dedupe.buffer.size");
        let Some(settings) = compaction(&state.wanted.config, buffer_bytes) else { return };
        let Ok(Running { log, replica, .. }) = state.running() else { return };
        let job = match log.plan_compaction(&settings, now.wall_ms, replica.high_watermark()) {
            Ok(job) => job,
            Err(LogError::Damaged(damage)) => {
                drop(state);
                return self.damaged(&damage);
            }
            // A log that is fenced takes no changes; whoever fenced it has said so.
            Err(_) => return,
        };
        drop(state);
        let Some(mut job) = job else { return };
        let (mut read_bytes, mut kept_bytes) = (0, 0);
        while !stop.is_requested()
            && let Some(step) = job.next_step()
        {
            let step = match step {
                Ok(step) => step,
                Err(LogError::Damaged(damage)) => return self.damaged(&damage),
                Err(error) => {
                    let partition = self.name();
                    tracing::error!(event = "partition.not_compacted", %partition, "compaction ended: {error}");
                    return;
                }
            };
            read_bytes += step.read_bytes;
            kept_bytes += step.kept_bytes;
            let mut state = self.lock();
            let Ok(running) = state.running() else { return };
            let swap = match running.log.start_swap(step) {
                Ok(Some(swap)) => swap,
                // The log was cut meanwhile: the next round begins anew.
                Ok(None) => return,
                Err(error) => return self.storage_failed(&mut state, &error),
            };
            drop(state);
            let swapped = swap.run();
            let mut state = self.lock();
            let Ok(running) = state.running() else { return };
            if let Err(error) = swapped.and_then(|()| running.log.settle()) {
                return self.storage_failed(&mut state, &error);
            }
        }
        let partition = self.name();
        tracing::info!(event = "partition.compacted", %partition, read_bytes, kept_bytes, "compacted its log");
    }
}

/// How such a topic is compacted; `None`: not at all. `buffer_bytes`: memory for keys; some 1.2 million take 32 MiB, and a
/// log with more is compacted in several rounds.
fn compaction(config: &TopicConfig, buffer_bytes: usize) -> Option<Compaction> {
    config.cleanup_policy.compact.then_some(Compaction {
        delete_retention_ms: config.delete_retention_ms,
        min_lag_ms: config.min_compaction_lag_ms,
        max_lag_ms: config.max_compaction_lag_ms,
        min_dirty_ratio: config.min_cleanable_dirty_ratio,
        buffer_bytes,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use commit_log::{batch::BatchBuilder, disk::sim::SimDisk};
    use common::Offset;
    use replica::Acks;

    use super::*;
    use crate::partition::testing::leader;

    fn batch(key: &[u8], value: &[u8]) -> Bytes {
        BatchBuilder::default().record(0, Some(key), Some(value)).build(Offset(0)).unwrap().into()
    }

    #[test]
    fn the_latest_record_of_each_key_stays() {
        let partition = leader(&SimDisk::new(), &[("cleanup.policy", "compact"), ("segment.bytes", "1024")]);
        for round in 0..100_u8 {
            for key in [b"a", b"b"] {
                partition.produce(batch(key, &[round; 50]), Acks::All).unwrap();
            }
        }
        while partition.flush() {}
        assert!(!partition.checkpoint());
        let before = partition.lock().running().unwrap().log.size_bytes();
        partition.compact(&Stop::never());
        let mut state = partition.lock();
        let log = &state.running().unwrap().log;
        assert!(log.size_bytes() * 4 < before, "{} of {before} bytes are left", log.size_bytes());
        assert_eq!(log.log_end(), Offset(200), "offsets stay");
    }

    #[test]
    fn a_record_without_a_key_is_refused() {
        let partition = leader(&SimDisk::new(), &[("cleanup.policy", "compact")]);
        let batch = BatchBuilder::default().record(0, None, None).build(Offset(0)).unwrap().into();
        assert!(partition.produce(batch, Acks::All).is_err());
    }
}
