//! What the calls share: producers, breakers, bounds.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use client::HttpClient;
use common::{BrokerId, PartitionId, Topic};
use http_api::{ErrorCode, Problem, records::Acks};
use kafka_client::{Address, Cluster, ClusterOptions, Producer, ProducerOptions};
use runtime::Shutdown;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{breaker::Breakers, problems};
use crate::{image::SharedImage, partition::Partitions};

/// How long a record is tried before its sender is told that it is not known to be written.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a topic that is not known here may take to become known: it may have been made a moment ago.
const TOPIC_PATIENCE: Duration = Duration::from_millis(500);

/// Bytes of request bodies that are worked on at the same time.
const BODY_BYTES_MAX: usize = 128 << 20;

/// Streams that are open at the same time.
const STREAMS_MAX: usize = 500;

/// Polls of groups that are told at the same time when there is something; others look now and then.
const WATCHES_MAX: usize = 500;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(super) broker_id: BrokerId,
    pub(super) image: SharedImage,
    pub(super) partitions: Partitions,
    /// To other brokers.
    pub(in crate::http) http: HttpClient,
    pub(super) shutdown: Shutdown,
    cluster: OnceLock<Cluster>,
    /// One for each kind of acks, made when it is first needed.
    producers: [OnceLock<Producer>; 3],
    breakers: Mutex<Breakers>,
    body_bytes: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    watches: Arc<Semaphore>,
    /// Where records without a key go next.
    turn: AtomicUsize,
}

/// What the breakers said to one request.
pub(super) struct Admissions<'a> {
    gateway: &'a Gateway,
    asked: BTreeMap<BrokerId, Result<(), Problem>>,
}

impl Admissions<'_> {
    pub(super) fn admit(&mut self, leader: BrokerId) -> Result<(), Problem> {
        self.asked.entry(leader).or_insert_with(|| self.gateway.admit(leader)).clone()
    }
}

impl Gateway {
    /// One that has connected to nobody yet.
    pub(crate) fn new(
        broker_id: BrokerId,
        image: &SharedImage,
        partitions: &Partitions,
        http: &HttpClient,
        shutdown: &Shutdown,
    ) -> Self {
        Self {
            broker_id,
            image: Arc::clone(image),
            partitions: partitions.clone(),
            http: http.clone(),
            shutdown: shutdown.clone(),
            cluster: OnceLock::new(),
            producers: Default::default(),
            breakers: Mutex::default(),
            body_bytes: Arc::new(Semaphore::new(BODY_BYTES_MAX)),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            watches: Arc::new(Semaphore::new(WATCHES_MAX)),
            turn: AtomicUsize::new(0),
        }
    }

    /// Waits until the process is about to end.
    pub(in crate::http) async fn stopping(&self) {
        self.shutdown.requested().await;
    }

    /// A topic of the metadata.
    pub(super) async fn topic(&self, name: &str) -> Result<Arc<Topic>, Problem> {
        let known = self.image.wait_for(|state| state.topic(name).cloned());
        tokio::time::timeout(TOPIC_PATIENCE, known).await.map_err(|_| problems::unknown_topic(name))
    }

    /// Says so if a topic has no such partition.
    pub(super) fn known_partition(topic: &Topic, partition: PartitionId) -> Result<(), Problem> {
        let count = topic.partitions.len();
        match usize::try_from(partition.0).ok().filter(|index| *index < count) {
            Some(_) => Ok(()),
            None => Err(problems::unknown_partition(topic.topic_name.as_str(), partition, count)),
        }
    }

    /// The leader of a partition.
    pub(super) fn leader(topic: &Topic, partition: PartitionId) -> Result<BrokerId, Problem> {
        let name = topic.topic_name.as_str();
        let index = usize::try_from(partition.0).ok();
        let found = index.and_then(|index| topic.partitions.get(index));
        let found =
            found.ok_or_else(|| problems::unknown_partition(name, partition, topic.partitions.len()))?;
        found.leader.ok_or_else(|| problems::no_leader(name, partition))
    }

