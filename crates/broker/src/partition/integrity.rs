//! Figures of rot: what was looked at, what was found, what was made good.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

/// What is counted as it happens. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct IntegrityFigures {
    scrubbed_bytes: Counter,
    rounds: Counter,
    damages: Counter,
    repairs: Counter,
}

impl IntegrityFigures {
    /// Makes them part of what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter =
            |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter(
            "dmq_log_scrubbed_bytes",
            "Bytes of logs that were read to look for rot",
            &self.scrubbed_bytes,
        );
        counter("dmq_log_scrub_rounds", "Times that all logs were read to look for rot", &self.rounds);
        counter(
            "dmq_log_damages",
            "Ranges of offsets whose records were found damaged on disk",
            &self.damages,
        );
        counter(
            "dmq_log_repairs",
            "Ranges of offsets that were put back from another replica, and logs that were made anew from one",
            &self.repairs,
        );
    }

    /// How many damaged ranges were found.
    pub fn damages(&self) -> u64 {
        self.damages.get()
    }

    pub(super) fn scrubbed(&self, bytes: usize) {
        self.scrubbed_bytes.inc_by(bytes as u64);
    }

    pub(super) fn round(&self) {
        self.rounds.inc();
    }

    pub(super) fn damaged(&self, ranges: usize) {
        self.damages.inc_by(ranges as u64);
    }

    pub(super) fn repaired(&self) {
        self.repairs.inc();
    }
}
