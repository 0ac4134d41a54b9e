//! Bits that flip while nobody looks: always noticed, never served.

use std::path::Path;

use common::LeaderEpoch;

use super::support::{DIR, Model, append, batch, check, open, options, read_all};
use crate::{
    Log, LogError, Offset,
    batch::{Batch, HEADER_BYTES},
    disk::{Disk, sim::SimDisk},
};

/// A log of a few segments, closed or killed.
pub(super) fn life(clean: bool) -> (SimDisk, Model) {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    for seed in 0..24 {
        append(&mut log, &[batch(seed)], LeaderEpoch(1)).unwrap();
        model.append(&batch(seed), LeaderEpoch(1));
    }
    log.flush().unwrap();
    if clean {
        log.close().unwrap();
    }
    (disk, model)
}

/// Reads on behind damage. Every byte that is served must be the right one.
fn served(log: &Log, model: &Model) -> (usize, usize) {
    let (mut batches, mut damaged) = (0, 0);
    for (range, bytes) in &model.batches {
        if range.end > log.log_end() {
            continue;
        }
        match log.plan_read(range.start, range.end, 1).and_then(|plan| plan.read()) {
            Ok(read) => {
                assert!(read.pieces.concat() == bytes[..], "altered bytes were served at {}", range.start);
                batches += 1;
            }
            Err(LogError::Damaged(damage)) => {
                assert!(damage.range.contains(&range.start), "{damage} does not cover {range:?}");
                damaged += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (batches, damaged)
}

#[test]
fn a_flipped_bit_in_any_file_is_noticed_and_costs_one_batch_at_most() {
    for clean in [true, false] {
        let (disk, model) = life(clean);
        let files = disk.list(Path::new(DIR)).unwrap();
        for file in &files {
            let path = Path::new(DIR).join(&file.name);
            let positions = (0..file.size).filter(|at| at % 97 < 3 || *at < 130 || file.size - at < 40);
            for at in positions {
                let disk = disk.fork();
                let at = usize::try_from(at).unwrap();
                disk.damage(&path, |bytes| bytes[at] ^= 1 << (at % 8)).unwrap();
                let (log, _) = open(&disk, options()).unwrap();
                let (good, damaged) = served(&log, &model);
                assert_eq!(log.log_end(), model.end, "{} at {at}: {clean}", file.name);
                let cost = usize::from(file.name.ends_with(".log"));
                assert_eq!((good, damaged), (model.batches.len() - cost, cost), "{} at {at}", file.name);
            }
        }
    }
}

#[test]
fn a_lost_index_or_checkpoint_is_made_anew() {
    for suffix in ["frames", "snapshot", "checkpoint"] {
        for clean in [true, false] {
            let (disk, model) = life(clean);
            for file in disk.list(Path::new(DIR)).unwrap() {
                if file.name.ends_with(suffix) {
                    disk.remove(&Path::new(DIR).join(&file.name)).unwrap();
                }
            }
            let (log, recovered) = open(&disk, options()).unwrap();
            assert_eq!(recovered.damage, []);
            check(&log, &model);
        }
    }
}

#[test]
fn rot_in_what_was_durable_is_not_taken_for_a_torn_tail() {
    let (disk, model) = life(false);
    let last =
        disk.list(Path::new(DIR)).unwrap().into_iter().rfind(|file| file.name.ends_with(".log")).unwrap();
    let path = Path::new(DIR).join(&last.name);
    disk.damage(&path, |bytes| bytes[70] ^= 1).unwrap();
    // Something unsynced behind it, so that the log has to be scanned.
    let (mut log, _) = open(&disk, options()).unwrap();
    append(&mut log, &[batch(77)], LeaderEpoch(1)).unwrap();
    drop(log);
    let (log, _) = open(&disk, options()).unwrap();
    assert!(log.log_end() > model.end);
    let (good, damaged) = served(&log, &model);
    assert_eq!((good, damaged), (model.batches.len() - 1, 1));
}

#[test]
fn a_file_that_lost_its_end_is_reported_and_offsets_are_not_used_again() {
    let (disk, model) = life(true);
    let last =
        disk.list(Path::new(DIR)).unwrap().into_iter().rfind(|file| file.name.ends_with(".log")).unwrap();
    let path = Path::new(DIR).join(&last.name);
    disk.damage(&path, |bytes| bytes.truncate(bytes.len() - 1)).unwrap();
    let (mut log, recovered) = open(&disk, options()).unwrap();
    let lost = model.batches.last().unwrap().0.clone();
    assert_eq!(recovered.damage[0].range, lost);
    assert_eq!((log.log_end(), log.missing()), (model.end, &[lost.clone()][..]));
    append(&mut log, &[batch(5)], LeaderEpoch(1)).unwrap();
    log.close().unwrap();
    let (log, recovered) = open(&disk, options()).unwrap();
    assert!(recovered.clean);
    assert_eq!(log.missing(), std::slice::from_ref(&lost), "it stays missing until it is fetched");
    assert!(matches!(read_all(&log, lost.start, 1), Err(LogError::Damaged(_))));
    assert!(read_all(&log, model.end, 1).is_ok());
    assert!(read_all(&log, Offset(0), 1).is_err(), "a hole is not skipped in silence");
}

#[test]
fn a_scrub_finds_rot_that_nobody_has_read() {
    let (disk, model) = life(true);
    let (log, _) = open(&disk, options()).unwrap();
    let scrub = |max_bytes| {
        let (mut from, mut bytes, mut damages, mut indexes) = (Offset(0), 0, Vec::new(), Vec::new());
        while let Some(piece) = log.plan_scrub(from, max_bytes) {
            let scrubbed = piece.run().unwrap();
            assert!(scrubbed.next > from, "it goes on");
            (from, bytes) = (scrubbed.next, bytes + scrubbed.bytes as u64);
            damages.extend(scrubbed.damages.into_iter().map(|damage| damage.range));
            indexes.extend(scrubbed.damaged_index);
        }
        assert_eq!(from, log.log_end());
        (bytes, damages, indexes)
    };
    let whole = log.size_bytes();
    for max_bytes in [1, 500, 1 << 20] {
        assert_eq!(scrub(max_bytes), (whole, vec![], vec![]), "{max_bytes} bytes at a time");
    }
    let path = Path::new(DIR).join(crate::segment::file_name(Offset(0), "log"));
    disk.damage(&path, |bytes| bytes[100] ^= 1).unwrap();
    let lost = vec![model.batches[0].0.clone()];
    for max_bytes in [1, 500, 1 << 20] {
        assert_eq!(scrub(max_bytes), (whole, lost.clone(), vec![]));
    }
    disk.damage(&path, |bytes| bytes[100] ^= 1).unwrap();
    let path = Path::new(DIR).join(crate::segment::file_name(Offset(0), "frames"));
    disk.damage(&path, |bytes| bytes[5] ^= 1).unwrap();
    assert_eq!(scrub(1 << 20), (whole, vec![], vec![Offset(0)]));
}

/// Kafka's CRC does not cover the base offset: without an index, a batch may claim any.
#[test]
fn a_batch_that_reaches_into_the_next_segment_is_damage() {
    let (whole, model) = life(false);
    let (log, _) = open(&whole, options()).unwrap();
    let (first, second) = (log.segments[0].clone(), log.segments[1].base);
    let last = first.frame_count() - 1;
    let at = usize::try_from(first.frame(&log.files, last).unwrap().position).unwrap();
    let lost = model.batches[usize::try_from(last).unwrap()].0.clone();
    drop(log);
    let across = second + (1 - (lost.end - lost.start));
    for (claimed, with_checkpoint) in [(second, true), (second, false), (across, true), (across, false)] {
        let disk = whole.fork();
        for file in disk.list(Path::new(DIR)).unwrap() {
            let index = file.name == crate::segment::file_name(Offset(0), "frames");
            if index || (!with_checkpoint && !file.name.ends_with("log") && !file.name.ends_with("frames")) {
                disk.remove(&Path::new(DIR).join(&file.name)).unwrap();
            }
        }
        disk.damage(&first.log_path(), |bytes| bytes[at..at + 8].copy_from_slice(&claimed.0.to_be_bytes()))
            .unwrap();
        let (log, recovered) = open(&disk, options()).unwrap();
        assert_eq!(recovered.damage.len(), 1, "{recovered:?}");
        assert_eq!((log.missing(), log.log_end()), (std::slice::from_ref(&lost), model.end));
        assert_eq!(served(&log, &model), (model.batches.len() - 1, 1));
        let read = log.plan_read(Offset(0), log.log_end(), 1 << 20).unwrap().read().unwrap();
        assert_eq!(read.next, lost.start);
    }
}

#[test]
fn offsets_whose_file_is_gone_are_missing() {
    for clean in [true, false] {
        let (whole, model) = life(clean);
        let names: Vec<_> = whole.list(Path::new(DIR)).unwrap().into_iter().map(|file| file.name).collect();
        let logs: Vec<_> = names.iter().filter(|name| name.ends_with(".log")).collect();
        assert!(logs.len() > 3);
        for count in [1, 2, logs.len()] {
            for gone in logs.windows(count) {
                let disk = whole.fork();
                for name in gone {
                    disk.remove(&Path::new(DIR).join(name)).unwrap();
                }
                let (mut log, recovered) = open(&disk, options()).unwrap();
                assert!(!recovered.clean && !recovered.damage.is_empty(), "without {gone:?}");
                assert_eq!((log.log_start(), log.log_end()), (Offset(0), model.end), "without {gone:?}");
                let (good, damaged) = served(&log, &model);
                assert_eq!(good + damaged, model.batches.len());
                assert!(damaged > 0, "without {gone:?}");
                append(&mut log, &[batch(99)], LeaderEpoch(1)).unwrap();
                log.close().unwrap();
                let (log, recovered) = open(&disk, options()).unwrap();
                assert!(recovered.clean, "it was noted: {recovered:?}");
                assert_eq!(served(&log, &model), (good, damaged));
            }
        }
    }
}

/// What a follower fetches from a compacted leader has gaps; none of them is taken for a file that is gone.
#[test]
fn gaps_within_what_was_fetched_are_no_damage() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut end = Offset(0);
    for seed in 0..24 {
        let bytes = batch(seed);
        let (parsed, _) = Batch::split_first(&bytes).unwrap();
        let mut header = *parsed.header();
        (header.base_offset, header.leader_epoch) = (end + 7, LeaderEpoch(1));
        end = header.next_offset();
        let stored = [&header.encode()[..], &bytes[HEADER_BYTES..]].concat();
        log.append_replicated(&stored.into()).unwrap();
    }
    assert!(log.segment_count() > 3);
    log.flush().unwrap();
    drop(log);
    for name in [None, Some("checkpoint")] {
        if let Some(name) = name {
            disk.remove(&Path::new(DIR).join(name)).unwrap();
        }
        let (log, recovered) = open(&disk, options()).unwrap();
        assert_eq!((recovered.damage, log.missing(), log.log_end()), (Vec::new(), &[][..], end));
    }
}
