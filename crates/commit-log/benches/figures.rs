//! The figures of the log, each beside its baseline from the same run: `cargo bench -p commit-log`.
//!
//! `DIR=/some/disk` chooses the file system; the default is the directory for temporary files.

use std::{
    fs::File,
    io::{IoSlice, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use commit_log::{
    Files, FlushPolicy, GroupCommit, Log, LogOptions, Offset, Origin, TimestampSpec,
    batch::BatchBuilder,
    disk::{Disk, DiskFile, FileEntry, RealDisk},
};
use common::LeaderEpoch;

const EPOCH: LeaderEpoch = LeaderEpoch(1);
const MIB: usize = 1 << 20;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A name, and what prints the rows under it, using an empty directory.
type Figure = (&'static str, fn(&Path) -> Outcome);

fn main() -> Outcome {
    let base = std::env::var_os("DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("commit-log-figures-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    println!("on {}, {} processors", base.display(), std::thread::available_parallelism()?);
    let figures: [Figure; 6] = [
        ("large batches", large_batches),
        ("small batches", small_batches),
        ("group commit", group_commit),
        ("reads", reads),
        ("open", opens),
        ("idle partitions", idle),
    ];
    let only = std::env::args().nth(1).filter(|name| !name.starts_with("--"));
    for (name, figure) in figures {
        if only.as_deref().is_none_or(|only| name.contains(only)) {
            println!("\n{name}");
            let dir = dir.join(name.replace(' ', "-"));
            std::fs::create_dir_all(&dir)?;
            figure(&dir)?;
            std::fs::remove_dir_all(&dir)?;
        }
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn batch(bytes: usize, timestamp_ms: i64) -> Result<Bytes, Box<dyn std::error::Error>> {
    let value: Vec<u8> =
        (0..bytes.saturating_sub(80)).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let mut builder = BatchBuilder::default();
    builder.record(timestamp_ms, None, Some(&value));
    Ok(builder.build(Offset(0))?.into())
}

fn open(dir: &Path, flush: FlushPolicy) -> Result<Log, commit_log::LogError> {
    open_on(Arc::new(RealDisk), dir, flush)
}

fn open_on(disk: Arc<dyn Disk>, dir: &Path, flush: FlushPolicy) -> Result<Log, commit_log::LogError> {
    let options = LogOptions { flush, ..LogOptions::default() };
    Ok(Log::open(dir, Arc::new(Files::new(disk, 1_024)), options)?.0)
}

fn row(what: &str, value: f64, unit: &str) {
    println!("  {what:<58} {value:>12.1} {unit}");
}

/// Best of a few runs: other work on the machine only makes a run slower.
fn best(
    runs: usize,
    mut run: impl FnMut(usize) -> Result<Duration, Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut best = f64::MAX;
    for number in 0..runs {
        best = best.min(run(number)?.as_secs_f64());
    }
    Ok(best)
}

fn large_batches(dir: &Path) -> Outcome {
    const COUNT: usize = 512;
    let batch = batch(MIB, 0)?;
    let mib = (COUNT * batch.len()) as f64 / MIB as f64;
    let mut written = f64::MAX;
    let mut appended = f64::MAX;
    // In turns, so that both see the same machine.
    for run in 0..4 {
        written = written.min(best(1, |_| {
            let path = dir.join(format!("plain-{run}"));
            let mut file = File::create(&path)?;
            let start = Instant::now();
            for _ in 0..COUNT {
                file.write_all(&batch)?;
            }
            let took = start.elapsed();
            std::fs::remove_file(path)?;
            Ok(took)
        })?);
        appended = appended.min(best(1, |_| {
            let path = dir.join(format!("log-{run}"));
            let mut log = open(&path, FlushPolicy::Os)?;
            let start = Instant::now();
            for _ in 0..COUNT {
                log.append(std::slice::from_ref(&batch), EPOCH, Origin::Client, 0)?;
            }
            let took = start.elapsed();
            std::fs::remove_dir_all(path)?;
            Ok(took)
        })?);
    }
    row("plain write of 1 MiB (baseline)", mib / written, "MiB/s");
    row("append of 1 MiB batches, policy os, with CRC check", mib / appended, "MiB/s");
    row("ratio (to reach: 80)", 100.0 * written / appended, "%");
    Ok(())
}

fn small_batches(dir: &Path) -> Outcome {
    const COUNT: usize = 200_000;
    let batch = batch(1_024, 0)?;
    let baseline = best(3, |_| {
        let mut target = Vec::with_capacity(64 * MIB);
        let start = Instant::now();
        for _ in 0..COUNT {
            if target.len() + batch.len() > 64 * MIB {
                target.clear();
            }
            target.extend_from_slice(&batch);
            std::hint::black_box(crc32c::crc32c(&batch));
        }
        Ok(start.elapsed())
    })?;
    row("memcpy + CRC-32C of 1 KiB (baseline)", COUNT as f64 / baseline, "batches/s");
    for group in [1, 32] {
        let batches = vec![batch.clone(); group];
        let took = best(3, |run| {
            let path = dir.join(format!("{group}-{run}"));
            let mut log = open(&path, FlushPolicy::Os)?;
            let start = Instant::now();
            for _ in 0..COUNT / group {
                log.append(&batches, EPOCH, Origin::Client, 0)?;
            }
            let took = start.elapsed();
            std::fs::remove_dir_all(path)?;
            Ok(took)
        })?;
        row(
            &format!("append of 1 KiB batches, {group} per call (to reach: 400,000)"),
            COUNT as f64 / took,
            "batches/s",
        );
    }
    Ok(())
}

/// The real disk, with a sync that takes longer.
#[derive(Debug, Clone, Default)]
struct SlowDisk {
    sync: Duration,
    syncs: Arc<AtomicU64>,
}

#[derive(Debug)]
struct SlowFile(Arc<dyn DiskFile>, SlowDisk);

impl Disk for SlowDisk {
    fn open(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SlowFile(RealDisk.open(path)?, self.clone())))
    }
    fn create(&self, path: &Path) -> std::io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SlowFile(RealDisk.create(path)?, self.clone())))
    }
    fn create_dir(&self, path: &Path) -> std::io::Result<()> {
        RealDisk.create_dir(path)
    }
    fn list(&self, dir: &Path) -> std::io::Result<Vec<FileEntry>> {
        RealDisk.list(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        RealDisk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        RealDisk.sync_dir(dir)
    }
}

impl DiskFile for SlowFile {
    fn size(&self) -> std::io::Result<u64> {
        self.0.size()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
        self.0.read_at(buffer, position)
    }
    fn append(&self, parts: &mut [IoSlice<'_>]) -> std::io::Result<()> {
        self.0.append(parts)
    }
    fn truncate(&self, size: u64) -> std::io::Result<()> {
        self.0.truncate(size)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::Relaxed);
        if self.1.sync.is_zero() {
            return self.0.sync();
        }
        std::thread::sleep(self.1.sync);
        Ok(())
    }
}

fn group_commit(dir: &Path) -> Outcome {
    for (name, sync) in [("this disk", Duration::ZERO), ("a sync of 4 ms", Duration::from_millis(4))] {
        let (alone, alone_p99) = committers(&dir.join(format!("alone-{name}")), sync, 1)?;
        let (together, p99) = committers(&dir.join(format!("together-{name}")), sync, 64)?;
        row(&format!("{name}: 1 writer, one sync per write (baseline)"), alone, "batches/s");
        row(&format!("{name}: 64 writers"), together, "batches/s");
        row(
            &format!("{name}: ratio (to reach: {})", if sync.is_zero() { 3 } else { 20 }),
            together / alone,
            "x",
        );
        row(&format!("{name}: p99 of 64 in p50 of one (to reach: 3)"), p99 / alone_p99, "syncs");
    }
    Ok(())
}

/// Batches per second of so many writers, each waiting for its batch to be durable; and for one writer the median, for
/// more the 99th percentile, of the waiting times in seconds.
fn committers(dir: &Path, sync: Duration, writers: usize) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let batch = batch(1_024, 0)?;
    let disk = SlowDisk { sync, ..SlowDisk::default() };
    let shared = GroupCommit::new(open_on(Arc::new(disk), dir, FlushPolicy::Ack)?);
    let until = Instant::now() + Duration::from_secs(3);
    let write = || {
        let mut waits = Vec::new();
        while Instant::now() < until {
            let start = Instant::now();
            let answers =
                shared.with(|log| log.append(std::slice::from_ref(&batch), EPOCH, Origin::Client, 0));
            let end = answers.ok()?.first()?.as_ref().ok()?.last_offset + 1;
            shared.wait_durable(end).ok()?;
            waits.push(start.elapsed().as_secs_f64());
        }
        Some(waits)
    };
    let mut waits: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(write)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).flatten().collect()
    });
    waits.sort_by(f64::total_cmp);
    let rank = if writers == 1 { waits.len() / 2 } else { waits.len() * 99 / 100 };
    Ok((waits.len() as f64 / 3.0, waits.get(rank).copied().unwrap_or(f64::NAN)))
}

