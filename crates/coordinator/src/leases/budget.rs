//! How much all leases of a process may take in memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Records that are given out, and leases that are known, of all groups together. An entry takes some 50 bytes.
const ENTRIES_MAX: usize = 1_000_000;

/// What is left is little when it is less than such a part of the whole.
const LITTLE: usize = 10;

/// What the leases of all coordinators that share it may take: one entry for each record that is given out, and for each
/// lease that is known. Clones are one.
#[derive(Debug, Clone)]
pub struct LeaseBudget {
    taken: Arc<AtomicUsize>,
    max: usize,
}

impl Default for LeaseBudget {
    fn default() -> Self {
        Self::new(ENTRIES_MAX)
    }
}

impl LeaseBudget {
    /// Of so many entries.
    pub fn new(max: usize) -> Self {
        Self { taken: Arc::default(), max }
    }

    /// The most entries there may be.
    pub fn max(&self) -> usize {
        self.max
    }

    /// How many there are.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether what nobody is likely to need should go.
    pub(super) fn is_short(&self) -> bool {
        self.max - self.taken().min(self.max) < self.max.div_ceil(LITTLE)
    }

    /// Takes so many entries, or as many as there are.
    fn take(&self, wanted: usize) -> usize {
        let mut got = 0;
        let more = |taken: usize| {
            got = wanted.min(self.max.saturating_sub(taken));
            Some(taken + got)
        };
        // It is never refused: `more` always gives something.
        let _ = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        got
    }
}

/// The part of one group. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    of: LeaseBudget,
    entries: usize,
}

impl Share {
    pub(super) fn new(of: &LeaseBudget) -> Self {
        Self { of: of.clone(), entries: 0 }
    }

    pub(super) fn budget(&self) -> &LeaseBudget {
        &self.of
    }

    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Makes it so large, or as large as it can be. Gives how large it is.
    pub(super) fn resize(&mut self, entries: usize) -> usize {
        if let Some(more) = entries.checked_sub(self.entries) {
            self.entries += self.of.take(more);
        } else {
            self.of.taken.fetch_sub(self.entries - entries, Ordering::Relaxed);
            self.entries = entries;
        }
        self.entries
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_no_more_than_the_whole_and_are_given_back() {
        let budget = LeaseBudget::new(20);
        let (mut one, mut other) = (Share::new(&budget), Share::new(&budget));
        assert_eq!((one.resize(15), other.resize(15)), (15, 5));
        assert!(budget.is_short());
        assert_eq!((one.resize(3), other.resize(15), budget.taken()), (3, 15, 18));
        assert!(!budget.is_short());
        drop(other);
        assert_eq!(budget.taken(), 3);
    }
}
