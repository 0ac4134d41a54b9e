//! The last batches of each producer: what makes a retried batch harmless (KIP-98), and who has a transaction open.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::{put_count, take_all};
use crate::{
    batch::{BatchHeader, ControlRecord},
    bytes::Reader,
    offset::{Offset, ProducerId, ProducerStamp},
};

/// Batches remembered per producer: as many as an idempotent producer has in flight at most.
const BATCHES_MAX: usize = 5;

/// Producers [of one request](ProducerId::is_of_request) that are remembered: each request makes one, so there must be a bound.
/// Those that wrote first are forgotten first, on every replica alike.
const REQUESTS_MAX: usize = 16_384;

/// A batch that its producer had no right to write now. Each variant has one error code of Kafka's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// INVALID_PRODUCER_EPOCH (47): a producer with a higher epoch has taken over.
    #[error("producer {id} has epoch {epoch}, the log has seen {current}")]
    Fenced {
        /// The producer.
        id: ProducerId,
        /// Of the batch.
        epoch: i16,
        /// The highest one seen.
        current: i16,
    },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER (45).
    #[error("producer {id} sent sequence {sequence}, next after {last} was expected")]
    OutOfOrder {
        /// The producer.
        id: ProducerId,
        /// Of the batch's first record.
        sequence: i32,
        /// Of the last record known; -1 if there is none in this epoch.
        last: i32,
    },
    /// INVALID_TXN_STATE (48): a batch outside a transaction while one is open.
    #[error("producer {id} wrote outside its open transaction")]
    OutsideTransaction {
        /// The producer.
        id: ProducerId,
    },
    /// TRANSACTION_COORDINATOR_FENCED (52): a marker from a coordinator that was replaced.
    #[error("coordinator epoch {epoch} is older than {current}")]
    CoordinatorFenced {
        /// Of the marker.
        epoch: i32,
        /// The highest one seen.
        current: i32,
    },
}

/// A transaction that is not decided, for those who look for hanging ones (KIP-664).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its producer.
    pub producer: ProducerId,
    /// The producer's epoch.
    pub epoch: i16,
    /// Its first offset here.
    pub first: Offset,
    /// When the producer last wrote, in ms.
    pub last_timestamp_ms: i64,
}

/// What is remembered of a producer (DescribeProducers, KIP-664).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerState {
    /// The producer.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub epoch: i16,
    /// Epoch of the last coordinator that ended a transaction of it here; -1 if none did.
    pub coordinator_epoch: i32,
    /// Of its last batch or marker, in ms.
    pub last_timestamp_ms: i64,
    /// First offset of its open transaction.
    pub open_transaction: Option<Offset>,
    /// Its last batches in this epoch, the oldest first; at most five.
    pub batches: Vec<ProducerBatch>,
}

/// A batch that is remembered, so that its repetition is recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerBatch {
    /// The producer's number of its first record.
    pub first_sequence: i32,
    /// And of its last one.
    pub last_sequence: i32,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// And of its last one.
    pub last_offset: Offset,
    /// Its largest timestamp, in ms.
    pub timestamp_ms: i64,
}

/// What compaction leaves of a producer: its numbering goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastOfProducer {
    /// Of its last batch in this epoch, if there is one.
    pub(crate) last_offset: Option<Offset>,
    pub(crate) epoch: i16,
}

/// What to do with a batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Append it.
    Append,
    /// It is in the log already, here.
    Duplicate { base_offset: Offset, last_offset: Offset, timestamp_ms: i64 },
}

/// All producers of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    entries: BTreeMap<ProducerId, Entry>,
    /// Those of one request, by the offset that they wrote to last.
    requests: BTreeMap<Offset, ProducerId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    epoch: i16,
    /// -1: no marker yet.
    coordinator_epoch: i32,
    /// Of the last batch or marker.
    last_timestamp_ms: i64,
    /// First offset of the open transaction.
    open: Option<Offset>,
    /// The last batches of this epoch, the oldest first; at most [`BATCHES_MAX`].
    batches: VecDeque<ProducerBatch>,
}

/// Sequences run to 2^31 - 1 and go on at 0.
fn add_wrapping(sequence: i32, records: i32) -> i32 {
    sequence.wrapping_add(records) & i32::MAX
}

