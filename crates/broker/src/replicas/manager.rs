//! Keeps the directories in step with the metadata.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use client::{CallError, MetadataClient, api};
use common::{Broker, BrokerId, IncarnationId, MetadataVersion, PartitionId, Topic, TopicId, TopicName};
use http_api::query::{HISTORY_LIMIT_MAX, HistoryQuery};
use runtime::Stop;
use tokio::{sync::Notify, time::Instant};

use super::{dirs::ReplicaDirs, layout::Aside};
use crate::{
    image::{Changes, SharedImage},
    partition::Partitions,
};

/// Pauses after the disk refused something.
const RETRY_PAUSE_MIN: Duration = Duration::from_secs(1);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// Settings of a [`ReplicaManager`].
#[derive(Debug, Clone, Copy)]
pub struct ReplicaManagerOptions {
    /// Whose replicas.
    pub broker_id: BrokerId,
    /// This process. Metadata that know it are newer than all that its directories were made by.
    pub incarnation_id: IncarnationId,
    /// How long the data of a deleted topic is kept: Kafka's `file.delete.delay.ms`.
    pub delete_delay: Duration,
    /// How often topics that are on disk, but not in the metadata, are asked about.
    pub stray_check_interval: Duration,
}

/// How the directories fare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaFigures {
    /// Replicas on disk.
    pub replicas: usize,
    /// Directories of deleted topics that are still there.
    pub deleted: usize,
    /// Replicas on disk that the metadata does not know, and directories that were put aside.
    pub strays: usize,
    /// What the disk refused last, until it works again.
    pub trouble: Option<String>,
    /// Whether the directories were brought in step with the metadata at least once.
    pub in_step: bool,
}

/// Tells a [`ReplicaManager`] what changed, and how it fares. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Replicas {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Changes>,
    wake: Notify,
    figures: Mutex<ReplicaFigures>,
}

impl Replicas {
    /// The metadata changed. Never waits: what the manager has not got to yet is merged.
    pub fn changed(&self, changes: Changes) {
        lock(&self.shared.pending).merge(changes);
        self.shared.wake.notify_one();
    }

    /// How the directories fare.
    pub fn figures(&self) -> ReplicaFigures {
        lock(&self.shared.figures).clone()
    }
}

/// The task that owns the directories.
#[derive(Debug)]
pub struct ReplicaManager {
    options: ReplicaManagerOptions,
    dirs: ReplicaDirs,
    image: SharedImage,
    metadata: MetadataClient,
    replicas: Replicas,
    /// Who uses the directories.
    partitions: Partitions,
    /// Topics that are in the way of others of their name, and whose deletion is not confirmed.
    displaced: BTreeSet<(TopicName, TopicId)>,
    /// Whether there are topics in the way, of which the history has to be asked first.
    in_the_way: bool,
    /// Whether directories were made that are not on disk yet.
    unsynced: bool,
    /// What the disk refused, or what was in the way of: done again with whatever comes next.
    undone: Changes,
    /// Whether everything was looked at once, after a full image.
    seen_all: bool,
    failures: u32,
    retry_at: Option<Instant>,
    /// When each deleted directory may go, in order.
    removals: Vec<(Instant, String)>,
    check_strays_at: Option<Instant>,
    /// Topics on disk that the metadata did not know at the last check, and whose deletion is not confirmed.
    unknown_topics: usize,
}

impl ReplicaManager {
    /// The manager of `dirs`. Directories that a former process put aside for deletion get a new grace period.
    pub fn new(
        options: ReplicaManagerOptions,
        dirs: ReplicaDirs,
        image: SharedImage,
        metadata: MetadataClient,
        replicas: Replicas,
        partitions: Partitions,
    ) -> Self {
        let mut manager = Self {
            options,
            dirs,
            image,
            metadata,
            replicas,
            partitions,
            displaced: BTreeSet::new(),
            in_the_way: false,
            unsynced: false,
            undone: Changes::default(),
            seen_all: false,
            failures: 0,
            retry_at: None,
            removals: Vec::new(),
            check_strays_at: None,
            unknown_topics: 0,
        };
        manager.schedule_removals();
        manager.publish();
        manager
    }

