//! The task that looks after all partitions now and then. It is apart from the keeper, so that a disk that is slow to
//! delete or to be opened does not hold roles up.

use std::{sync::Arc, time::Duration};

use commit_log::ClockGuard;
use runtime::{Stop, TaskHandle, TaskKind, Tasks};
use tokio::time::{Instant, MissedTickBehavior};

use super::{Partitions, Services, high_watermarks::HighWatermarks};

/// From one look at everything to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// High watermarks are noted with every so many looks.
const LOOKS_PER_NOTE: u32 = 5;

/// A partition's share of the memory for last batches is this at most, in bytes: more would help nobody.
const TAIL_BYTES_MAX: usize = 1 << 20;

/// How often retention deletes a little of one partition in one round.
const PASSES_MAX: usize = 32;

/// Looks after the partitions of a broker.
#[derive(Debug)]
pub(super) struct Caretaker {
    partitions: Partitions,
    services: Arc<Services>,
    noted: HighWatermarks,
    clock: ClockGuard,
    retention_at: Instant,
    looks: u32,
}

impl Caretaker {
    /// Starts the task.
    pub(super) fn start(tasks: &Tasks, partitions: &Partitions, noted: HighWatermarks) -> TaskHandle {
        let services = Arc::clone(partitions.services());
        let caretaker = Self {
            partitions: partitions.clone(),
            noted,
            clock: ClockGuard::default(),
            retention_at: Instant::now() + services.settings.retention_check_interval,
            services,
            looks: 0,
        };
        tasks.spawn(TaskKind::LogFlush, "partition.caretaker", move |stop| caretaker.run(stop))
    }

    async fn run(mut self, stop: Stop) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.or(ticks.tick()).await.is_some() {
            let retain = self.retention_at <= Instant::now();
            if retain {
                self.retention_at = Instant::now() + self.services.settings.retention_check_interval;
            }
            self = match tokio::task::spawn_blocking(move || self.look(retain)).await {
                Ok(caretaker) => caretaker,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The process is ending: blocking work is cancelled then, and only then.
                Err(_) => return,
            };
        }
    }

    fn look(mut self, retain: bool) -> Self {
        let now = self.services.now();
        let may_delete = self.clock.observe(now.wall_ms, now.steady_ms);
        let partitions = self.partitions.all();
        let tail_bytes = (self.services.settings.cache_bytes / partitions.len().max(1)).min(TAIL_BYTES_MAX);
        for partition in partitions {
            partition.look_after(tail_bytes);
            partition.reopen_if_fenced();
            partition.renew_if_damaged();
            partition.leave_if_failed();
            if retain {
                // What is left then has its turn in the next round.
                let _ = (0..PASSES_MAX).all(|_| partition.retain(may_delete));
            }
        }
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS_PER_NOTE) {
            let marks = self.noted.of_all(&self.partitions);
            self.noted.write(marks);
        }
        self
    }
}
