//! What a log does when nothing goes wrong.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use common::LeaderEpoch;

use super::support::{DIR, Model, append, batch, check, open, options, read_all};
use crate::{
    FoundTimestamp, Log, LogError, LogOptions, Offset, Origin, ProducerId, ProducerStamp, Refused,
    ReplicaError, Retention, TimestampSpec,
    batch::{Batch, BatchBuilder, BatchRules, InvalidBatch, TimestampType},
    checkpoint::read_snapshot,
    derived::ProducerError,
    disk::{
        Disk as _,
        sim::{Random, SimDisk},
    },
    segment::file_name,
};

const EPOCH: LeaderEpoch = LeaderEpoch(3);

fn plain(timestamp_ms: i64, records: usize) -> Bytes {
    let mut builder = BatchBuilder::default();
    for record in 0..records {
        builder.record(timestamp_ms + i64::try_from(record).unwrap(), Some(b"k"), Some(&[7; 100]));
    }
    builder.build(Offset(0)).unwrap().into()
}

fn filled(disk: &SimDisk, batches: u64) -> (Log, Model) {
    let (mut log, _) = open(disk, options()).unwrap();
    let mut model = Model::default();
    for seed in 0..batches {
        append(&mut log, &[batch(seed)], EPOCH).unwrap();
        model.append(&batch(seed), EPOCH);
    }
    (log, model)
}

#[test]
fn what_is_appended_is_read_across_segments_and_after_reopening() {
    let disk = SimDisk::new();
    let (log, model) = filled(&disk, 60);
    assert!(log.segment_count() > 3);
    check(&log, &model);
    log.close().unwrap();
    let (log, recovered) = open(&disk, options()).unwrap();
    assert!(recovered.clean && recovered.scanned_bytes == 0, "{recovered:?}");
    check(&log, &model);
}

#[test]
fn a_segment_is_full_by_bytes_by_time_and_by_its_index() {
    let segments = |options: LogOptions, timestamps: &[i64]| {
        let (mut log, _) = open(&SimDisk::new(), options).unwrap();
        for timestamp_ms in timestamps {
            append(&mut log, &[plain(*timestamp_ms, 1)], LeaderEpoch(0)).unwrap();
        }
        log.segments.iter().map(|segment| segment.base.0).collect::<Vec<_>>()
    };
    let size_bytes = u32::try_from(plain(0, 1).len()).unwrap();
    let unbounded =
        LogOptions { segment_bytes: u32::MAX, segment_ms: i64::MAX, index_bytes: u32::MAX, ..options() };
    assert_eq!(segments(LogOptions { segment_bytes: 3 * size_bytes, ..unbounded }, &[0; 7]), [0, 3, 6]);
    assert_eq!(segments(LogOptions { index_bytes: 5 * 32 + 31, ..unbounded }, &[0; 11]), [0, 5, 10]);
    // A batch without a time neither begins a segment's time nor ends it.
    let timely = LogOptions { segment_ms: 100, ..unbounded };
    assert_eq!(segments(timely, &[-1, 1_000, 900, 1_100, -1, 1_101, 1_201, 1_202]), [0, 5, 7]);
}

#[test]
fn a_clean_open_makes_few_calls_and_changes_nothing() {
    let disk = SimDisk::new();
    let (log, _) = filled(&disk, 60);
    let segments = log.segment_count() as u64;
    log.close().unwrap();
    let calls = disk.calls();
    let (log, _) = open(&disk, options()).unwrap();
    assert!(
        disk.calls() - calls <= 6 + 2 * segments,
        "{} calls for {segments} segments",
        disk.calls() - calls
    );
    drop(log);
    assert!(open(&disk, options()).unwrap().1.clean, "opening alone is no change");
}

#[test]
fn a_read_inside_a_batch_gives_the_whole_batch() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    append(&mut log, &[plain(0, 5), plain(10, 5)], EPOCH).unwrap();
    for at in 0..5 {
        let read = log.plan_read(Offset(at), Offset(10), 1).unwrap().read().unwrap();
        assert_eq!((read.size_bytes(), read.next), (plain(0, 5).len(), Offset(5)));
    }
    let read = log.plan_read(Offset(2), Offset(7), 1 << 20).unwrap().read().unwrap();
    assert_eq!(read.next, Offset(5), "the second batch is not below the limit as a whole");
    let outside = log.plan_read(Offset(11), Offset(10), 1).err();
    assert!(matches!(outside, Some(LogError::OutOfRange { .. })));
    assert_eq!(log.plan_read(Offset(10), Offset(10), 1).unwrap().read().unwrap().size_bytes(), 0);
}

