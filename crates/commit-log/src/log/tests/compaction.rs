//! Compaction on a disk that works.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use common::LeaderEpoch;

use super::{
    compacted::{check_committed, compact},
    support::{DIR, Model, append, check, commits, keyed_batch, open, options, read_all, retain},
};
use crate::{
    Compaction, Log, LogError, Offset, Origin, ProducerId, ProducerStamp, Refused, Retention,
    batch::{Batch, BatchBuilder, BatchRules, ControlRecord, EndTransaction, InvalidBatch, RecordCheck},
    disk::{Disk, sim::SimDisk},
};

const EPOCH: LeaderEpoch = LeaderEpoch(0);

const ALWAYS: Compaction = Compaction {
    delete_retention_ms: 1_000,
    min_lag_ms: 0,
    max_lag_ms: i64::MAX,
    min_dirty_ratio: 0.0,
    buffer_bytes: 1 << 16,
};

fn write(log: &mut Log, model: &mut Model, batch: &Bytes) {
    append(log, std::slice::from_ref(batch), EPOCH).unwrap();
    model.append(batch, EPOCH);
}

fn record(key: &[u8], value: Option<&[u8]>) -> Bytes {
    BatchBuilder::default().record(0, Some(key), value).build(Offset(0)).unwrap().into()
}

/// Fills the active segment, so that what is in front of it may be compacted.
fn roll(log: &mut Log, model: &mut Model) {
    write(log, model, &record(b"filler", Some(&[0; 3_900])));
    write(log, model, &record(b"filler", Some(&[0; 3_900])));
    log.flush().unwrap();
}

/// Offset, key and value of each record.
fn records(log: &Log) -> Vec<(i64, Vec<u8>, Option<Vec<u8>>)> {
    let bytes = read_all(log, log.log_start(), 1 << 20).unwrap();
    let mut found = Vec::new();
    for batch in Batch::all(&bytes) {
        for record in batch.unwrap().payload(1 << 20).unwrap().records() {
            let record = record.unwrap();
            let (key, value) = (record.key.unwrap_or_default().to_vec(), record.value.map(<[u8]>::to_vec));
            if key != b"filler" {
                found.push((record.offset.0, key, value));
            }
        }
    }
    found
}

#[test]
fn the_last_record_of_each_key_stays_where_it_was() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    for (key, value) in [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", b"4"), (b"b", b"5")] {
        write(&mut log, &mut model, &record(key, Some(value)));
    }
    roll(&mut log, &mut model);
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    let expected = [(2, b"a", b"3"), (3, b"c", b"4"), (4, b"b", b"5")];
    let expected = expected.map(|(offset, key, value)| (offset, key.to_vec(), Some(value.to_vec())));
    assert_eq!(records(&log), expected);
    check(&log, &model);
    log.close().unwrap();
    let (log, recovered) = open(&disk, options()).unwrap();
    assert!(recovered.clean, "{recovered:?}");
    check(&log, &model);
}

#[test]
fn a_tombstone_goes_once_its_time_is_over() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    let mut model = Model::default();
    write(&mut log, &mut model, &record(b"a", Some(b"1")));
    write(&mut log, &mut model, &record(b"a", None));
    roll(&mut log, &mut model);
    assert!(compact(&mut log, &mut model, &ALWAYS, 5_000).unwrap());
    assert_eq!(records(&log), [(1, b"a".to_vec(), None)]);
    for (now_ms, left) in [(5_999, 1), (6_000, 0)] {
        roll(&mut log, &mut model);
        assert!(compact(&mut log, &mut model, &ALWAYS, now_ms).unwrap());
        assert_eq!(records(&log).len(), left);
        check(&log, &model);
    }
}

