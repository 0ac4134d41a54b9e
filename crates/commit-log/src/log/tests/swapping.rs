//! Segments on their way to the place of others: what the owner of the log does meanwhile, at every call on the disk, and the
//! life of the log ended at every one.

use std::sync::{Arc, Mutex};

use common::LeaderEpoch;

use super::support::{append, batch, commits, keyed_batch, open, options, read_all};
use crate::{
    Compaction, Log, LogError, Offset, SwapJob,
    batch::Batch,
    disk::sim::{Fault, SimDisk},
};

const EPOCH: LeaderEpoch = LeaderEpoch(1);

const SETTINGS: Compaction = Compaction {
    delete_retention_ms: 500,
    min_lag_ms: 0,
    max_lag_ms: i64::MAX,
    min_dirty_ratio: 0.0,
    buffer_bytes: 1 << 16,
};

/// A log that a compaction makes smaller.
fn compactable() -> (SimDisk, Log) {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let batches: Vec<_> = commits().into_iter().chain((0..40).map(keyed_batch)).collect();
    append(&mut log, &batches, EPOCH).unwrap();
    append(&mut log, &commits(), EPOCH).unwrap();
    log.flush().unwrap();
    (disk, log)
}

/// A swap that is out.
fn begin(log: &mut Log) -> Result<SwapJob, LogError> {
    let end = log.log_end();
    let mut job = log.plan_compaction(&SETTINGS, 0, end)?.expect("it is worth it");
    let step = job.next_step().expect("a first step")?;
    Ok(log.start_swap(step)?.expect("nothing came between"))
}

/// Offsets and values of all records.
fn records(log: &Log) -> Vec<(Offset, Option<Vec<u8>>)> {
    let bytes = read_all(log, log.log_start(), 1_500).unwrap();
    let batches: Vec<_> = Batch::all(&bytes).map(|batch| batch.unwrap()).collect();
    let of = |batch: &Batch<'_>| {
        let payload = batch.payload(1 << 20).unwrap();
        let records: Vec<_> = payload
            .records()
            .map(|record| record.unwrap())
            .map(|record| (record.offset, record.value.map(<[u8]>::to_vec)))
            .collect();
        records
    };
    batches.iter().flat_map(of).collect()
}

/// What the owner does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meanwhile {
    Nothing,
    Append,
    Flush,
    Truncate,
    StartAt,
    Quarantine,
    Reset,
}

const ALL: [Meanwhile; 7] = [
    Meanwhile::Nothing,
    Meanwhile::Append,
    Meanwhile::Flush,
    Meanwhile::Truncate,
    Meanwhile::StartAt,
    Meanwhile::Quarantine,
    Meanwhile::Reset,
];

fn change(log: &mut Log, what: Meanwhile) -> Result<(), LogError> {
    match what {
        Meanwhile::Nothing => {}
        Meanwhile::Append => {
            let segments = log.segment_count();
            for seed in 0.. {
                append(log, &[batch(seed)], EPOCH)?;
                if let Some(job) = log.start_flush()? {
                    let _ = log.complete_flush(job.run())?;
                }
                if log.segment_count() > segments {
                    break;
                }
            }
            if let Some(job) = log.start_checkpoint()? {
                log.complete_checkpoint(job.run())?;
            }
        }
        Meanwhile::Flush => drop(log.flush()?),
        Meanwhile::Truncate => drop(log.truncate(Offset(20))?),
        Meanwhile::StartAt => log.start_at(Offset(40), 100)?,
        Meanwhile::Quarantine => {
            let range = Offset(0)..log.log_end();
            let alarm = crate::Damage { segment: Offset(0), range, reason: String::new() };
            assert_eq!(log.quarantine(&alarm)?, [], "nothing is damaged");
        }
        Meanwhile::Reset => log.reset(Offset(7))?,
    }
    Ok(())
}

