//! Many logs: opening them, and what they cost while nobody uses them.

use std::{
    io::{Read, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use commit_log::{Files, FlushPolicy, Log, LogOptions, Origin};

use crate::{
    EPOCH, Outcome, Result, batch,
    report::{Goal, Samples, compare, figure, row},
    resident_kib,
};

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

fn open_all(dir: &Path, files: &Arc<Files>, count: usize, clean: bool) -> Result<Vec<Log>> {
    let mut logs = Vec::new();
    for number in 0..count {
        let (log, recovered) =
            Log::open(&dir.join(number.to_string()), Arc::clone(files), LogOptions::default())?;
        assert!(recovered.clean == clean && log.segment_count() == 4);
        logs.push(log);
    }
    Ok(logs)
}

/// Lists the directories, and reads every file in them but the batches.
fn read_all(dir: &Path, count: usize) -> Outcome {
    let mut bytes = Vec::new();
    for number in 0..count {
        for entry in std::fs::read_dir(dir.join(number.to_string()))? {
            let path = entry?.path();
            if path.extension().is_none_or(|suffix| suffix != "log") {
                bytes.clear();
                std::fs::File::open(path)?.read_to_end(&mut bytes)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn opens(dir: &Path) -> Outcome {
    const CLEAN: usize = 1_000;
    const KILLED: usize = 40;
    let clean = dir.join("clean");
    let files = Arc::new(Files::default());
    make_logs(&clean, &files, CLEAN, true)?;
    let seconds = |start: Instant| start.elapsed().as_secs_f64();
    let opened = || {
        let start = Instant::now();
        let logs = open_all(&clean, &files, CLEAN, true)?;
        let took = seconds(start);
        drop(logs);
        Ok(took)
    };
    let read = || {
        let start = Instant::now();
        read_all(&clean, CLEAN)?;
        Ok(seconds(start))
    };
    let [opened, read, _] = compare(5, opened, read)?;
    row("list and read the small files of 1,000 logs (baseline)", &read, "s");
    figure("open of 1,000 clean logs x 4 segments", &opened, "s", Goal::AtMost(1.0));
    let mut round = 0;
    let recovered = || {
        round += 1;
        let dir = dir.join(format!("killed-{round}"));
        make_logs(&dir, &files, KILLED, false)?;
        let start = Instant::now();
        let logs = open_all(&dir, &files, KILLED, false)?;
        let took = seconds(start);
        drop(logs);
        std::fs::remove_dir_all(dir)?;
        Ok(took * 1e3 / KILLED as f64)
    };
    let mut number = 0;
    let synced = || {
        number += 1;
        let mut file = std::fs::File::create(dir.join(format!("sync-{number}")))?;
        file.write_all(&[1; 8_192])?;
        let start = Instant::now();
        file.sync_data()?;
        Ok(seconds(start) * 1e3)
    };
    let [recovered, synced, _] = compare(5, recovered, synced)?;
    row("sync of a new file of 8 KiB (baseline)", &synced, "ms");
    figure("open of a killed log x 4 segments, dirty tail", &recovered, "ms", Goal::AtMost(20.0));
    Ok(())
}

pub(crate) fn idle(dir: &Path) -> Outcome {
    const COUNT: usize = 1_000;
    let files = Arc::new(Files::default());
    make_logs(dir, &files, COUNT, true)?;
    drop(files);
    let files = Arc::new(Files::default());
    let (kib, open) = (resident_kib()?, open_files()?);
    let mut logs = open_all(dir, &files, COUNT, true)?;
    figure(
        "memory of a log that was opened, 4 segments",
        &Samples::one((resident_kib()? - kib) / COUNT as f64),
        "KiB",
        Goal::AtMost(16.0),
    );
    figure("open files of one", &per_log(open_files()? - open, COUNT), "", Goal::AtMost(1.0));
    let batch = batch(1_024, 0)?;
    for log in &mut logs {
        log.append(std::slice::from_ref(&batch), EPOCH, Origin::Internal, 0)?;
        log.flush()?;
        log.release_memory();
    }
    figure(
        "memory of one that was written to, then released",
        &Samples::one((resident_kib()? - kib) / COUNT as f64),
        "KiB",
        Goal::AtMost(16.0),
    );
    figure("open files of one", &per_log(open_files()? - open, COUNT), "", Goal::AtMost(1.0));
    Ok(())
}

fn per_log(files: f64, logs: usize) -> Samples {
    Samples::one(files / logs as f64)
}

/// Of this process.
fn open_files() -> Result<f64> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count() as f64)
}