fn reads(dir: &Path) -> Outcome {
    const COUNT: usize = 16_384;
    const LOOKUPS: usize = 2_000;
    let path = dir.join("log");
    let mut log = open(&path, FlushPolicy::Os)?;
    for at in 0..COUNT {
        log.append(&[batch(16_384, i64::try_from(at)?)?], EPOCH, Origin::Internal, 0)?;
    }
    log.flush()?;
    log.release_memory();
    let total = log.size_bytes() as f64 / MIB as f64;
    let file = File::open(path.join("00000000000000000000.log"))?;
    let plain = best(3, |_| {
        let start = Instant::now();
        let mut position = 0;
        loop {
            let mut buffer = vec![0; MIB];
            match file.read_at(&mut buffer, position)? {
                0 => return Ok(start.elapsed()),
                read => position += read as u64,
            }
            std::hint::black_box(&buffer);
        }
    })?;
    row("pread of 1 MiB from the page cache (baseline)", total / plain, "MiB/s");
    let checked = best(3, |_| {
        let start = Instant::now();
        let mut next = Offset(0);
        while next < log.log_end() {
            next = std::hint::black_box(log.plan_read(next, log.log_end(), MIB)?.read()?).next;
        }
        Ok(start.elapsed())
    })?;
    row("read of 1 MiB, every batch checked", total / checked, "MiB/s");
    row("ratio", 100.0 * plain / checked, "%");
    let start = Instant::now();
    for lookup in 0..LOOKUPS {
        let timestamp_ms = i64::try_from(lookup * 7_919 % COUNT)?;
        let found = log.plan_timestamp(TimestampSpec::At(timestamp_ms), log.log_end()).find()?;
        assert_eq!(found.map(|found| found.offset), Some(Offset(timestamp_ms)));
    }
    row("offset by timestamp (to reach: 200)", start.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64, "us");
    let start = Instant::now();
    for lookup in 0..LOOKUPS {
        let from = Offset(i64::try_from(lookup * 7_919 % COUNT)?);
        std::hint::black_box(log.plan_read(from, log.log_end(), MIB)?.ranges()?);
    }
    row("plan of a 1 MiB zero-copy read", start.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64, "us");
    Ok(())
}