#[test]
fn a_read_at_the_tail_asks_no_disk() {
    let disk = SimDisk::new();
    let (mut log, _) = filled(&disk, 20);
    let end = log.log_end();
    append(&mut log, &[plain(0, 3)], EPOCH).unwrap();
    let calls = disk.calls();
    let plan = log.plan_read(end, log.log_end(), 1 << 20).unwrap();
    assert!(plan.is_ready());
    assert_eq!(plan.read().unwrap().size_bytes(), plain(0, 3).len());
    assert_eq!(disk.calls(), calls);
}

#[test]
fn file_ranges_hold_what_a_read_gives() {
    let (log, model) = filled(&SimDisk::new(), 30);
    let ranges = log.plan_read(Offset(0), log.log_end(), 1 << 20).unwrap().ranges().unwrap();
    let bytes = ranges.iter().flat_map(|range| {
        let mut bytes = vec![0; range.len];
        assert_eq!(range.file.read_at(&mut bytes, range.position).unwrap(), range.len);
        bytes
    });
    assert!(bytes.eq(model.bytes_from(Offset(0))));
}

#[test]
fn a_plan_outlives_what_happens_to_the_log() {
    let (mut log, model) = filled(&SimDisk::new(), 40);
    let plan = log.plan_read(Offset(0), log.log_end(), 2_000).unwrap();
    append(&mut log, &[batch(99)], EPOCH).unwrap();
    let read = plan.read().unwrap();
    let bytes: Vec<u8> = read.pieces.iter().flatten().copied().collect();
    assert!(model.bytes_from(Offset(0)).starts_with(&bytes) && !bytes.is_empty());
}

#[test]
fn durable_is_what_a_flush_that_began_later_covers() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    append(&mut log, &[plain(0, 2)], EPOCH).unwrap();
    let job = log.start_flush().unwrap().unwrap();
    append(&mut log, &[plain(0, 2)], EPOCH).unwrap();
    assert!(log.start_flush().unwrap().is_none(), "one at a time");
    assert_eq!(log.acknowledged(), Offset(0));
    assert_eq!(log.complete_flush(job.run()).unwrap().offset(), Offset(2));
    assert_eq!(log.flush().unwrap().offset(), Offset(4));
    assert_eq!(log.acknowledged(), Offset(4));
}

#[test]
fn a_flush_that_was_overtaken_by_a_truncation_confirms_nothing() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    append(&mut log, &[plain(0, 2), plain(0, 2)], EPOCH).unwrap();
    let job = log.start_flush().unwrap().unwrap();
    assert_eq!(log.truncate(Offset(2)).unwrap(), Offset(2));
    append(&mut log, &[plain(0, 2)], EPOCH).unwrap();
    assert_eq!(log.complete_flush(job.run()).unwrap().offset(), Offset(2));
    assert_eq!(log.shared.checkpoint.current().recovery_point, Offset(0));
}

#[test]
fn a_flush_is_one_sync_and_a_checkpoint_is_beside_it() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    append(&mut log, &[plain(0, 2)], EPOCH).unwrap();
    log.flush().unwrap();
    for _ in 0..3 {
        append(&mut log, &[plain(0, 2)], EPOCH).unwrap();
        let calls = disk.calls();
        let job = log.start_flush().unwrap().unwrap();
        log.complete_flush(job.run()).unwrap();
        assert_eq!(disk.calls(), calls + 1);
        assert!(!log.checkpoint_due());
    }
    let segments = log.segment_count();
    while log.segment_count() == segments {
        append(&mut log, &[plain(0, 2)], EPOCH).unwrap();
    }
    let job = log.start_flush().unwrap().unwrap();
    assert!(log.start_checkpoint().unwrap().is_none(), "nothing of it is durable");
    log.complete_flush(job.run()).unwrap();
    let (recovery_point, end) = (log.shared.checkpoint.current().recovery_point, log.log_end());
    let job = log.start_checkpoint().unwrap().unwrap();
    assert!(log.start_checkpoint().unwrap().is_none(), "one at a time");
    assert_eq!(log.shared.checkpoint.current().recovery_point, recovery_point);
    log.complete_checkpoint(job.run()).unwrap();
    assert_eq!(log.shared.checkpoint.current().recovery_point, end);
}