    /// The partition for records without a key: one for a whole request, another for the next, and those that cannot be
    /// written now are passed over.
    pub(super) fn next_partition(&self, topic: &Topic) -> PartitionId {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = topic.partitions.len().max(1);
        let ids = (0..count).map(|step| (turn % count + step) % count);
        let mut ids = ids.filter_map(|id| i32::try_from(id).ok()).map(PartitionId);
        let now = Instant::now();
        let usable = |id: &PartitionId| {
            Self::leader(topic, *id).is_ok_and(|leader| self.breakers().would_admit(leader, now))
        };
        ids.clone().find(usable).or_else(|| ids.next()).unwrap_or(PartitionId(0))
    }

    /// The cluster as this broker's Kafka clients see it: found through this broker itself.
    pub(in crate::http) fn cluster(&self) -> Result<&Cluster, Problem> {
        if let Some(cluster) = self.cluster.get() {
            return Ok(cluster);
        }
        let own = self.image.read(|state| {
            let broker = state.broker(self.broker_id)?;
            Some(Address::new(broker.host.clone(), broker.kafka_port?))
        });
        let own = own.ok_or_else(|| {
            Problem::new(ErrorCode::NotReady, "this broker is not registered with a Kafka listener yet")
        })?;
        let options = ClusterOptions {
            max_block: DELIVERY_TIMEOUT,
            // Somebody waits for an answer, and it is one client per broker.
            retry_backoff_max: Duration::from_millis(100),
            ..ClusterOptions::default()
        };
        Ok(self.cluster.get_or_init(|| Cluster::new([own], options)))
    }

    pub(super) fn producer(&self, acks: Acks) -> Result<&Producer, Problem> {
        let [all, leader, none] = &self.producers;
        let (slot, acks) = match acks {
            Acks::All => (all, kafka_client::Acks::All),
            Acks::Leader => (leader, kafka_client::Acks::Leader),
            Acks::None => (none, kafka_client::Acks::None),
        };
        let cluster = self.cluster()?.clone();
        let options =
            ProducerOptions { acks, delivery_timeout: DELIVERY_TIMEOUT, ..ProducerOptions::default() };
        Ok(slot.get_or_init(|| Producer::new(cluster, options)))
    }

    /// Asks the breakers once per leader, for all that one request wants of it.
    pub(super) fn admissions(&self) -> Admissions<'_> {
        Admissions { gateway: self, asked: BTreeMap::new() }
    }

    /// Whether this leader may be asked now.
    pub(super) fn admit(&self, leader: BrokerId) -> Result<(), Problem> {
        self.breakers().admit(leader, Instant::now()).map_err(|wait| {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            let detail =
                format!("broker {leader}, the leader, did not answer lately; asked again in {wait_ms} ms");
            Problem::new(ErrorCode::LeaderUnreachable, detail).with("brokerId", leader.0)
        })
    }

    pub(super) fn answered(&self, leader: BrokerId) {
        self.breakers().answered(leader);
    }

    pub(super) fn failed(&self, leader: BrokerId) {
        self.breakers().failed(leader, Instant::now());
    }

    /// Room for a request's body, given back when it is dropped.
    pub(super) fn room_for(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.body_bytes).try_acquire_many_owned(wanted).map_err(|_| {
            Problem::new(ErrorCode::Overloaded, "too many bytes of other requests are being written")
                .with("bound", BODY_BYTES_MAX)
        })
    }

    /// Room for a stream, given back when it is dropped.
    pub(super) fn room_for_stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            Problem::new(ErrorCode::Overloaded, format!("{STREAMS_MAX} streams are open already"))
                .with("bound", STREAMS_MAX)
        })
    }

    /// Room for a poll that is to be told, given back when it is dropped; `None`: there is none.
    pub(in crate::http) fn room_for_watch(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.watches).try_acquire_owned().ok()
    }

    fn breakers(&self) -> std::sync::MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
