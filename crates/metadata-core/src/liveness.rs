//! Who was heard of when: the leader's memory of heartbeats. It never goes through Raft and is rebuilt on failover.
//!
//! Time is an argument: the [`Duration`] since any fixed origin of a clock that does not go back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{Broker, BrokerEpoch, BrokerId, BrokerStatus};

use crate::State;

/// A broker that is neither fenced nor heard of is named again after this part of a session.
const REPEATS_PER_SESSION: u32 = 4;

/// The contact times of brokers, and when their sessions end.
#[derive(Debug)]
pub struct Ledger {
    session_timeout: Duration,
    contacts: BTreeMap<BrokerId, Contact>,
    /// The deadline of each contact, the earliest first.
    deadlines: BTreeSet<(Duration, BrokerId)>,
}

#[derive(Debug, Clone, Copy)]
struct Contact {
    epoch: BrokerEpoch,
    /// When it was last heard of, or given a session without being heard of.
    at: Duration,
    /// When it is to be named next.
    deadline: Duration,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(session_timeout: Duration) -> Self {
        Self { session_timeout, contacts: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    /// A broker is given up after so long a silence.
    pub fn session_timeout(&self) -> Duration {
        self.session_timeout
    }

    /// This node became leader: forgets everything and gives every broker that is not OFFLINE one full session
    /// (KAFKA-18138: one that died during the failover is fenced all the same, and a live one is not).
    pub fn activate<'a>(&mut self, now: Duration, brokers: impl IntoIterator<Item = &'a Broker>) {
        self.contacts.clear();
        self.deadlines.clear();
        for broker in brokers.into_iter().filter(|broker| is_live(broker)) {
            self.heartbeat(now, broker.broker_id, broker.broker_epoch);
        }
    }

    /// A broker registered or heartbeats. The caller has checked the epoch.
    pub fn heartbeat(&mut self, now: Duration, broker: BrokerId, epoch: BrokerEpoch) {
        let deadline = now + self.session_timeout;
        self.set(broker, Contact { epoch, at: now, deadline });
    }

    /// When `broker` was last heard of, under any epoch.
    pub fn last_contact(&self, broker: BrokerId) -> Option<Duration> {
        self.contacts.get(&broker).map(|contact| contact.at)
    }

    /// Whether the session of `broker` ran out, or nothing is known of it.
    pub fn is_silent(&self, now: Duration, broker: BrokerId) -> bool {
        self.last_contact(broker).is_none_or(|at| at + self.session_timeout <= now)
    }

    /// Whom to fence now, with the epoch that was judged. Follows `state`: live brokers that the ledger does not
    /// know get a full session, others are forgotten. A broker is named again a quarter session later while it
    /// is neither fenced nor heard of, so that a lost proposal does no harm.
    pub fn expired(&mut self, now: Duration, state: &State) -> Vec<(BrokerId, BrokerEpoch)> {
        self.follow(now, state);
        let due: Vec<_> = self.deadlines.range(..=(now, BrokerId(i32::MAX))).map(|(_, id)| *id).collect();
        let mut expired = Vec::with_capacity(due.len());
        for broker in due {
            if let Some(contact) = self.contacts.get(&broker).copied() {
                expired.push((broker, contact.epoch));
                let deadline = now + self.session_timeout / REPEATS_PER_SESSION;
                self.set(broker, Contact { deadline, ..contact });
            }
        }
        expired.sort_unstable();
        expired
    }

    /// When [`expired`](Self::expired) has something to say next, unless somebody is heard of before.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Makes the ledger hold exactly the live brokers, under their present epochs.
    fn follow(&mut self, now: Duration, state: &State) {
        let is_known = |id: BrokerId, epoch| {
            state.broker(id).is_some_and(|broker| is_live(broker) && broker.broker_epoch <= epoch)
        };
        let gone: Vec<_> = self.contacts.iter().filter(|(id, c)| !is_known(**id, c.epoch)).collect();
        let gone: Vec<_> = gone.into_iter().map(|(id, contact)| (*id, contact.deadline)).collect();
        for (id, deadline) in gone {
            self.contacts.remove(&id);
            self.deadlines.remove(&(deadline, id));
        }
        for broker in state.brokers().filter(|broker| is_live(broker)) {
            if !self.contacts.contains_key(&broker.broker_id) {
                self.heartbeat(now, broker.broker_id, broker.broker_epoch);
            }
        }
    }

    fn set(&mut self, broker: BrokerId, contact: Contact) {
        if let Some(before) = self.contacts.insert(broker, contact) {
            self.deadlines.remove(&(before.deadline, broker));
        }
        self.deadlines.insert((contact.deadline, broker));
    }
}

/// Whether a broker has a session to lose.
fn is_live(broker: &Broker) -> bool {
    broker.status != BrokerStatus::Offline
}

#[cfg(test)]
mod tests;
