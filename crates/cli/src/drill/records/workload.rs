//! Writers and a reader that keep at it while the brokers are hurt.
//!
//! Each writer is an idempotent producer with `acks=all` and connections of its own. It sends records to every partition in
//! turn, every few milliseconds, without waiting for the one before: so an outage is measured to a few milliseconds, and
//! whatever is under way when a leader dies is at stake. Clients are impatient: they give an answer a second, ask for
//! metadata for 300 ms and again every second, and pause 5 ms between attempts.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::PartitionId;
use kafka_client::{
    Address, Cluster, ClusterOptions, ConnectionOptions, Delivery, NewRecord, Producer, ProducerOptions,
};
use tokio::{sync::watch, task::JoinSet};

use super::{
    history::{Outcome, PartitionVerdict, RecordHistory, RecordId, Sent},
    reader,
};
use crate::exit::Failure;

/// How much is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// How many writers there are.
    writers: u32,
    /// Records that a writer sends to each partition in a round.
    burst: u32,
}

impl Load {
    /// Enough to see how long nothing is acknowledged.
    pub(crate) const LIGHT: Self = Self { writers: 2, burst: 1 };
    /// Enough that many batches of many records are at stake when a broker dies.
    pub(crate) const HEAVY: Self = Self { writers: 4, burst: 8 };
}

/// Between two rounds of a writer.
const ROUND_PAUSE: Duration = Duration::from_millis(10);

/// How long to try a record. A drill's outages are over sooner.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// Running writers and a reader. Dropping it stops them.
pub(crate) struct RecordWorkload {
    shared: Arc<Shared>,
    progress: watch::Receiver<u64>,
    writers: JoinSet<()>,
    reader: JoinSet<()>,
}

/// What writers and reader share.
pub(super) struct Shared {
    pub(super) topic: String,
    pub(super) partitions: Vec<PartitionId>,
    bootstrap: Vec<Address>,
    stop: AtomicBool,
    history: Mutex<RecordHistory>,
    /// What times in records count from.
    pub(super) base: Instant,
    /// Raised whenever a record is acknowledged or shown.
    progress: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn history(&self) -> MutexGuard<'_, RecordHistory> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn advanced(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// A client of its own.
    pub(super) fn cluster(&self) -> Cluster {
        let connection = ConnectionOptions {
            client_id: "drill".to_owned(),
            connection_setup_timeout: Duration::from_millis(500),
            request_timeout: Duration::from_secs(1),
            ..ConnectionOptions::default()
        };
        let options = ClusterOptions {
            connection,
            metadata_timeout: Duration::from_millis(300),
            // A broker that is cut off from the controllers goes on to answer fetches.
            metadata_max_age: Duration::from_secs(1),
            max_block: DELIVERY_TIMEOUT,
            // What is measured are the brokers' pauses, not its own.
            retry_backoff: RETRY_PAUSE,
            retry_backoff_max: RETRY_PAUSE,
            ..ClusterOptions::default()
        };
        Cluster::new(self.bootstrap.iter().cloned(), options)
    }
}

impl RecordWorkload {
    /// Starts on a topic of so many partitions that nobody else writes to.
    pub(crate) fn start(bootstrap: Vec<Address>, topic: String, partitions: usize, load: Load) -> Self {
        let (sender, progress) = watch::channel(0);
        let ids = (0..i32::try_from(partitions).unwrap_or(i32::MAX)).map(PartitionId);
        let shared = Arc::new(Shared {
            topic,
            partitions: ids.collect(),
            bootstrap,
            stop: AtomicBool::new(false),
            history: Mutex::default(),
            base: Instant::now(),
            progress: sender,
        });
        let mut writers = JoinSet::new();
        for id in 0..load.writers {
            writers.spawn(Writer::new(shared.clone(), id).run(load.burst));
        }
        let mut reader = JoinSet::new();
        reader.spawn(reader::along(shared.clone()));
        Self { shared, progress, writers, reader }
    }

    /// The topic's name.
    pub(crate) fn topic(&self) -> &str {
        &self.shared.topic
    }

    /// The topic's partitions.
    pub(crate) fn partitions(&self) -> Vec<PartitionId> {
        self.shared.partitions.clone()
    }

