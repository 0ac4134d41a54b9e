//! Rot that is found while the log is open, and what a peer has put in its place; with crashes and errors at every call.

use std::{ops::Range, path::Path};

use bytes::Bytes;
use common::LeaderEpoch;

use super::support::{DIR, Model, append, batch, check, open, options, read_all};
use crate::{
    FillError, Log, LogError, Offset,
    disk::{
        Disk,
        sim::{Fault, SimDisk},
    },
    segment::file_name,
};

const EPOCH: LeaderEpoch = LeaderEpoch(1);

fn filled() -> (SimDisk, Log, Model) {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    for seed in 0..24 {
        append(&mut log, &[batch(seed)], EPOCH).unwrap();
        model.append(&batch(seed), EPOCH);
    }
    log.flush().unwrap();
    (disk, log, model)
}

/// Alters a batch on disk.
pub(super) fn rot(disk: &SimDisk, log: &Log, range: &Range<Offset>) {
    let segment = &log.segments[log.segment_of(range.start)];
    let frame = segment.frame(&log.files, segment.find_offset(&log.files, range.start).unwrap()).unwrap();
    let path = Path::new(DIR).join(file_name(segment.base, "log"));
    disk.damage(&path, |bytes| bytes[frame.position as usize + 70] ^= 4).unwrap();
}

/// What a peer has of the missing offsets.
fn of_peer(model: &Model, range: &Range<Offset>) -> Bytes {
    let within =
        model.batches.iter().filter(|(batch, _)| batch.start >= range.start && batch.end <= range.end);
    within.flat_map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>().into()
}

pub(super) fn scrub(log: &mut Log) -> Result<(), LogError> {
    let mut from = Offset(0);
    while let Some(piece) = log.plan_scrub(from, 300) {
        let scrubbed = piece.run()?;
        assert!(scrubbed.next > from, "it goes on");
        from = scrubbed.next;
        for damage in scrubbed.damages {
            log.quarantine(&damage)?;
        }
    }
    Ok(())
}

/// Fills everything that is missing, some batches at a time.
pub(super) fn refill(log: &mut Log, model: &Model) -> Result<(), LogError> {
    while let Some(missing) = log.missing().first().cloned() {
        let in_it = model.batches.iter().filter(|(batch, _)| missing.contains(&batch.start));
        let range = missing.start..in_it.map(|(batch, _)| batch.end).nth(1).unwrap_or(missing.end);
        let job = match log.plan_fill(range.clone(), of_peer(model, &range)) {
            Err(FillError::Log(error)) => return Err(error),
            job => job.unwrap(),
        };
        assert!(log.install_filled(job.run()?)?);
    }
    Ok(())
}

#[test]
fn what_is_found_damaged_is_missing_until_it_is_filled() {
    let (disk, mut log, model) = filled();
    log.release_memory();
    let bad = model.batches[4].0.clone();
    rot(&disk, &log, &bad);
    let read = log.plan_read(bad.start, log.log_end(), 1).unwrap().read();
    let Err(LogError::Damaged(damage)) = read else { panic!("{read:?}") };
    assert_eq!(log.quarantine(&damage).unwrap(), std::slice::from_ref(&bad));
    assert_eq!(log.quarantine(&damage).unwrap(), [], "it is known");
    assert!(matches!(log.plan_read(bad.start, log.log_end(), 1), Err(LogError::Damaged(_))));
    let before = log.plan_read(Offset(0), log.log_end(), 1 << 20).unwrap().read().unwrap();
    assert_eq!(before.next, bad.start, "what is good is read");
    assert_eq!(
        log.plan_read(bad.end, log.log_end(), 1).unwrap().read().unwrap().next,
        model.batches[5].0.end
    );
    let (log, recovered) = {
        drop(log);
        disk.reboot(1);
        open(&disk, options()).unwrap()
    };
    let mut log = log;
    assert_eq!((recovered.damage, log.missing()), (Vec::new(), &[bad][..]), "it was noted");
    refill(&mut log, &model).unwrap();
    check(&log, &model);
    log.close().unwrap();
    let (log, recovered) = open(&disk, options()).unwrap();
    assert!(recovered.clean && log.missing().is_empty());
    check(&log, &model);
}

#[test]
fn every_batch_can_be_lost_and_filled_even_many_at_once() {
    for lost in [0..24, 3..9, 20..24, 0..1, 23..24] {
        let (disk, mut log, model) = filled();
        log.release_memory();
        for (range, _) in &model.batches[lost] {
            rot(&disk, &log, range);
        }
        scrub(&mut log).unwrap();
        refill(&mut log, &model).unwrap();
        check(&log, &model);
        drop(log);
        disk.reboot(1);
        check(&open(&disk, options()).unwrap().0, &model);
    }
}

