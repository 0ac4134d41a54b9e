//! Appending by one owner.

use std::{fs::File, io::Write, path::Path, time::Instant};

use commit_log::{FlushPolicy, Origin};

use crate::{EPOCH, MIB, Outcome, batch, best, open, row};

pub(crate) fn large_batches(dir: &Path) -> Outcome {
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

pub(crate) fn small_batches(dir: &Path) -> Outcome {
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
    let written = best(3, |run| {
        let path = dir.join(format!("plain-{run}"));
        let mut file = File::create(&path)?;
        let start = Instant::now();
        for _ in 0..COUNT {
            file.write_all(&batch)?;
        }
        let took = start.elapsed();
        std::fs::remove_file(path)?;
        Ok(took)
    })?;
    row("plain write of 1 KiB (baseline of one per call)", COUNT as f64 / written, "batches/s");
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
