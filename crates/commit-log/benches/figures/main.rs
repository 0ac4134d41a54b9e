//! The figures of the log, each beside its baseline from the same run: `cargo bench -p commit-log`.
//!
//! `DIR=/some/disk` chooses the file system; the default is the directory for temporary files.

mod appends;
mod commits;
mod compaction;
mod disks;
mod opens;
mod reads;
mod report;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use commit_log::{
    Files, FlushPolicy, Log, LogOptions, Offset,
    batch::BatchBuilder,
    disk::{Disk, RealDisk},
};
use common::LeaderEpoch;

const EPOCH: LeaderEpoch = LeaderEpoch(1);
const MIB: usize = 1 << 20;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

type Outcome = Result<()>;

/// A name, and what prints the rows under it, using an empty directory.
type Figure = (&'static str, fn(&Path) -> Outcome);

const FIGURES: [Figure; 10] = [
    ("large batches", appends::large_batches),
    ("small batches", appends::small_batches),
    ("group commit", commits::group_commit),
    ("reads", reads::reads),
    ("tail", reads::tail),
    ("lookups", reads::lookups),
    ("compaction", compaction::compaction),
    ("compaction memory", compaction::memory),
    ("open", opens::opens),
    ("idle memory", opens::idle),
];

/// Before the name of the only figure that a process is to take.
const ALONE: &str = "--alone";

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [ALONE, name] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return FIGURES.iter().filter(|(figure, _)| *figure == name).try_for_each(take);
    }
    println!("on {}, {} processors", base().display(), std::thread::available_parallelism()?);
    println!("medians of rounds that alternate with those of the baseline, and their spread");
    let only = arguments.iter().find(|name| !name.starts_with("--"));
    let (mut met, mut missed) = (0, 0);
    for (name, _) in FIGURES {
        if only.is_none_or(|only| name.contains(only.as_str())) {
            println!("\n{name}");
            // A process of its own: its memory is that of this figure.
            let mut command = Command::new(std::env::current_exe()?);
            if name.contains("memory") {
                // The C library gives large pieces back at once, so that what is resident is what is used.
                command.env("MALLOC_MMAP_THRESHOLD_", "65536").env("MALLOC_TRIM_THRESHOLD_", "65536");
            }
            let mut child = command.args([ALONE, name]).stdout(Stdio::piped()).spawn()?;
            for line in BufReader::new(child.stdout.take().ok_or("no output")?).lines() {
                let line = line?;
                met += usize::from(line.ends_with(report::MET));
                missed += usize::from(line.ends_with(report::MISSED));
                println!("{line}");
            }
            if !child.wait()?.success() {
                return Err(format!("{name} failed").into());
            }
        }
    }
    println!("\n{met} met, {missed} missed");
    Ok(())
}

fn base() -> PathBuf {
    std::env::var_os("DIR").map_or_else(std::env::temp_dir, PathBuf::from)
}

fn take((_, figure): &Figure) -> Outcome {
    let dir = base().join(format!("commit-log-figures-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let taken = figure(&dir);
    std::fs::remove_dir_all(&dir)?;
    taken
}

fn batch(bytes: usize, timestamp_ms: i64) -> Result<Bytes> {
    let value: Vec<u8> =
        (0..bytes.saturating_sub(80)).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let mut builder = BatchBuilder::default();
    builder.record(timestamp_ms, None, Some(&value));
    Ok(builder.build(Offset(0))?.into())
}

fn open(dir: &Path, flush: FlushPolicy) -> Result<Log> {
    open_on(Arc::new(RealDisk), dir, flush)
}

fn open_on(disk: Arc<dyn Disk>, dir: &Path, flush: FlushPolicy) -> Result<Log> {
    let options = LogOptions { flush, ..LogOptions::default() };
    Ok(Log::open(dir, Arc::new(Files::new(disk, 1_024)), options)?.0)
}

/// Memory of this process, in KiB.
fn resident_kib() -> Result<f64> {
    status_kib("VmRSS:")
}

/// The most that it was since [`reset_peak`].
fn peak_kib() -> Result<f64> {
    status_kib("VmHWM:")
}

fn reset_peak() -> Outcome {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

fn status_kib(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
