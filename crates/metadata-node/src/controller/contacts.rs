//! Who was heard of when. Bound to a term: what was noted in an earlier one says nothing about sessions now.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{BrokerEpoch, BrokerId, MetadataVersion, Term};
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
    /// The last heartbeats of brokers, for people.
    heartbeats: BTreeMap<BrokerId, Heartbeat>,
}

/// A heartbeat that arrived. Times are of the wall clock, in Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heartbeat {
    /// When.
    pub(crate) at_ms: u64,
    /// The metadata that the broker said it has.
    pub(crate) metadata_version: Option<MetadataVersion>,
    /// When it last had all there were.
    pub(crate) caught_up_ms: Option<u64>,
    /// The newest metadata then.
    newest: MetadataVersion,
}

impl Heartbeat {
    /// The next heartbeat of a broker: it has this version, and `newest` is the newest. As in Kafka, who has all that there was at
    /// its last heartbeat was caught up then.
    fn after(
        last: Option<Self>,
        at_ms: u64,
        metadata_version: Option<MetadataVersion>,
        newest: MetadataVersion,
    ) -> Self {
        let caught_up_ms = match last {
            _ if metadata_version.is_some_and(|has| has >= newest) => Some(at_ms),
            Some(last) if metadata_version.is_some_and(|has| has >= last.newest) => Some(last.at_ms),
            last => last.and_then(|last| last.caught_up_ms),
        };
        Self { at_ms, metadata_version, caught_up_ms, newest }
    }
}

impl Contacts {
    pub(super) fn new(session_timeout: Duration) -> Self {
        let ledger = Ledger::new(session_timeout);
        let inner = Inner { term: Term(0), ledger, heartbeats: BTreeMap::new() };
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
                    inner.heartbeats.clear();
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

    /// A broker was heard of under its current epoch. It has this version of the metadata, if it says so; `newest` is the newest.
    pub(super) fn heard_of(
        &self,
        broker: BrokerId,
        epoch: BrokerEpoch,
        metadata_version: Option<MetadataVersion>,
        newest: MetadataVersion,
    ) {
        let mut inner = self.lock();
        inner.ledger.heartbeat(self.now(), broker, epoch);
        let last = inner.heartbeats.get(&broker).copied();
        let heartbeat = Heartbeat::after(last, clock::unix_ms(), metadata_version, newest);
        inner.heartbeats.insert(broker, heartbeat);
    }

    /// How long `broker` has been silent; `None` if it was neither heard of nor given a session.
    pub(super) fn silence(&self, broker: BrokerId) -> Option<Duration> {
        let last = self.lock().ledger.last_contact(broker)?;
        Some(self.now().saturating_sub(last))
    }

    /// The last heartbeat of `broker` that arrived in this term.
    pub(super) fn last_heartbeat(&self, broker: BrokerId) -> Option<Heartbeat> {
        self.lock().heartbeats.get(&broker).copied()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_what_was_new_at_its_last_heartbeat_was_caught_up_then() {
        let version = |version| Some(MetadataVersion(version));
        let first = Heartbeat::after(None, 100, None, MetadataVersion(5));
        assert_eq!(first.caught_up_ms, None);
        let second = Heartbeat::after(Some(first), 200, version(5), MetadataVersion(6));
        assert_eq!(second.caught_up_ms, Some(100));
        let third = Heartbeat::after(Some(second), 300, version(5), MetadataVersion(9));
        assert_eq!(third.caught_up_ms, Some(100));
        let fourth = Heartbeat::after(Some(third), 400, version(9), MetadataVersion(9));
        assert_eq!((fourth.caught_up_ms, fourth.metadata_version), (Some(400), version(9)));
        // A new process has nothing yet.
        let fifth = Heartbeat::after(Some(fourth), 500, None, MetadataVersion(9));
        assert_eq!((fifth.caught_up_ms, fifth.metadata_version), (Some(400), None));
    }
}
