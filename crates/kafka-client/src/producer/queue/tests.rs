//! Each rule of the queue as a short story.

use std::sync::Arc;

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
fn failures_are_counted_until_a_batch_is_settled_and_those_of_a_round_once() {
    let mut bench = Bench::new().written();
    (0..2).for_each(|_| drop(bench.batch()));
    let (first, second) = (bench.take(), bench.take());
    assert_eq!(bench.queue.failures(), 1);
    bench.put_back(first);
    assert_eq!(bench.queue.failures(), 1, "the second fails with the first");
    bench.put_back(second);
    let first = bench.take();
    assert_eq!(bench.queue.failures(), 2);
    bench.put_back(first);
    drop(bench.take());
    bench.queue.written();
    assert_eq!(bench.queue.failures(), 1);
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
        batch.completion.given_up("too late");
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
