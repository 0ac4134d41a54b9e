//! Figures of a cluster whose processes are stopped: taken from the drills, which check as well that nothing was lost.

use std::time::Instant;

use super::Figure;
use crate::{
    drill::{
        catalogue::{self, Drill},
        report::Verdict,
        target::Target,
    },
    exit::{Exit, Failure},
    output::say,
};

/// The controller is killed.
pub(super) async fn failover(target: &mut Target, times: u32) -> Result<Vec<Figure>, Failure> {
    let goals = [("outage", "controller killed, next acknowledged write", "p50 <= 600, p99 <= 900 ms")];
    of_drill(Drill::KillController, target, times, &goals).await
}

/// A broker is killed.
pub(super) async fn broker_kill(target: &mut Target, times: u32) -> Result<Vec<Figure>, Failure> {
    let goals = [
        ("broker is OFFLINE after", "broker killed, OFFLINE", "p99 <= 1000 ms"),
        ("partitions have new leaders after", "broker killed, new partition leaders", "p99 <= 1000 ms"),
    ];
    of_drill(Drill::KillBroker, target, times, &goals).await
}

/// All processes are stopped and started again.
pub(super) async fn start(target: &mut Target, times: u32) -> Result<Vec<Figure>, Failure> {
    let mut samples = Vec::new();
    for _ in 0..times {
        let names: Vec<String> = target.members()?.into_iter().map(|member| member.name).collect();
        // Brokers first: they are the last in the list.
        for name in names.iter().rev() {
            target.terminate(name).await?;
        }
        let begun = Instant::now();
        for name in &names {
            target.start(name).await?;
        }
        target.ready().await?;
        samples.push(begun.elapsed());
    }
    Ok(vec![Figure::of("start of all processes to ready", &samples, "<= 2000 ms")])
}

/// The timings of a drill as figures. `wanted` are a timing's name, the figure's name, its goal.
async fn of_drill(
    drill: Drill,
    target: &mut Target,
    times: u32,
    wanted: &[(&str, &str, &'static str)],
) -> Result<Vec<Figure>, Failure> {
    let report = catalogue::run(drill, usize::try_from(times).unwrap_or(usize::MAX), target).await?;
    if report.verdict == Verdict::Fail {
        let why = serde_json::to_string(&report).unwrap_or_default();
        say!("{} failed: {why}", drill.name());
        return Err(Failure::new(
            Exit::VerdictFail,
            format!("figures of a failed {} mean nothing", drill.name()),
        ));
    }
    let timings = wanted.iter().filter_map(|(timing, name, goal)| {
        report.timings.get(timing).map(|timing| Figure::timing(*name, timing, goal))
    });
    Ok(timings.collect())
}
