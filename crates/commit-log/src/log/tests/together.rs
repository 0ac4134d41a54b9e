//! A flush and a checkpoint that are out at the same time, and what the owner of the log does meanwhile: interleaved at every
//! call on the disk, and the life of the log ended at every one.

use std::sync::{Arc, Mutex};

use common::LeaderEpoch;

use super::{
    compacted::compact,
    support::{Model, append, batch, check, check_recovered, commits, keyed_batch, open, options},
};
use crate::{
    Compaction, Log, LogError, Offset,
    disk::sim::{Fault, SimDisk},
};

const EPOCH: LeaderEpoch = LeaderEpoch(1);

/// Which job goes on when the other one has finished.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outer {
    Checkpoint,
    Flush,
}

/// What comes between two calls of the outer job.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meanwhile {
    /// The other job, from its first call to its last.
    OtherJob,
    /// Several flushes, and a segment that is full.
    Roll,
    Truncate,
    StartAt,
    Compact,
    Flush,
}

/// The calls before both jobs are out are those of `crash.rs`.
const CALLS_BEFORE: u64 = 58;

const ALL: [Meanwhile; 6] = [
    Meanwhile::OtherJob,
    Meanwhile::Roll,
    Meanwhile::Truncate,
    Meanwhile::StartAt,
    Meanwhile::Compact,
    Meanwhile::Flush,
];

type OtherJob = Box<dyn FnOnce(&mut Life) -> Result<(), LogError> + Send>;

struct Life {
    log: Log,
    model: Model,
    durable: Offset,
    seed: u64,
}

impl Life {
    fn write(&mut self, batches: u64) -> Result<(), LogError> {
        for _ in 0..batches {
            self.seed += 1;
            self.model.append(&batch(self.seed), EPOCH);
            append(&mut self.log, &[batch(self.seed)], EPOCH)?;
        }
        Ok(())
    }

    fn flush_once(&mut self) -> Result<(), LogError> {
        if let Some(job) = self.log.start_flush()? {
            self.durable = self.log.complete_flush(job.run())?.offset();
        }
        Ok(())
    }

    fn meanwhile(&mut self, what: Meanwhile) -> Result<(), LogError> {
        // Who changes the checkpoint would wait for the job that is writing it.
        let waits = self.log.shared.checkpoint.is_being_written();
        match what {
            Meanwhile::OtherJob => {}
            Meanwhile::Roll => {
                let segments = self.log.segment_count();
                while self.log.segment_count() == segments {
                    self.write(1)?;
                    self.flush_once()?;
                }
            }
            _ if waits => {}
            Meanwhile::Truncate => {
                let to = self.model.batches[self.model.batches.len() - 9].0.end;
                self.durable = self.durable.min(to);
                self.log.truncate(to)?;
                self.model.truncate(to);
                self.write(3)?;
            }
            Meanwhile::StartAt => {
                let start = self.model.batches[self.model.batches.len() - 2].0.start;
                self.model.start = start;
                self.log.start_at(start, 100)?;
            }
            Meanwhile::Compact => {
                let settings =
                    Compaction { min_dirty_ratio: 0.0, delete_retention_ms: 500, ..Compaction::default() };
                compact(&mut self.log, &mut self.model, &settings, 0)?;
            }
            Meanwhile::Flush => self.durable = self.log.flush()?.offset(),
        }
        Ok(())
    }
}