#[test]
fn aborted_records_go_and_their_marker_after_them() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    let stamp = ProducerStamp { id: ProducerId(7), epoch: 0, base_sequence: 0 };
    let end = |end| {
        let control = ControlRecord { end, coordinator_epoch: 0 };
        Bytes::from(BatchBuilder::end_transaction(stamp, control, 9).build(Offset(0)).unwrap())
    };
    let data = |base_sequence, value: &[u8]| {
        let stamp = ProducerStamp { base_sequence, ..stamp };
        let mut builder = BatchBuilder::default().producer(stamp).transactional();
        Bytes::from(builder.record(0, Some(b"k"), Some(value)).build(Offset(0)).unwrap())
    };
    write(&mut log, &mut model, &data(0, b"committed"));
    write(&mut log, &mut model, &end(EndTransaction::Commit));
    write(&mut log, &mut model, &data(1, b"aborted"));
    write(&mut log, &mut model, &end(EndTransaction::Abort));
    roll(&mut log, &mut model);
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    let values: Vec<_> = records(&log).into_iter().filter(|(_, key, _)| key == b"k").collect();
    assert_eq!(
        values,
        [(0, b"k".to_vec(), Some(b"committed".to_vec()))],
        "an aborted record replaces nothing"
    );
    check(&log, &model);
    assert_eq!(log.aborted_transactions(&(Offset(0)..log.log_end())).len(), 1);
    let told = log.derived.clone();
    // The producer goes on, so that its last batch may go, and with that the reason for the marker.
    write(&mut log, &mut model, &data(2, b"newer"));
    write(&mut log, &mut model, &end(EndTransaction::Commit));
    for now_ms in [0, 0, 1_000] {
        roll(&mut log, &mut model);
        assert!(compact(&mut log, &mut model, &ALWAYS, now_ms).unwrap());
        check(&log, &model);
    }
    assert_eq!(log.aborted_transactions(&(Offset(0)..log.log_end())), []);
    let bytes = read_all(&log, Offset(0), 1 << 20).unwrap();
    let markers = Batch::all(&bytes).filter(|batch| batch.as_ref().unwrap().header().attributes.is_control());
    assert_eq!(markers.count(), 1, "of the transaction that is still there");
    drop(log);
    // What was stored before tells of it still: a consumer would skip all that the producer wrote since.
    for name in disk.list(Path::new(DIR)).unwrap().into_iter().map(|file| file.name) {
        let path = Path::new(DIR).join(&name);
        if name == "checkpoint" {
            disk.remove(&path).unwrap();
        } else if name.ends_with(".snapshot") {
            let files = crate::Files::new(Arc::new(disk.clone()), 8);
            let mut derived = crate::checkpoint::read_snapshot(&files, &path).unwrap().unwrap();
            derived.transactions = told.transactions.clone();
            let derived = crate::checkpoint::encode_derived(&derived);
            crate::checkpoint::write_snapshot(&files, &path, &derived).unwrap();
        }
    }
    let (log, _) = open(&disk, options()).unwrap();
    assert_eq!(log.aborted_transactions(&(Offset(0)..log.log_end())), []);
    check_committed(&log, &model);
}

#[test]
fn a_producer_goes_on_after_compaction_and_the_loss_of_everything_but_the_batches() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    let numbered = |base_sequence| {
        let stamp = ProducerStamp { id: ProducerId(3), epoch: 2, base_sequence };
        let mut builder = BatchBuilder::default().producer(stamp);
        Bytes::from(builder.record(0, Some(b"k"), Some(b"v")).build(Offset(0)).unwrap())
    };
    (0..4).for_each(|sequence| write(&mut log, &mut model, &numbered(sequence)));
    write(&mut log, &mut model, &record(b"k", Some(b"newer")));
    roll(&mut log, &mut model);
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    drop(log);
    let dir = Path::new(DIR);
    for file in disk.list(dir).unwrap() {
        if !file.name.ends_with(".log") && !file.name.ends_with(".frames") {
            disk.remove(&dir.join(file.name)).unwrap();
        }
    }
    let (mut log, _) = open(&disk, options()).unwrap();
    let answers = log.append(&[numbered(3), numbered(4)], EPOCH, Origin::Client, 0).unwrap();
    assert!(answers[0].as_ref().unwrap().duplicate && !answers[1].as_ref().unwrap().duplicate);
    let gap = log.append(&[numbered(9)], EPOCH, Origin::Client, 0).unwrap();
    assert!(matches!(gap[0], Err(Refused::Producer(_))));
}

