//! Threads that sync. That takes milliseconds, and nothing else may wait for it: neither the async runtime nor the lock of
//! the partition.
//!
//! Flushes and checkpoints have queues and threads of their own, so that producers, who wait for the former, never wait for
//! the latter. A partition is in each queue at most once: whoever puts it there notes it in its state.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use runtime::{TaskKind, Tasks};

use super::Partition;

/// What is done for a partition.
type Work = fn(&Arc<Partition>) -> bool;

/// Ends the threads when it is dropped: in order, or with the runtime.
struct End(SyncThreads);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().ending = true;
        self.0.shared.wake.notify_all();
    }
}

/// The threads for one kind of work. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct SyncThreads {
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

impl SyncThreads {
    /// Starts so many threads, which do `work` for what is in the queue; its answer is whether there is more at once. At the
    /// shutdown they end once the queue is empty.
    pub(super) fn start(&self, tasks: &Tasks, name: &'static str, threads: usize, work: Work) {
        for _ in 0..threads.max(1) {
            let threads = self.clone();
            tasks.spawn_blocking(TaskKind::LogFlush, name, move |_stop| threads.work(work));
        }
        let end = End(self.clone());
        tasks.spawn(TaskKind::LogFlush, name, move |stop| async move {
            stop.requested().await;
            drop(end);
        });
    }

    /// `partition` has something to do. The caller has made sure that it is not in the queue.
    pub(super) fn push(&self, partition: Arc<Partition>) {
        self.lock().due.push_back(partition);
        self.shared.wake.notify_one();
    }

    fn work(&self, work: Work) {
        while let Some(partition) = self.next() {
            if work(&partition) {
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
