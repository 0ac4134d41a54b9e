//! Many logs: opening them, and what they cost while nobody uses them.

use std::{io::Write, path::Path, sync::Arc, time::Instant};

use commit_log::{Files, FlushPolicy, Log, LogOptions, Origin, disk::RealDisk};

use crate::{EPOCH, Outcome, batch, best, resident_kib, row};

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

pub(crate) fn opens(dir: &Path) -> Outcome {
    let synced = best(50, |run| {
        let mut file = std::fs::File::create(dir.join(format!("sync-{run}")))?;
        file.write_all(&[1; 8_192])?;
        let start = Instant::now();
        file.sync_data()?;
        Ok(start.elapsed())
    })?;
    row("write and sync of 8 KiB (baseline)", synced * 1e3, "ms");
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

pub(crate) fn idle(dir: &Path) -> Outcome {
    const COUNT: usize = 1_000;
    let files = Arc::new(Files::new(Arc::new(RealDisk), 16));
    make_logs(dir, &files, COUNT, true)?;
    let before = resident_kib()?;
    let mut logs = Vec::new();
    for number in 0..COUNT {
        logs.push(Log::open(&dir.join(number.to_string()), Arc::clone(&files), LogOptions::default())?.0);
    }
    row("memory per idle log of 4 segments (to reach: 16)", (resident_kib()? - before) / COUNT as f64, "KiB");
    row("files open for 1,000 idle logs", files.open_count() as f64, "");
    Ok(())
}