#[test]
fn small_segments_grow_together() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    for seed in 0..300 {
        write(&mut log, &mut model, &keyed_batch(seed));
    }
    commits().iter().for_each(|commit| write(&mut log, &mut model, commit));
    roll(&mut log, &mut model);
    let segments = log.segment_count();
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    assert!(!compact(&mut log, &mut model, &ALWAYS, 0).unwrap(), "nothing is new");
    roll(&mut log, &mut model);
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    assert!(log.segment_count() < segments / 2, "{} of {segments}", log.segment_count());
    check(&log, &model);
    log.truncate(log.log_end()).unwrap();
    disk.reboot(3);
    let (log, recovered) = open(&disk, options()).unwrap();
    assert_eq!(recovered.damage, []);
    check(&log, &model);
}

#[test]
fn a_read_that_was_planned_before_gets_what_it_was_planned_for() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    let mut model = Model::default();
    (0..10).for_each(|_| write(&mut log, &mut model, &record(b"a", Some(&[1; 900]))));
    roll(&mut log, &mut model);
    log.release_memory();
    let plan = log.plan_read(Offset(0), log.log_end(), 1 << 20).unwrap();
    let ranges = log.plan_read(Offset(0), log.log_end(), 1 << 20).unwrap().ranges().unwrap();
    let before = model.bytes_from(Offset(0));
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    let read = plan.read().unwrap();
    assert!(read.pieces.concat() == before);
    let sent = ranges.iter().flat_map(|range| {
        let mut bytes = vec![0; range.len];
        range.file.read_at(&mut bytes, range.position).unwrap();
        bytes
    });
    assert!(sent.eq(before), "and so does a zero-copy send");
}

#[test]
fn what_is_young_undecided_or_not_replicated_is_left_alone() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    let mut model = Model::default();
    for at in 0..8 {
        let mut builder = BatchBuilder::default();
        let batch = builder.record(at * 100, Some(b"a"), Some(&[1; 1_900])).build(Offset(0)).unwrap().into();
        write(&mut log, &mut model, &batch);
    }
    log.flush().unwrap();
    let end = log.log_end();
    let job = |log: &mut Log, settings: &Compaction, now_ms, high_watermark| {
        log.plan_compaction(settings, now_ms, Offset(high_watermark)).unwrap().is_some()
    };
    let old = Compaction { min_lag_ms: 1_000, ..ALWAYS };
    assert!(job(&mut log, &ALWAYS, 0, end.0));
    assert!(!job(&mut log, &ALWAYS, 0, 1), "nothing whole is replicated");
    assert!(!job(&mut log, &old, 1_000, end.0), "too young");
    assert!(job(&mut log, &old, 1_100, end.0));
    let mostly = Compaction { min_dirty_ratio: 0.9, ..ALWAYS };
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    roll(&mut log, &mut model);
    roll(&mut log, &mut model);
    let end = log.log_end().0;
    assert!(!job(&mut log, &Compaction { min_dirty_ratio: 1.0, ..ALWAYS }, 0, end), "not dirty enough");
    assert!(job(&mut log, &Compaction { max_lag_ms: 10, ..mostly }, 1 << 40, end), "but late");
}

