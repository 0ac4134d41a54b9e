//! The drill of every upgrade: each process in turn is stopped in good order and started again.

use std::time::{Duration, Instant};

use common::BrokerStatus;

use crate::{
    drill::{
        stage::Stage,
        target::{broker_name, node_name},
    },
    exit::Failure,
};

/// Nodes first, the leader last, then brokers.
pub(crate) async fn restart(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let begun = Instant::now();
    let leader = stage.leader().await?;
    let mut nodes: Vec<_> = stage.observer.nodes().collect();
    nodes.sort_by_key(|node| *node == leader.id);
    for node in nodes {
        let name = node_name(node);
        let ended = stage.target.terminate(&name).await?;
        check_exit(stage, ended);
        stage.target.start(&name).await?;
        stage.target.ready().await?;
        stage.leader().await?;
    }
    for broker in stage.target.brokers()? {
        stage.excuse(broker);
        let name = broker_name(broker);
        let ended = stage.target.terminate(&name).await?;
        check_exit(stage, ended);
        stage.target.start(&name).await?;
        stage.broker_is(broker, BrokerStatus::Online).await?;
        // The next one may be the only other that has what was acknowledged meanwhile.
        stage.in_sync().await?;
    }
    stage.target.ready().await?;
    stage.time("the whole round takes", begun.elapsed());
    let gap = stage.workload.history().longest_gap(begun).unwrap_or(Duration::ZERO);
    stage.time("longest time without an acknowledged write", gap);
    let silence = stage.records.as_ref().and_then(|records| records.history().longest_silence(begun));
    if let Some(silence) = silence {
        stage.time("longest time that a partition was without an acknowledged record", silence);
    }
    Ok(())
}

fn check_exit(stage: &mut Stage<'_>, ended: Option<String>) {
    if let Some(how) = ended {
        stage.check("every process ends with exit code 0", how == "exit code 0", || how);
    }
}