#[test]
fn the_old_segments_are_read_until_the_new_ones_are_taken_in() {
    let (disk, mut log) = compactable();
    let before = records(&log);
    let planned = log.plan_read(Offset(0), log.log_end(), 1 << 20).unwrap();
    let job = begin(&mut log).unwrap();
    assert!(records(&log) == before);
    let log = Arc::new(Mutex::new(log));
    let (theirs, expected) = (Arc::clone(&log), before.clone());
    disk.interrupt_after(9, move || assert!(records(&theirs.lock().unwrap()) == expected));
    job.run().unwrap();
    assert!(!disk.uninterrupted());
    let mut log = Arc::into_inner(log).unwrap().into_inner().unwrap();
    assert!(records(&log) == before, "it is not taken in yet");
    log.settle().unwrap();
    let after = records(&log);
    assert!(after.len() < before.len() && after.iter().all(|record| before.contains(record)));
    assert_eq!(planned.read().unwrap().next, log.log_end(), "a read that was planned goes on");
    drop(log);
    disk.reboot(1);
    assert!(records(&open(&disk, options()).unwrap().0) == after);
}

/// What changes the segments takes the swap in first, whether its job has run or not; and the job finds nothing to do then.
#[test]
fn changes_take_the_swap_in_first() {
    for what in ALL {
        for run_first in [false, true] {
            let (disk, mut log) = compactable();
            let (_, mut plain) = compactable();
            let job = begin(&mut log).unwrap();
            let step = first_step(&mut plain);
            assert!(plain.install_compacted(step).unwrap());
            if run_first {
                job.run().unwrap();
                change(&mut log, what).unwrap();
            } else {
                change(&mut log, what).unwrap();
                job.run().unwrap();
            }
            change(&mut plain, what).unwrap();
            log.settle().unwrap();
            assert!(records(&log) == records(&plain), "{what:?}");
            assert_eq!(log.derived, plain.derived, "{what:?}");
            let before = records(&log);
            log.close().unwrap();
            let (log, recovered) = open(&disk, options()).unwrap();
            assert!(recovered.clean && records(&log) == before, "{what:?}: {recovered:?}");
        }
    }
}

fn first_step(log: &mut Log) -> crate::Compacted {
    let end = log.log_end();
    log.plan_compaction(&SETTINGS, 0, end).unwrap().unwrap().next_step().unwrap().unwrap()
}

/// Each call of the swap is interrupted by the owner, who appends, and each life ends at every call.
#[test]
fn a_power_cut_at_any_call_leaves_the_old_segments_or_the_new_ones() {
    let (whole, log) = compactable();
    let before = records(&log);
    drop(log);
    let after = {
        let disk = whole.fork();
        let (mut log, _) = open(&disk, options()).unwrap();
        let job = begin(&mut log).unwrap();
        job.run().unwrap();
        log.settle().unwrap();
        records(&log)
    };
    for interrupted_at in 0..14 {
        for call in 0.. {
            let disk = whole.fork();
            let (log, _) = open(&disk, options()).unwrap();
            let log = Arc::new(Mutex::new(log));
            let job = begin(&mut log.lock().unwrap()).unwrap();
            let theirs = Arc::clone(&log);
            disk.interrupt_after(interrupted_at, move || {
                let _ = change(&mut theirs.lock().unwrap(), Meanwhile::Append);
            });
            disk.fail_after(call, Fault::PowerCut);
            let died = job.run().is_err();
            disk.uninterrupted();
            let died = died || log.lock().unwrap().settle().is_err();
            drop(log);
            let over = disk.has_fault();
            disk.reboot(call * 31 + interrupted_at);
            let (log, recovered) = open(&disk, options()).unwrap();
            assert_eq!(recovered.damage, []);
            let (end, found) = (before.last().unwrap().0, records(&log));
            let found: Vec<_> = found.into_iter().filter(|(offset, _)| *offset <= end).collect();
            assert!(found == before || found == after, "interrupted at {interrupted_at}, died at {call}");
            if !died && over {
                assert!(call > 8, "{call} calls");
                break;
            }
        }
    }
}

/// A log that is opened anew after an error finishes the swap; the job of the former one changes nothing.
#[test]
fn a_swap_of_a_log_that_failed_changes_nothing() {
    let (disk, mut log) = compactable();
    let job = begin(&mut log).unwrap();
    let before = records(&log);
    disk.fail_after(0, Fault::Broken);
    assert!(append(&mut log, &[batch(1)], EPOCH).is_err());
    log.forget_jobs();
    let (again, _) = open(&disk, options()).unwrap();
    let calls = disk.calls();
    assert!(job.run().is_err() && log.settle().is_err());
    assert_eq!(disk.calls(), calls);
    assert!(records(&again) == before);
}
