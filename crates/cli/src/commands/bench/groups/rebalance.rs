//! How long a rebalance takes, until everybody has its share.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use kafka_client::{
    ChangeKind, Cluster, GroupMember, GroupOptions, GroupProtocol, TopicPartition, group::Partitions,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::cluster::{DEADLINE, GroupsCluster};
use crate::exit::Failure;

/// From when a group is stable until one more joins: longer than a group is said to be changing.
const QUIET: Duration = Duration::from_secs(6);

/// A group that is to be rebalanced.
pub(super) struct Scene<'a> {
    pub(super) topic: &'a str,
    pub(super) protocol: GroupProtocol,
    pub(super) members: usize,
    pub(super) partitions: usize,
}

/// Members, and what each has.
struct Gathered {
    options: GroupOptions,
    cluster: Cluster,
    shares: watch::Sender<Vec<Partitions>>,
    leaves: Vec<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
}

impl Scene<'_> {
    /// All members start at once: from the last start until everybody has its share.
    pub(super) async fn all_start(&self, cluster: &GroupsCluster) -> Result<Duration, Failure> {
        let mut gathered = self.gather(cluster).await?;
        for _ in 0..self.members {
            gathered.join();
        }
        let begun = Instant::now();
        gathered.settled(self.members, self.partitions).await?;
        let took = begun.elapsed();
        gathered.leave().await;
        Ok(took)
    }

    /// One more member joins the others, who have been left alone for a while.
    pub(super) async fn one_more_joins(&self, cluster: &GroupsCluster) -> Result<Duration, Failure> {
        let mut gathered = self.gather(cluster).await?;
        for _ in 1..self.members {
            gathered.join();
        }
        gathered.settled(self.members - 1, self.partitions).await?;
        sleep(QUIET).await;
        let begun = Instant::now();
        gathered.join();
        gathered.settled(self.members, self.partitions).await?;
        let took = begun.elapsed();
        gathered.leave().await;
        Ok(took)
    }

    async fn gather(&self, cluster: &GroupsCluster) -> Result<Gathered, Failure> {
        let client = cluster.client();
        client.topic(self.topic).await?;
        let group_id = format!("bench-groups-{}", uuid::Uuid::new_v4().simple());
        let options = GroupOptions::new(group_id, [self.topic.to_owned()], self.protocol);
        let (shares, leaves) = (watch::Sender::default(), Vec::new());
        Ok(Gathered { options, cluster: client, shares, leaves, tasks: JoinSet::new() })
    }
}

impl Gathered {
    /// One more member.
    fn join(&mut self) {
        let position = self.leaves.len();
        let (leave, leaves) = oneshot::channel();
        self.leaves.push(leave);
        self.shares.send_modify(|shares| shares.push(Partitions::new()));
        let member = GroupMember::join(self.cluster.clone(), self.options.clone());
        self.tasks.spawn(take_part(member, position, self.shares.clone(), leaves));
    }

    /// Until everything is with somebody, and nobody has two more than another.
    async fn settled(&self, members: usize, partitions: usize) -> Result<(), Failure> {
        let mut shares = self.shares.subscribe();
        let least = partitions / members;
        let is_settled = |shares: &Vec<Partitions>| {
            let all = || shares.iter().flatten().collect::<BTreeSet<&TopicPartition>>();
            shares.len() == members
                && shares.iter().map(BTreeSet::len).sum::<usize>() == partitions
                && shares.iter().all(|share| (least..=least + 1).contains(&share.len()))
                && all().len() == partitions
        };
        match timeout(DEADLINE, shares.wait_for(is_settled)).await {
            Ok(Ok(_)) => Ok(()),
            _ => {
                let sizes: Vec<usize> = self.shares.borrow().iter().map(BTreeSet::len).collect();
                Err(Failure::failed(format!("not everybody has its share: {sizes:?}")))
            }
        }
    }

    /// Everybody leaves, so that nobody is waited for.
    async fn leave(mut self) {
        self.leaves.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn take_part(
    mut member: GroupMember,
    position: usize,
    shares: watch::Sender<Vec<Partitions>>,
    mut leaves: oneshot::Receiver<()>,
) {
    loop {
        let change = tokio::select! {
            change = member.next() => change,
            // It is dropped, and nothing else happens to it.
            _ = &mut leaves => break,
        };
        let Ok(change) = change else { return };
        shares.send_modify(|shares| {
            let Some(share) = shares.get_mut(position) else { return };
            match change.kind {
                ChangeKind::Assigned => share.extend(change.partitions.iter().cloned()),
                ChangeKind::Revoked | ChangeKind::Lost => {
                    share.retain(|place| !change.partitions.contains(place));
                }
            }
        });
    }
    // Not reached, the coordinator finds out by its silence.
    let _ = member.leave().await;
}