#[test]
fn every_segment_gets_its_snapshot_whatever_comes_between() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let grow = |log: &mut Log| {
        let segments = log.segment_count();
        while log.segment_count() == segments {
            append(log, &[plain(0, 2)], EPOCH).unwrap();
        }
        let job = log.start_flush().unwrap().unwrap();
        log.complete_flush(job.run()).unwrap();
    };
    grow(&mut log);
    let overtaken = log.start_checkpoint().unwrap().unwrap();
    grow(&mut log);
    log.complete_checkpoint(overtaken.run()).unwrap();
    grow(&mut log);
    let void = log.start_checkpoint().unwrap().unwrap();
    let end = log.log_end();
    assert_eq!(log.truncate(Offset(end.0 - 1)).unwrap(), Offset(end.0 - 2));
    log.complete_checkpoint(void.run()).unwrap();
    grow(&mut log);
    let last = log.start_checkpoint().unwrap().unwrap();
    log.complete_checkpoint(last.run()).unwrap();
    for segment in &log.segments[1..] {
        let path = Path::new(DIR).join(file_name(segment.base, "snapshot"));
        assert!(read_snapshot(&log.files, &path).unwrap().is_some(), "{}", path.display());
    }
}

#[test]
fn jobs_of_a_log_that_was_opened_anew_change_nothing() {
    let disk = SimDisk::new();
    let (mut old, _) = open(&disk, options()).unwrap();
    while old.segment_count() < 3 {
        append(&mut old, &[plain(0, 2)], EPOCH).unwrap();
    }
    let flush = old.start_flush().unwrap().unwrap();
    old.complete_flush(flush.run()).unwrap();
    let checkpoint = old.start_checkpoint().unwrap().unwrap();
    append(&mut old, &[plain(0, 2)], EPOCH).unwrap();
    let flush = old.start_flush().unwrap().unwrap();
    old.forget_jobs();
    let (mut log, _) = open(&disk, options()).unwrap();
    log.truncate(Offset(2)).unwrap();
    append(&mut log, &[plain(0, 2)], EPOCH).unwrap();
    let theirs = log.start_flush().unwrap().unwrap();
    assert_eq!(log.complete_flush(flush.run()).unwrap().offset(), Offset(2));
    log.complete_checkpoint(checkpoint.run()).unwrap();
    assert_eq!(log.shared.checkpoint.current().recovery_point, Offset(2));
    assert_eq!(log.complete_flush(theirs.run()).unwrap().offset(), Offset(4));
    drop(log);
    let (log, _) = open(&disk, options()).unwrap();
    assert_eq!(log.log_end(), Offset(4));
}

#[test]
fn each_batch_is_judged_by_itself() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    let stamp = ProducerStamp { id: ProducerId(1), epoch: 0, base_sequence: 0 };
    let numbered = |base_sequence| {
        let stamp = ProducerStamp { base_sequence, ..stamp };
        Bytes::from(BatchBuilder::default().producer(stamp).record(0, None, None).build(Offset(0)).unwrap())
    };
    let batches = [numbered(0), plain(0, 1).slice(..70), numbered(1), numbered(0), numbered(7)];
    let answers = log.append(&batches, EPOCH, Origin::Client, 0).unwrap();
    let offsets: Vec<_> =
        answers.iter().flatten().map(|appended| (appended.base_offset.0, appended.duplicate)).collect();
    assert_eq!(offsets, [(0, false), (1, false), (0, true)]);
    assert!(matches!(answers[1], Err(Refused::Invalid(InvalidBatch::Corrupt(_)))));
    assert!(matches!(answers[4], Err(Refused::Producer(ProducerError::OutOfOrder { .. }))));
    let old = log.append(&[plain(0, 1)], LeaderEpoch(2), Origin::Client, 0).unwrap();
    assert_eq!(old[0], Err(Refused::OldEpoch { epoch: LeaderEpoch(2), latest: EPOCH }));
}

