//! Readers that wait for a partition to grow. A wait holds no memory but its entry here: who is woken looks again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Those who want to know of one partition. Cheap to clone; clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Watchers {
    shared: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    watching: BTreeMap<u64, Arc<Notify>>,
}

/// Ends a watch when it is dropped.
#[derive(Debug)]
#[must_use = "the watch ends when this is dropped"]
pub struct Watch {
    watchers: Watchers,
    number: u64,
}

impl Watchers {
    /// From now on `notify` is rung, with a permit that waits for it, whenever there is something new.
    pub(super) fn add(&self, notify: &Arc<Notify>) -> Watch {
        let mut table = self.lock();
        table.next += 1;
        let number = table.next;
        table.watching.insert(number, Arc::clone(notify));
        drop(table);
        Watch { watchers: self.clone(), number }
    }

    pub(super) fn wake(&self) {
        for notify in self.lock().watching.values() {
            notify.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchers.lock().watching.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_between_two_waits_is_not_lost() {
        let watchers = Watchers::default();
        let notify = Arc::new(Notify::new());
        let watch = watchers.add(&notify);
        watchers.wake();
        notify.notified().await;
        drop(watch);
        assert!(watchers.lock().watching.is_empty());
    }
}
