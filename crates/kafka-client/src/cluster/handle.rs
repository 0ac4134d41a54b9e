//! The handle of a cluster: metadata that are asked for when they are needed, connections that are shared.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{BrokerId, PartitionId};
use kafka_wire::{
    ErrorCode, Request,
    messages::{MetadataRequest, MetadataResponse, metadata::MetadataRequestTopic},
};
use tokio::time::{Instant, timeout};

use super::{ClusterError, ClusterOptions, Leader, LeaderHint, Metadata, PartitionMetadata, TopicMetadata};
use crate::{
    address::Address,
    backoff,
    connection::{CallError, Connection, ConnectionOptions, SharedConnection},
    flight::Flight,
    versions::Versions,
};

/// A cluster. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: ClusterOptions,
    bootstrap: Vec<Address>,
    /// How much longer or shorter its pauses are than those of other clients, from 0 to 1. They are in step with each other: what
    /// failed together is tried again together.
    chance: f64,
    metadata: Mutex<Metadata>,
    refreshing: Flight<Result<(), ClusterError>>,
    /// To the broker that is asked what any broker can answer.
    anyone: SharedConnection<ClusterError>,
    /// Counts the brokers that were looked for, so that each search begins with another one.
    turn: AtomicUsize,
    connections: Mutex<BTreeMap<BrokerId, Arc<SharedConnection<ClusterError>>>>,
}

/// Lasts for `max.block.ms`.
#[derive(Debug)]
pub(crate) struct Patience {
    cluster: Cluster,
    deadline: Instant,
    failures: u32,
}

impl Patience {
    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The one given, if no attempt can help or the time is over.
    pub(crate) async fn after(&mut self, error: ClusterError) -> Result<(), ClusterError> {
        if !error.is_retriable() || Instant::now() >= self.deadline {
            return Err(error);
        }
        self.failures += 1;
        tokio::time::sleep(self.cluster.backoff(self.failures)).await;
        Ok(())
    }
}

