//! A log that threads share. The first one that waits for a sync runs it, for everybody who has written by then;
//! those who come meanwhile wait for the next one. No thread of its own is needed.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::{Durable, Log, LogError, Offset};

/// See the [module](self).
#[derive(Debug)]
pub struct GroupCommit {
    log: Mutex<Log>,
    /// A flush was completed, or failed.
    flushed: Condvar,
}

impl GroupCommit {
    /// Shares a log.
    pub fn new(log: Log) -> Self {
        Self { log: Mutex::new(log), flushed: Condvar::new() }
    }

    /// Does something with the log. Nobody else can meanwhile, so it should not take long.
    pub fn with<R>(&self, f: impl FnOnce(&mut Log) -> R) -> R {
        f(&mut self.lock())
    }

    /// Waits until everything below `offset` is durable. Runs the sync itself if nobody else does, and what is due after
    /// it, once the others are told.
    ///
    /// `offset` must have been appended; what a truncation took away never becomes durable.
    pub fn wait_durable(&self, offset: Offset) -> Result<Durable, LogError> {
        let mut log = self.lock();
        loop {
            if log.durable().offset() >= offset {
                return Ok(log.durable());
            }
            let Some(job) = log.start_flush()? else {
                log = self.flushed.wait(log).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(log);
            let done = job.run();
            log = self.lock();
            let result = log.complete_flush(done);
            self.flushed.notify_all();
            result?;
            let checkpoint = log.start_checkpoint()?;
            if let Some(job) = checkpoint {
                // Those who were told go on meanwhile, and another one runs the next sync.
                drop(log);
                let done = job.run();
                log = self.lock();
                log.complete_checkpoint(done)?;
            }
        }
    }

    /// Ends the sharing.
    pub fn into_log(self) -> Log {
        self.log.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