#[test]
fn log_append_time_is_set_with_a_crc_that_fits() {
    let rules = BatchRules { timestamp_type: TimestampType::LogAppendTime, ..BatchRules::default() };
    let (mut log, _) = open(&SimDisk::new(), crate::LogOptions { rules, ..options() }).unwrap();
    let answers = log.append(&[plain(5, 3)], EPOCH, Origin::Client, 777).unwrap();
    assert_eq!(answers[0].as_ref().unwrap().log_append_time_ms, 777);
    let bytes = read_all(&log, Offset(0), 1).unwrap();
    let (stored, _) = crate::batch::Batch::split_first(&bytes).unwrap();
    stored.check_crc().unwrap();
    let payload = stored.payload(1 << 20).unwrap();
    assert!(payload.records().all(|record| record.unwrap().timestamp_ms == 777));
}

#[test]
fn a_follower_stores_what_the_leader_stored() {
    let (leader, model) = filled(&SimDisk::new(), 30);
    let (mut follower, _) = open(&SimDisk::new(), options()).unwrap();
    let bytes = Bytes::from(model.bytes_from(Offset(0)));
    follower.append_replicated(&bytes.slice(..bytes.len() / 2)).unwrap();
    assert!(
        follower.log_end() > Offset(0) && follower.log_end() < leader.log_end(),
        "the cut batch is left out"
    );
    let rest = leader.plan_read(follower.log_end(), leader.log_end(), usize::MAX).unwrap().read().unwrap();
    let rest: Bytes = rest.pieces.concat().into();
    follower.append_replicated(&rest).unwrap();
    check(&follower, &model);
    assert!(matches!(follower.append_replicated(&rest), Err(ReplicaError::NotNext { .. })));
}

/// Where records were deleted, a leader's log may start within a batch, and whoever begins to follow it there gets that batch.
#[test]
fn an_empty_log_begins_with_the_batch_that_its_start_lies_within() {
    let disk = SimDisk::new();
    let (mut leader, _) = open(&SimDisk::new(), options()).unwrap();
    append(&mut leader, &[plain(0, 4), plain(9, 5)], EPOCH).unwrap();
    let stored = Bytes::from(read_all(&leader, Offset(0), usize::MAX).unwrap());
    let (mut follower, _) = open(&disk, options()).unwrap();
    follower.reset(Offset(3)).unwrap();
    let first_bytes = Batch::split_first(&stored).unwrap().0.bytes().len();
    let end = follower.append_replicated(&stored.slice(first_bytes..)).unwrap();
    assert_eq!((end, follower.log_start()), (Offset(9), Offset(3)), "a gap is no reason to begin elsewhere");
    let behind = follower.append_replicated(&stored);
    assert!(matches!(behind, Err(ReplicaError::NotNext { .. })), "only an empty log may begin anew");

    follower.reset(Offset(3)).unwrap();
    assert_eq!(follower.append_replicated(&stored).unwrap(), Offset(9));
    assert_eq!(follower.log_start(), Offset(0));
    follower.start_at(Offset(3), 1).unwrap();
    follower.close().unwrap();
    let (follower, _) = open(&disk, options()).unwrap();
    assert_eq!((follower.log_start(), follower.log_end()), (Offset(3), Offset(9)));
    assert_eq!(read_all(&follower, Offset(3), usize::MAX).unwrap(), stored);

    let (mut before, _) = open(&SimDisk::new(), options()).unwrap();
    before.reset(Offset(9)).unwrap();
    assert!(matches!(before.append_replicated(&stored), Err(ReplicaError::NotNext { .. })));
}

#[test]
fn timestamps_are_found_to_the_record() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    for at in [100, 300, 200, 500, 400] {
        append(&mut log, &[plain(at, 5), plain(at + 50, 5)], EPOCH).unwrap();
    }
    log.release_memory();
    let find = |spec, limit| {
        let found = log.plan_timestamp(spec, Offset(limit)).find().unwrap();
        found.map(|FoundTimestamp { offset, timestamp_ms, .. }| (offset.0, timestamp_ms))
    };
    assert_eq!(find(TimestampSpec::At(0), 50), Some((0, 100)));
    assert_eq!(find(TimestampSpec::At(103), 50), Some((3, 103)));
    assert_eq!(find(TimestampSpec::At(105), 50), Some((5, 150)));
    assert_eq!(find(TimestampSpec::At(200), 50), Some((10, 300)), "the first in the log, not in time");
    assert_eq!(find(TimestampSpec::At(500), 50), Some((30, 500)));
    assert_eq!(find(TimestampSpec::At(555), 50), None);
    assert_eq!(find(TimestampSpec::At(500), 30), None, "not below the limit");
    assert_eq!(find(TimestampSpec::Max, 50), Some((39, 554)), "the record, not the end of its batch");
    assert_eq!(find(TimestampSpec::Max, 30), Some((19, 354)));
    assert_eq!(find(TimestampSpec::Max, 0), None);
}