impl Cluster {
    /// A cluster that some of its brokers are known of. Connects to nothing yet.
    pub fn new(bootstrap: impl IntoIterator<Item = Address>, options: ClusterOptions) -> Self {
        let inner = Inner {
            options,
            bootstrap: bootstrap.into_iter().collect(),
            chance: fastrand::f64(),
            metadata: Mutex::default(),
            refreshing: Flight::default(),
            anyone: SharedConnection::default(),
            turn: AtomicUsize::default(),
            connections: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Its settings.
    pub fn options(&self) -> &ClusterOptions {
        &self.inner.options
    }

    /// How long to wait before the next attempt at something that has failed so often in a row.
    pub fn backoff(&self, failures: u32) -> Duration {
        let ClusterOptions { retry_backoff, retry_backoff_max, .. } = self.inner.options;
        backoff::pause(retry_backoff, retry_backoff_max, failures, self.inner.chance)
    }

    /// What is known now, without asking anyone.
    pub fn metadata(&self) -> Metadata {
        self.lock().clone()
    }

    /// Counts the answers that were taken in: see [`Cluster::refresh`].
    pub fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Who leads a partition, as far as is known.
    pub fn leader(&self, topic: &str, partition: PartitionId) -> Option<Leader> {
        self.lock().leader(topic, partition)
    }

    /// A topic, as far as it is known.
    pub fn known_topic(&self, topic: &str) -> Option<Arc<TopicMetadata>> {
        self.lock().topics.get(topic).cloned()
    }

    /// Takes a hint in, if it is newer than what is known. Tells whether it was.
    pub fn learn(&self, topic: &str, partition: PartitionId, hint: &LeaderHint) -> bool {
        self.lock().apply_hint(topic, partition, hint)
    }

    /// A topic; asks for it, and waits while it does not exist yet, up to `max.block.ms`.
    ///
    /// # Errors
    /// If it cannot be used.
    pub async fn topic(&self, topic: &str) -> Result<Arc<TopicMetadata>, ClusterError> {
        let mut patience = self.patience();
        loop {
            match self.look_up(topic).await {
                Err(error) => patience.after(error).await?,
                found => return found,
            }
        }
    }

    /// A topic; asks for it once, if it is not known.
    ///
    /// # Errors
    /// If it cannot be used, or not yet.
    pub async fn look_up(&self, topic: &str) -> Result<Arc<TopicMetadata>, ClusterError> {
        let seen = self.generation();
        if let Some(known) = self.known_topic(topic) {
            return Ok(known);
        }
        self.refresh([topic], seen).await?;
        self.known_topic(topic).ok_or_else(|| {
            let code = self.lock().errors.get(topic).copied();
            let code = code.unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            ClusterError::Topic { topic: topic.to_owned(), code }
        })
    }

    /// Who leads a partition; asks, and waits while nobody does, up to `max.block.ms`.
    ///
    /// # Errors
    /// If there is no such partition, or no leader in time.
    pub async fn await_leader(&self, topic: &str, partition: PartitionId) -> Result<Leader, ClusterError> {
        let mut patience = self.patience();
        loop {
            let seen = self.generation();
            let known = self.topic(topic).await?;
            let Some(PartitionMetadata { leader, error_code, .. }) = known.partition(partition) else {
                let partitions = known.partitions.len();
                return Err(ClusterError::UnknownPartition {
                    topic: topic.to_owned(),
                    partition,
                    partitions,
                });
            };
            if let Some(leader) = leader {
                return Ok(*leader);
            }
            let (topic, code) = (topic.to_owned(), *error_code);
            let error = match self.refresh([topic.as_str()], seen).await {
                Ok(()) => ClusterError::NoLeader { topic, partition, code },
                Err(error) => error,
            };
            patience.after(error).await?;
        }
    }

    /// Asks for these topics and all that are known already. Who has seen generation `seen` and finds a newer one
    /// there needs no other answer.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn refresh<'a>(
        &self,
        topics: impl IntoIterator<Item = &'a str>,
        seen: u64,
    ) -> Result<(), ClusterError> {
        let wanted: BTreeSet<String> = topics.into_iter().map(str::to_owned).collect();
        while !self.lock().is_newer(seen, &wanted) {
            let (cluster, asked) = (self.clone(), wanted.clone());
            let (refreshing, began) =
                self.inner.refreshing.join(async move { cluster.ask_for_topics(asked).await });
            refreshing.await?;
            // Somebody else may have asked for other topics.
            if began {
                break;
            }
        }
        Ok(())
    }

    async fn ask_for_topics(&self, mut wanted: BTreeSet<String>) -> Result<(), ClusterError> {
        wanted.extend(self.lock().topics.keys().map(|topic| topic.to_string()));
        let topics = wanted
            .into_iter()
            .map(|topic| MetadataRequestTopic { name: Some(topic), ..MetadataRequestTopic::default() });
        let request = MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: self.inner.options.allow_auto_create_topics,
            ..MetadataRequest::default()
        };
        let response = self.ask_for_metadata(&request).await?;
        self.lock().apply(&response);
        Ok(())
    }

    /// Asks for every topic there is.
    ///
    /// # Errors
    /// If no broker answers.
    pub async fn refresh_all(&self) -> Result<Metadata, ClusterError> {
        let request =
            MetadataRequest { topics: None, allow_auto_topic_creation: false, ..MetadataRequest::default() };
        let response = self.ask_for_metadata(&request).await?;
        let mut metadata = self.lock();
        metadata.apply(&response);
        Ok(metadata.clone())
    }

    async fn ask_for_metadata(&self, request: &MetadataRequest) -> Result<MetadataResponse, ClusterError> {
        // A broker that does not know any broker, not even itself, knows nothing yet.
        self.ask_any(|_| request.clone(), |response| !response.brokers.is_empty()).await
    }

