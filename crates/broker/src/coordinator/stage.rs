//! How far an owner is: it loads, it serves, or it cannot load, and why.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Set by an owner, looked at by those who ask it. Clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Stage {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    serves: AtomicBool,
    /// Why it could not be loaded the last time. It is tried again.
    trouble: Mutex<Option<String>>,
}

impl Stage {
    /// Requests are answered from now on.
    pub(super) fn serve(&self) {
        self.set_trouble(None);
        self.shared.serves.store(true, Ordering::Release);
    }

    /// What was known is forgotten: it loads anew.
    pub(super) fn load(&self) {
        self.shared.serves.store(false, Ordering::Release);
    }

    /// It cannot be loaded now.
    pub(super) fn fail(&self, why: String) {
        self.set_trouble(Some(why));
    }

    /// Whether requests are answered.
    pub(super) fn serves(&self) -> bool {
        self.shared.serves.load(Ordering::Acquire)
    }

    /// Why it cannot be loaded, if that is so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, why: Option<String>) {
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}