/// Lives up to the point where two jobs are out, lets one interrupt the other after so many calls, and lives on. Gives
/// whether there was such a call.
fn live(
    disk: &SimDisk,
    life: &Arc<Mutex<Life>>,
    outer: Outer,
    what: Meanwhile,
    after: u64,
) -> Result<bool, LogError> {
    let (checkpoint, flush) = {
        let mut life = life.lock().unwrap();
        for batch in commits().into_iter().chain((0..14).map(keyed_batch)) {
            life.model.append(&batch, EPOCH);
            append(&mut life.log, &[batch], EPOCH)?;
        }
        life.durable = life.log.flush()?.offset();
        life.write(8)?;
        life.flush_once()?;
        life.write(3)?;
        let checkpoint = life.log.start_checkpoint()?.expect("a segment was begun");
        assert!(disk.calls() >= CALLS_BEFORE, "{} calls", disk.calls());
        (checkpoint, life.log.start_flush()?.expect("batches are not flushed"))
    };
    let failed: Arc<Mutex<Result<(), LogError>>> = Arc::new(Mutex::new(Ok(())));
    let (theirs, error) = (Arc::clone(life), Arc::clone(&failed));
    let come_between = move |other: OtherJob| {
        let mut life = theirs.lock().unwrap();
        *error.lock().unwrap() =
            if what == Meanwhile::OtherJob { other(&mut life) } else { life.meanwhile(what) };
    };
    let interrupted = match outer {
        Outer::Checkpoint => {
            let other = Box::new(|life: &mut Life| {
                life.durable = life.log.complete_flush(flush.run())?.offset();
                Ok(())
            });
            disk.interrupt_after(after, move || come_between(other));
            let done = checkpoint.run();
            let interrupted = !disk.uninterrupted();
            life.lock().unwrap().log.complete_checkpoint(done)?;
            interrupted
        }
        Outer::Flush => {
            let other = Box::new(|life: &mut Life| life.log.complete_checkpoint(checkpoint.run()));
            disk.interrupt_after(after, move || come_between(other));
            let done = flush.run();
            let interrupted = !disk.uninterrupted();
            let mut life = life.lock().unwrap();
            life.durable = life.log.complete_flush(done)?.offset();
            interrupted
        }
    };
    std::mem::replace(&mut *failed.lock().unwrap(), Ok(()))?;
    let mut life = life.lock().unwrap();
    if !disk.has_fault() {
        check(&life.log, &life.model);
    }
    life.write(2)?;
    life.flush_once()?;
    if let Some(job) = life.log.start_checkpoint()? {
        life.log.complete_checkpoint(job.run())?;
    }
    life.write(2)?;
    Ok(interrupted)
}

/// Ends a life with a fault at a call, and looks at what is left. `None`: it did not live to its end.
fn survive(
    fault: Option<(u64, Fault)>,
    seed: u64,
    outer: Outer,
    what: Meanwhile,
    after: u64,
) -> Option<bool> {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, options()).unwrap();
    let life = Life { log, model: Model::default(), durable: Offset(0), seed };
    let life = Arc::new(Mutex::new(life));
    if let Some((calls, fault)) = fault {
        disk.fail_after(calls, fault);
    }
    let lived = live(&disk, &life, outer, what, after);
    disk.uninterrupted();
    let mut life = Arc::into_inner(life).unwrap().into_inner().unwrap();
    if fault.is_some_and(|(_, fault)| fault != Fault::PowerCut) {
        life.log.forget_jobs();
    }
    drop(life.log);
    disk.reboot(seed);
    let (log, recovered) = open(&disk, options()).unwrap();
    assert!(log.log_start() <= life.model.start);
    life.model.start = log.log_start();
    check_recovered(&log, &recovered, &mut life.model, life.durable);
    lived.ok()
}

fn every_interleaving(what: Meanwhile) {
    for outer in [Outer::Checkpoint, Outer::Flush] {
        let mut after = 0;
        while survive(None, after, outer, what, after).expect("nothing was in its way") {
            // Each two calls of the other job; of the rest, of which there is more, a third, another one each time.
            let step = if what == Meanwhile::OtherJob { 1 } else { 3 };
            let mut call = CALLS_BEFORE + after % step;
            while survive(Some((call, Fault::PowerCut)), call, outer, what, after).is_none() {
                call += step;
            }
            after += 1;
        }
        let expected = if outer == Outer::Checkpoint { 12 } else { 2 };
        assert!(after >= expected, "{outer:?} has {after} calls");
    }
}

#[test]
fn a_power_cut_while_a_flush_and_a_checkpoint_are_out() {
    every_interleaving(Meanwhile::OtherJob);
}

#[test]
fn a_power_cut_while_the_log_changes_beside_a_job() {
    ALL.into_iter().skip(1).for_each(every_interleaving);
}

#[test]
fn an_error_while_two_jobs_are_out_is_reported_and_loses_nothing() {
    for what in ALL {
        for outer in [Outer::Checkpoint, Outer::Flush] {
            for (after, fault) in [(1, Fault::Broken), (2, Fault::Full), (8, Fault::Broken)] {
                for call in (CALLS_BEFORE + after..CALLS_BEFORE + 160).step_by(5) {
                    survive(Some((call, fault)), call, outer, what, after);
                }
            }
        }
    }
}
