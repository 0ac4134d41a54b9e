//! A log that nobody waits for is synced all the same, before too much of it waits for that: whatever the policy, and
//! wherever its life ends.

use common::LeaderEpoch;

use super::support::{Model, append, batch, check_recovered, open, options};
use crate::{
    FlushPolicy, Log, LogError, LogOptions, Offset,
    disk::sim::{Fault, SimDisk},
};

const EPOCH: LeaderEpoch = LeaderEpoch(3);

/// Batches of [`batch`] are smaller than this.
const BATCH_BYTES_MAX: u64 = 3_000;

/// Policies under which nothing is due because of time.
const LAZY: [FlushPolicy; 2] = [FlushPolicy::Os, FlushPolicy::Interval { max_ms: i64::MAX }];

fn lazy(flush: FlushPolicy) -> LogOptions {
    LogOptions { flush, segment_bytes: 50_000, unsynced_bytes_max: 5_000, ..options() }
}

/// Bytes that a power cut may take.
fn unsynced_bytes(log: &Log) -> u64 {
    log.segments.iter().map(|segment| u64::from(segment.size - segment.synced)).sum()
}

/// Appends batches, and does what is due after each one, as the owner of a log does. Gives how many flushes that took.
fn live(log: &mut Log, model: &mut Model, batches: u64, durable: &mut Offset) -> Result<u64, LogError> {
    let mut flushes = 0;
    for seed in 0..batches {
        model.append(&batch(seed), EPOCH);
        append(log, &[batch(seed)], EPOCH)?;
        assert_eq!(log.acknowledged(), log.log_end(), "it is acknowledged as it is written");
        let is_rolled = log.segments.last().is_some_and(|last| last.base > *durable);
        assert_eq!(log.flush_due(0), is_rolled || unsynced_bytes(log) >= log.options().unsynced_bytes_max);
        if log.flush_due(0)
            && let Some(job) = log.start_flush()?
        {
            *durable = log.complete_flush(job.run())?.offset();
            flushes += 1;
        }
        if let Some(job) = log.start_checkpoint()? {
            log.complete_checkpoint(job.run())?;
        }
    }
    Ok(flushes)
}

#[test]
fn what_waits_for_a_sync_and_what_a_crash_makes_to_be_read_are_bounded() {
    for flush in LAZY {
        let disk = SimDisk::new();
        let options = lazy(flush);
        let (mut log, _) = open(&disk, options.clone()).unwrap();
        let (mut model, mut durable) = (Model::default(), Offset(0));
        let flushes = live(&mut log, &mut model, 400, &mut durable).unwrap();
        assert!(flushes > 10 && flushes < 100, "{flushes} flushes of 400 appends");
        assert!(unsynced_bytes(&log) < options.unsynced_bytes_max);
        drop(log);
        disk.reboot(5);
        let (log, recovered) = open(&disk, options.clone()).unwrap();
        let most = options.checkpoint_bytes + 2 * options.unsynced_bytes_max + BATCH_BYTES_MAX;
        assert!(recovered.scanned_bytes <= most, "{recovered:?}");
        check_recovered(&log, &recovered, &mut model, durable);
    }
}

#[test]
fn a_full_segment_is_due_however_small() {
    for flush in LAZY {
        let options = LogOptions { unsynced_bytes_max: u64::MAX, segment_bytes: 4_000, ..lazy(flush) };
        let (mut log, _) = open(&SimDisk::new(), options).unwrap();
        for seed in 0.. {
            append(&mut log, &[batch(seed)], EPOCH).unwrap();
            assert_eq!(log.flush_due(0), log.segment_count() > 1);
            if log.segment_count() > 1 {
                break;
            }
        }
    }
}

#[test]
fn its_life_may_end_at_any_call() {
    let mut calls = 0;
    loop {
        let disk = SimDisk::new();
        let (mut log, _) = open(&disk, lazy(FlushPolicy::Os)).unwrap();
        disk.fail_after(calls, Fault::PowerCut);
        let (mut model, mut durable) = (Model::default(), Offset(0));
        let lived = live(&mut log, &mut model, 60, &mut durable);
        drop(log);
        disk.reboot(calls);
        let (log, recovered) = open(&disk, lazy(FlushPolicy::Os)).unwrap();
        check_recovered(&log, &recovered, &mut model, durable);
        if let Ok(flushes) = lived {
            assert!(flushes > 3 && calls > 60, "{flushes} flushes, {calls} calls");
            return;
        }
        calls += 1;
    }
}
