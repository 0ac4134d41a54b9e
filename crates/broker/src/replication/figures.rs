//! Figures of replication, in Kafka's names where it has them.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

/// What is counted as it happens. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct ReplicationFigures {
    bytes_in: Counter,
    fetches: Counter,
    failed_fetches: Counter,
    committed_lost: Counter,
    isr_changes: Counter,
    failed_isr_updates: Counter,
    following: Gauge<u64, AtomicU64>,
}

impl ReplicationFigures {
    /// Makes them part of what `/metrics` shows.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter =
            |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter(
            "kafka_server_brokertopicmetrics_replicationbytesin",
            "Bytes that replicas here fetched from leaders",
            &self.bytes_in,
        );
        counter("dmq_replication_fetches", "Fetches from leaders that were answered", &self.fetches);
        counter(
            "dmq_replication_failed_fetches",
            "Fetches from leaders without an answer",
            &self.failed_fetches,
        );
        counter(
            "dmq_replication_committed_lost",
            "Answers by which a replica here would have had to cut committed records, and did not",
            &self.committed_lost,
        );
        counter(
            "dmq_replication_isr_changes",
            "ISR changes that the controllers made for leaders here",
            &self.isr_changes,
        );
        counter(
            "kafka_server_replicamanager_failedisrupdates",
            "ISR changes that the controllers refused leaders here",
            &self.failed_isr_updates,
        );
        registry.register(
            "dmq_replication_following",
            "Replicas here that follow a leader",
            self.following.clone(),
        );
    }

    /// Fetches that were answered.
    pub fn fetches(&self) -> u64 {
        self.fetches.get()
    }

    pub(super) fn fetched(&self) {
        self.fetches.inc();
    }

    pub(super) fn failed(&self) {
        self.failed_fetches.inc();
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes_in.inc_by(bytes as u64);
    }

    pub(super) fn committed_lost(&self) {
        self.committed_lost.inc();
    }

    pub(super) fn isr_answered(&self, done: bool) {
        if done {
            self.isr_changes.inc()
        } else {
            self.failed_isr_updates.inc()
        };
    }

    pub(super) fn following(&self, replicas: usize) {
        self.following.set(replicas as u64);
    }
}
