//! How the outcome of a batch gets to those who sent its records.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::{Offset, PartitionId};
use kafka_wire::ErrorCode;
use tokio::{
    sync::{Notify, Semaphore, SetOnce},
    time::Instant,
};

use super::ProduceError;

/// A record that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Where.
    pub partition: PartitionId,
    /// At which offset; `None` if the broker does not say: with `acks=0`, and when it recognises a batch as written
    /// so long ago that it forgot where.
    pub offset: Option<Offset>,
    /// When the answer came.
    pub at: Instant,
}

/// What comes of a record. Dropping it changes nothing.
#[derive(Debug, Clone)]
pub struct Delivery {
    batch: Arc<Settled>,
    /// Place of the record in its batch.
    index: i32,
}

impl Delivery {
    /// Waits until the outcome is known. Cancel safe.
    ///
    /// # Errors
    /// If the record is not known to be written; says whether it may be.
    pub async fn acked(&self) -> Result<Ack, ProduceError> {
        self.ack(self.batch.outcome.wait().await)
    }

    /// The outcome, if it is known.
    pub fn try_acked(&self) -> Option<Result<Ack, ProduceError>> {
        self.batch.outcome.get().map(|outcome| self.ack(outcome))
    }

    /// The partition that the record goes to.
    pub fn partition(&self) -> PartitionId {
        self.batch.partition
    }

    fn ack(&self, outcome: &Outcome) -> Result<Ack, ProduceError> {
        let written = outcome.as_ref().map_err(Clone::clone)?;
        let offset = written.base_offset.map(|base| base + i64::from(self.index));
        Ok(Ack { partition: self.batch.partition, offset, at: written.at })
    }
}

/// What is in the way of a batch.
#[derive(Debug, Clone)]
pub(super) struct Obstacle {
    why: Arc<str>,
    /// What a broker said, if it is that.
    code: Option<ErrorCode>,
}

impl Obstacle {
    /// A broker said so.
    pub(super) fn said(code: ErrorCode, message: Option<Arc<str>>) -> Self {
        let why = message.map_or_else(|| code.to_string(), |message| format!("{code} ({message})"));
        Self { why: why.into(), code: Some(code) }
    }
}

impl<T: Into<Arc<str>>> From<T> for Obstacle {
    fn from(why: T) -> Self {
        Self { why: why.into(), code: None }
    }
}

/// Where a batch was written, and when that was known.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) base_offset: Option<Offset>,
    pub(super) at: Instant,
}

pub(super) type Outcome = Result<Written, ProduceError>;

#[derive(Debug)]
struct Settled {
    topic: Arc<str>,
    partition: PartitionId,
    outcome: SetOnce<Outcome>,
}

/// What all unsettled batches of a producer take together.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Bytes that are free.
    pub(super) memory: Semaphore,
    unsettled: AtomicUsize,
    idle: Notify,
}

impl Ledger {
    pub(super) fn new(buffer_bytes: usize) -> Self {
        Self {
            memory: Semaphore::new(buffer_bytes.min(Semaphore::MAX_PERMITS)),
            unsettled: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    /// Waits until no batch is unsettled.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.unsettled.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// The duty to settle a batch. Dropped without an outcome, for example with its producer, it says so.
#[derive(Debug)]
pub(super) struct Completion {
    batch: Arc<Settled>,
    ledger: Arc<Ledger>,
    memory_bytes: usize,
    /// Whether a broker may have received the batch.
    pub(super) uncertain: bool,
}

impl Completion {
    pub(super) fn new(topic: Arc<str>, partition: PartitionId, ledger: Arc<Ledger>) -> Self {
        ledger.unsettled.fetch_add(1, Ordering::Relaxed);
        let batch = Arc::new(Settled { topic, partition, outcome: SetOnce::new() });
        Self { batch, ledger, memory_bytes: 0, uncertain: false }
    }

    /// A record was added, for which memory was taken.
    pub(super) fn delivery(&mut self, index: i32, memory_bytes: usize) -> Delivery {
        self.memory_bytes += memory_bytes;
        Delivery { batch: self.batch.clone(), index }
    }

    pub(super) fn written(self, base_offset: Option<Offset>) {
        self.settle(Ok(Written { base_offset, at: Instant::now() }));
    }

    /// The broker said no.
    pub(super) fn refused(self, code: ErrorCode, message: Option<Arc<str>>) {
        if self.uncertain {
            return self.given_up(Obstacle::said(code, message));
        }
        let (topic, partition) = (self.batch.topic.clone(), self.batch.partition);
        self.settle(Err(ProduceError::Refused { topic, partition, code, message }));
    }

    /// Nobody tries any more.
    pub(super) fn given_up(self, obstacle: impl Into<Obstacle>) {
        let error = self.in_doubt(obstacle.into());
        self.settle(Err(error));
    }

    fn in_doubt(&self, Obstacle { why, code }: Obstacle) -> ProduceError {
        let (topic, partition) = (self.batch.topic.clone(), self.batch.partition);
        if self.uncertain {
            ProduceError::Unknown { topic, partition, why }
        } else {
            ProduceError::NotWritten { topic, partition, code, why }
        }
    }

    fn settle(self, outcome: Outcome) {
        // Settled once, since this takes the duty away.
        let _ = self.batch.outcome.set(outcome);
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if !self.batch.outcome.initialized() {
            let _ = self.batch.outcome.set(Err(self.in_doubt("the producer was closed".into())));
        }
        self.ledger.memory.add_permits(self.memory_bytes);
        if self.ledger.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ledger.idle.notify_waiters();
        }
    }
}
