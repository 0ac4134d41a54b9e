//! Looking for rot that nobody reads (`log.scrub.interval.ms`, `log.scrub.io.max.bytes.per.second`): a task that goes over
//! all logs, piece after piece, no faster than its budget. What it finds goes the way of damage that a read finds: it is
//! noted as missing, and put back from another replica. A broker that starts begins with any of its logs, so that one that
//! restarts often does not look at the same ones each time.
//!
//! It reads as everybody does, so what the system has in memory is not looked for on the disk.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use common::Offset;
use runtime::{Stop, TaskKind, Tasks};
use tokio::time::Instant;

use super::{Partition, Partitions, Quota, state::Stage};

/// Bytes that are read and checked at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Until a setting that has changed counts, at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// From the start of the broker to the first round, at most.
const START_DELAY: Duration = Duration::from_secs(60);

/// Until the next log is looked at, if one is not open yet.
const OPENING_PAUSE: Duration = Duration::from_millis(100);

/// The least from one round to the next, whatever the setting says: a round costs as much as there are partitions.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// How often a piece is tried: the first time, its segment may have been deleted or replaced just then.
const TRIES: usize = 2;

/// A piece that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where the next one begins.
    pub(super) next: Offset,
    /// Bytes that were read.
    pub(super) bytes: usize,
}

/// Starts the task.
pub(super) fn start(tasks: &Tasks, partitions: &Partitions) {
    let config = partitions.services().config();
    let scrubber = Scrubber {
        quota: Quota::new(config, "log.scrub.io.max.bytes.per.second"),
        partitions: partitions.clone(),
    };
    tasks.spawn(TaskKind::Background, "partition.scrub", move |stop| async move {
        // `None`: the process is ending.
        let _ = scrubber.run(&stop).await;
    });
}

#[derive(Debug)]
struct Scrubber {
    partitions: Partitions,
    quota: Quota,
}

impl Scrubber {
    async fn run(&self, stop: &Stop) -> Option<()> {
        // A broker that starts has no partitions yet, and other things to do.
        self.pause(stop, Instant::now(), START_DELAY).await?;
        loop {
            let begun = Instant::now();
            self.round(stop).await?;
            self.partitions.services().integrity.round();
            self.pause(stop, begun, Duration::MAX).await?;
        }
    }

    /// Until the interval is over since `begun`; no longer than `most`.
    async fn pause(&self, stop: &Stop, begun: Instant, most: Duration) -> Option<()> {
        let config = self.partitions.services().config();
        let interval = || config.time("log.scrub.interval.ms").max(INTERVAL_MIN).min(most);
        while begun.elapsed() < interval() {
            stop.or(tokio::time::sleep(LOOK_INTERVAL.min(interval()))).await?;
        }
        Some(())
    }

    /// Looks at all logs once.
    async fn round(&self, stop: &Stop) -> Option<()> {
        let mut all = self.partitions.all();
        let now_ms = usize::try_from(self.partitions.services().now().wall_ms).unwrap_or(0);
        let first = now_ms.checked_rem(all.len()).unwrap_or(0);
        all.rotate_left(first);
        let mut left = VecDeque::from(all);
        while let Some(partition) = left.pop_front() {
            if partition.is_opening() {
                stop.or(tokio::time::sleep(OPENING_PAUSE)).await?;
                left.push_back(partition);
                continue;
            }
            let mut from = Offset(0);
            loop {
                self.budget(stop).await?;
                let partition = Arc::clone(&partition);
                match tokio::task::spawn_blocking(move || partition.scrub(from, PIECE_BYTES)).await {
                    Ok(Some(piece)) => {
                        self.quota.spend(piece.bytes, Instant::now());
                        from = piece.next;
                    }
                    Ok(None) => break,
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    // The process is ending: blocking work is cancelled then, and only then.
                    Err(_) => return None,
                }
            }
        }
        Some(())
    }

