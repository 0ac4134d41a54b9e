//! One life of a log, ended at every single call on the disk, in every way.

use std::{path::Path, sync::Arc};

use common::LeaderEpoch;

use super::{
    compacted::compact,
    support::{DIR, Model, append, batch, check_recovered, commits, keyed_batch, open, options, retain},
};
use crate::{
    CheckpointJob, Compaction, Log, LogError, LogOptions, Offset, Retention,
    disk::sim::{Fault, SimDisk},
    inspect::Inspector,
};

/// What the life was sure of when it ended.
#[derive(Default)]
struct Known {
    model: Model,
    durable: Offset,
    /// The lowest end that a truncation had asked for since.
    cut: Option<Offset>,
}

/// Appends, rolls, flushes, truncates, moves the start, closes, opens again, compacts. Ends with the first error.
fn live(disk: &SimDisk, known: &mut Known) -> Result<(), LogError> {
    let (mut log, _) = open(disk, options())?;
    let epoch = LeaderEpoch(1);
    let write = |log: &mut Log, known: &mut Known, seeds: std::ops::Range<u64>| {
        for seed in seeds {
            known.model.append(&batch(seed), epoch);
            append(log, &[batch(seed)], epoch)?;
        }
        Ok::<_, LogError>(())
    };
    write(&mut log, known, 0..6)?;
    if let Some(job) = log.start_flush()? {
        write(&mut log, known, 6..12)?;
        known.durable = log.complete_flush(job.run())?.offset();
    }
    write(&mut log, known, 12..24)?;
    known.durable = log.flush()?.offset();
    write(&mut log, known, 24..30)?;
    let to = known.model.batches[14].0.end;
    (known.durable, known.cut) = (known.durable.min(to), Some(to));
    log.truncate(to)?;
    known.model.truncate(to);
    known.cut = None;
    write(&mut log, known, 30..36)?;
    known.durable = log.flush()?.offset();
    let start = known.model.batches[9].0.end;
    log.start_at(start, 1)?;
    write(&mut log, known, 36..40)?;
    known.durable = log.log_end();
    log.close().inspect_err(|_| known.durable = Offset(0))?;
    let (mut log, _) = open(disk, options())?;
    write(&mut log, known, 40..44)?;
    for now_ms in [0, 1_000] {
        for batch in commits().into_iter().chain((44..56).map(keyed_batch)) {
            known.model.append(&batch, epoch);
            append(&mut log, &[batch], epoch)?;
        }
        known.durable = log.flush()?.offset();
        let settings = Compaction { min_dirty_ratio: 0.0, delete_retention_ms: 500, ..Compaction::default() };
        assert!(compact(&mut log, &mut known.model, &settings, now_ms)?);
        // `cleanup.policy=compact,delete`: what was just made goes again.
        let retention = Retention { max_age_ms: None, max_bytes: Some(3_000), segments_per_pass: 1 };
        known.durable = known.durable.max(log.durable().offset());
        assert_eq!(retain(&mut log, &mut known.model, &retention, now_ms)?, 1);
    }
    write(&mut log, known, 56..58)
}

fn survive(call: u64, fault: Fault, seed: Option<u64>) -> bool {
    let disk = SimDisk::new();
    disk.fail_after(call, fault);
    let mut known = Known::default();
    let died = live(&disk, &mut known).is_err();
    if let Some(seed) = seed {
        disk.reboot(seed);
    }
    disk.clear_fault();
    let seen = Inspector::on(Arc::new(disk.clone()), Path::new(DIR)).verify();
    let (log, recovered) = open(&disk, options()).unwrap();
    // Before the directory is there, there is nothing to look at.
    if let Ok(seen) = seen {
        assert!(seen.sound, "{seen:?}");
        assert!(
            seen.segments.is_empty() || (seen.log_start, seen.log_end) == (log.log_start(), log.log_end())
        );
    }
    known.model.start = log.log_start();
    check_recovered(&log, &recovered, &mut known.model, known.durable);
    died
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_that_was_durable() {
    for seed in 0..2 {
        let mut call = 0;
        while survive(call, Fault::PowerCut, Some(seed * 1_000 + call)) {
            call += 1;
        }
        assert!(call > 150, "the life has {call} calls");
    }
}

#[test]
fn an_error_at_any_call_is_reported_and_loses_nothing() {
    for fault in [Fault::Full, Fault::Broken] {
        for reboot in [None, Some(7)] {
            let mut call = 0;
            // Removing what is already gone may fail unnoticed: ask until no call is left.
            let calls = {
                let disk = SimDisk::new();
                live(&disk, &mut Known::default()).unwrap();
                disk.calls()
            };
            while call < calls {
                survive(call, fault, reboot.map(|seed| seed + call));
                call += 1;
            }
        }
    }
}

#[test]
fn after_an_error_nothing_is_confirmed_any_more() {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    append(&mut log, &[batch(1)], LeaderEpoch(0)).unwrap();
    let job = log.start_flush().unwrap().unwrap();
    disk.fail_after(0, Fault::Broken);
    let done = job.run();
    assert!(matches!(append(&mut log, &[batch(2)], LeaderEpoch(0)), Err(LogError::Fenced(_))));
    assert!(matches!(log.complete_flush(done), Err(LogError::Fenced(_))));
    assert_eq!(log.durable().offset(), Offset(0));
    assert!(matches!(log.flush(), Err(LogError::Fenced(_))), "no retry: the next sync would succeed and lie");
    assert!(matches!(log.truncate(Offset(0)), Err(LogError::Fenced(_))));
    assert!(log.plan_read(Offset(0), log.log_end(), 1).unwrap().read().is_ok(), "reads go on");
    assert!(log.fence().is_some());
}

/// A log with a checkpoint about to be written, of which the frames are younger than the segment's name; and no snapshot goes
/// with it, whose own sync would save them.
fn about_to_checkpoint() -> (SimDisk, Log, Model, CheckpointJob) {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, LogOptions { checkpoint_bytes: 500, ..options() }).unwrap();
    let mut model = Model::default();
    let mut seeds = 0..;
    let mut write = |log: &mut Log, model: &mut Model| {
        let batch = batch(seeds.next().unwrap());
        model.append(&batch, LeaderEpoch(1));
        append(log, &[batch], LeaderEpoch(1)).unwrap();
    };
    while log.segment_count() < 2 {
        write(&mut log, &mut model);
    }
    log.flush().unwrap();
    let base = log.segments[1].base;
    log.truncate(base).unwrap();
    model.truncate(base);
    while !log.checkpoint_due() {
        write(&mut log, &mut model);
        let flush = log.start_flush().unwrap().unwrap();
        log.complete_flush(flush.run()).unwrap();
    }
    let job = log.start_checkpoint().unwrap().unwrap();
    (disk, log, model, job)
}

#[test]
fn a_recovery_point_relies_on_no_name_that_can_be_lost() {
    for call in 0.. {
        let mut lived = true;
        for seed in 0..64 {
            let (disk, log, mut model, job) = about_to_checkpoint();
            let durable = log.durable().offset();
            disk.fail_after(call, Fault::PowerCut);
            let _ = job.run();
            lived &= disk.has_fault();
            drop(log);
            disk.reboot(seed);
            let (log, recovered) = open(&disk, options()).unwrap();
            check_recovered(&log, &recovered, &mut model, durable);
        }
        if lived {
            assert!(call > 5, "a checkpoint has {call} calls");
            break;
        }
    }
}
