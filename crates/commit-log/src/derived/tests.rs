//! Sequence rules, epochs, last stable offset; and that what is stored is what comes back.

use common::LeaderEpoch;
use proptest::prelude::*;

use super::*;
use crate::{
    batch::{BatchBuilder, EndTransaction},
    offset::{ProducerId, ProducerStamp},
};

fn stamp(id: i64, epoch: i16, base_sequence: i32) -> ProducerStamp {
    ProducerStamp { id: ProducerId(id), epoch, base_sequence }
}

fn data(stamp: ProducerStamp, records: i32, transactional: bool, base: i64) -> Applied {
    let mut builder = BatchBuilder::default().producer(stamp).leader_epoch(LeaderEpoch(0));
    if transactional {
        builder = builder.transactional();
    }
    for _ in 0..records {
        builder.record(base, None, None);
    }
    let bytes = builder.build(Offset(base)).unwrap();
    Applied::of(&Batch::split_first(&bytes).unwrap().0).unwrap()
}

fn marker(stamp: ProducerStamp, end: EndTransaction, base: i64) -> Applied {
    let control = ControlRecord { end, coordinator_epoch: 1 };
    let bytes = BatchBuilder::end_transaction(stamp, control, base).build(Offset(base)).unwrap();
    Applied::of(&Batch::split_first(&bytes).unwrap().0).unwrap()
}

fn admit(derived: &Derived, stamp: ProducerStamp, records: i32) -> Result<Admission, ProducerError> {
    derived.producers.admit(&data(stamp, records, false, 1_000).header)
}

#[test]
fn sequences_follow_each_other_and_repetitions_get_the_old_offset() {
    let mut derived = Derived::default();
    assert_eq!(
        admit(&derived, stamp(1, 0, 77), 2),
        Ok(Admission::Append),
        "an unknown producer starts anywhere"
    );
    for batch in 0..7 {
        derived.apply(&data(stamp(1, 0, batch * 2), 2, false, i64::from(batch) * 10));
    }
    assert_eq!(admit(&derived, stamp(1, 0, 14), 1), Ok(Admission::Append));
    let repeated =
        Admission::Duplicate { base_offset: Offset(20), last_offset: Offset(21), timestamp_ms: 20 };
    assert_eq!(admit(&derived, stamp(1, 0, 4), 2), Ok(repeated), "the fifth from the end is remembered");
    let forgotten = ProducerError::OutOfOrder { id: ProducerId(1), sequence: 2, last: 13 };
    assert_eq!(admit(&derived, stamp(1, 0, 2), 2), Err(forgotten), "the sixth is not");
    let gap = ProducerError::OutOfOrder { id: ProducerId(1), sequence: 15, last: 13 };
    assert_eq!(admit(&derived, stamp(1, 0, 15), 1), Err(gap));
    let other_length = ProducerError::OutOfOrder { id: ProducerId(1), sequence: 12, last: 13 };
    assert_eq!(admit(&derived, stamp(1, 0, 12), 1), Err(other_length), "part of a batch is no repetition");
}

#[test]
fn of_requests_that_name_themselves_the_last_ones_are_remembered() {
    const REMEMBERED: i64 = 16_384;
    let request = |number: i64| ProducerStamp {
        id: ProducerId::of_request(u64::try_from(number).unwrap() << 2),
        epoch: 0,
        base_sequence: 0,
    };
    let mut derived = Derived::default();
    derived.apply(&data(stamp(1, 0, 0), 1, false, 0));
    for number in 1..=REMEMBERED + 1 {
        derived.apply(&data(request(number), 1, false, number));
    }
    let found = |derived: &Derived, number| admit(derived, request(number), 1).unwrap();
    assert_eq!(found(&derived, 1), Admission::Append, "the first one is forgotten");
    assert!(matches!(found(&derived, 2), Admission::Duplicate { base_offset: Offset(2), .. }));
    assert_eq!(derived.producers.len() as i64, REMEMBERED + 1, "other producers are not counted");
    // As after a restart.
    let mut stored = Vec::new();
    derived.producers.encode(&mut stored);
    let mut derived = Derived {
        producers: producers::Producers::decode(&mut crate::bytes::Reader::new(&stored)).unwrap(),
        ..Derived::default()
    };
    derived.apply(&data(request(0), 1, false, REMEMBERED + 2));
    assert_eq!(found(&derived, 2), Admission::Append);
    assert!(matches!(found(&derived, 3), Admission::Duplicate { base_offset: Offset(3), .. }));
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
    let mut derived = Derived::default();
    derived.apply(&data(stamp(1, 3, 40), 1, false, 0));
    assert_eq!(admit(&derived, stamp(1, 4, 0), 1), Ok(Admission::Append));
    let not_zero = ProducerError::OutOfOrder { id: ProducerId(1), sequence: 41, last: -1 };
    assert_eq!(admit(&derived, stamp(1, 4, 41), 1), Err(not_zero));
    derived.apply(&data(stamp(1, 4, 0), 1, false, 1));
    let fenced = ProducerError::Fenced { id: ProducerId(1), epoch: 3, current: 4 };
    assert_eq!(admit(&derived, stamp(1, 3, 41), 1), Err(fenced));
}