/// Logs of four segments each.
fn make_logs(dir: &Path, files: &Arc<Files>, count: usize, clean: bool) -> Outcome {
    let batch = batch(8_192, 0)?;
    let options = LogOptions { segment_bytes: 20_000, flush: FlushPolicy::Os, ..LogOptions::default() };
    for number in 0..count {
        let mut log = Log::open(&dir.join(number.to_string()), Arc::clone(files), options.clone())?.0;
        for append in 0..8 {
            if append == 7 && !clean {
                // So that a log that is not closed has a tail to recover.
                log.flush()?;
            }
            log.append(std::slice::from_ref(&batch), EPOCH, Origin::Internal, 0)?;
        }
        if clean {
            log.close()?;
        }
    }
    Ok(())
}

fn opens(dir: &Path) -> Outcome {
    for (clean, count) in [(true, 1_000_u16), (false, 100)] {
        let dir = dir.join(if clean { "clean" } else { "killed" });
        let files = Arc::new(Files::default());
        make_logs(&dir, &files, usize::from(count), clean)?;
        let start = Instant::now();
        for number in 0..count {
            let (log, recovered) =
                Log::open(&dir.join(number.to_string()), Arc::clone(&files), LogOptions::default())?;
            assert!(recovered.clean == clean && log.segment_count() == 4);
        }
        let took = start.elapsed().as_secs_f64();
        if clean {
            row("1,000 logs x 4 segments, shut down cleanly (to reach: 1.0)", took, "s");
        } else {
            row(
                "a killed log x 4 segments, recovered and synced (to reach: 20)",
                took * 1e3 / f64::from(count),
                "ms",
            );
        }
    }
    Ok(())
}

fn idle(dir: &Path) -> Outcome {
    const COUNT: usize = 1_000;
    let files = Arc::new(Files::new(Arc::new(RealDisk), 16));
    make_logs(dir, &files, COUNT, true)?;
    let resident = || -> Result<f64, Box<dyn std::error::Error>> {
        let statm = std::fs::read_to_string("/proc/self/statm")?;
        Ok(statm.split_whitespace().nth(1).unwrap_or("0").parse::<f64>()? * 4.0)
    };
    let before = resident()?;
    let mut logs = Vec::new();
    for number in 0..COUNT {
        logs.push(Log::open(&dir.join(number.to_string()), Arc::clone(&files), LogOptions::default())?.0);
    }
    row("memory per idle log of 4 segments (to reach: 16)", (resident()? - before) / COUNT as f64, "KiB");
    row("files open for 1,000 idle logs", files.open_count() as f64, "");
    Ok(())
}
