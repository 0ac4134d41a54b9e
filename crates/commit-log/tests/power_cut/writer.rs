//! The process that writes: several threads append to one log, and say what was acknowledged.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use bytes::Bytes;
use commit_log::{
    Files, GroupCommit, Log, LogError, LogOptions, Origin, ProducerId, ProducerStamp,
    batch::{BatchBuilder, Compression},
    disk::sim::Random,
};
use common::{LeaderEpoch, Offset};

/// The first argument of the writer: then come the log's directory, the number of the cycle, and `honest` or `lying`.
pub(crate) const FLAG: &str = "--power-cut-writer";

/// Threads that append.
pub(crate) const THREADS: u32 = 4;

/// Small segments and checkpoints, so that a cycle sees many of them.
pub(crate) fn options() -> LogOptions {
    LogOptions { segment_bytes: 128 << 10, checkpoint_bytes: 200 << 10, ..LogOptions::default() }
}

/// Whether a writer waits for what it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honesty {
    Honest,
    /// Acknowledges before anything is durable: a test that does not find this finds nothing.
    Lying,
}

impl Honesty {
    pub(crate) fn as_arg(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Lying => "lying",
        }
    }
}

/// What stands in the log, made from three numbers alone: cycle, thread, and the thread's own count.
pub(crate) fn batch(cycle: u32, thread: u32, count: u32) -> Bytes {
    let mut random = Random::new(u64::from(cycle) << 40 | u64::from(thread) << 32 | u64::from(count));
    let codec = if random.below(8) == 0 { Compression::Lz4 } else { Compression::None };
    let mut builder = BatchBuilder::new(codec);
    if thread == 0 {
        let id = ProducerId(i64::from(cycle));
        let base_sequence = i32::try_from(count).unwrap_or(i32::MAX);
        builder = builder.producer(ProducerStamp { id, epoch: 0, base_sequence });
    }
    let key = format!("{cycle} {thread} {count}");
    let len = if random.below(30) == 0 { 40_000 } else { random.below(3_000) };
    let value: Vec<u8> = (0..len).map(|_| random.next_u64().to_le_bytes()[0]).collect();
    builder.record(i64::from(count), Some(key.as_bytes()), Some(&value));
    builder.build(Offset(0)).map(Bytes::from).unwrap_or_default()
}

/// Appends until the disk fails or the process is killed.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let [_, dir, cycle, honesty] = args else { return ExitCode::FAILURE };
    let Ok(cycle) = cycle.parse() else { return ExitCode::FAILURE };
    let opened = Log::open(Path::new(dir), Arc::new(Files::default()), options());
    let log = match opened {
        Ok((log, _)) => GroupCommit::new(log),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let honest = honesty == Honesty::Honest.as_arg();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            // The end of it is the power cut.
            scope.spawn(move || write(log, cycle, thread, honest));
        }
    });
    ExitCode::SUCCESS
}

fn write(log: &GroupCommit, cycle: u32, thread: u32, honest: bool) -> Result<(), LogError> {
    let epoch = LeaderEpoch(i32::try_from(cycle).unwrap_or(i32::MAX));
    for count in 0.. {
        let batch = batch(cycle, thread, count);
        let answers = log.with(|log| log.append(&[batch], epoch, Origin::Internal, 0))?;
        let Some(Ok(appended)) = answers.first() else { break };
        if honest {
            log.wait_durable(appended.last_offset + 1)?;
        }
        // One write of less than a pipe's atomic size: a line is there whole or not at all.
        let line = format!("{} {thread} {count}\n", appended.base_offset);
        if io::stdout().lock().write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    Ok(())
}
