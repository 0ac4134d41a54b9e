//! Looking at a directory: it says what is there and what is wrong, and changes nothing.

use std::{path::Path, sync::Arc};

use common::{LeaderEpoch, Offset};

use super::{
    damage::life,
    support::{DIR, Model, append, batch, open, options},
};
use crate::{
    disk::{Disk, read_exact_at, sim::SimDisk},
    inspect::{CheckpointState, FindingKind, Found, FrameState, IndexState, Inspector},
    segment::file_name,
};

fn inspector(disk: &SimDisk) -> Inspector {
    Inspector::on(Arc::new(disk.clone()), Path::new(DIR))
}

fn bytes_of(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    let files = disk.list(Path::new(DIR)).unwrap().into_iter();
    let read = |name: &str, size| {
        let file = disk.open(&Path::new(DIR).join(name)).unwrap();
        read_exact_at(&*file, 0, usize::try_from(size).unwrap()).unwrap()
    };
    files.map(|file| (file.name.clone(), read(&file.name, file.size))).collect()
}

fn damage(disk: &SimDisk, name: &str, at: usize) {
    disk.damage(&Path::new(DIR).join(name), |bytes| bytes[at] ^= 1 << (at % 8)).unwrap();
}

#[test]
fn a_closed_log_is_told_as_it_is() {
    let (disk, model) = life(true);
    let seen = inspector(&disk).look().unwrap();
    assert_eq!(seen.checkpoint.state, CheckpointState::Clean);
    assert_eq!((seen.checkpoint.log_start, seen.checkpoint.recovery_point), (Offset(0), model.end));
    assert!(seen.segments.len() > 2);
    assert!(seen.segments.iter().all(|segment| segment.index == IndexState::Good));
    let batches = seen.segments.iter().map(|segment| usize::try_from(segment.indexed_batches).unwrap());
    assert_eq!(batches.sum::<usize>(), model.batches.len());
    assert!(seen.recovery.clean);
    assert_eq!(seen.recovery.log_end, model.end);
    let (log, _) = open(&disk, options()).unwrap();
    assert_eq!(seen.knowledge.producers, log.producers());
    assert!(!seen.knowledge.producers.is_empty());
    assert_eq!(seen.knowledge.leader_epochs[0].epoch, LeaderEpoch(1));

    let verified = inspector(&disk).verify().unwrap();
    assert!(verified.sound && verified.findings.is_empty(), "{verified:?}");
    assert_eq!(
        verified.segments.iter().map(|segment| segment.batches).sum::<u64>(),
        model.batches.len() as u64
    );
    let bytes: usize = model.batches.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(verified.segments.iter().map(|segment| segment.good_bytes).sum::<u64>(), bytes as u64);
}

#[test]
fn every_flipped_bit_is_found_and_nothing_is_changed() {
    let (disk, _) = life(true);
    for (name, bytes) in bytes_of(&disk) {
        for at in (0..bytes.len()).filter(|at| at % 97 < 3 || bytes.len() - at < 40) {
            let disk = disk.fork();
            damage(&disk, &name, at);
            let before = bytes_of(&disk);
            let seen = inspector(&disk).verify().unwrap();
            assert!(!seen.sound, "{name} at {at}");
            let wanted = match name.rsplit_once('.') {
                Some((_, "log")) => FindingKind::Batches,
                Some((_, "frames")) => FindingKind::Index,
                Some((_, "snapshot")) => FindingKind::Snapshot,
                _ => FindingKind::Checkpoint,
            };
            assert_eq!(seen.findings[0].kind, wanted, "{name} at {at}: {:?}", seen.findings);
            assert!(bytes_of(&disk) == before, "{name} at {at}: looking changed something");
        }
    }
}

#[test]
fn one_bad_batch_is_named_and_all_others_are_counted() {
    let (disk, model) = life(true);
    damage(&disk, &file_name(Offset(0), "log"), 14);
    let seen = inspector(&disk).verify().unwrap();
    assert_eq!(seen.findings.len(), 1);
    let found = &seen.findings[0];
    assert_eq!(
        found.offsets,
        Some(model.batches[0].0.clone()),
        "the leader epoch, which no CRC of Kafka's covers"
    );
    assert!(found.to_string().starts_with("damage: 00000000000000000000.log: offsets 0 to "), "{found}");
    assert_eq!(
        seen.segments.iter().map(|segment| segment.batches).sum::<u64>(),
        model.batches.len() as u64 - 1
    );
}

