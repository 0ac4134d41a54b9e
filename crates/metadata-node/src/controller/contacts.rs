//! Who was heard of when. Bound to a term: what was noted in an earlier one says nothing about sessions now.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{BrokerEpoch, BrokerId, Term};
use metadata_core::{State, liveness::Ledger};
use runtime::clock;
use tokio::time::Instant;

use crate::raft::Consensus;

/// The leader's memory of heartbeats.
///
/// Lock order: the applied state first, then the ledger. Neither is held across an `await`.
pub(super) struct Contacts {
    origin: Instant,
    inner: Mutex<Inner>,
}

struct Inner {
    /// The term that `ledger` is about.
    term: Term,
    ledger: Ledger,
    /// When brokers were last heard of by the wall clock, for people.
    seen_unix_ms: BTreeMap<BrokerId, u64>,
}

impl Contacts {
    pub(super) fn new(session_timeout: Duration) -> Self {
        let ledger = Ledger::new(session_timeout);
        let inner = Inner { term: Term(0), ledger, seen_unix_ms: BTreeMap::new() };
        Self { origin: Instant::now(), inner: Mutex::new(inner) }
    }

    /// The clock that the ledger's times are of.
    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// The instant of a time of the ledger.
    pub(super) fn instant(&self, time: Duration) -> Instant {
        self.origin + time
    }

    /// Begins `term`: every live broker gets a full session. Whoever first acts in a term does this, a heartbeat or
    /// the reign itself.
    pub(super) fn begin(&self, term: Term, consensus: &Consensus) {
        if self.lock().term < term {
            consensus.read(|state| {
                let mut inner = self.lock();
                if inner.term < term {
                    inner.term = term;
                    inner.seen_unix_ms.clear();
                    inner.ledger.activate(self.now(), state.brokers());
                }
            });
        }
    }

    /// Ends whatever term there is: whoever begins one next, if only the same again, gives everybody a full session.
    pub(super) fn end(&self) {
        self.lock().term = Term::default();
    }

    /// Gives every live broker a full session, as at the beginning of a term: this node itself was held up, and what
    /// brokers sent meanwhile has not been read.
    pub(super) fn forgive(&self, consensus: &Consensus) {
        consensus.read(|state| self.lock().ledger.activate(self.now(), state.brokers()));
    }

    /// A broker was heard of under its current epoch.
    pub(super) fn heard_of(&self, broker: BrokerId, epoch: BrokerEpoch) {
        let mut inner = self.lock();
        inner.ledger.heartbeat(self.now(), broker, epoch);
        inner.seen_unix_ms.insert(broker, clock::unix_ms());
    }

    /// How long `broker` has been silent; `None` if it was neither heard of nor given a session.
    pub(super) fn silence(&self, broker: BrokerId) -> Option<Duration> {
        let last = self.lock().ledger.last_contact(broker)?;
        Some(self.now().saturating_sub(last))
    }

    /// When a heartbeat of `broker` last arrived in this term, in Unix milliseconds.
    pub(super) fn seen_unix_ms(&self, broker: BrokerId) -> Option<u64> {
        self.lock().seen_unix_ms.get(&broker).copied()
    }

    /// Whose session has run out. To be called under the state's read lock.
    pub(super) fn expired(&self, state: &State) -> Vec<(BrokerId, BrokerEpoch)> {
        self.lock().ledger.expired(self.now(), state)
    }

    /// When [`Self::expired`] has something to say next.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.lock().ledger.next_deadline()
    }

    /// Every update leaves the maps consistent, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