#[test]
fn every_time_is_found_as_by_looking_at_every_record() {
    let mut random = Random::new(3);
    for _ in 0..4 {
        let (mut log, mut model) = (open(&SimDisk::new(), options()).unwrap().0, Model::default());
        for _ in 0..60 {
            let batch = batch(random.next_u64());
            append(&mut log, std::slice::from_ref(&batch), EPOCH).unwrap();
            model.append(&batch, EPOCH);
        }
        log.release_memory();
        for percent in [0, 3, 30, 31, 60] {
            log.start_at(Offset(log.log_end().0 * percent / 100), 9).unwrap();
            for (range, _) in model.batches.iter().step_by(7).filter(|(range, _)| range.end > log.log_start())
            {
                let limit = range.end;
                let batches = model.batches.iter().filter(|(range, _)| range.end <= limit);
                let readable: Vec<_> = batches
                    .flat_map(|(_, bytes)| times(bytes))
                    .filter(|(offset, _)| *offset >= log.log_start())
                    .collect();
                let find = |spec| {
                    let found = log.plan_timestamp(spec, limit).find().unwrap();
                    found.map(|found| (found.offset, found.timestamp_ms))
                };
                let max = readable.iter().map(|(_, time)| *time).max();
                let first_since = |time| readable.iter().find(|(_, at)| *at >= time).copied();
                assert_eq!(find(TimestampSpec::Max), max.and_then(first_since));
                for time in (900..6_300).step_by(450) {
                    assert_eq!(find(TimestampSpec::At(time)), first_since(time), "{time}");
                }
            }
        }
    }
}

/// Offset and time of each record.
fn times(bytes: &[u8]) -> Vec<(Offset, i64)> {
    let (batch, _) = Batch::split_first(bytes).unwrap();
    let payload = batch.payload(1 << 20).unwrap();
    payload
        .records()
        .map(|record| record.map(|record| (record.offset, record.timestamp_ms)).unwrap())
        .collect()
}

#[test]
fn the_log_start_moves_at_once_and_segments_follow() {
    let disk = SimDisk::new();
    let (mut log, mut model) = filled(&disk, 60);
    let (start, segments) = (log.segments[2].base + 1, log.segment_count());
    log.start_at(start, 1).unwrap();
    assert_eq!((log.log_start(), log.segment_count()), (start, segments - 1), "one segment per pass");
    log.start_at(start, 9).unwrap();
    assert_eq!(log.segment_count(), segments - 2);
    model.start = start;
    check(&log, &model);
    disk.reboot(1);
    let (log, _) = open(&disk, options()).unwrap();
    assert_eq!(log.log_start(), log.log_start().max(start), "a log start that was told is never taken back");
}

#[test]
fn retention_deletes_what_is_old_or_too_much_and_replicated() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    for hour in 0..100 {
        append(&mut log, &[plain(hour * 3_600_000, 5)], EPOCH).unwrap();
    }
    let now_ms = 100 * 3_600_000;
    let end = log.log_end();
    let by_age =
        Retention { max_age_ms: Some(50 * 3_600_000), max_bytes: None, segments_per_pass: usize::MAX };
    assert_eq!(log.retain(&by_age, None, end).unwrap(), 0, "a clock that is not believed deletes nothing");
    assert_eq!(log.retain(&by_age, Some(now_ms), Offset(0)).unwrap(), 0, "what is not replicated stays");
    assert!(log.retain(&by_age, Some(now_ms), end).unwrap() > 0);
    let oldest = log.segments[0].max_timestamp_ms;
    assert!(now_ms - oldest <= 50 * 3_600_000);
    let by_size = Retention { max_age_ms: None, max_bytes: Some(9_000), segments_per_pass: 1 };
    assert_eq!(log.retain(&by_size, Some(now_ms), end).unwrap(), 1, "the budget");
    while log.retain(&by_size, Some(now_ms), end).unwrap() > 0 {}
    assert!((9_000..13_000).contains(&log.size_bytes()));
    log.retain(&Retention { max_bytes: Some(0), ..by_age }, Some(now_ms), end).unwrap();
    assert_eq!((log.size_bytes(), log.log_start(), log.log_end()), (0, end, end));
    append(&mut log, &[plain(0, 1)], EPOCH).unwrap();
    assert_eq!(log.log_end(), end + 1);
}

