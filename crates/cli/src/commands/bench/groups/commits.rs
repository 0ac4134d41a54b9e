//! Commits per second of one coordinator, and how soon another one has read what it was told.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Offset, PartitionId};
use futures_util::{StreamExt as _, stream};
use hdrhistogram::Histogram;
use kafka_client::{ErrorCode, GroupError, GroupView, TopicPartition, group::Partitions};
use tokio::{task::JoinSet, time::sleep};

use super::{
    super::Figure,
    cluster::{DEADLINE, GroupsCluster},
};
use crate::{exit::Failure, output::say};

/// Connections, and commits under way on each.
const CONNECTIONS: usize = 64;
const AT_A_TIME: usize = 4;

/// Offsets in one commit, when many are wanted; and commits under way then.
const OFFSETS_PER_COMMIT: usize = 1000;
const COMMITS_AT_A_TIME: usize = 4;

/// Partitions of the topic whose offsets are counted.
const PARTITIONS: usize = 64;

/// The longest latency told apart, in us.
const LATENCY_MAX_US: u64 = 60_000_000;

/// How long commits are made before they are counted: a JVM compiles meanwhile.
const WARM_UP: Duration = Duration::from_secs(5);

/// Commits of one offset each to one group from outside, many at a time.
pub(super) async fn commits(cluster: &GroupsCluster, within: Duration) -> Result<Figure, Failure> {
    let topic = cluster.topic(PARTITIONS).await?;
    let group_id = cluster.group_ids().await?.next().unwrap_or_default();
    let client = cluster.patient_client();
    let mut views = Vec::new();
    for connection in 0..CONNECTIONS {
        let view = GroupView::new(client.clone(), &group_id);
        // Connected, and known to the coordinator's broker, before anything is counted.
        insist(|| async { view.commit(&[(place(&topic, connection), Offset(0))].into()).await }).await?;
        views.push(Arc::new(view));
    }
    let begun = Instant::now() + WARM_UP;
    let mut tasks = JoinSet::new();
    for (connection, view) in views.into_iter().enumerate() {
        for _ in 0..AT_A_TIME {
            let (view, place) = (view.clone(), place(&topic, connection));
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                let mut refused = 0;
                for offset in 0.. {
                    let asked = Instant::now();
                    if asked.duration_since(begun) >= within {
                        break;
                    }
                    match view.commit(&BTreeMap::from([(place.clone(), Offset(offset))])).await {
                        _ if asked < begun => {}
                        Ok(()) => latencies.push(asked.elapsed()),
                        Err(_) => refused += 1,
                    }
                }
                (latencies, refused)
            });
        }
    }
    let mut all = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).map_err(Failure::failed)?;
    let mut refused = 0;
    while let Some(done) = tasks.join_next().await {
        let (latencies, not) = done.map_err(Failure::failed)?;
        refused += not;
        for latency in latencies {
            all.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
        }
    }
    let per_second = Some(all.len() as f64 / begun.elapsed().as_secs_f64());
    Ok(Figure { per_second, refused, ..Figure::latency("commits of one offset", &all, ">= 20,000/s") })
}

fn place(topic: &str, partition: usize) -> TopicPartition {
    TopicPartition::new(topic, PartitionId(i32::try_from(partition).unwrap_or_default()))
}

/// Has one coordinator keep so many offsets, kills it, and waits until the last of them can be read from its successor.
pub(super) async fn load(cluster: &mut GroupsCluster, offsets: u64) -> Result<Vec<Figure>, Failure> {
    let topic = cluster.topic(OFFSETS_PER_COMMIT).await?;
    let wanted = usize::try_from(offsets).unwrap_or(usize::MAX).div_ceil(OFFSETS_PER_COMMIT);
    let client = cluster.client();
    let groups: Vec<String> = cluster.group_ids().await?.take(wanted).collect();
    let places: Arc<BTreeMap<TopicPartition, Offset>> =
        Arc::new((0..OFFSETS_PER_COMMIT).map(|id| (place(&topic, id), Offset(1))).collect());
    let begun = Instant::now();
    let all = stream::iter(groups.clone()).map(|group| {
        let (view, places) = (GroupView::new(client.clone(), group), places.clone());
        async move { insist(|| view.commit(&places)).await }
    });
    let mut all = all.buffer_unordered(COMMITS_AT_A_TIME);
    while let Some(done) = all.next().await {
        done?;
    }
    drop(all);
    let per_second = offsets as f64 / begun.elapsed().as_secs_f64();
    say!("{offsets} offsets are committed, {per_second:.0} per second");
    let last = groups.last().cloned().unwrap_or_default();
    let view = GroupView::new(client.clone(), &last);
    let wanted: Partitions = [place(&topic, 0)].into();
    insist(|| view.committed(&wanted)).await?;
    let coordinator = client.coordinator(&last).await.map_err(Failure::failed)?;
    let fault = Instant::now();
    cluster.kill(coordinator).await?;
    let read = insist(|| view.committed(&wanted)).await?;
    let took = fault.elapsed();
    if read.len() != wanted.len() {
        return Err(Failure::failed(format!("group {last} has lost its offsets")));
    }
    cluster.start(coordinator).await?;
    Ok(vec![Figure::of(format!("coordinator of {offsets} offsets killed"), &[took], "<= 3000 ms to load")])
}

/// Asks until there is an answer.
async fn insist<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, GroupError>>,
{
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if !passes(&error) || begun.elapsed() > DEADLINE => {
                return Err(Failure::failed(error));
            }
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

/// A topic that was just made may not be known to the coordinator's broker.
fn passes(error: &GroupError) -> bool {
    let is_new = matches!(error, GroupError::Refused { code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, .. });
    is_new || error.is_retriable()
}
