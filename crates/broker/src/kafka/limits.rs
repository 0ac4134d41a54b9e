//! What clients may use of a broker, and who uses it now.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds of the Kafka listener. Names in parentheses are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KafkaLimits {
    /// Open connections (`max.connections`); one more is closed at once.
    pub connections_max: usize,
    /// Open connections from one address (`max.connections.per.ip`).
    pub connections_per_ip_max: usize,
    /// How long a connection may stay open without a request (`connections.max.idle.ms`).
    pub idle_timeout: Duration,
    /// Largest request, in bytes (`socket.request.max.bytes`).
    pub request_bytes_max: usize,
    /// Bytes of all requests that are in memory (`queued.max.request.bytes`).
    pub queued_bytes_max: usize,
    /// Requests of one connection that are not answered yet.
    pub requests_per_connection_max: usize,
    /// Largest answer to a fetch, in bytes (`fetch.max.bytes`); a single larger batch still goes out.
    pub fetch_bytes_max: usize,
    /// Bytes that were read from disk for fetches, and are not sent yet.
    pub sending_bytes_max: usize,
    /// Fetch sessions (`max.incremental.fetch.session.cache.slots`).
    pub fetch_sessions_max: usize,
    /// How long a fetch session is safe from others (`min.incremental.fetch.session.eviction.ms`).
    pub fetch_session_eviction: Duration,
    /// How long a client may take to send or to receive any byte of what is under way, and how long a request may
    /// wait for room in memory.
    pub stall_timeout: Duration,
}

impl Default for KafkaLimits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            connections_per_ip_max: 10_000,
            idle_timeout: Duration::from_secs(600),
            request_bytes_max: 100 << 20,
            queued_bytes_max: 128 << 20,
            requests_per_connection_max: 64,
            fetch_bytes_max: 55 << 20,
            sending_bytes_max: 128 << 20,
            fetch_sessions_max: 1_000,
            fetch_session_eviction: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(30),
        }
    }
}

/// Who is connected.
#[derive(Debug, Clone, Default)]
pub(super) struct Connections {
    shared: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection that is counted, until this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Connections,
    address: IpAddr,
}

impl Connections {
    /// Counts one more, or says which bound is reached.
    pub(super) fn enter(&self, address: IpAddr, limits: &KafkaLimits) -> Result<Slot, String> {
        let mut counts = self.lock();
        if counts.all >= limits.connections_max {
            return Err(format!("{} connections are open (max.connections)", counts.all));
        }
        let of_address = counts.by_address.entry(address).or_default();
        if *of_address >= limits.connections_per_ip_max {
            return Err(format!("{of_address} connections from {address} are open (max.connections.per.ip)"));
        }
        *of_address += 1;
        counts.all += 1;
        Ok(Slot { connections: self.clone(), address })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(of_address) = counts.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

/// Memory that connections share, in bytes.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    bytes: Arc<Semaphore>,
    max: usize,
}

/// Memory that is in use, until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        let max = max.clamp(1, u32::MAX as usize);
        Self { bytes: Arc::new(Semaphore::new(max)), max }
    }

    /// Waits until there is room for `bytes`. What is larger than all there is counts as all there is.
    pub(super) async fn take(&self, bytes: usize) -> Held {
        let bytes = u32::try_from(bytes.min(self.max)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        Held(Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok())
    }
}

impl Held {
    /// Puts both together.
    pub(super) fn add(&mut self, more: Self) {
        match (&mut self.0, more.0) {
            (Some(own), Some(more)) => own.merge(more),
            (own, more) => *own = own.take().or(more),
        }
    }

    /// How many bytes it counts as.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn connections_are_counted_per_address_and_together() {
        let limits = KafkaLimits { connections_max: 3, connections_per_ip_max: 2, ..KafkaLimits::default() };
        let connections = Connections::default();
        let [a, b]: [IpAddr; 2] = [Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into()];
        let first = connections.enter(a, &limits).unwrap();
        let _second = connections.enter(a, &limits).unwrap();
        assert!(connections.enter(a, &limits).is_err());
        let _third = connections.enter(b, &limits).unwrap();
        assert!(connections.enter(b, &limits).is_err());
        drop(first);
        assert_eq!(connections.count(), 2);
        assert!(connections.enter(a, &limits).is_ok());
        assert_eq!(connections.lock().by_address.len(), 2);
    }

    #[test]
    fn memory_is_given_back() {
        let budget = Budget::new(100);
        let mut held = budget.take(60).now_or_never().unwrap();
        assert!(budget.take(60).now_or_never().is_none());
        held.add(budget.take(40).now_or_never().unwrap());
        assert_eq!(held.bytes(), 100);
        drop(held);
        assert_eq!(budget.take(1_000).now_or_never().unwrap().bytes(), 100);
    }
}
