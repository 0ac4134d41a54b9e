//! The handle of a cluster: metadata that are asked for when they are needed, connections that are shared.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{BrokerId, PartitionId};
use kafka_wire::{
    ErrorCode,
    messages::{MetadataRequest, MetadataResponse, metadata::MetadataRequestTopic},
};
use tokio::{
    sync::Mutex as AsyncMutex,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{ClusterError, ClusterOptions, Leader, LeaderHint, Metadata, PartitionMetadata, TopicMetadata};
use crate::{
    address::Address,
    connection::{CallError, Connection, ConnectionOptions},
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
    metadata: Mutex<Metadata>,
    /// For questions that any broker answers; held while it is being found.
    anyone: AsyncMutex<Anyone>,
    /// By broker; each is held while it is being made.
    connections: Mutex<BTreeMap<BrokerId, Slot>>,
}

type Slot = Arc<AsyncMutex<Option<Arc<Connection>>>>;

/// The broker that is asked what any broker can answer.
#[derive(Debug, Default)]
struct Anyone {
    connection: Option<Arc<Connection>>,
    /// Counts attempts, so that each begins with another broker.
    turn: usize,
}

/// Lasts for `max.block.ms`.
#[derive(Debug)]
pub(crate) struct Patience {
    deadline: Instant,
    backoff: Duration,
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
        tokio::time::sleep(self.backoff).await;
        Ok(())
    }
}

impl Cluster {
    /// A cluster that some of its brokers are known of. Connects to nothing yet.
    pub fn new(bootstrap: impl IntoIterator<Item = Address>, options: ClusterOptions) -> Self {
        let inner = Inner {
            options,
            bootstrap: bootstrap.into_iter().collect(),
            metadata: Mutex::default(),
            anyone: AsyncMutex::default(),
            connections: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Its settings.
    pub fn options(&self) -> &ClusterOptions {
        &self.inner.options
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
        let cluster = self.clone();
        apart(async move { cluster.ask_for_topics(wanted, seen).await }).await
    }

    async fn ask_for_topics(&self, mut wanted: BTreeSet<String>, seen: u64) -> Result<(), ClusterError> {
        let mut anyone = self.inner.anyone.lock().await;
        {
            let known = self.lock();
            if known.generation > seen && wanted.iter().all(|topic| known.topics.contains_key(topic.as_str()))
            {
                return Ok(());
            }
            wanted.extend(known.topics.keys().map(|topic| topic.to_string()));
        }
        let topics = wanted
            .into_iter()
            .map(|topic| MetadataRequestTopic { name: Some(topic), ..MetadataRequestTopic::default() });
        let request = MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: self.inner.options.allow_auto_create_topics,
            ..MetadataRequest::default()
        };
        let response = self.ask_anyone(&mut anyone, &request).await?;
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
        let cluster = self.clone();
        apart(async move {
            let mut anyone = cluster.inner.anyone.lock().await;
            let response = cluster.ask_anyone(&mut anyone, &request).await?;
            let mut metadata = cluster.lock();
            metadata.apply(&response);
            Ok(metadata.clone())
        })
        .await
    }

    /// A connection to any broker, for what each of them answers.
    ///
    /// # Errors
    /// If none can be reached.
    pub async fn any(&self) -> Result<Arc<Connection>, ClusterError> {
        let cluster = self.clone();
        apart(async move {
            let mut anyone = cluster.inner.anyone.lock().await;
            let mut tried = Vec::new();
            for address in cluster.candidates(&mut anyone) {
                match cluster.reach(&mut anyone, address).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => tried.push(error),
                }
            }
            Err(ClusterError::NoBroker { tried })
        })
        .await
    }

    /// The shared connection to a broker; made if there is none or it has ended.
    ///
    /// # Errors
    /// If the broker is not known or cannot be reached.
    pub async fn connection(&self, broker: BrokerId) -> Result<Arc<Connection>, ClusterError> {
        let slot = {
            let mut connections = self.inner.connections.lock().unwrap_or_else(PoisonError::into_inner);
            connections.entry(broker).or_default().clone()
        };
        let cluster = self.clone();
        apart(async move {
            let mut slot = slot.lock().await;
            let address = cluster.address(broker)?;
            if let Some(open) = slot.as_ref().filter(|open| !open.is_closed() && *open.address() == address) {
                return Ok(open.clone());
            }
            let connection = Arc::new(cluster.open(broker).await?);
            *slot = Some(connection.clone());
            Ok(connection)
        })
        .await
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
        let options = &self.inner.options;
        Patience { deadline: Instant::now() + options.max_block, backoff: options.retry_backoff }
    }

    /// All brokers that are known, each attempt beginning with another; the one that is connected first.
    fn candidates(&self, anyone: &mut Anyone) -> Vec<Address> {
        let known = self.lock();
        let mut addresses: Vec<Address> = known.brokers.values().cloned().collect();
        for address in &self.inner.bootstrap {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        anyone.turn = anyone.turn.wrapping_add(1);
        let turn = anyone.turn % addresses.len().max(1);
        addresses.rotate_left(turn);
        if let Some(open) = anyone.connection.as_ref().filter(|open| !open.is_closed()) {
            let address = open.address().clone();
            addresses.retain(|other| *other != address);
            addresses.insert(0, address);
        }
        addresses
    }

    async fn reach(&self, anyone: &mut Anyone, address: Address) -> Result<Arc<Connection>, CallError> {
        let open = anyone.connection.as_ref().filter(|open| !open.is_closed());
        if let Some(open) = open.filter(|open| *open.address() == address) {
            return Ok(open.clone());
        }
        let options = &self.inner.options;
        let setup = options.connection.connection_setup_timeout.min(options.metadata_timeout);
        let options = ConnectionOptions { connection_setup_timeout: setup, ..options.connection.clone() };
        let connection = Arc::new(Connection::open(&address, &options).await?);
        anyone.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn ask_anyone(
        &self,
        anyone: &mut Anyone,
        request: &MetadataRequest,
    ) -> Result<MetadataResponse, ClusterError> {
        let mut tried = Vec::new();
        for address in self.candidates(anyone) {
            let asked = async {
                let connection = self.reach(anyone, address.clone()).await?;
                connection.call(request).await
            };
            let within: Duration = self.inner.options.metadata_timeout;
            let answered = timeout(within, asked).await.unwrap_or_else(|_| {
                let why = format!("no answer within {} ms", within.as_millis());
                Err(CallError::NoAnswer { address, why: why.into() })
            });
            match answered {
                // A broker that does not know any broker, not even itself, knows nothing yet.
                Ok(response) if response.brokers.is_empty() => {}
                Ok(response) => return Ok(response),
                Err(error) => {
                    anyone.connection = None;
                    tried.push(error);
                }
            }
        }
        Err(ClusterError::NoBroker { tried })
    }
}

/// Does in a task of its own what holds something that others wait for: whoever asked may not come round to polling for a while,
/// or be one of those who wait. Dropped, it ends.
async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, ClusterError>> + Send + 'static,
) -> Result<T, ClusterError> {
    let mut task = JoinSet::new();
    task.spawn(work);
    match task.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is ending, and everybody with it.
        Some(Err(_)) | None => std::future::pending().await,
    }
}