    /// Asks any broker; and the next one, if it does not give an answer of use within the time for questions about metadata.
    ///
    /// # Errors
    /// If none does.
    pub(crate) async fn ask_any<R: Request>(
        &self,
        request: impl Fn(&Versions) -> R,
        is_of_use: impl Fn(&R::Response) -> bool,
    ) -> Result<R::Response, ClusterError> {
        let within = self.inner.options.metadata_timeout;
        let mut tried = Vec::new();
        // Each of them, after the one that is connected.
        for _ in 0..=self.addresses().len() {
            let connection = match self.any().await {
                Ok(connection) => connection,
                Err(ClusterError::NoBroker { tried: others }) => {
                    tried.extend(others);
                    break;
                }
                Err(error) => return Err(error),
            };
            let request = request(connection.versions());
            let answered = timeout(within, connection.call(&request)).await.unwrap_or_else(|_| {
                let why = format!("no answer within {} ms", within.as_millis());
                Err(CallError::NoAnswer { address: connection.address().clone(), why: why.into() })
            });
            match answered {
                Ok(response) if is_of_use(&response) => return Ok(response),
                Ok(_) => {}
                Err(error) => tried.push(error),
            }
            self.inner.anyone.forget(&connection);
        }
        Err(ClusterError::NoBroker { tried })
    }

    /// A connection to any broker, for what each of them answers.
    ///
    /// # Errors
    /// If none can be reached.
    pub async fn any(&self) -> Result<Arc<Connection>, ClusterError> {
        let cluster = self.clone();
        self.inner.anyone.get(|_| true, async move { cluster.open_any().await }).await
    }

    async fn open_any(&self) -> Result<Connection, ClusterError> {
        let options = &self.inner.options;
        let setup = options.connection.connection_setup_timeout.min(options.metadata_timeout);
        let options = ConnectionOptions { connection_setup_timeout: setup, ..options.connection.clone() };
        let mut addresses = self.addresses();
        let turn = self.inner.turn.fetch_add(1, Ordering::Relaxed) % addresses.len().max(1);
        addresses.rotate_left(turn);
        let mut tried = Vec::new();
        for address in addresses {
            match Connection::open(&address, &options).await {
                Ok(connection) => return Ok(connection),
                Err(error) => tried.push(error),
            }
        }
        Err(ClusterError::NoBroker { tried })
    }

    /// The shared connection to a broker; made if there is none or it has ended.
    ///
    /// # Errors
    /// If the broker is not known or cannot be reached.
    pub async fn connection(&self, broker: BrokerId) -> Result<Arc<Connection>, ClusterError> {
        let address = self.address(broker)?;
        let place = {
            let mut connections = self.inner.connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.entry(broker).or_default().clone()
        };
        let cluster = self.clone();
        place.get(|open| *open.address() == address, async move { cluster.open(broker).await }).await
    }

    /// A connection of one's own to a broker, for example for fetches, behind which other requests would wait.
    ///
    /// # Errors
    /// If the broker is not known or cannot be reached.
    pub async fn open(&self, broker: BrokerId) -> Result<Connection, ClusterError> {
        Ok(Connection::open(&self.address(broker)?, &self.inner.options.connection).await?)
    }

    /// Where a broker listens.
    fn address(&self, broker: BrokerId) -> Result<Address, ClusterError> {
        self.lock().brokers.get(&broker).cloned().ok_or(ClusterError::UnknownBroker(broker))
    }

    fn lock(&self) -> MutexGuard<'_, Metadata> {
        self.inner.metadata.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For repeating what may succeed later.
    pub(crate) fn patience(&self) -> Patience {
        let deadline = Instant::now() + self.inner.options.max_block;
        Patience { cluster: self.clone(), deadline, failures: 0 }
    }

    /// Where the brokers listen that are known, and those of the beginning.
    fn addresses(&self) -> Vec<Address> {
        let mut addresses: Vec<Address> = self.lock().brokers.values().cloned().collect();
        for address in &self.inner.bootstrap {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }
}
