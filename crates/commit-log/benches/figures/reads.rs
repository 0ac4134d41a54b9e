//! Reading and looking up.

use std::{fs::File, os::unix::fs::FileExt, path::Path, sync::Arc, time::Duration, time::Instant};

use bytes::Bytes;
use commit_log::{FlushPolicy, Log, Offset, Origin, TimestampSpec, batch::BatchBuilder};

use crate::{
    EPOCH, MIB, Outcome, Result, batch,
    disks::{SlowDisk, SparseDisk},
    open, open_on,
    report::{Goal, Samples, alternate, figure, row},
};

const COUNT: usize = 16_384;

pub(crate) fn reads(dir: &Path) -> Outcome {
    const LOOKUPS: usize = 2_000;
    let path = dir.join("log");
    let mut log = open(&path, FlushPolicy::Os)?;
    let batch_bytes = batch(16_384, 0)?.len();
    for at in 0..COUNT {
        log.append(&[batch(16_384, i64::try_from(at)?)?], EPOCH, Origin::Internal, 0)?;
    }
    log.flush()?;
    log.release_memory();
    let total = log.size_bytes() as f64 / MIB as f64;
    let file = File::open(path.join("00000000000000000000.log"))?;
    // The same pieces for all: of whole batches, each in memory of its own.
    let piece = MIB / batch_bytes * batch_bytes;
    let mut plain = || read_plainly(&file, piece).map(|took| total / took);
    let mut sent = || read_ranges(&log, batch_bytes).map(|took| total / took);
    let mut checked = || read_checked(&log).map(|took| total / took);
    let mut plans = || {
        let start = Instant::now();
        for lookup in 0..LOOKUPS {
            let from = Offset(i64::try_from(lookup * 7_919 % COUNT)?);
            std::hint::black_box(log.plan_read(from, log.log_end(), MIB)?.ranges()?);
        }
        Ok(start.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64)
    };
    let all = alternate(9, &mut [&mut plain, &mut sent, &mut checked, &mut plans])?;
    if let [plain, sent, checked, plans] = &all[..] {
        let share = |samples: &Samples| samples.map(|value| 100.0 * value / plain.median());
        row("pread of 1 MiB from the page cache (baseline)", plain, "MiB/s");
        row("send path: ranges to send, then pread of them", sent, "MiB/s");
        figure("share of the baseline", &share(sent), "%", Goal::AtLeast(90.0));
        row("read of 1 MiB, every batch checked", checked, "MiB/s");
        row("share of the baseline, checked", &share(checked), "%");
        row("plan of a read of 1 MiB", plans, "us");
    }
    Ok(())
}

fn read_plainly(file: &File, piece: usize) -> Result<f64> {
    let start = Instant::now();
    let mut position = 0;
    loop {
        let mut buffer = vec![0; piece];
        match file.read_at(&mut buffer, position)? {
            0 => return Ok(start.elapsed().as_secs_f64()),
            read => position += read as u64,
        }
        std::hint::black_box(&buffer);
    }
}

fn read_ranges(log: &Log, batch_bytes: usize) -> Result<f64> {
    let start = Instant::now();
    let mut next = Offset(0);
    while next < log.log_end() {
        for range in log.plan_read(next, log.log_end(), MIB)?.ranges()? {
            let mut buffer = vec![0; range.len];
            range.file.read_at(&mut buffer, range.position)?;
            next = next + i64::try_from(range.len / batch_bytes)?;
            std::hint::black_box(&buffer);
        }
    }
    Ok(start.elapsed().as_secs_f64())
}

fn read_checked(log: &Log) -> Result<f64> {
    let start = Instant::now();
    let mut next = Offset(0);
    while next < log.log_end() {
        next = std::hint::black_box(log.plan_read(next, log.log_end(), MIB)?.read()?).next;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// What a consumer reads that keeps up.
pub(crate) fn tail(dir: &Path) -> Outcome {
    let disk = SlowDisk::new(Duration::ZERO);
    let mut log = open_on(Arc::new(disk.clone()), &dir.join("log"), FlushPolicy::Os)?;
    let batch = batch(1_024, 0)?;
    let mut waits = Vec::new();
    let mut calls = 0;
    for _ in 0..20_000 {
        let from = log.log_end();
        log.append(std::slice::from_ref(&batch), EPOCH, Origin::Internal, 0)?;
        let before = disk.calls();
        let start = Instant::now();
        let read = log.plan_read(from, log.log_end(), MIB)?.read()?;
        waits.push(start.elapsed().as_secs_f64() * 1e6);
        calls += disk.calls() - before;
        assert_eq!(read.next, log.log_end());
    }
    row("read of the last batch, median", &Samples::one(Samples::new(waits).median()), "us");
    figure("calls on the disk for it", &Samples::one(calls as f64), "", Goal::AtMost(0.0));
    Ok(())
}

/// A log of 10 GiB in batches of 256 KiB, sparse on disk.
pub(crate) fn lookups(dir: &Path) -> Outcome {
    const COUNT: i64 = (10 << 30) / 262_144;
    const GROUP: i64 = 64;
    const LOOKUPS: i64 = 2_000;
    let mut log = open_on(Arc::new(SparseDisk), &dir.join("log"), FlushPolicy::Os)?;
    let zeros = vec![0; 262_144 - 80];
    for first in (0..COUNT).step_by(usize::try_from(GROUP)?) {
        let batch = |timestamp_ms| {
            let mut builder = BatchBuilder::default();
            Ok(builder.record(timestamp_ms, None, Some(&zeros)).build(Offset(0))?.into())
        };
        let batches = (first..first + GROUP).map(batch).collect::<Result<Vec<Bytes>>>()?;
        log.append(&batches, EPOCH, Origin::Internal, 0)?;
    }
    log.flush()?;
    log.release_memory();
    row("size of the log", &Samples::one(log.size_bytes() as f64 / (1 << 30) as f64), "GiB");
    let spread = |lookup: i64| lookup * 7_919_777 % COUNT;
    let file = File::open(dir.join("log/00000000000000000000.log"))?;
    let mut p99 = Vec::new();
    // The round that is not heeded makes it warm.
    let mut found = || {
        let mut waits = Vec::new();
        for lookup in 0..LOOKUPS {
            let timestamp_ms = spread(lookup);
            let start = Instant::now();
            let found = log.plan_timestamp(TimestampSpec::At(timestamp_ms), log.log_end()).find()?;
            waits.push(start.elapsed().as_secs_f64() * 1e6);
            assert_eq!(found.map(|found| found.offset), Some(Offset(timestamp_ms)));
        }
        let waits = Samples::new(waits);
        p99.push(waits.share(0.99));
        Ok(waits.median())
    };
    let mut buffer = vec![0; 262_144];
    let mut plain = || {
        let start = Instant::now();
        for lookup in 0..LOOKUPS {
            let position = u64::try_from(spread(lookup) % 4_000)? * 262_144;
            std::hint::black_box(file.read_at(&mut buffer, position)?);
        }
        Ok(start.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64)
    };
    let all = alternate(5, &mut [&mut plain, &mut found])?;
    if let [plain, found] = &all[..] {
        row("pread of 256 KiB, warm (baseline)", plain, "us");
        figure("record by timestamp, warm, median", found, "us", Goal::AtMost(200.0));
        row("record by timestamp, warm, p99", &Samples::new(p99.split_off(1)), "us");
    }
    Ok(())
}
