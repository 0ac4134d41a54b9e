//! The replicated state: what every metadata node holds in memory, and what queries read.

use std::sync::Arc;

use common::{Broker, BrokerId, ClusterId, MetadataVersion, Topic, TopicId};

use crate::{
    Applied, Command, Event, Outcome, Proposal, Rejection,
    snapshot::{Record, SnapshotError},
};

/// The replicated state. Cloning it is cheap: clones share everything until one of them changes.
#[derive(Debug, Clone)]
pub struct State {
    cluster_id: ClusterId,
}

#[expect(
    clippy::todo,
    clippy::missing_panics_doc,
    reason = "signatures first; the next change fills them in"
)]
impl State {
    /// The state of a cluster that nothing has happened in.
    pub fn new(cluster_id: ClusterId) -> Self {
        Self { cluster_id }
    }

    /// Applies the command at Raft index `index`: decides, evolves, and remembers the request id.
    pub fn apply(&mut self, _index: MetadataVersion, _proposal: &Proposal) -> Applied {
        todo!()
    }

    /// What `command` would do, without doing it.
    pub fn decide(
        &self,
        _index: MetadataVersion,
        _command: &Command,
    ) -> Result<(Outcome, Vec<Event>), Rejection> {
        todo!()
    }

    /// Makes an event happen. Total and idempotent: an event about something unknown changes nothing.
    pub fn evolve(&mut self, _version: MetadataVersion, _event: &Event) {
        todo!()
    }

    /// Which cluster.
    pub fn cluster_id(&self) -> &ClusterId {
        &self.cluster_id
    }

    /// Raft index of the last command that made an event.
    pub fn version(&self) -> MetadataVersion {
        todo!()
    }

    /// The feature level in force.
    pub fn feature_level(&self) -> u16 {
        todo!()
    }

    /// The first producer id that was never handed out.
    pub fn next_producer_id(&self) -> i64 {
        todo!()
    }

    /// A topic by name.
    pub fn topic(&self, _name: &str) -> Option<&Arc<Topic>> {
        todo!()
    }

    /// A topic by id.
    pub fn topic_by_id(&self, _id: TopicId) -> Option<&Arc<Topic>> {
        todo!()
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> + '_ {
        std::iter::empty()
    }

    /// How many topics.
    pub fn topic_count(&self) -> usize {
        todo!()
    }

    /// A broker.
    pub fn broker(&self, _id: BrokerId) -> Option<&Broker> {
        todo!()
    }

    /// All brokers, by id.
    pub fn brokers(&self) -> impl Iterator<Item = &Broker> + '_ {
        std::iter::empty()
    }

    /// How many brokers.
    pub fn broker_count(&self) -> usize {
        todo!()
    }

    /// Partitions of all topics. O(1), like the counts below.
    pub fn total_partitions(&self) -> usize {
        todo!()
    }

    /// Partitions that `broker` leads.
    pub fn leader_partitions(&self, _broker: BrokerId) -> usize {
        todo!()
    }

    /// Partitions that `broker` holds a replica of.
    pub fn replica_partitions(&self, _broker: BrokerId) -> usize {
        todo!()
    }

    /// Partitions without a leader.
    pub fn offline_partitions(&self) -> usize {
        todo!()
    }

    /// Partitions whose ISR lacks a replica.
    pub fn under_replicated_partitions(&self) -> usize {
        todo!()
    }

    /// Partitions that another than their preferred leader leads, or nobody.
    pub fn non_preferred_partitions(&self) -> usize {
        todo!()
    }

    /// A hash of the whole state, kept up to date with each change: equal states have equal digests on every
    /// node, build and machine. O(1).
    pub fn digest(&self) -> u64 {
        todo!()
    }

    /// The whole state as a stream of records, a header first.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        std::iter::empty()
    }

    /// The state that gave these records. Refuses a stream that is cut short, of another format, or whose state
    /// would break an invariant.
    pub fn from_records<E>(
        _records: impl IntoIterator<Item = Result<Record, E>>,
    ) -> Result<Self, SnapshotError<E>> {
        todo!()
    }

    /// Checks every invariant of the state; the error says which one is broken where. O(everything).
    pub fn check_invariants(&self) -> Result<(), String> {
        todo!()
    }
}
