//! Drills on the network between brokers and others, judged by the records that are written and read meanwhile. Clients reach
//! everybody all the time, so a broker that is cut off is asked to write all along.

use std::time::Instant;

use common::{BrokerId, BrokerStatus, PartitionId};
use local_cluster::wait_for;

use super::leaders;
use crate::{
    drill::{
        stage::{DEADLINE, Stage},
        target::Cut,
    },
    exit::Failure,
};

/// The network between a broker that leads partitions and the controllers goes silent, while clients and other brokers still
/// reach it: until it is deposed it may go on, and from then on it must acknowledge nothing.
pub(crate) async fn from_controllers(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let (victim, partitions) = leaders::leader(stage).await?;
    stage.excuse(victim);
    let fault = Instant::now();
    stage.target.isolate_broker(victim)?;
    deposed(stage, victim, fault).await?;
    // Until then the old leader had every right to acknowledge.
    stage.record_outage(Instant::now(), &partitions).await?;
    let records = stage.records.as_ref();
    if let Some(silence) = records.and_then(|records| records.history().longest_silence(fault)) {
        stage.time("longest time that a partition was without an acknowledged record", silence);
    }
    heal(stage, victim).await
}

/// The same between it and the other brokers as well: nothing that it is sent can be acknowledged any more.
pub(crate) async fn from_everybody(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let (victim, partitions) = leaders::leader(stage).await?;
    stage.excuse(victim);
    let fault = Instant::now();
    stage.target.cut_from_peers(victim, Cut::BothWays)?;
    stage.target.isolate_broker(victim)?;
    deposed(stage, victim, fault).await?;
    stage.record_outage(fault, &partitions).await?;
    heal(stage, victim).await
}

/// The network between a broker that leads partitions and the other brokers goes silent, one way or both, while controllers and
/// clients still reach it. As nobody takes it for dead it leads on, but what it leads cannot be replicated: nothing of that
/// may be acknowledged until the network is whole again. The others go on without it.
pub(crate) async fn from_peers(stage: &mut Stage<'_>, cut: Cut) -> Result<(), Failure> {
    let (victim, led) = leaders::leader(stage).await?;
    let others: Vec<PartitionId> =
        stage.record_partitions().into_iter().filter(|partition| !led.contains(partition)).collect();
    let fault = Instant::now();
    stage.target.cut_from_peers(victim, cut)?;
    let since = stage.record_mark()?;
    let (written, read) = stage.records_again(&since, &others).await?;
    stage.time("producers' outage, partitions of other leaders", written.duration_since(fault));
    stage.time("consumer's outage, partitions of other leaders", read.duration_since(fault));
    stage.target.heal();
    let healed = Instant::now();
    let (written, read) = stage.records_again(&since, &led).await?;
    stage.time("producers' outage, partitions of the broker that is cut off", written.duration_since(fault));
    stage.time("consumer's outage, partitions of the broker that is cut off", read.duration_since(fault));
    stage.in_sync().await?;
    stage.time("all replicas are in sync after healing", healed.elapsed());
    Ok(())
}

/// Waits until others lead what a broker led.
async fn deposed(stage: &mut Stage<'_>, victim: BrokerId, fault: Instant) -> Result<(), Failure> {
    let deposed = wait_for("others lead what it led", DEADLINE, async || {
        let topic = stage.record_topic().await.map_err(|failure| failure.message)?;
        let still: Vec<_> =
            topic.partitions.iter().filter(|one| one.leader.is_none_or(|id| id == victim)).collect();
        if still.is_empty() { Ok(()) } else { Err(format!("{still:?}")) }
    });
    deposed.await.map_err(Failure::failed)?;
    stage.time("partitions have new leaders after", fault.elapsed());
    Ok(())
}

async fn heal(stage: &mut Stage<'_>, victim: BrokerId) -> Result<(), Failure> {
    stage.target.heal();
    let healed = Instant::now();
    stage.broker_is(victim, BrokerStatus::Online).await?;
    stage.in_sync().await?;
    stage.time("healed broker is in sync after", healed.elapsed());
    Ok(())
}
