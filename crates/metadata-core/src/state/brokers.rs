//! Registered brokers.

use std::collections::BTreeMap;

use common::{Broker, BrokerEpoch, BrokerId, BrokerStatus};

use crate::digest;

/// All registered brokers, the OFFLINE ones included. At most
/// [`BROKERS_MAX`](common::limits::BROKERS_MAX), so that copying them with the state is cheap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brokers {
    by_id: BTreeMap<BrokerId, Broker>,
    /// Sum of the brokers' digests.
    digest: u64,
}

impl Brokers {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn get(&self, id: BrokerId) -> Option<&Broker> {
        self.by_id.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Broker> {
        self.by_id.values()
    }

    /// Whether the broker is ONLINE: may lead, join ISRs and get new replicas.
    pub(crate) fn is_online(&self, id: BrokerId) -> bool {
        self.get(id).is_some_and(|broker| broker.status == BrokerStatus::Online)
    }

    pub(crate) fn insert(&mut self, broker: Broker) -> Option<Broker> {
        self.digest = self.digest.wrapping_add(digest::broker(&broker));
        let before = self.by_id.insert(broker.broker_id, broker);
        self.forget(before.as_ref());
        before
    }

    pub(crate) fn remove(&mut self, id: BrokerId) -> Option<Broker> {
        let before = self.by_id.remove(&id);
        self.forget(before.as_ref());
        before
    }

    /// Sets the status of the registration with this epoch and returns the former one.
    pub(crate) fn set_status(
        &mut self,
        id: BrokerId,
        epoch: BrokerEpoch,
        status: BrokerStatus,
    ) -> Option<BrokerStatus> {
        let broker = self.by_id.get_mut(&id).filter(|broker| broker.broker_epoch == epoch)?;
        let removed = digest::broker(broker);
        let before = std::mem::replace(&mut broker.status, status);
        self.digest = self.digest.wrapping_sub(removed).wrapping_add(digest::broker(broker));
        Some(before)
    }

    /// Whether the digest says what the brokers say.
    pub(crate) fn indexes_hold(&self) -> bool {
        self.iter().fold(0_u64, |sum, broker| sum.wrapping_add(digest::broker(broker))) == self.digest
    }

    fn forget(&mut self, before: Option<&Broker>) {
        if let Some(before) = before {
            self.digest = self.digest.wrapping_sub(digest::broker(before));
        }
    }
}
