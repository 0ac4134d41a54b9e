//! A log that threads share. The first one that waits for a sync runs it, for everybody who has written by then;
//! those who come meanwhile wait for the next one, which one of them runs. No thread of its own is needed.
//!
//! Whoever waits is told by name, and needs no lock to go on: many writers are not woken for each other's syncs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, Thread},
};

use crate::{Durable, FlushJob, Log, LogError, Offset};

/// See the [module](self).
#[derive(Debug)]
pub struct GroupCommit {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    log: Log,
    /// While there are any, a flush is out, or one of them has been told to run it.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    until: Offset,
    seat: Arc<Seat>,
}

/// Where a thread waits.
#[derive(Debug)]
struct Seat {
    thread: Thread,
    told: Mutex<Option<Told>>,
}

/// What it is told.
#[derive(Debug, Clone)]
enum Told {
    Durable(Durable),
    Failed(LogError),
    /// To run the next flush.
    Lead,
}

impl Seat {
    fn tell(&self, told: Told) {
        *lock(&self.told) = Some(told);
        self.thread.unpark();
    }

    fn wait(&self) -> Told {
        loop {
            if let Some(told) = lock(&self.told).take() {
                return told;
            }
            thread::park();
        }
    }
}

impl State {
    /// Those who are to be told of this, each with what.
    fn told(&mut self, result: &Result<Durable, LogError>) -> Vec<(Arc<Seat>, Told)> {
        let (durable, answer) = match result {
            Ok(durable) => (durable.offset(), Told::Durable(*durable)),
            Err(error) => (Offset(i64::MAX), Told::Failed(error.clone())),
        };
        let done = self.waiting.extract_if(.., |waiting| waiting.until <= durable);
        let mut told: Vec<_> = done.map(|waiting| (waiting.seat, answer.clone())).collect();
        if !self.waiting.is_empty() {
            told.push((self.waiting.remove(0).seat, Told::Lead));
        }
        told
    }
}

impl GroupCommit {
    /// Shares a log.
    pub fn new(log: Log) -> Self {
        Self { state: Mutex::new(State { log, waiting: Vec::new() }) }
    }

    /// Does something with the log. Nobody else can meanwhile, so it should not take long.
    pub fn with<R>(&self, f: impl FnOnce(&mut Log) -> R) -> R {
        f(&mut lock(&self.state).log)
    }

    /// Waits until everything below `offset` is durable. Runs the sync itself if nobody else does, and what is due after
    /// it, once the others are told.
    ///
    /// `offset` must have been appended; what a truncation took away never becomes durable.
    pub fn wait_durable(&self, offset: Offset) -> Result<Durable, LogError> {
        loop {
            let mut state = lock(&self.state);
            let durable = state.log.durable();
            if durable.offset() >= offset {
                // If this thread was told to lead, another one has to be.
                return self.end(state, Ok(durable));
            }
            let job = match state.log.start_flush() {
                Ok(job) => job,
                Err(error) => return self.end(state, Err(error)),
            };
            if let Some(job) = job {
                drop(state);
                let durable = self.lead(job)?;
                if durable.offset() >= offset {
                    return Ok(durable);
                }
                continue;
            }
            let seat = Arc::new(Seat { thread: thread::current(), told: Mutex::new(None) });
            state.waiting.push(Waiting { until: offset, seat: Arc::clone(&seat) });
            drop(state);
            match seat.wait() {
                Told::Durable(durable) => return Ok(durable),
                Told::Failed(error) => return Err(error),
                Told::Lead => {}
            }
        }
    }

    /// Ends the sharing.
    pub fn into_log(self) -> Log {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).log
    }

    /// Runs a flush, and then a checkpoint if one is due: those who are told go on meanwhile, and the next flush is led by
    /// another one.
    fn lead(&self, job: FlushJob) -> Result<Durable, LogError> {
        let done = job.run();
        let mut state = lock(&self.state);
        let result = state.log.complete_flush(done);
        let checkpoint = state.log.start_checkpoint();
        let durable = self.end(state, result)?;
        if let Some(job) = checkpoint? {
            let done = job.run();
            lock(&self.state).log.complete_checkpoint(done)?;
        }
        Ok(durable)
    }

    /// Tells those who wait, with the lock given back.
    fn end(
        &self,
        mut state: MutexGuard<'_, State>,
        result: Result<Durable, LogError>,
    ) -> Result<Durable, LogError> {
        let told = state.told(&result);
        drop(state);
        told.into_iter().for_each(|(seat, told)| seat.tell(told));
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::Arc};

    use common::LeaderEpoch;

    use super::*;
    use crate::{
        Files, LogOptions, Origin,
        batch::BatchBuilder,
        disk::sim::{Fault, SimDisk},
    };

    const WRITERS: usize = 8;

    fn write(shared: &GroupCommit) -> Result<Durable, LogError> {
        let batch = BatchBuilder::default().record(0, None, None).build(Offset(0)).unwrap().into();
        let answers = shared.with(|log| log.append(&[batch], LeaderEpoch(0), Origin::Client, 0))?;
        shared.wait_durable(answers[0].as_ref().unwrap().last_offset + 1)
    }

    fn run(disk: &SimDisk, rounds: usize) -> Vec<Result<(), LogError>> {
        let files = Arc::new(Files::new(Arc::new(disk.clone()), 64));
        let (log, _) = Log::open(Path::new("log"), files, LogOptions::default()).unwrap();
        let shared = GroupCommit::new(log);
        std::thread::scope(|scope| {
            let writer = || (0..rounds).try_for_each(|_| write(&shared).map(drop));
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(writer)).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        })
    }

    #[test]
    fn everybody_is_answered_and_everything_answered_survives() {
        let disk = SimDisk::new();
        assert!(run(&disk, 50).iter().all(Result::is_ok));
        disk.reboot(3);
        let files = Arc::new(Files::new(Arc::new(disk), 64));
        let (log, _) = Log::open(Path::new("log"), files, LogOptions::default()).unwrap();
        assert_eq!(log.log_end(), Offset(50 * i64::try_from(WRITERS).unwrap()));
    }

    #[test]
    fn a_failed_sync_is_told_to_everybody() {
        let disk = SimDisk::new();
        disk.fail_after(400, Fault::Broken);
        assert!(run(&disk, 1_000).iter().all(|result| matches!(result, Err(LogError::Fenced(_)))));
    }
}
