//! The broker's copy of the cluster metadata. It evolves by the same events and the same code as the controllers'
//! own state, so that a chain of deltas and a full image cannot come to different ends.

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
};

use common::{BrokerId, ClusterId, MetadataVersion, Partition, PartitionId, TopicId, TopicName};
use http_api::{ClusterImage, ClusterMetadata, DeltaSet};
use metadata_core::{Event, State};
use thiserror::Error;
use tokio::sync::Notify;

/// Why metadata that was pulled is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImageError {
    /// It belongs to another cluster.
    #[error("metadata of cluster `{given}`, but this broker belongs to `{own}`")]
    WrongCluster {
        /// Whose metadata was sent.
        given: ClusterId,
        /// Where this broker belongs.
        own: ClusterId,
    },
    /// The deltas do not begin where this image ends, or do not lead where they say.
    #[error("deltas from version {from} to {to} do not continue version {own}")]
    Gap {
        /// Where the deltas begin.
        from: MetadataVersion,
        /// Where they say that they end.
        to: MetadataVersion,
        /// What this broker has.
        own: MetadataVersion,
    },
    /// A full image from before.
    #[error("an image of version {given}, but this broker has version {own}")]
    Older {
        /// Version of the image.
        given: MetadataVersion,
        /// What this broker has.
        own: MetadataVersion,
    },
}

/// What became different by taking in deltas or an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Anything may be different: a full image was taken in.
    pub full: bool,
    /// Topics that are new or different. Not filled in if `full`.
    pub topics: BTreeSet<TopicName>,
    /// Whether settings of brokers are different, this one's or others'.
    pub configs: bool,
    /// Brokers that are new, or came or went.
    pub brokers: BTreeSet<BrokerId>,
    /// Topics whose deletion was committed: the tombstones, without which no data is removed.
    pub deleted: BTreeSet<(TopicName, TopicId)>,
    /// Replicas that were committed to be none any more: the end of a move.
    pub removed: BTreeSet<(TopicId, PartitionId, BrokerId)>,
}

impl Changes {
    /// Adds what came later.
    pub fn merge(&mut self, later: Self) {
        self.full |= later.full;
        self.configs |= later.configs;
        self.topics.extend(later.topics);
        self.brokers.extend(later.brokers);
        self.deleted.extend(later.deleted);
        self.removed.extend(later.removed);
    }

    fn add(&mut self, event: &Event) {
        match event {
            Event::TopicCreated { topic } => {
                self.topics.insert(topic.topic_name.clone());
            }
            Event::PartitionsAdded { topic_name, .. }
            | Event::PartitionsChanged { topic_name, .. }
            | Event::TopicConfigsChanged { topic_name, .. } => {
                self.topics.insert(topic_name.clone());
            }
            Event::TopicDeleted { topic_name, topic_id } => {
                self.deleted.insert((topic_name.clone(), *topic_id));
            }
            Event::BrokerRegistered { broker } => {
                self.brokers.insert(broker.broker_id);
            }
            Event::BrokerStatusChanged { broker_id, .. } | Event::BrokerRemoved { broker_id } => {
                self.brokers.insert(*broker_id);
            }
            Event::BrokerConfigsChanged { .. } => self.configs = true,
            // Coordinators look for themselves.
            Event::GroupConfigsChanged { .. } => {}
            Event::ProducerIdsAllocated { .. } | Event::FeatureLevelChanged { .. } => {}
        }
    }
}

/// The metadata as of one version. Written by whoever pulls, read by everybody.
#[derive(Debug)]
pub struct MetadataImage {
    cluster_id: ClusterId,
    inner: RwLock<Inner>,
    /// Rung at each change.
    changed: Notify,
}

#[derive(Debug)]
struct Inner {
    /// Only grows. 0: nothing was pulled yet.
    version: MetadataVersion,
    state: State,
}

impl MetadataImage {
    /// The image of a broker of this cluster that has pulled nothing yet.
    pub fn new(cluster_id: ClusterId) -> Self {
        let state = State::new(cluster_id.clone());
        let inner = RwLock::new(Inner { version: MetadataVersion(0), state });
        Self { cluster_id, inner, changed: Notify::new() }
    }

