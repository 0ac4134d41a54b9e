//! Appending by one owner.

use std::{fs::File, io::Write, path::Path, time::Instant};

use commit_log::{FlushPolicy, Origin};

use crate::{
    EPOCH, MIB, Outcome, Result, batch, open,
    report::{Goal, alternate, compare, figure, row},
};

/// Bytes per second, in MiB, of writing batches to a new file one after the other. What it wrote goes unsynced.
fn plain_writes(path: &Path, batch: &[u8], count: usize) -> Result<f64> {
    let mut file = File::create(path)?;
    let start = Instant::now();
    for _ in 0..count {
        file.write_all(batch)?;
    }
    let took = start.elapsed();
    std::fs::remove_file(path)?;
    Ok(count as f64 / took.as_secs_f64())
}

/// Batches per second that a new log takes, so many with each call.
fn appends(path: &Path, batch: &bytes::Bytes, count: usize, group: usize) -> Result<f64> {
    let batches = vec![batch.clone(); group];
    let mut log = open(path, FlushPolicy::Os)?;
    let start = Instant::now();
    for _ in 0..count / group {
        log.append(&batches, EPOCH, Origin::Client, 0)?;
    }
    let took = start.elapsed();
    std::fs::remove_dir_all(path)?;
    Ok(count as f64 / took.as_secs_f64())
}

pub(crate) fn large_batches(dir: &Path) -> Outcome {
    const COUNT: usize = 512;
    let batch = batch(MIB, 0)?;
    let mib = batch.len() as f64 / MIB as f64;
    let [appended, written, share] = compare(
        9,
        || Ok(mib * appends(&dir.join("log"), &batch, COUNT, 1)?),
        || Ok(mib * plain_writes(&dir.join("plain"), &batch, COUNT)?),
    )?;
    row("plain write of 1 MiB (baseline)", &written, "MiB/s");
    row("append of 1 MiB, policy os, with CRC check", &appended, "MiB/s");
    figure("share of the baseline", &share.map(|share| share * 100.0), "%", Goal::AtLeast(80.0));
    Ok(())
}

pub(crate) fn small_batches(dir: &Path) -> Outcome {
    const COUNT: usize = 200_000;
    let batch = batch(1_024, 0)?;
    let mut target = Vec::with_capacity(64 * MIB);
    let mut copies = || {
        let start = Instant::now();
        for _ in 0..COUNT {
            if target.len() + batch.len() > 64 * MIB {
                target.clear();
            }
            target.extend_from_slice(&batch);
            std::hint::black_box(crc32c::crc32c(&batch));
        }
        Ok(COUNT as f64 / start.elapsed().as_secs_f64())
    };
    let mut written = || plain_writes(&dir.join("plain"), &batch, COUNT);
    let mut one = || appends(&dir.join("one"), &batch, COUNT, 1);
    let mut many = || appends(&dir.join("many"), &batch, COUNT, 32);
    let all = alternate(7, &mut [&mut copies, &mut written, &mut one, &mut many])?;
    if let [copies, written, one, many] = &all[..] {
        let goal = (copies.median() / 2.0).min(400_000.0);
        row("memcpy and CRC-32C of 1 KiB (baseline)", copies, "/s");
        row("plain write of 1 KiB, for comparison", written, "/s");
        figure("append of 1 KiB batches, one per call", one, "/s", Goal::AtLeast(goal));
        figure("append of 1 KiB batches, 32 per call", many, "/s", Goal::AtLeast(goal));
    }
    Ok(())
}
