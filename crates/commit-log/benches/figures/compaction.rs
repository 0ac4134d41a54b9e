//! Compaction, and the memory it takes.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use commit_log::{
    Compaction, Files, FlushPolicy, Log, LogOptions, Offset, Origin,
    batch::{BatchBuilder, Compression},
    disk::sim::Random,
};

use crate::{
    EPOCH, MIB, Outcome, Result, peak_kib,
    report::{Goal, Samples, figure, row},
    reset_peak, resident_kib,
};

const KEYS: usize = 60_000;
const RECORDS: u64 = 32;
const BUFFER_BYTES: usize = 16 * MIB;

const ROUNDS: usize = 3;
const CODECS: [(&str, Compression); 2] = [("uncompressed", Compression::None), ("lz4", Compression::Lz4)];

pub(crate) fn compaction(dir: &Path) -> Outcome {
    for (name, codec) in CODECS {
        let mut rounds: [Vec<f64>; 4] = Default::default();
        for round in 0..ROUNDS {
            let path = dir.join(format!("{name}-{round}"));
            let mut log = filled(&path, codec)?;
            let copied = copy(&path)?;
            let (compacted, _) = compact(&mut log)?;
            rounds.iter_mut().zip([copied].into_iter().chain(compacted)).for_each(|(all, one)| all.push(one));
            drop(log);
            std::fs::remove_dir_all(path)?;
        }
        let [copied, left, elapsed, worked] = rounds.map(Samples::new);
        row(&format!("{name}: read, write and sync of a segment (baseline)"), &copied, "MB/s");
        row(&format!("{name}: part of the log that is left"), &left, "%");
        row(&format!("{name}: compacted, elapsed"), &elapsed, "MB/s");
        figure(&format!("{name}: compacted, per second of one core"), &worked, "MB/s", Goal::AtLeast(150.0));
    }
    Ok(())
}

pub(crate) fn memory(dir: &Path) -> Outcome {
    for (name, codec) in CODECS {
        let (_, peak) = compact(&mut filled(&dir.join(name), codec)?)?;
        let most = (BUFFER_BYTES / MIB) as f64;
        figure(&format!("{name}: memory at most"), &Samples::one(peak), "MiB", Goal::AtMost(most));
    }
    Ok(())
}

/// MB per second.
fn copy(path: &Path) -> Result<f64> {
    let mut target = File::create(path.join("copy"))?;
    let mut source = File::open(path.join("00000000000000000000.log"))?;
    let (mut buffer, mut bytes) = (vec![0; MIB], 0);
    let start = Instant::now();
    loop {
        match source.read(&mut buffer)? {
            0 => break,
            read => {
                target.write_all(buffer.get(..read).unwrap_or_default())?;
                bytes += read;
            }
        }
    }
    target.sync_data()?;
    let took = start.elapsed().as_secs_f64();
    std::fs::remove_file(path.join("copy"))?;
    Ok(bytes as f64 / 1e6 / took)
}

/// Percent of the log that is left, MB per second, the same per second of a core; and MiB of memory at most.
fn compact(log: &mut Log) -> Result<([f64; 3], f64)> {
    let settings = Compaction { buffer_bytes: BUFFER_BYTES, ..Compaction::default() };
    let end = log.log_end();
    reset_peak()?;
    let before = resident_kib()?;
    let (start, worked) = (Instant::now(), processor_seconds()?);
    let mut job = log.plan_compaction(&settings, 0, end)?.ok_or("nothing to compact")?;
    let (mut read, mut kept) = (0, 0);
    while let Some(step) = job.next_step() {
        let step = step?;
        (read, kept) = (read + step.read_bytes, kept + step.kept_bytes);
        log.install_compacted(step)?;
    }
    let (took, worked) = (start.elapsed().as_secs_f64(), processor_seconds()? - worked);
    let megabytes = read as f64 / 1e6;
    let peak = (peak_kib()? - before) / 1_024.0;
    Ok(([100.0 * kept as f64 / read as f64, megabytes / took, megabytes / worked], peak))
}

/// For how long this thread had a processor: what the rest of the machine and the disk do is not in it.
fn processor_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split_whitespace().next().unwrap_or("0").parse::<f64>()? / 1e9)
}

/// Batches of 32 records of half a KiB, whose keys come again and again.
fn filled(path: &Path, codec: Compression) -> Result<Log> {
    let options = LogOptions { segment_bytes: 32 << 20, flush: FlushPolicy::Os, ..LogOptions::default() };
    let mut log = Log::open(path, Arc::new(Files::default()), options)?.0;
    let mut number = 0_u64;
    let mut random = Random::new(7);
    while log.segment_count() < 6 && number < 600_000 {
        let mut builder = BatchBuilder::new(codec);
        for _ in 0..RECORDS {
            number += 1;
            let key = format!("key-{:08}", random.below(KEYS));
            // Half of it compresses.
            let value: Vec<u8> =
                (0..32).flat_map(|_| [random.next_u64().to_le_bytes(), [7; 8]].concat()).collect();
            builder.record(0, Some(key.as_bytes()), Some(&value));
        }
        log.append(&[builder.build(Offset(0))?.into()], EPOCH, Origin::Internal, 0)?;
    }
    log.flush()?;
    Ok(log)
}