    /// Which version it is.
    pub fn version(&self) -> MetadataVersion {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).version
    }

    /// Looks at the metadata. `look` holds the writers up: it is to be short, and to copy what it needs.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.inner.read().unwrap_or_else(PoisonError::into_inner).state)
    }

    /// Where a broker answers REST requests, without a slash at the end; `None`: it is not registered.
    pub fn url_of(&self, broker: BrokerId) -> Option<String> {
        self.read(|state| state.broker(broker).map(|it| format!("http://{}:{}", it.host, it.port)))
    }

    /// Waits until `look` sees what it is looking for: it is asked now, and again after each change.
    pub async fn wait_for<R>(&self, mut look: impl FnMut(&State) -> Option<R>) -> R {
        loop {
            let mut changed = pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(found) = self.read(&mut look) {
                return found;
            }
            changed.await;
        }
    }

    /// Takes in what was pulled, or leaves everything as it was.
    pub fn take_in(&self, pulled: ClusterMetadata) -> Result<Changes, ImageError> {
        let changes = match pulled {
            ClusterMetadata::Deltas(deltas) => self.advance(&deltas),
            ClusterMetadata::Full(image) => self.replace(*image),
        };
        self.changed.notify_waiters();
        changes
    }

    /// Puts a full image in the place of this one, unless it is older.
    pub fn replace(&self, image: ClusterImage) -> Result<Changes, ImageError> {
        if image.cluster_id != self.cluster_id {
            return Err(ImageError::WrongCluster { given: image.cluster_id, own: self.cluster_id.clone() });
        }
        let version = image.version;
        // Built beside the old one: readers are held up for the exchange only.
        let state = build(image);
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if version < inner.version {
            return Err(ImageError::Older { given: version, own: inner.version });
        }
        let former = std::mem::replace(&mut *inner, Inner { version, state });
        drop(inner);
        // Freed outside of the lock: with many partitions that takes its time.
        drop(former);
        Ok(Changes { full: true, ..Changes::default() })
    }

    /// Makes the events happen that lead from this image's version to a newer one. Events that have happened
    /// already are passed over, so deltas that begin further back than needed do no harm.
    pub fn advance(&self, deltas: &DeltaSet) -> Result<Changes, ImageError> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let own = inner.version;
        if !is_chain(deltas) || deltas.from_version > own {
            return Err(ImageError::Gap { from: deltas.from_version, to: deltas.version, own });
        }
        let mut changes = Changes::default();
        for delta in deltas.deltas.iter().filter(|delta| delta.version > own) {
            changes.removed.extend(removed_replicas(&inner.state, &delta.event));
            inner.state.evolve(delta.version, &delta.event);
            changes.add(&delta.event);
        }
        inner.version = own.max(deltas.version);
        Ok(changes)
    }
}

/// The replicas that are none any more once `event` has happened.
fn removed_replicas(before: &State, event: &Event) -> BTreeSet<(TopicId, PartitionId, BrokerId)> {
    let Event::PartitionsChanged { topic_id, partitions, .. } = event else { return BTreeSet::new() };
    let Some(topic) = before.topic_by_id(*topic_id) else { return BTreeSet::new() };
    let former = |after: &Partition| {
        let position = usize::try_from(after.id.0).ok();
        position
            .and_then(|position| topic.partitions.get(position))
            .filter(|it| it.replicas != after.replicas)
    };
    let changed = partitions.iter().filter_map(|after| Some((former(after)?, after)));
    let gone = changed.flat_map(|(former, after)| {
        let gone = former.replicas.iter().filter(|replica| !after.replicas.contains(replica));
        gone.map(|replica| (*topic_id, after.id, *replica))
    });
    gone.collect()
}

/// Whether these deltas go forward, and end where they say.
fn is_chain(deltas: &DeltaSet) -> bool {
    let mut versions = deltas.deltas.iter().map(|delta| delta.version);
    let first_and_last = versions.next().map(|first| (first, versions.next_back().unwrap_or(first)));
    deltas.deltas.is_sorted_by_key(|delta| delta.version)
        && deltas.from_version <= deltas.version
        && first_and_last.is_none_or(|(first, last)| first > deltas.from_version && last <= deltas.version)
}

/// The state that an image shows: that of a cluster in which its brokers registered and its topics were created.
fn build(image: ClusterImage) -> State {
    let mut state = State::new(image.cluster_id);
    for broker in image.brokers {
        state.evolve(image.version, &Event::BrokerRegistered { broker: broker.into() });
    }
    for (broker_id, configs) in image.broker_configs.brokers {
        let event = Event::BrokerConfigsChanged { broker_id: Some(broker_id), configs };
        state.evolve(image.version, &event);
    }
    let configs = image.broker_configs.cluster;
    state.evolve(image.version, &Event::BrokerConfigsChanged { broker_id: None, configs });
    for (group_id, configs) in image.group_configs {
        state.evolve(image.version, &Event::GroupConfigsChanged { group_id, configs });
    }
    if image.feature_level > 0 {
        state.evolve(image.version, &Event::FeatureLevelChanged { level: image.feature_level });
    }
    for topic in image.topics {
        state.evolve(image.version, &Event::TopicCreated { topic: Arc::new(topic.into()) });
    }
    state
}

/// Shared by everything in the broker that needs metadata.
pub type SharedImage = Arc<MetadataImage>;

#[cfg(test)]
mod tests;
