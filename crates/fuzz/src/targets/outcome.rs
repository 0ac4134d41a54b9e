//! What happened, as a number.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Collects what happened. Numbers in messages are left out: they differ for every input.
#[derive(Default)]
pub(super) struct Outcome(DefaultHasher);

impl Outcome {
    pub(super) fn add(&mut self, what: impl Hash) {
        what.hash(&mut self.0);
    }

    pub(super) fn add_message(&mut self, message: &str) {
        for byte in message.bytes().filter(|byte| !byte.is_ascii_digit() && *byte != b'-') {
            byte.hash(&mut self.0);
        }
    }

    /// Counts differ roughly: 0, 1, 2-3, 4-7 and so on.
    pub(super) fn add_count(&mut self, count: usize) {
        self.add(count.checked_ilog2());
    }

    pub(super) fn finish(self) -> u64 {
        self.0.finish()
    }
}
