//! Threads that make appended records durable. A sync takes milliseconds, and nothing else may wait for it: neither the
//! async runtime nor the lock of the partition.
//!
//! A partition is in the queue at most once. What is appended while its sync runs shares the next one, so a busy
//! partition needs no more syncs than fit one after the other, however many producers there are.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use runtime::{TaskKind, Tasks};

use super::Partition;

/// Ends the threads when it is dropped: in order, or with the runtime.
struct End(FlushPool);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().ending = true;
        self.0.shared.wake.notify_all();
    }
}

/// The threads. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub struct FlushPool {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something is due, or the end is.
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    due: VecDeque<Arc<Partition>>,
    ending: bool,
}

impl FlushPool {
    /// Starts so many threads. At the shutdown they end once the queue is empty.
    pub fn start(&self, tasks: &Tasks, threads: usize) {
        for _ in 0..threads.max(1) {
            let pool = self.clone();
            tasks.spawn_blocking(TaskKind::LogFlush, "partition.flush", move |_stop| pool.work());
        }
        let end = End(self.clone());
        tasks.spawn(TaskKind::LogFlush, "partition.flush.end", move |stop| async move {
            stop.requested().await;
            drop(end);
        });
    }

    /// `partition` has something to sync. The caller has made sure that it is not in the queue.
    pub(super) fn push(&self, partition: Arc<Partition>) {
        self.lock().due.push_back(partition);
        self.shared.wake.notify_one();
    }

    fn work(&self) {
        while let Some(partition) = self.next() {
            if partition.flush() {
                self.push(partition);
            }
        }
    }

    /// What is due next; `None` at the end.
    fn next(&self) -> Option<Arc<Partition>> {
        let mut queue = self.lock();
        loop {
            if let Some(partition) = queue.due.pop_front() {
                return Some(partition);
            }
            if queue.ending {
                return None;
            }
            queue = self.shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