impl Producers {
    /// Judges a client's batch. Changes nothing.
    pub(crate) fn admit(&self, header: &BatchHeader) -> Result<Admission, ProducerError> {
        let Some(stamp) = header.producer() else { return Ok(Admission::Append) };
        let Some(entry) = self.entries.get(&stamp.id) else { return Ok(Admission::Append) };
        if let Some(known) = entry.find(header, stamp) {
            return Ok(Admission::Duplicate {
                base_offset: known.base_offset,
                last_offset: known.last_offset,
                timestamp_ms: known.timestamp_ms,
            });
        }
        let ProducerStamp { id, epoch, base_sequence: sequence } = stamp;
        if epoch < entry.epoch {
            return Err(ProducerError::Fenced { id, epoch, current: entry.epoch });
        }
        let last = if epoch == entry.epoch { entry.last_sequence() } else { -1 };
        // -1 + 1 = 0: a new epoch starts at 0.
        if sequence != add_wrapping(last, 1) {
            return Err(ProducerError::OutOfOrder { id, sequence, last });
        }
        if entry.open.is_some() && epoch == entry.epoch && !header.attributes.is_transactional() {
            return Err(ProducerError::OutsideTransaction { id });
        }
        Ok(Admission::Append)
    }

    /// Judges a transaction marker. Changes nothing.
    pub(crate) fn admit_marker(
        &self,
        stamp: ProducerStamp,
        control: ControlRecord,
    ) -> Result<(), ProducerError> {
        let Some(entry) = self.entries.get(&stamp.id) else { return Ok(()) };
        if stamp.epoch < entry.epoch {
            return Err(ProducerError::Fenced { id: stamp.id, epoch: stamp.epoch, current: entry.epoch });
        }
        if control.coordinator_epoch < entry.coordinator_epoch {
            return Err(ProducerError::CoordinatorFenced {
                epoch: control.coordinator_epoch,
                current: entry.coordinator_epoch,
            });
        }
        Ok(())
    }

    /// Takes note of a batch. Whether a transaction begins with it.
    pub(super) fn append(&mut self, header: &BatchHeader, stamp: ProducerStamp) -> bool {
        let entry = self.entry(stamp);
        entry.last_timestamp_ms = header.max_timestamp_ms;
        if entry.batches.len() == BATCHES_MAX {
            entry.batches.pop_front();
        }
        entry.batches.push_back(ProducerBatch {
            first_sequence: stamp.base_sequence,
            last_sequence: add_wrapping(stamp.base_sequence, header.last_offset_delta),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp_ms: header.max_timestamp_ms,
        });
        let begins = header.attributes.is_transactional() && entry.open.is_none();
        if begins {
            entry.open = Some(header.base_offset);
        }
        self.bound_requests(header.base_offset, stamp.id);
        begins
    }

