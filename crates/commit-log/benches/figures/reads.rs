//! Reading and looking up.

use std::{fs::File, os::unix::fs::FileExt, path::Path, sync::Arc, time::Instant};

use bytes::Bytes;
use commit_log::{FlushPolicy, Offset, Origin, TimestampSpec, batch::BatchBuilder};

use crate::{EPOCH, MIB, Outcome, batch, best, disks::SparseDisk, open, open_on, row};

pub(crate) fn reads(dir: &Path) -> Outcome {
    const COUNT: usize = 16_384;
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
    let plain = || {
        let start = Instant::now();
        let mut position = 0;
        loop {
            let mut buffer = vec![0; piece];
            match file.read_at(&mut buffer, position)? {
                0 => return Ok::<_, Box<dyn std::error::Error>>(start.elapsed().as_secs_f64()),
                read => position += read as u64,
            }
            std::hint::black_box(&buffer);
        }
    };
    let checked = || {
        let start = Instant::now();
        let mut next = Offset(0);
        while next < log.log_end() {
            next = std::hint::black_box(log.plan_read(next, log.log_end(), MIB)?.read()?).next;
        }
        Ok::<_, Box<dyn std::error::Error>>(start.elapsed().as_secs_f64())
    };
    let sent = || {
        let start = Instant::now();
        let mut next = Offset(0);
        while next < log.log_end() {
            let plan = log.plan_read(next, log.log_end(), MIB)?;
            for range in plan.ranges()? {
                let mut buffer = vec![0; range.len];
                range.file.read_at(&mut buffer, range.position)?;
                next = next + i64::try_from(range.len / batch_bytes)?;
                std::hint::black_box(&buffer);
            }
        }
        Ok::<_, Box<dyn std::error::Error>>(start.elapsed().as_secs_f64())
    };
    // In turns, so that all see the same machine.
    let mut times = [f64::MAX; 3];
    for _ in 0..4 {
        let [plainly, unchecked, thoroughly] = times;
        times = [plainly.min(plain()?), unchecked.min(sent()?), thoroughly.min(checked()?)];
    }
    let [plain, sent, checked] = times;
    row("pread of 1 MiB from the page cache (baseline)", total / plain, "MiB/s");
    row("send path: ranges for zero-copy, then pread of them", total / sent, "MiB/s");
    row("ratio of the send path (to reach: 90)", 100.0 * plain / sent, "%");
    row("read of 1 MiB, every batch checked (chain and CRC-32C)", total / checked, "MiB/s");
    row("ratio of the checked read", 100.0 * plain / checked, "%");
    let start = Instant::now();
    for lookup in 0..LOOKUPS {
        let from = Offset(i64::try_from(lookup * 7_919 % COUNT)?);
        std::hint::black_box(log.plan_read(from, log.log_end(), MIB)?.ranges()?);
    }
    row("plan of a 1 MiB zero-copy read", start.elapsed().as_secs_f64() * 1e6 / LOOKUPS as f64, "us");
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
        let batches =
            (first..first + GROUP).map(batch).collect::<Result<Vec<Bytes>, Box<dyn std::error::Error>>>()?;
        log.append(&batches, EPOCH, Origin::Internal, 0)?;
    }
    log.flush()?;
    log.release_memory();
    row("size of the log", log.size_bytes() as f64 / (1 << 30) as f64, "GiB");
    let spread = |lookup: i64| lookup * 7_919_777 % COUNT;
    let mut waits = Vec::new();
    for lookup in 0..2 * LOOKUPS {
        let timestamp_ms = spread(lookup % LOOKUPS);
        let start = Instant::now();
        let found = log.plan_timestamp(TimestampSpec::At(timestamp_ms), log.log_end()).find()?;
        // The second time round it is warm.
        if lookup >= LOOKUPS {
            waits.push(start.elapsed().as_secs_f64() * 1e6);
        }
        assert_eq!(found.map(|found| found.offset), Some(Offset(timestamp_ms)));
    }
    waits.sort_by(f64::total_cmp);
    let file = File::open(dir.join("log/00000000000000000000.log"))?;
    let mut buffer = vec![0; 262_144];
    let plain = best(2, |_| {
        let start = Instant::now();
        for lookup in 0..LOOKUPS {
            let position = u64::try_from(spread(lookup) % 4_000)? * 262_144;
            std::hint::black_box(file.read_at(&mut buffer, position)?);
        }
        Ok(start.elapsed())
    })?;
    row("pread of 256 KiB, warm (baseline)", plain * 1e6 / LOOKUPS as f64, "us");
    row(
        "record by timestamp, warm, median (to reach: 200)",
        waits.get(waits.len() / 2).copied().unwrap_or(f64::NAN),
        "us",
    );
    row(
        "record by timestamp, warm, p99",
        waits.get(waits.len() * 99 / 100).copied().unwrap_or(f64::NAN),
        "us",
    );
    Ok(())
}