    /// Runs until the process ends.
    pub async fn run(mut self, stop: Stop) {
        while stop.or(self.wait()).await.is_some() {
            let mut changes = std::mem::take(&mut self.undone);
            changes.merge(std::mem::take(&mut *lock(&self.replicas.shared.pending)));
            let check_strays = changes.full || self.check_strays_at.is_some_and(|at| at <= Instant::now());
            self = match tokio::task::spawn_blocking(move || self.work(changes)).await {
                Ok(manager) => manager,
                // The process is ending: blocking work is cancelled then, and only then.
                Err(error) if error.is_cancelled() => return,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            if (check_strays || self.in_the_way) && stop.or(self.check_strays()).await.is_none() {
                return;
            }
        }
    }

    /// Waits for changes, or for something to be due.
    async fn wait(&self) {
        let removal = self.removals.first().map(|(at, _)| *at);
        let due = [self.retry_at, removal, self.check_strays_at].into_iter().flatten().min();
        let woken = self.replicas.shared.wake.notified();
        match due {
            Some(due) => {
                // Whichever is first; both are then looked at.
                let _ = tokio::time::timeout_at(due, woken).await;
            }
            None => woken.await,
        }
    }

    /// Brings the disk in step. What fails is kept for later, and does not keep the rest from being done.
    fn work(mut self, changes: Changes) -> Self {
        let mut trouble = None;
        self.retire(&changes, &mut trouble);
        self.create(&changes, &mut trouble);
        self.remove_due(&mut trouble);
        self.schedule_removals();
        self.failures = if trouble.is_some() { self.failures.saturating_add(1) } else { 0 };
        self.retry_at = trouble.as_ref().map(|_| {
            let pause = RETRY_PAUSE_MIN.saturating_mul(1 << self.failures.min(8)).min(RETRY_PAUSE_MAX);
            Instant::now() + pause
        });
        let mut figures = lock(&self.replicas.shared.figures);
        self.seen_all |= changes.full;
        figures.in_step |= self.seen_all && trouble.is_none();
        if let Some(error) = &trouble
            && figures.trouble.as_ref() != Some(error)
        {
            tracing::error!(event = "replica.disk_refuses", "{error}");
        }
        figures.trouble = trouble;
        drop(figures);
        self.publish();
        self
    }

    fn retire(&mut self, changes: &Changes, trouble: &mut Option<String>) {
        for (topic, topic_id) in &changes.deleted {
            self.partitions.retire(topic, *topic_id);
            if let Err(error) = self.dirs.retire(topic, *topic_id, Aside::Deleted) {
                *trouble = Some(error.to_string());
                self.undone.deleted.insert((topic.clone(), *topic_id));
            }
        }
        for (topic_id, partition) in self.moved_away(changes) {
            let name = self.image.read(|state| state.topic_by_id(topic_id).map(|it| it.topic_name.clone()));
            let Some(topic) = name else { continue };
            self.partitions.retire_one(topic_id, partition);
            if let Err(error) = self.dirs.retire_one(&topic, topic_id, partition) {
                *trouble = Some(error.to_string());
                self.undone.removed.insert((topic_id, partition, self.options.broker_id));
            }
        }
        for (topic, topic_id) in std::mem::take(&mut self.displaced) {
            self.partitions.retire(&topic, topic_id);
            if let Err(error) = self.dirs.retire(&topic, topic_id, Aside::Stray) {
                *trouble = Some(error.to_string());
                self.displaced.insert((topic, topic_id));
            }
        }
    }

    /// Replicas here that moved to other brokers. What counts is a committed statement that others hold the partition: a
    /// change that took the replica away, or a whole image that is newer than all directories. And it has to be so still.
    fn moved_away(&self, changes: &Changes) -> BTreeSet<(TopicId, PartitionId)> {
        let me = self.options.broker_id;
        self.image.read(|state| {
            let removed = changes.removed.iter().filter(|(_, _, broker)| *broker == me);
            let mut gone: BTreeSet<_> = removed.map(|(id, partition, _)| (*id, *partition)).collect();
            let not_held = self.dirs.not_held(state, me);
            let registered = |broker: &Broker| broker.incarnation_id == self.options.incarnation_id;
            if changes.full && state.broker(me).is_some_and(registered) {
                return not_held;
            }
            gone.retain(|replica| not_held.contains(replica));
            gone
        })
    }

    fn create(&mut self, changes: &Changes, trouble: &mut Option<String>) {
        let topics: Vec<_> = self.image.read(|state| {
            if changes.full {
                state.topics().cloned().collect()
            } else {
                changes.topics.iter().filter_map(|name| state.topic(name.as_str()).cloned()).collect()
            }
        });
        let mut created = 0;
        self.in_the_way = false;
        for topic in &topics {
            match self.dirs.ensure(topic, self.options.broker_id) {
                Ok(ensured) => {
                    created += ensured.created;
                    if !ensured.in_the_way.is_empty() {
                        self.in_the_way = true;
                        self.undone.topics.insert(topic.topic_name.clone());
                    }
                }
                Err(error) => {
                    *trouble = Some(error.to_string());
                    self.undone.topics.insert(topic.topic_name.clone());
                }
            }
        }
        self.unsynced |= created > 0;
        if self.unsynced
            && let Err(error) = self.dirs.sync()
        {
            *trouble = Some(error.to_string());
            self.undone.topics.extend(topics.iter().map(|topic| topic.topic_name.clone()));
            return;
        }
        self.unsynced = false;
        topics.iter().for_each(|topic| self.hand_over(topic));
        if created > 0 {
            tracing::info!(event = "replica.created", replicas = created, "made replica directories");
        }
    }

    /// Lets the partitions of `topic` use their directories.
    fn hand_over(&self, topic: &Topic) {
        let held = topic.partitions.iter().filter(|it| it.replicas.contains(&self.options.broker_id));
        for partition in held {
            if let Some(dir) = self.dirs.path(topic, partition.id) {
                self.partitions.found(&self.image, topic, partition.id, dir);
            }
        }
    }

    fn remove_due(&mut self, trouble: &mut Option<String>) {
        let now = Instant::now();
        let due = self.removals.partition_point(|(at, _)| *at <= now);
        for (_, name) in self.removals.drain(..due) {
            match self.dirs.remove(&name) {
                Ok(()) => tracing::info!(event = "replica.removed", dir = %name, "removed a deleted replica"),
                Err(error) => *trouble = Some(error.to_string()),
            }
        }
    }

    /// Gives every deleted directory that has none yet a time to go.
    fn schedule_removals(&mut self) {
        let at = Instant::now() + self.options.delete_delay;
        let scheduled: BTreeSet<&str> = self.removals.iter().map(|(_, name)| name.as_str()).collect();
        let new: Vec<_> =
            self.dirs.deleted().filter(|name| !scheduled.contains(name)).map(str::to_owned).collect();
        self.removals.extend(new.into_iter().map(|name| (at, name)));
    }

    /// Asks about topics that the metadata does not know: were they deleted, or does it just not know them? The
    /// former's data goes; the latter's stays where it is, or beside it if another topic needs the place.
    async fn check_strays(&mut self) {
        let unknown = self.image.read(|state| self.dirs.unknown_topics(state));
        let mut found = Changes::default();
        self.unknown_topics = unknown.len();
        let mut pause = self.options.stray_check_interval;
        for (topic, topic_id) in unknown {
            match self.was_deleted(&topic, topic_id).await {
                Ok(true) => {
                    self.unknown_topics -= 1;
                    found.deleted.insert((topic, topic_id));
                }
                Ok(false) => {
                    tracing::warn!(
                        event = "replica.unknown_topic", %topic, %topic_id,
                        "on disk, not in the metadata, and no committed deletion is known: kept",
                    );
                    if self.undone.topics.contains(&topic) {
                        self.displaced.insert((topic, topic_id));
                    }
                }
                Err(error) => {
                    tracing::warn!(event = "replica.history_unavailable", %topic, %error, "cannot ask for its deletion");
                    pause = pause.min(RETRY_PAUSE_MAX);
                    break;
                }
            }
        }
        self.check_strays_at = Some(Instant::now() + pause);
        self.publish();
        if !found.deleted.is_empty() || !self.displaced.is_empty() {
            self.replicas.changed(found);
        }
    }

    /// Whether the controllers' history holds the committed deletion of exactly this topic.
    async fn was_deleted(&self, topic: &TopicName, topic_id: TopicId) -> Result<bool, CallError> {
        let mut since = MetadataVersion(0);
        loop {
            let query = HistoryQuery {
                topic: Some(topic.as_str().to_owned()),
                since: Some(since),
                limit: Some(HISTORY_LIMIT_MAX),
                ..HistoryQuery::default()
            };
            let page = self.metadata.call(&api::history(&query)).await?;
            let is_tombstone = |entry: &http_api::HistoryEntry| {
                entry.kind == "TOPIC_DELETED"
                    && entry.after.get("topicId").and_then(|id| id.as_str()?.parse().ok()) == Some(topic_id)
            };
            if page.iter().any(is_tombstone) {
                return Ok(true);
            }
            match page.last() {
                Some(last) if page.len() >= HISTORY_LIMIT_MAX as usize && last.version > since => {
                    since = last.version;
                }
                _ => return Ok(false),
            }
        }
    }

    fn publish(&self) {
        let mut figures = lock(&self.replicas.shared.figures);
        figures.replicas = self.dirs.replica_count();
        figures.deleted = self.removals.len();
        figures.strays = self.dirs.stray_count() + self.unknown_topics;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
