//! Rot behind the recovery point: what it takes was never applied, and is once it is back.

use std::{ops::Range, path::Path};

use bytes::Bytes;
use common::LeaderEpoch;

use super::{
    repair::{refill, rot, scrub},
    support::{DIR, Model, append, batch, check, open, options},
};
use crate::{
    Log, LogError, Offset, Origin, ProducerError, ProducerId, ProducerStamp, Refused,
    batch::BatchBuilder,
    disk::{
        Disk,
        sim::{Fault, SimDisk},
    },
    log::unapplied::UNAPPLIED_NAME,
};

/// Batches below the recovery point.
const CHECKPOINTED: u64 = 6;

/// A log whose recovery point is behind most of what is durable; a new epoch every few batches.
fn life() -> (SimDisk, Log, Model) {
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    for seed in 0..24 {
        let epoch = LeaderEpoch(i32::try_from(seed / 4).unwrap());
        model.append(&batch(seed), epoch);
        append(&mut log, &[batch(seed)], epoch).unwrap();
        if seed + 1 == CHECKPOINTED {
            log.flush().unwrap();
        } else if let Some(job) = log.start_flush().unwrap() {
            log.complete_flush(job.run()).unwrap();
        }
    }
    (disk, log, model)
}

/// The life's end, and what is lost then: these batches.
fn lose(disk: &SimDisk, log: Log, model: &Model, lost: Range<usize>) {
    for (range, _) in &model.batches[lost] {
        rot(disk, &log, range);
    }
    drop(log);
}

fn is_noted(disk: &SimDisk) -> bool {
    disk.list(Path::new(DIR)).unwrap().iter().any(|file| file.name == UNAPPLIED_NAME)
}

#[test]
fn what_was_lost_before_it_was_applied_is_applied_once_it_is_back() {
    let (_, log, model) = life();
    // The frames of the last segment are not on disk: there, rot and a torn tail are the same.
    let last = log.segments.last().unwrap().base;
    let kept = model.batches.iter().filter(|(range, _)| range.end <= last).count();
    assert!(kept > 12, "{kept} batches");
    for first in 0..kept - 2 {
        let (disk, log, model) = life();
        lose(&disk, log, &model, first..first + 3);
        let (mut log, _) = open(&disk, options()).unwrap();
        assert_eq!(is_noted(&disk), first as u64 + 3 > CHECKPOINTED, "from batch {first} on");
        scrub(&mut log).unwrap();
        assert!(!log.missing().is_empty());
        append(&mut log, &[batch(90)], LeaderEpoch(6)).unwrap();
        let mut model = model;
        model.append(&batch(90), LeaderEpoch(6));
        log.flush().unwrap();
        // Whatever was stored meanwhile does not know of them either.
        let (mut log, _) = open(&disk, options()).unwrap();
        refill(&mut log, &model).unwrap();
        check(&log, &model);
        assert!(!is_noted(&disk));
        log.close().unwrap();
        let (mut log, _) = open(&disk, options()).unwrap();
        check(&log, &model);
        let to = model.batches[first + 2].0.end;
        log.truncate(to).unwrap();
        model.truncate(to);
        check(&log, &model);
    }
}

/// A log that is cut while offsets are missing applies what is there, and the rest once it is back.
#[test]
fn a_truncation_passes_over_what_is_missing() {
    for applied in [false, true] {
        for cut in [14, 18, 22] {
            let (disk, mut log, mut model) = life();
            if applied {
                log.flush().unwrap();
            }
            lose(&disk, log, &model, 11..13);
            let (mut log, _) = open(&disk, options()).unwrap();
            // Found by a read, if no start has met it.
            for range in [11, 12].map(|at: usize| model.batches[at].0.clone()) {
                let damage = crate::Damage { segment: range.start, range, reason: String::new() };
                log.quarantine(&damage).unwrap();
            }
            assert!(!log.missing().is_empty());
            let to = model.batches[cut].0.end;
            log.truncate(to).unwrap();
            model.truncate(to);
            assert_eq!(log.latest_epoch(), Some(LeaderEpoch(i32::try_from(cut / 4).unwrap())));
            let mut log = if cut == 18 { open(&disk, options()).unwrap().0 } else { log };
            refill(&mut log, &model).unwrap();
            check(&log, &model);
            assert!(!is_noted(&disk));
        }
    }
}

