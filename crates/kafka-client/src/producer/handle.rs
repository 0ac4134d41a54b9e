//! The handle of a producer.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use commit_log::batch::NewRecord;
use common::PartitionId;
use tokio::{sync::Notify, task::JoinSet};

use super::{
    Delivery, ProduceError, ProducerOptions, accumulator::Accumulator, delivery::Ledger, queue::size_of,
    sender::Sender,
};
use crate::cluster::Cluster;

/// Writes records. Cheap to clone; all clones are one. When the last is dropped, what is not settled is given up: call
/// [`Producer::flush`] before.
#[derive(Debug, Clone)]
pub struct Producer {
    shared: Arc<Shared>,
    /// Ends with the last handle.
    _sender: Arc<JoinSet<()>>,
}

/// What the handles and the sender share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) cluster: Cluster,
    pub(super) options: ProducerOptions,
    accumulator: Mutex<Accumulator>,
    pub(super) ledger: Arc<Ledger>,
    /// Something is to be sent, or will be.
    pub(super) wake: Notify,
    /// How many wait for everything to be sent, so that nothing lingers.
    flushing: AtomicUsize,
}

impl Shared {
    pub(super) fn accumulator(&self) -> MutexGuard<'_, Accumulator> {
        self.accumulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_flushing(&self) -> bool {
        self.flushing.load(Ordering::Acquire) > 0
    }
}

impl Producer {
    /// A producer of its own. It connects when the first record comes.
    pub fn new(cluster: Cluster, options: ProducerOptions) -> Self {
        let shared = Arc::new(Shared {
            cluster,
            accumulator: Mutex::default(),
            ledger: Arc::new(Ledger::new(options.buffer_bytes)),
            wake: Notify::new(),
            flushing: AtomicUsize::new(0),
            options,
        });
        let mut sender = JoinSet::new();
        sender.spawn(Sender::new(shared.clone()).run());
        Self { shared, _sender: Arc::new(sender) }
    }

    /// Takes a record in, to a partition or where its key belongs. Returns as soon as there is room for it; what becomes
    /// of it, the delivery tells. Records of one partition are written in the order of these calls.
    ///
    /// # Errors
    /// If it is too large, or its partition cannot be found: it is not sent.
    pub async fn send(
        &self,
        topic: &str,
        partition: Option<PartitionId>,
        record: &NewRecord<'_>,
    ) -> Result<Delivery, ProduceError> {
        let Shared { options, ledger, .. } = &*self.shared;
        let size = size_of(record);
        let request_bytes_max = options.request_bytes_max.min(options.buffer_bytes);
        let wanted = u32::try_from(size).ok().filter(|_| size <= request_bytes_max);
        let wanted = wanted.ok_or(ProduceError::TooLarge { size_bytes: size, request_bytes_max })?;
        let memory = ledger.memory.acquire_many(wanted).await;
        loop {
            let appended = self.shared.accumulator().append(topic, partition, record, size, options, ledger);
            if let Some(appended) = appended {
                let (delivery, wake) = appended?;
                // It belongs to the batch now, which gives it back. The semaphore is never closed.
                if let Ok(memory) = memory {
                    memory.forget();
                }
                if wake {
                    self.shared.wake.notify_one();
                }
                return Ok(delivery);
            }
            let metadata = self.shared.cluster.topic(topic).await?;
            self.shared.accumulator().register(metadata);
        }
    }

    /// Sends everything that was taken in, and waits until it is settled.
    pub async fn flush(&self) {
        let _flushing = Flushing::begin(&self.shared);
        self.shared.wake.notify_one();
        self.shared.ledger.idle().await;
    }
}

/// Ends also when the flush is dropped half-way.
struct Flushing<'a>(&'a Shared);

impl<'a> Flushing<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.flushing.fetch_add(1, Ordering::AcqRel);
        Self(shared)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.flushing.fetch_sub(1, Ordering::AcqRel);
    }
}