#[test]
fn segments_whose_files_are_gone_are_fetched_again() {
    let (whole, log, model) = filled();
    let bases: Vec<Offset> = log.segments.iter().map(|segment| segment.base).collect();
    drop(log);
    for gone in [&bases[..1], &bases[1..2], &bases[1..3], &bases[bases.len() - 1..], &bases[..]] {
        let disk = whole.fork();
        for base in gone {
            disk.remove(&Path::new(DIR).join(file_name(*base, "log"))).unwrap();
        }
        let (mut log, recovered) = open(&disk, options()).unwrap();
        assert!(!recovered.damage.is_empty() && !log.missing().is_empty());
        refill(&mut log, &model).unwrap();
        check_bytes(&log, &model);
        log.close().unwrap();
        let (log, recovered) = open(&disk, options()).unwrap();
        assert!(recovered.clean, "{recovered:?}");
        check_bytes(&log, &model);
    }
}

fn check_bytes(log: &Log, model: &Model) {
    assert_eq!(log.log_end(), model.end);
    assert!(read_all(log, Offset(0), 1_500).unwrap() == model.bytes_from(Offset(0)));
}

#[test]
fn an_index_that_was_made_anew_while_the_log_went_on_is_stored() {
    let (disk, mut log, mut model) = filled();
    let base = log.segments.last().unwrap().base;
    let path = Path::new(DIR).join(file_name(base, "frames"));
    disk.damage(&path, |bytes| bytes[5] ^= 1).unwrap();
    let job = log.plan_index(base).unwrap();
    let overtaken = log.plan_index(base).unwrap();
    append(&mut log, &[batch(90)], EPOCH).unwrap();
    model.append(&batch(90), EPOCH);
    assert!(log.install_index(job.run().unwrap()).unwrap());
    check(&log, &model);
    let rebuilt = overtaken.run().unwrap();
    log.truncate(base + 1).unwrap();
    model.truncate(base + 1);
    assert!(!log.install_index(rebuilt).unwrap(), "batches of it are gone");
    check(&log, &model);
}

#[test]
fn a_false_alarm_and_batches_that_do_not_fit_change_nothing() {
    let (disk, mut log, model) = filled();
    let range = model.batches[2].0.clone();
    let alarm = crate::Damage { segment: Offset(0), range: range.clone(), reason: String::new() };
    assert_eq!(log.quarantine(&alarm).unwrap(), []);
    let bytes = of_peer(&model, &range);
    assert!(matches!(log.plan_fill(range.clone(), bytes.clone()), Err(FillError::NotMissing(_))));
    rot(&disk, &log, &range);
    assert_eq!(log.quarantine(&alarm).unwrap(), std::slice::from_ref(&range));
    let other = of_peer(&model, &model.batches[3].0);
    assert!(matches!(log.plan_fill(range.clone(), other), Err(FillError::Outside { .. })));
    let cut = bytes.slice(..bytes.len() - 1);
    assert!(matches!(log.plan_fill(range.clone(), cut), Err(FillError::Corrupt(_))));
    let mut altered = bytes.to_vec();
    altered[70] ^= 1;
    assert!(matches!(log.plan_fill(range.clone(), altered.into()), Err(FillError::Corrupt(_))));
    let job = log.plan_fill(range, bytes).unwrap();
    log.truncate(Offset(1)).unwrap();
    if let Ok(filled) = job.run() {
        assert!(!log.install_filled(filled).unwrap(), "it was cut off meanwhile");
    }
}

/// Finds rot and has it filled; ends with the first error.
fn repair(disk: &SimDisk, model: &Model) -> Result<(), LogError> {
    let (mut log, _) = open(disk, options())?;
    scrub(&mut log)?;
    refill(&mut log, model)
}

#[test]
fn a_repair_may_be_interrupted_at_any_call_and_is_done_again() {
    let (disk, mut log, model) = filled();
    log.release_memory();
    for at in [2, 3, 9, 22] {
        rot(&disk, &log, &model.batches[at].0);
    }
    log.close().unwrap();
    for fault in [Fault::PowerCut, Fault::Broken, Fault::Full] {
        for call in 0.. {
            let disk = disk.fork();
            let calls = disk.calls();
            disk.fail_after(call, fault);
            let died = repair(&disk, &model).is_err();
            let over = disk.has_fault() && disk.calls() - calls <= call;
            if fault == Fault::PowerCut {
                disk.reboot(call);
            }
            disk.clear_fault();
            repair(&disk, &model).unwrap();
            let (log, _) = open(&disk, options()).unwrap();
            check(&log, &model);
            if !died && over {
                assert!(call > 60, "{call} calls");
                break;
            }
        }
    }
}