    /// Takes note of a request's producer, and forgets the oldest one if there are too many.
    fn bound_requests(&mut self, offset: Offset, id: ProducerId) {
        if !id.is_of_request() {
            return;
        }
        self.requests.insert(offset, id);
        if self.requests.len() > REQUESTS_MAX
            && let Some((_, oldest)) = self.requests.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    /// Takes note of a transaction's end. Gives the first offset of the transaction, if one was open.
    pub(super) fn end_transaction(
        &mut self,
        header: &BatchHeader,
        stamp: ProducerStamp,
        control: ControlRecord,
    ) -> Option<Offset> {
        let entry = self.entry(stamp);
        entry.coordinator_epoch = control.coordinator_epoch;
        entry.last_timestamp_ms = header.max_timestamp_ms;
        entry.open.take()
    }

    /// The entry of a producer, as of its epoch: a new one forgets the batches of the old one.
    fn entry(&mut self, stamp: ProducerStamp) -> &mut Entry {
        let entry = self.entries.entry(stamp.id).or_insert_with(|| Entry::new(stamp.epoch));
        if entry.epoch != stamp.epoch {
            entry.epoch = stamp.epoch;
            entry.batches.clear();
        }
        entry
    }

    pub(super) fn expire(&mut self, before_ms: i64) {
        self.entries.retain(|_, entry| entry.open.is_some() || entry.last_timestamp_ms >= before_ms);
        self.requests.retain(|_, id| self.entries.contains_key(id));
    }

    /// Takes note of a marker of which compaction left the header alone: it says the producer's epoch.
    pub(super) fn note_epoch(&mut self, header: &BatchHeader, stamp: ProducerStamp) {
        let entry = self.entry(stamp);
        entry.last_timestamp_ms = entry.last_timestamp_ms.max(header.max_timestamp_ms);
    }

    /// The last batch of each producer.
    pub(crate) fn last_of_each(&self) -> BTreeMap<ProducerId, LastOfProducer> {
        let last = |entry: &Entry| LastOfProducer {
            last_offset: entry.batches.back().map(|batch| batch.last_offset),
            epoch: entry.epoch,
        };
        self.entries.iter().map(|(id, entry)| (*id, last(entry))).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All of them, by id.
    pub(crate) fn states(&self) -> impl Iterator<Item = ProducerState> {
        self.entries.iter().map(|(id, entry)| ProducerState {
            producer_id: *id,
            epoch: entry.epoch,
            coordinator_epoch: entry.coordinator_epoch,
            last_timestamp_ms: entry.last_timestamp_ms,
            open_transaction: entry.open,
            batches: entry.batches.iter().copied().collect(),
        })
    }

    pub(crate) fn open_transactions(&self) -> impl Iterator<Item = OpenTransaction> {
        self.entries.iter().filter_map(|(id, entry)| {
            Some(OpenTransaction {
                producer: *id,
                epoch: entry.epoch,
                first: entry.open?,
                last_timestamp_ms: entry.last_timestamp_ms,
            })
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_count(out, self.entries.len());
        for (id, entry) in &self.entries {
            out.extend_from_slice(&id.0.to_be_bytes());
            out.extend_from_slice(&entry.epoch.to_be_bytes());
            out.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
            out.extend_from_slice(&entry.last_timestamp_ms.to_be_bytes());
            out.extend_from_slice(&entry.open.map_or(-1, |first| first.0).to_be_bytes());
            put_count(out, entry.batches.len());
            for batch in &entry.batches {
                out.extend_from_slice(&batch.first_sequence.to_be_bytes());
                out.extend_from_slice(&batch.last_sequence.to_be_bytes());
                out.extend_from_slice(&batch.base_offset.0.to_be_bytes());
                out.extend_from_slice(&batch.last_offset.0.to_be_bytes());
                out.extend_from_slice(&batch.timestamp_ms.to_be_bytes());
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let entries = take_all(reader, |reader| Some((ProducerId(reader.i64()?), Entry::decode(reader)?)))?;
        let entries: BTreeMap<ProducerId, Entry> = entries.into_iter().collect();
        let requests = entries.iter().filter(|(id, _)| id.is_of_request());
        let requests = requests.filter_map(|(id, entry)| Some((entry.batches.back()?.base_offset, *id)));
        Some(Self { requests: requests.collect(), entries })
    }
}

impl Entry {
    fn new(epoch: i16) -> Self {
        Self { epoch, coordinator_epoch: -1, last_timestamp_ms: -1, open: None, batches: VecDeque::new() }
    }

    fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(-1, |batch| batch.last_sequence)
    }

    /// The batch that this one is a repetition of.
    fn find(&self, header: &BatchHeader, stamp: ProducerStamp) -> Option<&ProducerBatch> {
        let last_sequence = add_wrapping(stamp.base_sequence, header.last_offset_delta);
        self.batches.iter().find(|batch| {
            self.epoch == stamp.epoch
                && batch.first_sequence == stamp.base_sequence
                && batch.last_sequence == last_sequence
        })
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            epoch: reader.i16()?,
            coordinator_epoch: reader.i32()?,
            last_timestamp_ms: reader.i64()?,
            open: Some(Offset(reader.i64()?)).filter(|first| first.0 >= 0),
            batches: take_all(reader, |reader| {
                Some(ProducerBatch {
                    first_sequence: reader.i32()?,
                    last_sequence: reader.i32()?,
                    base_offset: Offset(reader.i64()?),
                    last_offset: Offset(reader.i64()?),
                    timestamp_ms: reader.i64()?,
                })
            })?
            .into(),
        })
    }
}