    /// The history so far.
    pub(crate) fn history(&self) -> MutexGuard<'_, RecordHistory> {
        self.shared.history()
    }

    /// Waits until something can be said about the history. `None`: not within `deadline`.
    pub(crate) async fn wait<T>(
        &self,
        deadline: Duration,
        mut say: impl FnMut(&RecordHistory) -> Option<T>,
    ) -> Option<T> {
        let mut progress = self.progress.clone();
        let found = async {
            loop {
                progress.borrow_and_update();
                if let Some(said) = say(&self.history()) {
                    return said;
                }
                if progress.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        tokio::time::timeout(deadline, found).await.ok()
    }

    /// Waits until a record sent from now on is acknowledged in every partition, and shown to the reader. False: not
    /// within `deadline`.
    pub(crate) async fn advance(&self, deadline: Duration) -> bool {
        let (now, partitions) = (self.history().mark(), self.partitions());
        let advanced = |history: &RecordHistory| {
            let acknowledged = history.all_acknowledged(&partitions, &now)?;
            Some(acknowledged.max(history.all_shown(&partitions, &now)?))
        };
        self.wait(deadline, advanced).await.is_some()
    }

    /// Ends writing, waits until every record's end is known, reads everything once more, and gives the verdict.
    pub(crate) async fn stop(
        mut self,
        deadline: Duration,
    ) -> Result<BTreeMap<PartitionId, PartitionVerdict>, Failure> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let ended = async { while self.writers.join_next().await.is_some() {} };
        if tokio::time::timeout(DELIVERY_TIMEOUT + deadline, ended).await.is_err() {
            let waited = (DELIVERY_TIMEOUT + deadline).as_secs();
            return Err(Failure::failed(format!(
                "a producer does not know the end of its records after {waited} s"
            )));
        }
        let stored = reader::everything(&self.shared, deadline).await?;
        let ends: BTreeMap<_, _> = stored
            .iter()
            .filter_map(|(partition, stored)| Some((*partition, stored.last()?.offset)))
            .collect();
        let caught_up = |history: &RecordHistory| {
            let caught_up = ends.iter().all(|(partition, end)| {
                let shown = history.shown.get(partition).and_then(|shown| shown.last());
                shown.is_some_and(|shown| shown.stored.offset >= *end)
            });
            caught_up.then_some(())
        };
        let caught_up = self.wait(deadline, caught_up).await;
        self.reader.abort_all();
        let mut history = std::mem::take(&mut *self.history());
        history.stored = stored;
        let mut verdicts = history.check();
        if caught_up.is_none() {
            for (partition, end) in ends {
                let shown = history.shown.get(&partition).and_then(|shown| shown.last());
                if shown.is_none_or(|shown| shown.stored.offset < end) {
                    let at = shown.map_or(-1, |shown| shown.stored.offset.0);
                    let why = format!("the consumer that reads along was shown up to {at} of {end}");
                    verdicts.entry(partition).or_default().lost.push(why);
                }
            }
        }
        Ok(verdicts)
    }
}

/// A record whose end is not known.
struct Pending {
    id: RecordId,
    begun: Instant,
    delivery: Delivery,
}

struct Writer {
    shared: Arc<Shared>,
    producer: Producer,
    id: u32,
    sent: u64,
    /// By partition, in the order they were sent.
    pending: BTreeMap<PartitionId, VecDeque<Pending>>,
}

impl Writer {
    fn new(shared: Arc<Shared>, id: u32) -> Self {
        let options = ProducerOptions { delivery_timeout: DELIVERY_TIMEOUT, ..ProducerOptions::default() };
        let producer = Producer::new(shared.cluster(), options);
        Self { shared, producer, id, sent: 0, pending: BTreeMap::new() }
    }

    async fn run(mut self, burst: u32) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            for _ in 0..burst {
                for partition in self.shared.partitions.clone() {
                    self.send(partition).await;
                }
            }
            self.settle();
            tokio::time::sleep(ROUND_PAUSE).await;
        }
        self.producer.flush().await;
        self.settle();
    }

    async fn send(&mut self, partition: PartitionId) {
        let id = RecordId { writer: self.id, number: self.sent };
        self.sent += 1;
        let begun = Instant::now();
        let value = reader::value(id, begun.duration_since(self.shared.base));
        let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
        match self.producer.send(&self.shared.topic, Some(partition), &record).await {
            Ok(delivery) => {
                self.pending.entry(partition).or_default().push_back(Pending { id, begun, delivery });
            }
            Err(error) => {
                let (ended, outcome) = (Instant::now(), Outcome::Refused(error.to_string()));
                self.shared.history().sent.push(Sent { id, partition, begun, ended, outcome });
            }
        }
    }

    /// Writes down what is known.
    fn settle(&mut self) {
        let mut any = false;
        for (partition, pending) in &mut self.pending {
            while let Some(outcome) = pending.front().and_then(|pending| pending.delivery.try_acked()) {
                let Some(Pending { id, begun, .. }) = pending.pop_front() else { break };
                let (ended, outcome) = match outcome {
                    Ok(ack) => (ack.at.into_std(), Outcome::Acknowledged(ack.offset)),
                    Err(error) if error.is_unknown() => (Instant::now(), Outcome::Unknown(error.to_string())),
                    Err(error) => (Instant::now(), Outcome::Refused(error.to_string())),
                };
                let sent = Sent { id, partition: *partition, begun, ended, outcome };
                self.shared.history().sent.push(sent);
                any = true;
            }
        }
        if any {
            self.shared.advanced();
        }
    }
}
