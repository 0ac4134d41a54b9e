//! What waits for one partition. Pure.
//!
//! Batches leave in the order in which they were made. One that must be sent again goes back to its place, and then
//! nothing leaves until all that are under way have come back: so they arrive in order again, whatever became of each.
//!
//! An idempotent producer numbers its records (KIP-98); a batch keeps its numbers for as long as it may have been
//! written under them. When the broker expects other numbers than those of the foremost batch, because batches before it
//! were given up or because the broker forgot, the producer's epoch is raised and all that wait get new numbers
//! (KIP-360).

use std::collections::VecDeque;

use bytes::Bytes;
use commit_log::{
    Offset, ProducerId, ProducerStamp,
    batch::{Batch as BatchView, BatchBuilder, BuildError, Compression, NewRecord},
};
use tokio::time::{Duration, Instant};

use super::delivery::{Completion, Delivery, Obstacle};

/// Batches of a producer that a broker knows again, for each partition: its last ones. So no more are under way, to whichever
/// brokers: when a partition changes its leader, some may still be at the former one while the next go to the new one,
/// and those must come back as duplicates.
const KNOWN_AGAIN: usize = 5;

/// A producer, as InitProducerId named it, with the epoch it has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: ProducerId,
    pub(super) epoch: i16,
}

/// Records that are sent together.
#[derive(Debug)]
pub(super) struct Batch {
    /// Counts the batches of the partition.
    number: u64,
    content: Content,
    records: i32,
    /// About how many bytes its records take, before compression.
    pub(super) size: usize,
    /// The numbers of its records, once it has been sent.
    stamp: Option<ProducerStamp>,
    /// When its first record came.
    pub(super) created: Instant,
    pub(super) completion: Completion,
}

#[derive(Debug)]
enum Content {
    Records(BatchBuilder),
    /// As it was sent.
    Bytes(Bytes),
}

impl Batch {
    /// The bytes that go over the wire.
    pub(super) fn bytes(&mut self) -> Result<Bytes, BuildError> {
        if let Content::Records(builder) = &mut self.content {
            let mut builder = std::mem::take(builder);
            if let Some(stamp) = self.stamp {
                builder = builder.producer(stamp);
            }
            self.content = Content::Bytes(builder.build(Offset(0))?.into());
        }
        match &self.content {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::Records(_) => Ok(Bytes::new()),
        }
    }

    /// Forgets its numbers.
    fn renumber(&mut self) {
        self.stamp = None;
    }

    fn stamp(&mut self, stamp: ProducerStamp) {
        self.stamp = Some(stamp);
        if let Content::Bytes(bytes) = &self.content
            && let Ok((batch, _)) = BatchView::split_first(bytes)
        {
            self.content = Content::Bytes(batch.stamped(stamp).into());
        }
    }
}

/// A batch that takes records in.
#[derive(Debug)]
struct Open {
    builder: BatchBuilder,
    bytes: usize,
    created: Instant,
    completion: Completion,
}

/// Where the numbers of a partition stand.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    identity: Identity,
    next: i32,
}

/// When something is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing waits, or it waits for what is under way.
    Nothing,
    /// At once.
    Now,
    /// Not before.
    At(Instant),
}

/// What waits for one partition.
#[derive(Debug, Default)]
pub(super) struct Queue {
    open: Option<Open>,
    /// Full batches, and those that are to be sent again.
    waiting: VecDeque<Batch>,
    under_way: usize,
    /// A batch came back: the others are awaited.
    recovering: bool,
    /// Batches leave one by one until one is written: no batch has been written under these numbers yet, one was out of
    /// order, or the one under way was sent before. A broker that does not know the producer accepts any number first, and
    /// must not be offered a later one before the first. And it remembers the [last batches](KNOWN_AGAIN) only: were others
    /// written while one is tried again and again, it would no longer know that one for a duplicate.
    one_by_one: bool,
    not_before: Option<Instant>,
    /// How often in a row batches came back. All that are under way at the same time count for one.
    failures: u32,
    made: u64,
    numbers: Option<Numbers>,
    /// What was in the way last.
    pub(super) problem: Option<Obstacle>,
}

