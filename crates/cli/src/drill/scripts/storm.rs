//! Members of consumer groups come and go while brokers are killed, under one history of each group: offsets, owners, records.

use std::{collections::BTreeMap, time::Instant};

use common::{BrokerId, Offset};
use futures_util::future::join_all;
use kafka_client::{Address, OffsetSpec, TopicPartition};
use local_cluster::wait_for;

use super::random::pause;
use crate::{
    drill::{
        groups::{
            calm::CALM_WITHIN,
            group::{Group, Kind},
        },
        stage::{DEADLINE, Stage},
        target::broker_name,
    },
    exit::Failure,
    output::say,
};

/// Members that each group begins with.
const MEMBERS: usize = 3;

/// The longest time between two things that happen.
const PAUSE_MS_MAX: u64 = 400;

/// Every so many rounds all groups are given the time to become stable.
const CALM_EVERY: usize = 3;

/// How much happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// Brokers that are killed.
    pub(crate) kills: usize,
    /// Members that come, go, vanish or are restarted.
    pub(crate) churns: usize,
}

/// As much as a test has time for.
impl Default for Amount {
    fn default() -> Self {
        Self { kills: 4, churns: 16 }
    }
}

/// Members come and go, and brokers are killed, at random moments; then everybody is left alone.
pub(crate) async fn storm(stage: &mut Stage<'_>, amount: Amount) -> Result<(), Failure> {
    let mut random = fastrand::Rng::new();
    let bootstrap = stage.kafka_addresses().await?;
    let mut groups = gather(stage, &bootstrap, &mut random).await?;
    let brokers = stage.target.brokers()?;
    let rounds = amount.kills.max(1);
    for round in 0..rounds {
        let churns = amount.churns * (round + 1) / rounds - amount.churns * round / rounds;
        let kills = usize::from(round < amount.kills);
        let mut happens: Vec<bool> = [vec![true; kills], vec![false; churns]].concat();
        random.shuffle(&mut happens);
        for is_kill in happens {
            pause(&mut random, PAUSE_MS_MAX).await;
            if is_kill {
                say!("round {}/{rounds}", round + 1);
                kill(stage, &brokers, &mut groups, &mut random).await?;
            } else if let Some(group) = random.choice(groups.iter_mut()) {
                group.churn(&mut random).await;
            }
        }
        if (round + 1) % CALM_EVERY == 0 {
            calm(stage, &groups).await;
        }
    }
    stage.target.ready().await?;
    calm(stage, &groups).await;
    settle(stage, &groups).await
}

/// A group of each kind, with its first members, stable.
async fn gather(
    stage: &mut Stage<'_>,
    bootstrap: &[Address],
    random: &mut fastrand::Rng,
) -> Result<Vec<Group>, Failure> {
    let topic = stage.record_topic().await?.topic_name.to_string();
    let partitions = stage.record_partitions();
    let mut groups: Vec<Group> =
        Kind::ALL.map(|kind| Group::new(kind, bootstrap.to_vec(), &topic, partitions.clone())).into();
    for group in &mut groups {
        for _ in 0..MEMBERS {
            group.come(random);
        }
        group.disturbed = Instant::now();
    }
    calm(stage, &groups).await;
    Ok(groups)
}

/// SIGKILL to a broker, mostly one that coordinates a group, and starts it again after a moment.
async fn kill(
    stage: &mut Stage<'_>,
    brokers: &[BrokerId],
    groups: &mut [Group],
    random: &mut fastrand::Rng,
) -> Result<(), Failure> {
    let mut victim = random.choice(brokers).copied().unwrap_or(BrokerId(0));
    if let Some(group) = random.choice(groups.iter()).filter(|_| random.bool())
        && let Ok(coordinator) = group.cluster().coordinator(&group.id).await
    {
        victim = coordinator;
    }
    let name = broker_name(victim);
    say!("SIGKILL: {name}");
    stage.excuse(victim);
    stage.target.kill(&name).await?;
    pause(random, PAUSE_MS_MAX).await;
    stage.target.start(&name).await?;
    for group in groups {
        group.disturbed = Instant::now();
    }
    Ok(())
}

/// Waits until all groups are stable, and notes whether they were so in time.
async fn calm(stage: &mut Stage<'_>, groups: &[Group]) {
    let calms = join_all(groups.iter().map(Group::calm)).await;
    for (group, calm) in groups.iter().zip(calms) {
        if let Ok(after) = &calm {
            stage.time(
                match group.kind {
                    Kind::Eager => "eager group stable after",
                    Kind::Cooperative => "cooperative group stable after",
                    Kind::Consumer => "consumer group stable after",
                    Kind::Mixed => "mixed group stable after",
                },
                *after,
            );
        }
        let in_time = calm.as_ref().is_ok_and(|after| *after <= CALM_WITHIN);
        stage.check(
            "every group is stable within its rebalance timeout + 5 s, with the members that live",
            in_time,
            || format!("{}: {calm:?}", group.kind.name()),
        );
    }
}

/// The verdict: everything that is written by now is consumed, and nothing went wrong on the way.
async fn settle(stage: &mut Stage<'_>, groups: &[Group]) -> Result<(), Failure> {
    for group in groups {
        let ends = ends(group).await?;
        let left = |group: &Group| {
            let history = group.history.lock();
            let gaps = ends.iter().flat_map(|(place, end)| {
                let gaps = history.passed_over(place.partition, Offset(0), *end);
                gaps.into_iter().map(|(from, next)| format!("{} from {from} to {next}", place.partition))
            });
            gaps.collect::<Vec<_>>()
        };
        let all_read = wait_for("everything is consumed", DEADLINE, async || {
            let left = left(group);
            if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
        });
        let all_read = all_read.await.map_err(|error| error.to_string());
        let name = group.kind.name();
        stage.check("every record is consumed by each group", all_read.is_ok(), || {
            format!("{name}: {}", all_read.err().unwrap_or_default())
        });
        let history = group.history.lock();
        let found = [
            ("committed offsets never go back", history.went_back()),
            ("no partition is with two members at once", history.shared()),
            ("no generation gives a partition to two members", history.given_twice()),
        ];
        say!("{name}: {} records consumed", history.records);
        for (what, found) in found {
            let shown: Vec<String> = found.iter().take(5).map(|one| format!("{name}: {one}")).collect();
            stage
                .seen
                .check(what, found.is_empty(), || format!("{} times; {}", found.len(), shown.join("; ")));
        }
    }
    Ok(())
}

/// Where the topic's partitions end now.
async fn ends(group: &Group) -> Result<BTreeMap<TopicPartition, Offset>, Failure> {
    let wanted =
        group.partitions.iter().map(|id| (TopicPartition::new(&group.topic, *id), OffsetSpec::Latest));
    let ends = group.cluster().offsets(wanted.collect::<Vec<_>>()).await?;
    Ok(ends.into_iter().map(|(place, end)| (place, end.unwrap_or_default())).collect())
}

/// Settings of the brokers: sessions that end soon, so that a drill does not take long.
pub(crate) fn settings() -> Vec<String> {
    let session_ms = crate::drill::groups::group::SESSION_TIMEOUT.as_millis();
    vec![
        "group.min.session.timeout.ms=1000".to_owned(),
        "group.initial.rebalance.delay.ms=300".to_owned(),
        format!("group.consumer.session.timeout.ms={session_ms}"),
        "group.consumer.heartbeat.interval.ms=300".to_owned(),
    ]
}
