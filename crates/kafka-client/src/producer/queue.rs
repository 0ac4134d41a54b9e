//! What waits for one partition. Pure.
//!
//! Batches leave in the order in which they were made. One that must be sent again goes back to its place, and then
//! nothing leaves until all that are under way have come back: so they arrive in order again, whatever became of each.
//!
//! An idempotent producer numbers its records (KIP-98); a batch keeps its numbers for as long as it may have been
//! written under them. When the broker expects other numbers than those of the foremost batch, because batches before it
//! were given up or because the broker forgot, the producer's epoch is raised and all that wait get new numbers
//! (KIP-360).

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use commit_log::{
    Offset, ProducerId, ProducerStamp,
    batch::{Batch as BatchView, BatchBuilder, BuildError, Compression, NewRecord},
};
use tokio::time::{Duration, Instant};

use super::delivery::{Completion, Delivery};

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
    made: u64,
    numbers: Option<Numbers>,
    /// What was in the way last.
    pub(super) problem: Option<Arc<str>>,
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
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A batch that was taken comes back to be sent again, not before a time.
    pub(super) fn put_back(&mut self, batch: Batch, not_before: Instant) {
        self.settled();
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
mod tests {
    use common::PartitionId;

    use super::*;
    use crate::producer::delivery::Ledger;

    const ME: Identity = Identity { id: ProducerId(7), epoch: 0 };

    struct Bench {
        queue: Queue,
        ledger: Arc<Ledger>,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { queue: Queue::default(), ledger: Arc::new(Ledger::new(1 << 20)), now: Instant::now() }
        }

        /// One record, in a batch of its own.
        fn batch(&mut self) -> Delivery {
            self.record(0)
        }

        fn record(&mut self, batch_bytes: usize) -> Delivery {
            let record = NewRecord { value: Some(b"v"), ..NewRecord::default() };
            let completion = || Completion::new("t".into(), PartitionId(0), self.ledger.clone());
            self.queue.append(&record, 10, batch_bytes, Compression::None, self.now, completion).0
        }

        fn due(&self) -> bool {
            self.queue.due(self.now, Duration::ZERO) == Due::Now
        }

        fn take(&mut self) -> Batch {
            assert!(self.due());
            self.queue.take(Some(ME)).unwrap()
        }

        /// A first batch that was written, so that the next ones may leave together.
        fn written(mut self) -> Self {
            self.batch();
            drop(self.take());
            self.queue.written();
            self
        }

        fn put_back(&mut self, batch: Batch) {
            self.queue.put_back(batch, self.now);
        }
    }

    fn sequence(batch: &Batch) -> (i16, i32) {
        let stamp = batch.stamp.unwrap();
        (stamp.epoch, stamp.base_sequence)
    }

    #[test]
    fn a_batch_is_due_when_it_is_full_or_has_lingered() {
        let mut bench = Bench::new();
        let linger = Duration::from_millis(5);
        assert_eq!(bench.queue.due(bench.now, linger), Due::Nothing);
        bench.record(20);
        assert_eq!(bench.queue.due(bench.now, linger), Due::At(bench.now + linger));
        bench.record(20);
        assert_eq!(bench.queue.due(bench.now, linger), Due::Now, "it is full");
        assert_eq!(bench.queue.take(None).unwrap().records, 2);
    }

    #[test]
    fn batches_are_numbered_in_the_order_they_leave() {
        let mut bench = Bench::new().written();
        (0..3).for_each(|_| drop(bench.batch()));
        let numbers: Vec<_> = (0..3).map(|_| sequence(&bench.take())).collect();
        assert_eq!(numbers, [(0, 1), (0, 2), (0, 3)]);
    }

    #[test]
    fn what_comes_back_leaves_again_first_and_not_before_all_are_back() {
        let mut bench = Bench::new().written();
        (0..4).for_each(|_| drop(bench.batch()));
        let (first, second, third) = (bench.take(), bench.take(), bench.take());
        bench.put_back(second);
        assert!(!bench.due(), "two are under way");
        bench.put_back(first);
        assert!(!bench.due(), "one is under way");
        drop(third);
        bench.queue.settled();
        for expected in [(0, 1), (0, 2)] {
            assert_eq!(sequence(&bench.take()), expected, "they keep their numbers");
            assert!(!bench.due(), "one that was sent before is alone");
            bench.queue.written();
        }
        assert_eq!(sequence(&bench.take()), (0, 4));
    }

    #[test]
    fn a_batch_rests_before_it_is_sent_again() {
        let mut bench = Bench::new();
        bench.batch();
        let batch = bench.take();
        let later = bench.now + Duration::from_millis(20);
        bench.queue.put_back(batch, later);
        assert_eq!(bench.queue.due(bench.now, Duration::ZERO), Due::At(later));
        assert_eq!(bench.queue.due(later, Duration::ZERO), Due::Now);
    }

    #[test]
    fn a_raised_epoch_begins_at_0_and_the_bytes_say_so() {
        let mut bench = Bench::new().written();
        (0..3).for_each(|_| drop(bench.batch()));
        let (mut first, second) = (bench.take(), bench.take());
        let before = first.bytes().unwrap();
        drop(first.completion);
        bench.queue.settled();
        assert!(bench.queue.put_back_out_of_order(second, bench.now));
        bench.queue.renumber(Identity { epoch: 1, ..ME });
        let mut second = bench.take();
        assert!(!bench.due(), "nothing is written yet under the new numbers");
        bench.queue.written();
        let third = bench.take();
        assert_eq!((sequence(&second), sequence(&third)), ((1, 0), (1, 1)));
        let header = |bytes: &Bytes| *BatchView::split_first(bytes).unwrap().0.header();
        assert_eq!(header(&before).producer().map(|stamp| stamp.epoch), Some(0));
        let bytes = second.bytes().unwrap();
        assert_eq!(header(&bytes).producer(), second.stamp);
        BatchView::split_first(&bytes).unwrap().0.check_crc().unwrap();
    }

    #[test]
    fn only_the_foremost_batch_may_raise_the_epoch() {
        let mut bench = Bench::new().written();
        (0..2).for_each(|_| drop(bench.batch()));
        let (first, second) = (bench.take(), bench.take());
        assert!(!bench.queue.is_foremost(&second), "the first is under way");
        bench.put_back(first);
        assert!(!bench.queue.is_foremost(&second), "the first waits");
    }

    #[test]
    fn batches_out_of_order_leave_one_by_one_so_that_the_foremost_is_found() {
        let mut bench = Bench::new().written();
        (0..2).for_each(|_| drop(bench.batch()));
        let (first, second) = (bench.take(), bench.take());
        assert!(!bench.queue.put_back_out_of_order(first, bench.now), "the second is under way");
        assert!(!bench.queue.put_back_out_of_order(second, bench.now), "the first waits");
        let first = bench.take();
        assert!(!bench.due(), "the first leaves alone");
        assert!(bench.queue.put_back_out_of_order(first, bench.now));
    }

    #[test]
    fn the_first_batch_of_a_producer_leaves_alone() {
        let mut bench = Bench::new();
        (0..2).for_each(|_| drop(bench.batch()));
        drop(bench.take());
        assert!(!bench.due());
        bench.queue.written();
        assert!(bench.due());
    }

    #[test]
    fn no_more_is_under_way_than_a_broker_knows_again() {
        let mut bench = Bench::new().written();
        (0..7).for_each(|_| drop(bench.batch()));
        let mut under_way: Vec<_> = (0..KNOWN_AGAIN).map(|_| bench.take()).collect();
        assert!(!bench.due(), "whether they are at one broker or two");
        drop(under_way.pop());
        bench.queue.written();
        assert_eq!(sequence(&bench.take()), (0, 6));
    }

    #[test]
    fn what_is_too_old_is_given_up_in_order() {
        let mut bench = Bench::new();
        let deliveries = [bench.batch(), bench.batch()];
        assert!(bench.queue.expired(bench.now - Duration::from_millis(1)).is_empty());
        for batch in bench.queue.expired(bench.now) {
            batch.completion.given_up("too late".into());
        }
        for delivery in &deliveries {
            assert!(!delivery.try_acked().unwrap().unwrap_err().is_unknown());
        }
        assert_eq!(bench.queue.oldest(), None);
    }

    #[test]
    fn numbers_wrap_to_0() {
        assert_eq!(sequence_after(i32::MAX - 1, 2), 0);
        assert_eq!(sequence_after(i32::MAX, 3), 2);
        assert_eq!(sequence_after(5, 3), 8);
    }

    #[test]
    fn the_size_of_a_record_is_not_underestimated() {
        let header = commit_log::batch::RecordHeader { key: b"h", value: Some(&[0; 300]) };
        let record = NewRecord {
            timestamp_ms: i64::MAX,
            key: Some(&[0; 200]),
            value: Some(&[0; 20_000]),
            headers: &[header, header],
        };
        let mut builder = BatchBuilder::default();
        builder.record(0, None, None);
        let empty = builder.build(Offset(0)).unwrap().len();
        let with = builder.push(&record).build(Offset(0)).unwrap().len();
        assert!(size_of(&record) >= with - empty);
    }
}
