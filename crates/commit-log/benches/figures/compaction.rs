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

use crate::{EPOCH, MIB, Outcome, best, peak_kib, reset_peak, resident_kib, row};

const KEYS: usize = 60_000;
const RECORDS: u64 = 32;
const BUFFER_BYTES: usize = 16 * MIB;

pub(crate) fn compaction(dir: &Path) -> Outcome {
    for (name, codec) in [("uncompressed", Compression::None), ("lz4", Compression::Lz4)] {
        let path = dir.join(name);
        let mut log = filled(&path, codec)?;
        let total = log.size_bytes() as f64 / MIB as f64;
        let copied = best(2, |run| {
            let mut target = File::create(dir.join(format!("copy-{name}-{run}")))?;
            let mut source = File::open(path.join("00000000000000000000.log"))?;
            let mut buffer = vec![0; MIB];
            let start = Instant::now();
            loop {
                match source.read(&mut buffer)? {
                    0 => break,
                    read => target.write_all(buffer.get(..read).unwrap_or_default())?,
                }
            }
            target.sync_data()?;
            Ok(start.elapsed())
        })?;
        let first = std::fs::metadata(path.join("00000000000000000000.log"))?.len() as f64 / MIB as f64;
        row(&format!("{name}: read, write and sync of a segment (baseline)"), first / copied, "MiB/s");
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
        let peak = (peak_kib()? - before) / 1_024.0;
        row(&format!("{name}: log of {total:.0} MiB, left"), kept as f64 / MIB as f64, "MiB");
        row(&format!("{name}: compacted"), read as f64 / 1e6 / took, "MB/s");
        row(&format!("{name}: per second of one core (to reach: 150)"), read as f64 / 1e6 / worked, "MB/s");
        row(&format!("{name}: memory at most (buffer: {})", BUFFER_BYTES / MIB), peak, "MiB");
    }
    Ok(())
}

/// For how long this thread had a processor: what the rest of the machine and the disk do is not in it.
fn processor_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split_whitespace().next().unwrap_or("0").parse::<f64>()? / 1e9)
}

/// Batches of 32 records of half a KiB, whose keys come again and again.
fn filled(path: &Path, codec: Compression) -> Result<Log, Box<dyn std::error::Error>> {
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