/// The same, interrupted at any call.
#[test]
fn it_may_be_interrupted_at_any_call() {
    let (disk, log, model) = life();
    lose(&disk, log, &model, 9..14);
    let repair = |disk: &SimDisk| -> Result<(), LogError> {
        let (mut log, _) = open(disk, options())?;
        refill(&mut log, &model)
    };
    for fault in [Fault::PowerCut, Fault::Broken] {
        for call in 0.. {
            let disk = disk.fork();
            disk.fail_after(call, fault);
            let died = repair(&disk).is_err();
            let over = disk.has_fault();
            if fault == Fault::PowerCut {
                disk.reboot(call);
            }
            disk.clear_fault();
            repair(&disk).unwrap();
            let (log, _) = open(&disk, options()).unwrap();
            check(&log, &model);
            assert!(!is_noted(&disk));
            if !died && over {
                assert!(call > 60, "{call} calls");
                break;
            }
        }
    }
}

#[test]
fn what_nobody_can_put_back_is_forgotten() {
    let (disk, log, model) = life();
    lose(&disk, log, &model, 9..14);
    for emptied in [false, true] {
        let disk = disk.fork();
        let (mut log, _) = open(&disk, options()).unwrap();
        assert!(is_noted(&disk));
        let start = model.batches[16].0.start;
        if emptied {
            log.reset(start).unwrap()
        } else {
            log.start_at(start, 100).unwrap()
        }
        assert!(!is_noted(&disk) && log.missing().is_empty());
    }
}

/// What was lost is noted as long as a crash brings it back.
#[test]
fn it_is_forgotten_no_earlier_than_what_is_missing() {
    let (disk, log, model) = life();
    lose(&disk, log, &model, 9..14);
    for call in 0.. {
        let disk = disk.fork();
        let (mut log, _) = open(&disk, options()).unwrap();
        disk.fail_after(call, Fault::PowerCut);
        let lived = log.start_at(model.batches[16].0.start, 100).is_ok();
        disk.reboot(call);
        let (log, _) = open(&disk, options()).unwrap();
        assert_eq!(is_noted(&disk), !log.missing().is_empty(), "call {call}");
        if lived {
            assert!(call > 5, "{call} calls");
            break;
        }
    }
}

/// An idempotent producer's batches, of which the last is lost and comes back: sent again it is a duplicate, and what follows
/// it is in order.
#[test]
fn a_producer_goes_on_where_it_was() {
    let of_producer = |base_sequence: i32| -> Bytes {
        let stamp = ProducerStamp { id: ProducerId(7), epoch: 0, base_sequence };
        let mut builder = BatchBuilder::default().producer(stamp);
        builder.record(1_000, Some(b"key"), Some(&[5; 900]));
        builder.build(Offset(0)).unwrap().into()
    };
    let disk = SimDisk::new();
    let (mut log, _) = open(&disk, options()).unwrap();
    let mut model = Model::default();
    let write = |log: &mut Log, model: &mut Model, sequence: i32| {
        let batch = of_producer(sequence);
        model.append(&batch, LeaderEpoch(0));
        log.append(&[batch], LeaderEpoch(0), Origin::Client, 1_000).unwrap().remove(0).unwrap();
    };
    write(&mut log, &mut model, 0);
    log.flush().unwrap();
    // Enough for a segment: its frames say that it was durable.
    for sequence in 1..6 {
        write(&mut log, &mut model, sequence);
        let job = log.start_flush().unwrap().unwrap();
        log.complete_flush(job.run()).unwrap();
    }
    lose(&disk, log, &model, 1..3);
    let (mut log, recovered) = open(&disk, options()).unwrap();
    assert!(!recovered.damage.is_empty());
    refill(&mut log, &model).unwrap();
    check(&log, &model);
    let mut send = |sequence| {
        log.append(&[of_producer(sequence)], LeaderEpoch(0), Origin::Client, 1_000).unwrap().remove(0)
    };
    for sequence in 1..6 {
        let again = send(sequence).unwrap();
        assert!(again.duplicate && again.base_offset == Offset(sequence.into()), "{sequence}: {again:?}");
    }
    assert!(matches!(send(7), Err(Refused::Producer(ProducerError::OutOfOrder { .. }))));
    assert!(!send(6).unwrap().duplicate);
}
