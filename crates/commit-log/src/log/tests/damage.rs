//! Bits that flip while nobody looks: always noticed, never served.

use std::path::Path;

use common::LeaderEpoch;

use super::support::{DIR, Model, append, batch, check, open, options, read_all};
use crate::{
    Log, LogError, Offset,
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
    let path = Path::new(DIR).join(crate::segment::file_name(Offset(0), "log"));
    let scrub = || log.plan_scrub().flat_map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(scrub(), []);
    disk.damage(&path, |bytes| bytes[100] ^= 1).unwrap();
    assert_eq!(scrub()[0].range, model.batches[0].0);
}
