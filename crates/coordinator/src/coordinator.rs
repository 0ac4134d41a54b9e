//! The coordinator of one partition of `__consumer_offsets`.

use std::sync::Arc;

use crate::{Now, Outcome, ProducerId, Record, Request, Settings, Token, Topics};

/// Groups and offsets of one partition of `__consumer_offsets`.
#[derive(Debug)]
pub struct Coordinator {
    settings: Settings,
    topics: Arc<Topics>,
}

impl Coordinator {
    /// One that knows nothing yet: the records of its partition are to be replayed.
    pub fn new(settings: Settings) -> Self {
        Self { settings, topics: Arc::default() }
    }

    /// Loading: takes in a record that was written outside of transactions, in the log's order. The records of this
    /// coordinator's own outcomes are not replayed: they are applied already when the outcome is given.
    pub fn replay(&mut self, record: Record) {
        let _ = record;
    }

    /// Loading: takes in a record of a transactional batch: an offset that counts once the transaction is committed.
    pub fn replay_transactional(&mut self, producer_id: ProducerId, record: Record) {
        let _ = (producer_id, record);
    }

    /// Takes in the end of a transaction, when its marker is met in the log while loading, or written to it later.
    pub fn end_transaction(&mut self, producer_id: ProducerId, committed: bool) {
        let _ = (producer_id, committed);
    }

    /// Loading is over: every member gets a full session timeout to be heard, and offsets of topics that are gone go.
    /// `topics` must be as new as the metadata that made this broker the coordinator.
    pub fn activate(&mut self, topics: Arc<Topics>, now: Now) -> Outcome {
        self.set_topics(topics, now)
    }

    /// The topics changed: some were created, deleted, or got more partitions.
    pub fn set_topics(&mut self, topics: Arc<Topics>, now: Now) -> Outcome {
        let _ = now;
        self.topics = topics;
        Outcome::default()
    }

    /// The settings changed. They hold for what comes from now on.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Answers a request, now or later, and whatever else comes of it.
    pub fn handle(&mut self, token: Token, request: Request, now: Now) -> Outcome {
        let _ = (token, request, now);
        Outcome::default()
    }

    /// Does what is due: sessions and rebalances that timed out, offsets that expired.
    pub fn tick(&mut self, now: Now) -> Outcome {
        let _ = now;
        Outcome::default()
    }

    /// When [`tick`](Self::tick) has something to do next, by the monotonic clock, in ms.
    pub fn next_deadline(&self) -> Option<i64> {
        None
    }
}