/// `cleanup.policy=compact,delete`.
#[test]
fn segments_that_are_deleted_while_they_are_compacted_stay_deleted() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    (0..40).for_each(|seed| write(&mut log, &mut model, &keyed_batch(seed)));
    commits().iter().for_each(|commit| write(&mut log, &mut model, commit));
    roll(&mut log, &mut model);
    let end = log.log_end();
    let mut job = log.plan_compaction(&ALWAYS, 0, end).unwrap().unwrap();
    let step = job.next_step().unwrap().unwrap();
    let retention = Retention { max_age_ms: None, max_bytes: Some(9_000), segments_per_pass: 2 };
    assert_eq!(retain(&mut log, &mut model, &retention, 0).unwrap(), 2);
    assert!(!log.install_compacted(step).unwrap(), "what it was made of is gone");
    drop(job);
    check(&log, &model);
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap(), "the rest is compacted all the same");
    check(&log, &model);
    assert!(disk.list(Path::new(DIR)).unwrap().iter().all(|file| !file.name.ends_with(".new")));
    while retain(&mut log, &mut model, &retention, 0).unwrap() > 0 {
        check(&log, &model);
    }
    assert!(log.size_bytes() < 9_000 + 4_000);
    log.close().unwrap();
    check(&open(&disk, options()).unwrap().0, &model);
}

#[test]
fn a_step_that_was_overtaken_is_dropped() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    let mut model = Model::default();
    (0..12).for_each(|_| write(&mut log, &mut model, &record(b"a", Some(&[1; 900]))));
    roll(&mut log, &mut model);
    let end = log.log_end();
    let mut job = log.plan_compaction(&ALWAYS, 0, end).unwrap().unwrap();
    let step = job.next_step().unwrap().unwrap();
    log.truncate(Offset(9)).unwrap();
    model.truncate(Offset(9));
    assert!(!log.install_compacted(step).unwrap(), "the last record of the key may be gone");
    drop(job);
    check(&log, &model);
    roll(&mut log, &mut model);
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    check(&log, &model);
}

#[test]
fn records_without_a_key_never_reach_a_compacted_log() {
    let rules = BatchRules { records: RecordCheck::Keys, ..BatchRules::default() };
    let (mut log, _) = open(&SimDisk::new(), crate::LogOptions { rules, ..options() }).unwrap();
    let mut builder = BatchBuilder::default();
    let batch = builder.record(0, Some(b"k"), None).record(0, None, None).record(0, None, Some(b"v"));
    let answers = log.append(&[batch.build(Offset(0)).unwrap().into()], EPOCH, Origin::Client, 0).unwrap();
    assert_eq!(answers, [Err(Refused::Invalid(InvalidBatch::NullKeys(vec![1, 2])))]);
}

#[test]
fn rot_ends_a_compaction_and_a_damaged_index_is_made_anew_for_the_next() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    (0..12).for_each(|_| write(&mut log, &mut model, &record(b"a", Some(&[1; 900]))));
    roll(&mut log, &mut model);
    let path = |suffix| Path::new("log").join(crate::segment::file_name(Offset(0), suffix));
    let fail = |log: &mut Log| {
        let end = log.log_end();
        let mut job = log.plan_compaction(&ALWAYS, 0, end).unwrap().unwrap();
        let Some(Err(LogError::Damaged(damage))) = job.next_step() else { panic!("the damage was not seen") };
        assert!(job.next_step().is_none());
        damage
    };
    disk.damage(&path("frames"), |bytes| bytes[40] ^= 1).unwrap();
    let damage = fail(&mut log);
    assert_eq!(log.quarantine(&damage).unwrap(), [], "no batch is lost");
    disk.damage(&path("log"), |bytes| bytes[100] ^= 1).unwrap();
    let damage = fail(&mut log);
    assert_eq!(log.quarantine(&damage).unwrap(), [Offset(0)..Offset(1)]);
    let end = log.log_end();
    assert!(log.plan_compaction(&ALWAYS, 0, end).unwrap().is_none(), "not while records are missing");
    let job = log.plan_fill(Offset(0)..Offset(1), model.batches[0].1.clone()).unwrap();
    assert!(log.install_filled(job.run().unwrap()).unwrap());
    assert!(compact(&mut log, &mut model, &ALWAYS, 0).unwrap());
    check(&log, &model);
}