#[test]
fn a_log_in_use_is_no_damaged_one() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    assert!(inspector(&disk).verify().unwrap().sound, "a new one");
    for seed in 0..24 {
        append(&mut log, &[batch(seed)], LeaderEpoch(1)).unwrap();
        if seed % 5 == 1 {
            log.flush().unwrap();
        }
        let before = bytes_of(&disk);
        let seen = inspector(&disk).verify().unwrap();
        assert!(seen.sound, "{seen:?}");
        assert!(seen.log_end >= log.durable().offset() && seen.log_end <= log.log_end(), "{seen:?}");
        assert!(bytes_of(&disk) == before);
    }
    let seen = inspector(&disk).look().unwrap();
    assert_eq!(seen.checkpoint.state, CheckpointState::Open);
    assert!(seen.recovery.scanned_bytes > 0);
}

#[test]
fn a_directory_without_a_log_is_sound_and_none_at_all_is_an_error() {
    let disk = SimDisk::new();
    assert!(inspector(&disk).verify().is_err());
    disk.create_dir(Path::new(DIR)).unwrap();
    disk.create(&Path::new(DIR).join("partition.metadata")).unwrap();
    let seen = inspector(&disk).verify().unwrap();
    assert!(seen.sound && seen.segments.is_empty());
    assert_eq!(inspector(&disk).batches(Offset(0)).unwrap().count(), 0);
}

fn found_of(disk: &SimDisk, from: Offset) -> Vec<Found> {
    inspector(disk).batches(from).unwrap().map(Result::unwrap).collect()
}

fn assert_is(found: &Found, model: &Model, index: usize, frame: FrameState) {
    let Found::Batch(batch) = found else { panic!("{found:?}") };
    assert!(batch.bytes == model.batches[index].1, "batch {index}");
    assert_eq!((batch.header.base_offset, batch.frame), (model.batches[index].0.start, frame));
}

#[test]
fn batches_are_walked_from_any_offset() {
    let (disk, model) = life(true);
    for (index, (range, _)) in model.batches.iter().enumerate() {
        for from in range.start.0..range.end.0 {
            let found = found_of(&disk, Offset(from));
            assert_eq!(found.len(), model.batches.len() - index);
            assert_is(&found[0], &model, index, FrameState::Agrees);
        }
    }
    assert_eq!(found_of(&disk, model.end), []);
    assert_eq!(found_of(&disk, Offset(i64::MAX)), []);
}

#[test]
fn damage_is_stepped_over_where_the_index_knows_how() {
    let (disk, model) = life(true);
    let name = file_name(Offset(0), "log");
    let (first, second) = (model.batches[0].1.len(), model.batches[1].1.len());
    // Inside the second batch's records, or its magic; and the leader epoch of the third.
    damage(&disk, &name, first + 16);
    damage(&disk, &name, first + second + 14);
    let found = found_of(&disk, Offset(0));
    assert_eq!(found.len(), model.batches.len());
    assert_is(&found[0], &model, 0, FrameState::Agrees);
    let Found::Bad(bad) = &found[1] else { panic!("{found:?}") };
    assert_eq!((bad.position, bad.len), (first as u64, second as u64));
    let Found::Batch(altered) = &found[2] else { panic!("{found:?}") };
    assert_eq!(altered.frame, FrameState::Disagrees);
    assert_is(&found[3], &model, 3, FrameState::Agrees);

    disk.remove(&Path::new(DIR).join(file_name(Offset(0), "frames"))).unwrap();
    let found = found_of(&disk, Offset(0));
    assert_is(&found[0], &model, 0, FrameState::Missing);
    let Found::Bad(bad) = &found[1] else { panic!("{found:?}") };
    let size = bytes_of(&disk).into_iter().find(|file| file.0 == name).unwrap().1.len();
    assert_eq!(
        bad.position + bad.len,
        size as u64,
        "without an index nobody knows where the next one begins"
    );
    assert!(found.len() > 2, "the next segment is walked all the same");
}
