//! Who was heard of when: the leader's memory of heartbeats. It never goes through Raft and is rebuilt on failover.
//!
//! Time is an argument: the [`Duration`] since any fixed origin of a clock that does not go back.

use std::time::Duration;

use common::{Broker, BrokerEpoch, BrokerId};

use crate::State;

/// The contact times of brokers, and when their sessions end.
#[derive(Debug)]
pub struct Ledger {
    session_timeout: Duration,
}

#[expect(
    clippy::todo,
    clippy::missing_panics_doc,
    reason = "signatures first; the next change fills them in"
)]
impl Ledger {
    /// An empty ledger.
    pub fn new(session_timeout: Duration) -> Self {
        Self { session_timeout }
    }

    /// A broker is given up after so long a silence.
    pub fn session_timeout(&self) -> Duration {
        self.session_timeout
    }

    /// This node became leader: forgets everything and gives every broker that is not OFFLINE one full session
    /// (KAFKA-18138).
    pub fn activate<'a>(&mut self, _now: Duration, _brokers: impl IntoIterator<Item = &'a Broker>) {
        todo!()
    }

    /// A broker registered or heartbeats.
    pub fn heartbeat(&mut self, _now: Duration, _broker: BrokerId, _epoch: BrokerEpoch) {
        todo!()
    }

    /// When `broker` was last heard of, under any epoch.
    pub fn last_contact(&self, _broker: BrokerId) -> Option<Duration> {
        todo!()
    }

    /// Whether the session of `broker` ran out, or nothing is known of it.
    pub fn is_silent(&self, _now: Duration, _broker: BrokerId) -> bool {
        todo!()
    }

    /// Whom to fence now, with the epoch that was judged. Follows `state`: live brokers that the ledger does not
    /// know get a full session, others are forgotten. A broker is named again a quarter session later while it
    /// is neither fenced nor heard of, so that a lost proposal does no harm.
    pub fn expired(&mut self, _now: Duration, _state: &State) -> Vec<(BrokerId, BrokerEpoch)> {
        todo!()
    }

    /// When [`expired`](Self::expired) has something to say next, unless somebody is heard of before.
    pub fn next_deadline(&self) -> Option<Duration> {
        todo!()
    }
}
