//! A group under a drill: members that come and go, and an independent reader of its offsets.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Offset, PartitionId};
use kafka_client::{
    Address, Cluster, ClusterOptions, ConnectionOptions, GroupOptions, GroupProtocol, GroupView,
    TopicPartition,
    group::{Assignor, Partitions},
};
use tokio::{task::JoinSet, time::sleep};

use super::{
    history::Noted,
    member::{Living, SharedHistory},
};
use crate::output::say;

/// After which silence a member is gone. The brokers of the drill have the same for consumer groups.
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the others wait for a member that gives up or joins.
pub(crate) const REBALANCE_TIMEOUT: Duration = Duration::from_secs(6);

/// Between two heartbeats of classic members.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(300);

/// Between two looks at the offsets.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Fewest and most members that a group has for long.
const MEMBERS: (usize, usize) = (2, 6);

/// Instance ids in each group.
const INSTANCES: [&str; 2] = ["static-1", "static-2"];

/// By which protocol a group's members take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Classic, and everything is given up in each rebalance.
    Eager,
    /// Classic, and everybody keeps what it can.
    Cooperative,
    /// KIP-848.
    Consumer,
    /// Some by the one, some by the other.
    Mixed,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Eager, Self::Cooperative, Self::Consumer, Self::Mixed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eager => "eager",
            Self::Cooperative => "cooperative",
            Self::Consumer => "consumer",
            Self::Mixed => "mixed",
        }
    }

    fn protocol(self, first: bool) -> GroupProtocol {
        match self {
            Self::Eager => GroupProtocol::Classic(Assignor::Range),
            Self::Cooperative => GroupProtocol::Classic(Assignor::CooperativeSticky),
            Self::Consumer => GroupProtocol::Consumer,
            Self::Mixed if first => GroupProtocol::Classic(Assignor::CooperativeSticky),
            Self::Mixed => GroupProtocol::Consumer,
        }
    }
}

/// A group, and who is in it.
pub(crate) struct Group {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) partitions: Vec<PartitionId>,
    pub(crate) living: Vec<Living>,
    pub(crate) history: Arc<SharedHistory>,
    /// When a member came or went, or a broker died, last.
    pub(crate) disturbed: Instant,
    bootstrap: Vec<Address>,
    /// Members so far.
    number: u64,
    _reader: JoinSet<()>,
}

impl Group {
    /// A group without members that reads a topic.
    pub(crate) fn new(
        kind: Kind,
        bootstrap: Vec<Address>,
        topic: &str,
        partitions: Vec<PartitionId>,
    ) -> Self {
        let id = format!("{topic}-{}", kind.name());
        let history = Arc::new(SharedHistory::default());
        let places = partitions.iter().map(|partition| TopicPartition::new(topic, *partition));
        let mut reader = JoinSet::new();
        let view = GroupView::new(impatient(&bootstrap), id.clone());
        reader.spawn(look(view, places.collect(), Arc::clone(&history)));
        Self {
            kind,
            id,
            topic: topic.to_owned(),
            partitions,
            living: Vec::new(),
            history,
            disturbed: Instant::now(),
            bootstrap,
            number: 0,
            _reader: reader,
        }
    }

    /// A client for what is asked of the group from outside.
    pub(crate) fn cluster(&self) -> Cluster {
        impatient(&self.bootstrap)
    }

    /// A member comes, goes, vanishes, or is restarted.
    pub(crate) async fn churn(&mut self, random: &mut fastrand::Rng) {
        let (fewest, most) = MEMBERS;
        let what = match self.living.len() {
            few if few < fewest => 0,
            many if many > most => random.u8(1..=2),
            _ => random.u8(0..=3),
        };
        let position = random.usize(0..self.living.len().max(1));
        match what {
            0 => self.come(random),
            1 => self.go(position).await,
            2 => drop(self.vanish(position).await),
            _ => self.restart(position, random).await,
        }
        self.disturbed = Instant::now();
    }

    /// A member comes: a dynamic one, or a static one that is away.
    pub(crate) fn come(&mut self, random: &mut fastrand::Rng) {
        let is_away = |instance: &&str| {
            !self.living.iter().any(|living| living.instance_id.as_deref() == Some(instance))
        };
        let away: Vec<&str> = INSTANCES.into_iter().filter(is_away).collect();
        match random.choice(away).filter(|_| random.bool()) {
            Some(instance) => self.join(Some(instance.to_owned()), random),
            None => self.join(None, random),
        }
    }

    fn join(&mut self, instance_id: Option<String>, random: &mut fastrand::Rng) {
        self.number += 1;
        let name = match &instance_id {
            Some(instance) => format!("{} member {} ({instance})", self.kind.name(), self.number),
            None => format!("{} member {}", self.kind.name(), self.number),
        };
        // A static member has always the same protocol.
        let first = instance_id.as_deref().map_or_else(|| random.bool(), |id| id == INSTANCES[0]);
        say!("{name} joins");
        let options = GroupOptions {
            session_timeout: SESSION_TIMEOUT,
            rebalance_timeout: REBALANCE_TIMEOUT,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            instance_id,
            ..GroupOptions::new(&self.id, [self.topic.clone()], self.kind.protocol(first))
        };
        let (inherits, history) = (options.instance_id.is_some(), Arc::clone(&self.history));
        self.living.push(Living::join(name, self.cluster(), options, inherits, history));
    }

    async fn go(&mut self, position: usize) {
        if position < self.living.len() {
            let living = self.living.swap_remove(position);
            say!("{} leaves", living.name);
            living.leave().await;
        }
    }

    /// Gives its instance id back.
    async fn vanish(&mut self, position: usize) -> Option<String> {
        if position >= self.living.len() {
            return None;
        }
        let living = self.living.swap_remove(position);
        say!("{} vanishes", living.name);
        let instance_id = living.instance_id.clone();
        living.vanish(&self.history).await;
        instance_id
    }

    /// Vanishes and comes back, as itself if it is a static member.
    async fn restart(&mut self, position: usize, random: &mut fastrand::Rng) {
        let instance_id = self.vanish(position).await;
        self.join(instance_id, random);
    }
}

/// Looks at the group's offsets again and again.
async fn look(view: GroupView, partitions: Partitions, history: Arc<SharedHistory>) {
    loop {
        let begun = Instant::now();
        if let Ok(offsets) = view.committed(&partitions).await {
            let ended = Instant::now();
            let noted = partitions.iter().map(|place| Noted {
                partition: place.partition,
                offset: offsets.get(place).copied().unwrap_or(Offset(-1)),
                by: "an outsider".to_owned(),
                is_commit: false,
                begun,
                ended,
            });
            history.lock().noted.extend(noted);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// A client that gives an answer a second, as the others of a drill.
fn impatient(bootstrap: &[Address]) -> Cluster {
    let connection = ConnectionOptions {
        client_id: "drill-group".to_owned(),
        connection_setup_timeout: Duration::from_millis(500),
        request_timeout: Duration::from_secs(1),
        ..ConnectionOptions::default()
    };
    let options = ClusterOptions {
        connection,
        metadata_timeout: Duration::from_millis(300),
        metadata_max_age: Duration::from_secs(1),
        max_block: Duration::from_secs(30),
        retry_backoff: Duration::from_millis(5),
        retry_backoff_max: Duration::from_millis(5),
        ..ClusterOptions::default()
    };
    Cluster::new(bootstrap.iter().cloned(), options)
}