#[test]
fn sequences_wrap_inside_a_batch_and_between_batches() {
    let mut derived = Derived::default();
    derived.apply(&data(stamp(1, 0, i32::MAX), 1, false, 0));
    assert_eq!(admit(&derived, stamp(1, 0, 0), 1), Ok(Admission::Append));
    let mut derived = Derived::default();
    derived.apply(&data(stamp(1, 0, i32::MAX - 1), 4, false, 0));
    assert_eq!(admit(&derived, stamp(1, 0, 2), 1), Ok(Admission::Append));
    assert!(matches!(admit(&derived, stamp(1, 0, i32::MAX - 1), 4), Ok(Admission::Duplicate { .. })));
}

#[test]
fn the_last_stable_offset_waits_for_markers_to_be_replicated() {
    let mut derived = Derived::default();
    derived.apply(&data(stamp(1, 0, 0), 5, true, 0));
    derived.apply(&data(stamp(2, 0, 0), 5, true, 5));
    assert_eq!(derived.transactions.last_stable(Offset(10)), Offset(0));
    derived.apply(&marker(stamp(1, 0, -1), EndTransaction::Abort, 10));
    assert_eq!(
        derived.transactions.last_stable(Offset(10)),
        Offset(0),
        "the marker itself is not replicated"
    );
    assert_eq!(derived.transactions.last_stable(Offset(11)), Offset(5));
    derived.apply(&marker(stamp(2, 0, -1), EndTransaction::Commit, 11));
    assert_eq!(derived.transactions.last_stable(Offset(12)), Offset(12));
    derived.transactions.replicated(Offset(12));
    assert_eq!(derived.transactions.last_stable(Offset(12)), Offset(12));
    let aborted = AbortedTransaction { producer: ProducerId(1), first: Offset(0), last: Offset(10) };
    assert_eq!(derived.transactions.aborted(&(Offset(3)..Offset(4))), [aborted]);
    assert_eq!(derived.transactions.aborted(&(Offset(11)..Offset(12))), []);
}

#[test]
fn writing_outside_an_open_transaction_and_old_coordinators_are_refused() {
    let mut derived = Derived::default();
    derived.apply(&data(stamp(1, 0, 0), 1, true, 0));
    assert_eq!(
        admit(&derived, stamp(1, 0, 1), 1),
        Err(ProducerError::OutsideTransaction { id: ProducerId(1) })
    );
    derived.apply(&marker(stamp(1, 0, -1), EndTransaction::Commit, 1));
    assert_eq!(admit(&derived, stamp(1, 0, 1), 1), Ok(Admission::Append));
    let old = ControlRecord { end: EndTransaction::Commit, coordinator_epoch: 0 };
    assert_eq!(
        derived.producers.admit_marker(stamp(1, 0, -1), old),
        Err(ProducerError::CoordinatorFenced { epoch: 0, current: 1 })
    );
}

#[test]
fn epochs_answer_as_kafka_does() {
    let mut epochs = Epochs::default();
    assert_eq!(epochs.end_of(LeaderEpoch(0), Offset(0)), None);
    for (epoch, start) in [(2, 0), (4, 10), (4, 15), (3, 17), (7, 20)] {
        epochs.assign(LeaderEpoch(epoch), Offset(start));
    }
    let end = |epoch| epochs.end_of(LeaderEpoch(epoch), Offset(30)).map(|found| (found.epoch.0, found.end.0));
    assert_eq!(
        [1, 2, 3, 4, 6, 7, 8].map(end),
        [None, Some((2, 10)), Some((2, 10)), Some((4, 20)), Some((4, 20)), Some((7, 30)), None]
    );
    assert_eq!(epochs.at(Offset(19)), Some(LeaderEpoch(4)));
    epochs.start_at(Offset(12));
    assert_eq!(epochs.entries(), [(LeaderEpoch(4), Offset(12)), (LeaderEpoch(7), Offset(20))]);
}

#[test]
fn an_epoch_without_records_gives_way() {
    let mut epochs = Epochs::default();
    epochs.assign(LeaderEpoch(1), Offset(0));
    epochs.assign(LeaderEpoch(2), Offset(5));
    epochs.assign(LeaderEpoch(3), Offset(5));
    assert_eq!(epochs.entries(), [(LeaderEpoch(1), Offset(0)), (LeaderEpoch(3), Offset(5))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_stored_comes_back(steps in prop::collection::vec((0..4_i64, 0..3_i16, any::<bool>(), 0..4_u8), 0..40)) {
        let mut derived = Derived::default();
        for (offset, (id, epoch, transactional, kind)) in steps.into_iter().enumerate() {
            let offset = i64::try_from(offset).unwrap();
            let batch = match kind {
                0 => marker(stamp(id, epoch, -1), EndTransaction::Abort, offset),
                1 => marker(stamp(id, epoch, -1), EndTransaction::Commit, offset),
                _ => data(stamp(id, epoch, i32::try_from(offset).unwrap()), 1, transactional, offset),
            };
            derived.apply(&batch);
        }
        let mut bytes = Vec::new();
        derived.encode(&mut bytes);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(Derived::decode(&mut reader), Some(derived));
        prop_assert!(reader.is_empty());
        for len in 0..bytes.len() {
            prop_assert_eq!(Derived::decode(&mut Reader::new(&bytes[..len])), None);
        }
    }
}