    /// Waits until something may be read.
    async fn budget(&self, stop: &Stop) -> Option<()> {
        while let Err(again) = self.quota.allowance(Instant::now()) {
            stop.or(tokio::time::sleep_until(again)).await?;
        }
        (!stop.is_requested()).then_some(())
    }
}

impl Partition {
    /// Whether its log is being opened.
    fn is_opening(&self) -> bool {
        matches!(self.lock().stage, Stage::Opening)
    }

    /// Checks some of what is stored from `from` on; `None`: there is no more, or it cannot be read. Blocks.
    pub(super) fn scrub(self: &Arc<Self>, from: Offset, max_bytes: usize) -> Option<Piece> {
        let mut scrubbed = None;
        for _ in 0..TRIES {
            let plan = self.lock().running().ok()?.log.plan_scrub(from, max_bytes)?;
            scrubbed = Some(plan.run());
            if scrubbed.as_ref().is_some_and(Result::is_ok) {
                break;
            }
        }
        match scrubbed? {
            Ok(scrubbed) => {
                self.services.integrity.scrubbed(scrubbed.bytes);
                for damage in &scrubbed.damages {
                    self.damaged(damage);
                }
                if let Some(segment) = scrubbed.damaged_index {
                    self.restore_index(segment);
                }
                Some(Piece { next: scrubbed.next, bytes: scrubbed.bytes })
            }
            Err(error) => {
                tracing::warn!(
                    event = "partition.not_scrubbed", partition = %self.name(), from = %from,
                    "the rest of its log is not looked at in this round: {error}",
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use commit_log::{batch::BatchBuilder, disk::sim::SimDisk};
    use replica::Acks;

    use super::*;
    use crate::partition::testing::leader;

    fn scrub(partition: &Arc<Partition>, max_bytes: usize) -> usize {
        let (mut from, mut bytes) = (Offset(0), 0);
        while let Some(piece) = partition.scrub(from, max_bytes) {
            assert!(piece.next > from, "it goes on");
            (from, bytes) = (piece.next, bytes + piece.bytes);
        }
        bytes
    }

    #[test]
    fn what_nobody_reads_is_found_and_asked_of_others() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[("segment.bytes", "1024")]);
        for n in 0..40 {
            let batch = BatchBuilder::default().record(n, None, Some(&[7; 200])).build(Offset(0)).unwrap();
            partition.produce(batch.into(), Acks::All).unwrap();
        }
        while partition.flush() {}
        let stored = partition.lock().running().unwrap().log.size_bytes();
        assert_eq!(scrub(&partition, 500) as u64, stored);
        assert_eq!(partition.missing(), None);
        let first = Path::new("orders-0").join("00000000000000000000.log");
        disk.damage(&first, |bytes| bytes[100] ^= 1).unwrap();
        assert_eq!(scrub(&partition, 500) as u64, stored, "it goes on behind damage");
        assert_eq!(partition.missing(), Some(Offset(0)..Offset(1)));
        assert_eq!(partition.services.integrity.damages(), 1);
        assert!(scrub(&partition, 500) < stored as usize, "what is known to be missing is passed over");
        assert_eq!(partition.services.integrity.damages(), 1);
    }

    #[test]
    fn an_index_that_rots_is_stored_anew() {
        let disk = SimDisk::new();
        let partition = leader(&disk, &[("segment.bytes", "1024")]);
        for n in 0..40 {
            let batch = BatchBuilder::default().record(n, None, Some(&[7; 200])).build(Offset(0)).unwrap();
            partition.produce(batch.into(), Acks::All).unwrap();
        }
        while partition.flush() {}
        let index = Path::new("orders-0").join("00000000000000000000.frames");
        disk.damage(&index, |bytes| bytes[5] ^= 1).unwrap();
        let damaged_index = || {
            let plan = partition.lock().running().unwrap().log.plan_scrub(Offset(0), 1).unwrap();
            plan.run().unwrap().damaged_index
        };
        assert!(damaged_index().is_some());
        scrub(&partition, 500);
        assert_eq!(damaged_index(), None);
        assert_eq!(partition.missing(), None);
    }
}
