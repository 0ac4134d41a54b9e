//! Drills on brokers.

use std::time::Instant;

use client::api;
use common::{BrokerId, BrokerStatus};
use http_api::{CreateTopicRequest, TopicInfo};
use local_cluster::wait_for;

use crate::{
    drill::{
        stage::{DEADLINE, Stage, patient},
        target::broker_name,
    },
    exit::Failure,
};

/// Partitions of the topic that the drill watches.
const PARTITIONS: i64 = 6;

/// SIGKILL: it goes OFFLINE, and what it led gets leaders from the ISRs.
pub(crate) async fn kill(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let leader = stage.leader().await?;
    let client = patient(&stage.observer);
    let name = format!("drill-replicated-{}", uuid::Uuid::new_v4().simple());
    let brokers = stage.target.brokers()?;
    if brokers.len() < 2 {
        return Err(Failure::usage("this drill needs at least two brokers"));
    }
    let create = api::create_topic(&CreateTopicRequest {
        topic_name: name.clone(),
        num_partitions: Some(PARTITIONS),
        replication_factor: Some(i64::try_from(brokers.len().min(3)).unwrap_or(1)),
        ..CreateTopicRequest::default()
    });
    let before = client.call(&create).await?;
    let led = before.partitions.first().and_then(|partition| partition.leader);
    let victim = led.ok_or_else(|| Failure::failed(format!("topic {name} was created without leaders")))?;
    stage.excuse(victim);
    let fault = Instant::now();
    stage.target.kill(&broker_name(victim)).await?;
    let observer = stage.observer.clone();
    let offline = wait_for("the controller marks the broker OFFLINE", DEADLINE, async || {
        let broker =
            observer.ask(leader.id, &api::broker(victim)).await.map_err(|error| error.to_string())?;
        if broker.status == BrokerStatus::Offline { Ok(()) } else { Err(format!("{:?}", broker.status)) }
    });
    offline.await.map_err(Failure::failed)?;
    stage.time("broker is OFFLINE after", fault.elapsed());
    let after = wait_for("all partitions have other leaders", DEADLINE, async || {
        let topic = observer.ask(leader.id, &api::topic(&name)).await.map_err(|error| error.to_string())?;
        let all = topic.partitions.iter().all(|p| p.leader.is_some_and(|leader| leader != victim));
        if all { Ok(topic) } else { Err(format!("{:?}", topic.partitions)) }
    });
    let after = after.await.map_err(Failure::failed)?;
    stage.time("partitions have new leaders after", fault.elapsed());
    check_leaders(stage, victim, &before, &after);
    stage.target.start(&broker_name(victim)).await?;
    let started = Instant::now();
    stage.broker_is(victim, BrokerStatus::Online).await?;
    stage.time("restarted broker is ONLINE after", started.elapsed());
    stage.target.ready().await?;
    client.call(&api::delete_topic(&name)).await?;
    Ok(())
}

fn check_leaders(stage: &mut Stage<'_>, victim: BrokerId, before: &TopicInfo, after: &TopicInfo) {
    for (old, new) in before.partitions.iter().zip(&after.partitions) {
        let from_isr = new.leader.is_some_and(|leader| old.isr.contains(&leader) && leader != victim);
        stage.check("new leaders come from the ISR", from_isr, || format!("{old:?}, then {new:?}"));
        let epoch_fits = (new.leader_epoch > old.leader_epoch) == (new.leader != old.leader);
        stage.check("the leader epoch rises with each new leader", epoch_fits, || {
            format!("{old:?}, then {new:?}")
        });
        stage.check("the dead broker leaves the ISR", !new.isr.contains(&victim), || format!("{new:?}"));
    }
}
