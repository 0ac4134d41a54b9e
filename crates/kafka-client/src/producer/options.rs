//! Settings of a producer.

use std::time::Duration;

use commit_log::batch::Compression;

/// When a record counts as written: `acks`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Acks {
    /// When all replicas in sync have it.
    #[default]
    All,
    /// When the leader has it.
    Leader,
    /// When it was handed to the network; no broker answers. One that takes nothing in for `request.timeout.ms` is given up.
    None,
}

impl Acks {
    pub(super) fn code(self) -> i16 {
        match self {
            Self::All => -1,
            Self::Leader => 1,
            Self::None => 0,
        }
    }
}

/// Settings of a producer, by Kafka's names.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`: batches are numbered, so that one that is sent again is not written again. Only with
    /// [`Acks::All`]; without it a batch that is sent again may be written twice, or behind its successors.
    pub enable_idempotence: bool,
    /// `compression.type`.
    pub compression: Compression,
    /// How long a batch waits for more records: `linger.ms`.
    pub linger: Duration,
    /// Bytes of a batch before compression; a longer record goes alone: `batch.size`.
    pub batch_bytes: usize,
    /// Bytes of a request, and with it of a record: `max.request.size`.
    pub request_bytes_max: usize,
    /// Bytes of records whose outcome is not known; while there are more, [`super::Producer::send`] waits:
    /// `buffer.memory`.
    pub buffer_bytes: usize,
    /// Requests without an answer per broker: `max.in.flight.requests.per.connection`. Brokers remember five batches
    /// of a producer.
    pub max_in_flight: usize,
    /// How long to try a record before giving up: `delivery.timeout.ms`.
    pub delivery_timeout: Duration,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            enable_idempotence: true,
            compression: Compression::None,
            linger: Duration::ZERO,
            batch_bytes: 64 << 10,
            request_bytes_max: 1 << 20,
            buffer_bytes: 32 << 20,
            max_in_flight: 5,
            delivery_timeout: Duration::from_secs(120),
        }
    }
}

impl ProducerOptions {
    /// Whether batches are numbered.
    pub(super) fn is_idempotent(&self) -> bool {
        self.enable_idempotence && self.acks == Acks::All
    }
}