impl Queue {
    /// Adds a record to the open batch, or to a new one. Tells as well whether the sender has to look at it.
    #[allow(
        clippy::too_many_arguments,
        reason = "one call per record: nothing is bundled up only to be taken apart"
    )]
    pub(super) fn append(
        &mut self,
        record: &NewRecord<'_>,
        size: usize,
        batch_bytes: usize,
        compression: Compression,
        now: Instant,
        completion: impl FnOnce() -> Completion,
    ) -> (Delivery, bool) {
        let full = self.open.as_ref().is_some_and(|open| open.bytes + size > batch_bytes);
        if full {
            self.close();
        }
        let begins = self.open.is_none();
        let open = self.open.get_or_insert_with(|| Open {
            builder: BatchBuilder::new(compression),
            bytes: 0,
            created: now,
            completion: completion(),
        });
        let index = open.builder.record_count();
        open.builder.push(record);
        open.bytes += size;
        let delivery = open.completion.delivery(index, size);
        if open.bytes >= batch_bytes {
            self.close();
        }
        (delivery, begins || full)
    }

    fn close(&mut self) {
        if let Some(Open { builder, bytes: size, created, completion }) = self.open.take() {
            let records = builder.record_count();
            let content = Content::Records(builder);
            let number = self.made;
            self.made += 1;
            self.waiting.push_back(Batch {
                number,
                content,
                records,
                size,
                stamp: None,
                created,
                completion,
            });
        }
    }

    /// When the foremost batch is to be sent. `linger`: how long an open batch waits for more records.
    pub(super) fn due(&self, now: Instant, linger: Duration) -> Due {
        if (self.recovering || self.one_by_one) && self.under_way > 0 {
            return Due::Nothing;
        }
        if self.numbers.is_some() && self.under_way >= KNOWN_AGAIN {
            return Due::Nothing;
        }
        let full = (!self.waiting.is_empty()).then_some(now);
        let Some(at) = full.or_else(|| self.open.as_ref().map(|open| open.created + linger)) else {
            return Due::Nothing;
        };
        let at = self.not_before.map_or(at, |not_before| at.max(not_before));
        if at <= now { Due::Now } else { Due::At(at) }
    }

    /// Takes the foremost batch out to be sent; to be called when it is [due](Self::due). An idempotent producer's
    /// batch is numbered; `identity` is the one that a partition without numbers begins with.
    pub(super) fn take(&mut self, identity: Option<Identity>) -> Option<Batch> {
        if self.waiting.is_empty() {
            self.close();
        }
        let mut batch = self.waiting.pop_front()?;
        if self.under_way == 0 {
            self.recovering = false;
        }
        self.not_before = None;
        self.one_by_one |= batch.stamp.is_some();
        if batch.stamp.is_none()
            && let Some(identity) = identity
        {
            self.one_by_one |= self.numbers.is_none();
            let numbers = self.numbers.get_or_insert(Numbers { identity, next: 0 });
            let Identity { id, epoch } = numbers.identity;
            let base_sequence = numbers.next;
            numbers.next = sequence_after(base_sequence, batch.records);
            batch.stamp(ProducerStamp { id, epoch, base_sequence });
        }
        self.under_way += 1;
        Some(batch)
    }

    /// A batch that was taken is written.
    pub(super) fn written(&mut self) {
        self.one_by_one = false;
        self.settled();
    }

    /// A batch that was taken is settled otherwise.
    pub(super) fn settled(&mut self) {
        self.failures = 0;
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// How often in a row batches came back, with one that is about to.
    pub(super) fn failures(&self) -> u32 {
        self.failures.saturating_add(u32::from(!self.recovering))
    }

    /// A batch that was taken comes back to be sent again, not before a time.
    pub(super) fn put_back(&mut self, batch: Batch, not_before: Instant) {
        self.failures = self.failures();
        self.under_way = self.under_way.saturating_sub(1);
        let place = self.waiting.partition_point(|other| other.number < batch.number);
        self.waiting.insert(place, batch);
        self.recovering = true;
        self.not_before = self.not_before.max(Some(not_before));
    }

    /// A batch that was taken comes back because the broker expects other numbers. Tells whether it was the foremost,
    /// so that its numbers, not those before it, are out of step.
    pub(super) fn put_back_out_of_order(&mut self, batch: Batch, not_before: Instant) -> bool {
        let foremost = self.is_foremost(&batch);
        self.one_by_one = true;
        self.put_back(batch, not_before);
        foremost
    }

    /// Whether nothing before a batch that was taken is under way or waits.
    fn is_foremost(&self, batch: &Batch) -> bool {
        self.under_way <= 1 && self.waiting.front().is_none_or(|other| other.number > batch.number)
    }

    /// The identity that the partition's numbers belong to.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.numbers.map(|numbers| numbers.identity)
    }

    /// Begins to number anew, under another identity. To be called when nothing is under way.
    pub(super) fn renumber(&mut self, identity: Identity) {
        self.numbers = Some(Numbers { identity, next: 0 });
        self.one_by_one = true;
        self.waiting.iter_mut().for_each(Batch::renumber);
    }

    /// Takes batches out that nobody should try any more, because they are older than `deadline`.
    pub(super) fn expired(&mut self, deadline: Instant) -> Vec<Batch> {
        if self.open.as_ref().is_some_and(|open| open.created <= deadline) {
            self.close();
        }
        let mut expired = Vec::new();
        while self.waiting.front().is_some_and(|batch| batch.created <= deadline) {
            expired.extend(self.waiting.pop_front());
        }
        expired
    }

    /// When the first record came of all that wait.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let waiting = self.waiting.front().map(|batch| batch.created);
        waiting.or_else(|| self.open.as_ref().map(|open| open.created))
    }
}

/// The number behind `records` numbers from `base` on; they wrap from 2^31-1 to 0.
fn sequence_after(base: i32, records: i32) -> i32 {
    let next = (i64::from(base) + i64::from(records)) % (i64::from(i32::MAX) + 1);
    i32::try_from(next).unwrap_or_default()
}

/// About how many bytes a record takes in a batch, at least as many as it does.
pub(super) fn size_of(record: &NewRecord<'_>) -> usize {
    /// Length, attributes, timestamp, offset, lengths of key and value, number of headers.
    const FIXED_BYTES: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
    const HEADER_FIXED_BYTES: usize = 5 + 5;
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers =
        record.headers.iter().map(|header| HEADER_FIXED_BYTES + header.key.len() + length(header.value));
    FIXED_BYTES + length(record.key) + length(record.value) + headers.sum::<usize>()
}

#[cfg(test)]
mod tests;
