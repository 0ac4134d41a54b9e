//! All partitions that this broker has a replica of.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use common::{MetadataVersion, PartitionId, Topic, TopicId, TopicName};
use tokio::sync::Notify;

use super::{Partition, PartitionName, PartitionSettings, Services, keeper};
use crate::{
    broker_config::LiveConfig,
    image::{Changes, SharedImage},
};

/// The partitions of this broker. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
pub struct Partitions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    services: Arc<Services>,
    table: RwLock<Table>,
    pending: Mutex<Pending>,
    /// Something is pending.
    wake: Notify,
}

/// By name and by id: a topic that is deleted and made again is another one, and takes its name over.
#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<TopicId, BTreeMap<PartitionId, Arc<Partition>>>,
    ids: HashMap<TopicName, TopicId>,
}

/// What the keeper has not got to yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Partitions whose directories are there now.
    pub(super) found: Vec<(Arc<Partition>, PathBuf)>,
    /// What is new in the metadata.
    pub(super) changes: Changes,
    /// The version that this leads to.
    pub(super) version: MetadataVersion,
}

impl Partitions {
    /// None yet.
    pub fn new(settings: PartitionSettings, config: LiveConfig) -> Self {
        let services = Arc::new(Services::new(settings, config));
        let shared =
            Shared { services, table: RwLock::default(), pending: Mutex::default(), wake: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// What they share.
    pub fn services(&self) -> &Arc<Services> {
        &self.shared.services
    }

    /// A partition by the name of its topic.
    pub fn get(&self, topic: &str, partition: PartitionId) -> Option<Arc<Partition>> {
        let table = self.read();
        let id = table.ids.get(topic)?;
        table.by_id.get(id)?.get(&partition).cloned()
    }

    /// A partition by the id of its topic.
    pub fn get_by_id(&self, topic: TopicId, partition: PartitionId) -> Option<Arc<Partition>> {
        self.read().by_id.get(&topic)?.get(&partition).cloned()
    }

    /// The partitions of one topic.
    pub fn of_topic(&self, topic: TopicId) -> Vec<Arc<Partition>> {
        self.read().by_id.get(&topic).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.read().by_id.values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Waits until `look` finds what it is looking for: it asks now, and again whenever a partition takes a role.
    pub async fn wait_for<R>(&self, mut look: impl FnMut() -> Option<R>) -> R {
        loop {
            let mut changed = pin!(self.shared.services.took_role.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            changed.await;
        }
    }

    /// The metadata changed, and are of this version now. Never waits: what the keeper has not got to yet is merged.
    pub fn changed(&self, changes: Changes, version: MetadataVersion) {
        let mut pending = self.pending();
        pending.changes.merge(changes);
        pending.version = pending.version.max(version);
        drop(pending);
        self.shared.wake.notify_one();
    }

    /// The topics that have partitions here.
    pub(super) fn topic_ids(&self) -> BTreeSet<TopicId> {
        self.read().by_id.keys().copied().collect()
    }

    /// The directory of a replica is there. Its log is opened by the keeper, unless it is already.
    pub(crate) fn found(&self, image: &SharedImage, topic: &Topic, partition: PartitionId, dir: PathBuf) {
        let config = Arc::new(self.shared.services.config.of_topic(topic));
        let Some(wanted) = keeper::wanted(image, topic, &config, partition) else { return };
        let name = PartitionName { topic: topic.topic_name.clone(), topic_id: topic.topic_id, partition };
        let mut table = self.write();
        let partitions = table.by_id.entry(name.topic_id).or_default();
        if partitions.contains_key(&name.partition) {
            return;
        }
        let partition = Arc::new(Partition::new(name, wanted, Arc::clone(&self.shared.services)));
        let name = partition.name();
        partitions.insert(name.partition, Arc::clone(&partition));
        table.ids.insert(name.topic.clone(), name.topic_id);
        drop(table);
        self.pending().found.push((partition, dir));
        self.shared.wake.notify_one();
    }

    /// The replicas of a topic go: nothing uses their files from here on.
    pub(crate) fn retire(&self, topic: &TopicName, topic_id: TopicId) {
        let mut table = self.write();
        let partitions = table.by_id.remove(&topic_id).unwrap_or_default();
        if table.ids.get(topic) == Some(&topic_id) {
            table.ids.remove(topic);
        }
        drop(table);
        for partition in partitions.values() {
            partition.abandon();
        }
    }

    /// One replica goes: nothing uses its files from here on.
    pub(crate) fn retire_one(&self, topic_id: TopicId, partition: PartitionId) {
        let mut table = self.write();
        let gone = table.by_id.get_mut(&topic_id).and_then(|partitions| partitions.remove(&partition));
        if table.by_id.get(&topic_id).is_some_and(BTreeMap::is_empty) {
            table.by_id.remove(&topic_id);
            table.ids.retain(|_, id| *id != topic_id);
        }
        drop(table);
        if let Some(partition) = gone {
            partition.abandon();
        }
    }

    /// Waits until something is pending, and takes it.
    pub(super) async fn take_pending(&self) -> Pending {
        self.shared.wake.notified().await;
        std::mem::take(&mut *self.pending())
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.shared.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.shared.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}
