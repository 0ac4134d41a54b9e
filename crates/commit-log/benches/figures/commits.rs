//! Many writers that wait for the disk.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use commit_log::{FlushPolicy, GroupCommit, Origin};

use crate::{EPOCH, Outcome, batch, disks::SlowDisk, open_on, row};

pub(crate) fn group_commit(dir: &Path) -> Outcome {
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
    let disk = SlowDisk { sync };
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
