//! Drills on partition leaders, judged by the records that are written and read meanwhile.

use std::{collections::BTreeMap, time::Instant};

use common::{BrokerId, BrokerStatus, PartitionId};

use crate::{
    drill::{stage::Stage, target::broker_name},
    exit::Failure,
};

/// A broker that leads partitions of the records' topic, and which.
pub(super) async fn leader(stage: &Stage<'_>) -> Result<(BrokerId, Vec<PartitionId>), Failure> {
    let mut led: BTreeMap<BrokerId, Vec<PartitionId>> = BTreeMap::new();
    for partition in stage.record_topic().await?.partitions {
        if let Some(leader) = partition.leader {
            led.entry(leader).or_default().push(partition.id);
        }
    }
    let most = led.into_iter().max_by_key(|(_, partitions)| partitions.len());
    most.ok_or_else(|| Failure::failed("no partition has a leader"))
}

/// SIGKILL to a broker that leads partitions.
pub(crate) async fn kill(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let (victim, partitions) = leader(stage).await?;
    stage.excuse(victim);
    let fault = Instant::now();
    stage.target.kill(&broker_name(victim)).await?;
    stage.record_outage(fault, &partitions).await?;
    stage.target.start(&broker_name(victim)).await?;
    let started = Instant::now();
    stage.target.ready().await?;
    stage.in_sync().await?;
    stage.time("restarted broker is in sync after", started.elapsed());
    Ok(())
}

/// SIGSTOP to a broker that leads partitions, and SIGCONT once others lead: it does not know yet that it was deposed, and
/// what it was just taking in must not count.
pub(crate) async fn pause(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let (victim, partitions) = leader(stage).await?;
    stage.excuse(victim);
    let fault = Instant::now();
    stage.target.pause(&broker_name(victim))?;
    let outage = stage.record_outage(fault, &partitions).await;
    stage.target.resume(&broker_name(victim))?;
    outage?;
    let resumed = Instant::now();
    stage.broker_is(victim, BrokerStatus::Online).await?;
    stage.in_sync().await?;
    stage.time("resumed broker is in sync after", resumed.elapsed());
    Ok(())
}

/// SIGKILL to all brokers at once, then all are started: only what is on disk is left.
pub(crate) async fn kill_all(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let brokers = stage.target.brokers()?;
    for broker in &brokers {
        stage.excuse(*broker);
        stage.target.kill(&broker_name(*broker)).await?;
    }
    let restored = Instant::now();
    for broker in &brokers {
        stage.target.start(&broker_name(*broker)).await?;
    }
    let partitions = stage.record_partitions();
    stage.record_outage(restored, &partitions).await?;
    stage.target.ready().await?;
    stage.in_sync().await?;
    stage.time("all replicas are in sync after", restored.elapsed());
    Ok(())
}