#[test]
fn files_of_deleted_segments_stay_as_long_as_they_are_to() {
    let disk = SimDisk::new();
    let set_aside = || {
        let files = disk.list(Path::new(DIR)).unwrap();
        files.into_iter().filter(|file| file.name.ends_with(".deleted")).count()
    };
    let options = LogOptions { file_delete_delay_ms: 1_000, ..options() };
    let (mut log, _) = open(&disk, options.clone()).unwrap();
    for hour in 0..100 {
        append(&mut log, &[plain(hour * 3_600_000, 5)], EPOCH).unwrap();
    }
    let all = Retention { max_age_ms: None, max_bytes: Some(0), segments_per_pass: 3 };
    let end = log.log_end();
    assert_eq!(log.retain(&all, None, end).unwrap(), 3);
    assert_eq!(set_aside(), 6, "the batches and the index of each");
    log.remove_deleted(5_000, 9).unwrap();
    log.remove_deleted(5_999, 9).unwrap();
    assert_eq!(set_aside(), 6);
    assert_eq!(log.retain(&all, None, end).unwrap(), 3);
    log.remove_deleted(6_000, 4).unwrap();
    assert_eq!(set_aside(), 8, "a few at a time, and those that came later stay");
    log.remove_deleted(7_000, 99).unwrap();
    assert_eq!(set_aside(), 0);
    log.retain(&all, None, end).unwrap();
    assert!(set_aside() > 0);
    drop(log);
    disk.reboot(1);
    let (log, recovered) = open(&disk, options).unwrap();
    assert_eq!((set_aside(), recovered.damage), (0, vec![]));
    assert_eq!(log.log_end(), end);
}

#[test]
fn records_without_a_time_do_not_expire() {
    let (mut log, _) = open(&SimDisk::new(), options()).unwrap();
    for _ in 0..20 {
        let mut builder = BatchBuilder::default();
        let batch = builder.record(-1, None, Some(&[1; 900])).build(Offset(0)).unwrap();
        append(&mut log, &[batch.into()], EPOCH).unwrap();
    }
    let by_age = Retention { max_age_ms: Some(1), max_bytes: None, segments_per_pass: 9 };
    let end = log.log_end();
    assert_eq!(log.retain(&by_age, Some(1 << 40), end).unwrap(), 0);
}

#[test]
fn a_reset_log_begins_where_it_is_told() {
    let disk = SimDisk::new();
    let (mut log, _) = filled(&disk, 40);
    log.reset(Offset(1_000)).unwrap();
    assert_eq!((log.log_start(), log.log_end(), log.latest_epoch()), (Offset(1_000), Offset(1_000), None));
    append(&mut log, &[plain(0, 3)], EPOCH).unwrap();
    log.flush().unwrap();
    disk.reboot(5);
    let (log, recovered) = open(&disk, options()).unwrap();
    assert_eq!((log.log_start(), log.log_end()), (Offset(1_000), Offset(1_003)), "{recovered:?}");
}

#[test]
fn an_idle_log_keeps_no_file_open_and_little_memory() {
    let disk = SimDisk::new();
    let files = Arc::new(crate::Files::new(Arc::new(disk), 64));
    let (mut log, _) = Log::open(std::path::Path::new(DIR), Arc::clone(&files), options()).unwrap();
    for seed in 0..50 {
        append(&mut log, &[batch(seed)], EPOCH).unwrap();
    }
    log.flush().unwrap();
    let last = log.log_end() + -1;
    let is_busy = |log: &Log| {
        let in_memory = log.plan_read(last, log.log_end(), 1).unwrap().is_ready();
        assert_eq!(log.active.is_some(), in_memory);
        in_memory
    };
    for (now_ms, busy) in [(5, true), (1_004, true), (1_005, false), (1_006, false)] {
        log.release_if_idle(now_ms, 1_000);
        assert_eq!(is_busy(&log), busy, "at {now_ms}");
    }
    append(&mut log, &[plain(0, 1)], EPOCH).unwrap();
    log.release_if_idle(3_000, 1_000);
    assert!(log.active.is_some(), "it was not idle");
}
