//! Many writers that wait for the disk.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use commit_log::{FlushPolicy, GroupCommit, Origin};

use crate::{
    EPOCH, Outcome, Result, batch,
    disks::SlowDisk,
    open_on,
    report::{Goal, Samples, figure, row},
};

const ROUNDS: usize = 5;
const WRITERS: usize = 64;

pub(crate) fn group_commit(dir: &Path) -> Outcome {
    let disks = [("4 ms a sync", Duration::from_millis(4), 20.0), ("this disk", Duration::ZERO, 3.0)];
    for (name, sync, times) in disks {
        let (mut one, mut many, mut gain, mut median, mut p99) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let dir = dir.join(format!("{sync:?}-{round}"));
            let alone = committers(&dir.join("alone"), sync, 1)?;
            let together = committers(&dir.join("together"), sync, WRITERS)?;
            std::fs::remove_dir_all(dir)?;
            if round > 0 {
                let (rate, all) = (alone.len() as f64 / SECONDS, together.len() as f64 / SECONDS);
                // The time of one sync, as who is alone sees it.
                let wait = alone.median();
                one.push(rate);
                many.push(all);
                gain.push(all / rate);
                median.push(together.median() / wait);
                p99.push(together.share(0.99) / wait);
            }
        }
        row(&format!("{name}: 1 writer, one sync per write (baseline)"), &Samples::new(one), "/s");
        row(&format!("{name}: {WRITERS} writers"), &Samples::new(many), "/s");
        figure(&format!("{name}: gain"), &Samples::new(gain), "x", Goal::AtLeast(times));
        row(&format!("{name}: median wait"), &Samples::new(median), "syncs");
        figure(&format!("{name}: p99 of the waits"), &Samples::new(p99), "syncs", Goal::AtMost(3.0));
    }
    Ok(())
}

const SECONDS: f64 = 1.5;

/// For how long writers waited for their batches to be durable, in seconds, each wait of so many writers.
fn committers(dir: &Path, sync: Duration, writers: usize) -> Result<Samples> {
    let batch = batch(1_024, 0)?;
    let shared = GroupCommit::new(open_on(Arc::new(SlowDisk::new(sync)), dir, FlushPolicy::Ack)?);
    // The first batch of an epoch needs another sync: that is no figure of a log in use.
    shared.with(|log| {
        log.append(std::slice::from_ref(&batch), EPOCH, Origin::Client, 0)?;
        log.flush()
    })?;
    let until = Instant::now() + Duration::from_secs_f64(SECONDS);
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
    Ok(std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(write)).collect();
        Samples::new(
            threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).flatten().collect(),
        )
    }))
}
