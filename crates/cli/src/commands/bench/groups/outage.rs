//! How long members cannot commit when their coordinator is killed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::Offset;
use kafka_client::{ChangeKind, GroupMember, GroupOptions, GroupProtocol, TopicPartition, group::Partitions};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    cluster::{DEADLINE, GroupsCluster},
    samples::Samples,
};
use crate::exit::Failure;

/// Members of the group, and partitions that each has.
const MEMBERS: usize = 10;

/// Between two commits of a member, and between two attempts at one.
const COMMIT_EVERY: Duration = Duration::from_millis(10);

/// When each member's latest commit that was acknowledged was begun, and when its answer came.
type Committed = Vec<Option<(Instant, Instant)>>;

/// Kills the coordinator of a group, again and again: how long it takes each time until every member has committed again.
pub(super) async fn outages(
    cluster: &mut GroupsCluster,
    protocol: GroupProtocol,
    samples: &mut Samples,
) -> Result<(), Failure> {
    let topic = cluster.topic(MEMBERS).await?;
    let group_id = cluster.group_ids().await?.next().unwrap_or_default();
    let client = cluster.client();
    client.topic(&topic).await?;
    let committed = watch::Sender::new(vec![None; MEMBERS]);
    let mut members = JoinSet::new();
    for position in 0..MEMBERS {
        let options = GroupOptions::new(&group_id, [topic.clone()], protocol);
        let member = GroupMember::join(client.clone(), options);
        members.spawn(commit_on(member, position, committed.clone()));
    }
    while samples.want_more() {
        // From the beginning, and after each kill: everybody commits.
        all_commit(&committed, Instant::now()).await?;
        let coordinator = client.coordinator(&group_id).await.map_err(Failure::failed)?;
        let fault = Instant::now();
        cluster.kill(coordinator).await?;
        samples.take(all_commit(&committed, Instant::now()).await?.duration_since(fault));
        cluster.start(coordinator).await?;
    }
    Ok(())
}

/// Waits until every member has committed what it began to after a moment: when the last answer came.
async fn all_commit(committed: &watch::Sender<Committed>, since: Instant) -> Result<Instant, Failure> {
    let again =
        |committed: &Committed| committed.iter().all(|last| last.is_some_and(|(begun, _)| begun >= since));
    let mut watched = committed.subscribe();
    match timeout(DEADLINE, watched.wait_for(again)).await {
        Ok(Ok(committed)) => {
            let last = committed.iter().flatten().map(|(_, ended)| *ended).max();
            last.ok_or_else(|| Failure::failed("there are no members"))
        }
        _ => Err(Failure::failed(format!("not all members commit within {} s", DEADLINE.as_secs()))),
    }
}

/// Commits the same over and over, as long as it has something.
async fn commit_on(mut member: GroupMember, position: usize, committed: watch::Sender<Committed>) {
    let mut owned = Partitions::new();
    loop {
        tokio::select! {
            change = member.next() => {
                let Ok(change) = change else { return };
                match change.kind {
                    ChangeKind::Assigned => owned.extend(change.partitions.iter().cloned()),
                    ChangeKind::Revoked | ChangeKind::Lost => owned.retain(|one| !change.partitions.contains(one)),
                }
            }
            () = sleep(COMMIT_EVERY) => {
                let offsets: BTreeMap<TopicPartition, Offset> =
                    owned.iter().map(|place| (place.clone(), Offset(1))).collect();
                let begun = Instant::now();
                if !offsets.is_empty() && member.commit(offsets).await.is_ok() {
                    committed.send_modify(|committed| {
                        if let Some(last) = committed.get_mut(position) {
                            *last = Some((begun, Instant::now()));
                        }
                    });
                }
            }
        }
    }
}
