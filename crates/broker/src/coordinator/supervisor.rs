//! Keeps owners in step: one for each partition of `__consumer_offsets` that this broker leads, in the epoch that it leads in; each
//! with the topics and settings of now.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, PoisonError, RwLock},
};

use common::{LeaderEpoch, PartitionId, topic_name::CONSUMER_OFFSETS_TOPIC};
use coordinator::{LeaseBudget, TopicInfo, Topics};
use metadata_core::State;
use runtime::{Stop, TaskKind, Tasks, clock::Monotonic};
use tokio::sync::{mpsc, watch};

use super::{
    Groups,
    groups::{Entry, Shared},
    options,
    owner::{Owner, QUEUE_LENGTH},
    stage::Stage,
    topic::OffsetsTopic,
};
use crate::{broker_config::LiveConfig, image::SharedImage, partition::Partition, partition::Partitions};

/// Partitions that are led here.
type Led = BTreeMap<PartitionId, (LeaderEpoch, Arc<Partition>)>;

impl Groups {
    /// Begins to coordinate groups, as soon as this broker leads partitions of `__consumer_offsets`.
    pub fn start(
        tasks: &Tasks,
        config: LiveConfig,
        image: &SharedImage,
        partitions: &Partitions,
        topic: OffsetsTopic,
    ) -> Self {
        let shared = Shared {
            config,
            image: Arc::clone(image),
            partitions: partitions.clone(),
            topic,
            owners: RwLock::default(),
        };
        let groups = Self { shared: Arc::new(shared) };
        let supervisor = Supervisor {
            groups: groups.clone(),
            tasks: tasks.clone(),
            topics: watch::Sender::new(Arc::default()),
            settings: watch::Sender::new(coordinator::Settings::default()),
            seen: 0,
            clock: Monotonic::start(),
            lease_budget: LeaseBudget::default(),
        };
        tasks.spawn(TaskKind::Coordinator, "coordinator.supervisor", move |stop| supervisor.run(stop));
        groups
    }
}

/// See the [module](self).
struct Supervisor {
    groups: Groups,
    tasks: Tasks,
    topics: watch::Sender<Arc<Topics>>,
    settings: watch::Sender<coordinator::Settings>,
    /// Fingerprint of the metadata that owners know.
    seen: u64,
    clock: Monotonic,
    /// What the leases of all owners may take.
    lease_budget: LeaseBudget,
}

impl Supervisor {
    async fn run(mut self, stop: Stop) {
        let shared = Arc::clone(&self.groups.shared);
        loop {
            let known = self.groups.read(|owners| {
                owners.iter().map(|(id, entry)| (*id, entry.epoch)).collect::<BTreeMap<_, _>>()
            });
            let changed = shared.partitions.wait_for(|| {
                let led = led(&shared);
                let is_new = led.len() != known.len()
                    || led.iter().any(|(id, (epoch, _))| known.get(id) != Some(epoch));
                is_new.then_some(led)
            });
            let seen = self.seen;
            let refreshed = shared.image.wait_for(|state| (fingerprint(state) != seen).then_some(()));
            tokio::select! {
                () = stop.requested() => return,
                led = changed => {
                    // An owner knows at least what made it one.
                    self.refresh();
                    self.lead(led);
                }
                () = refreshed => self.refresh(),
            }
        }
    }

    fn refresh(&mut self) {
        let Shared { config, image, .. } = &*self.groups.shared;
        let (fingerprint, topics) = image.read(|state| (fingerprint(state), topics(state)));
        self.seen = fingerprint;
        replace_if_other(&self.topics, Arc::new(topics));
        replace_if_other(&self.settings, options::rules(config, image));
    }

    /// Ends owners whose partition is no longer led in their epoch, and starts those that are missing.
    fn lead(&self, led: Led) {
        let mut owners = self.groups.shared.owners.write().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|id, entry| {
            let stays = led.get(id).is_some_and(|(epoch, _)| *epoch == entry.epoch);
            if !stays {
                // With the task go all who wait for it: they learn that this is no coordinator.
                entry.task.abort();
            }
            stays
        });
        for (id, (epoch, partition)) in led {
            owners.entry(id).or_insert_with(|| self.own(epoch, partition));
        }
    }

    fn own(&self, epoch: LeaderEpoch, partition: Arc<Partition>) -> Entry {
        let (queue, received) = mpsc::channel(QUEUE_LENGTH);
        let stage = Stage::default();
        let owner = Owner {
            partition,
            epoch,
            settings: self.settings.subscribe(),
            topics: self.topics.subscribe(),
            queue: received,
            stage: stage.clone(),
            clock: self.clock,
            lease_budget: self.lease_budget.clone(),
        };
        let task = self.tasks.spawn(TaskKind::Coordinator, "coordinator.owner", move |stop| owner.run(stop));
        Entry { epoch, queue, stage, task }
    }
}

/// What this broker leads of `__consumer_offsets`.
fn led(shared: &Shared) -> Led {
    let id = shared.image.read(|state| state.topic(CONSUMER_OFFSETS_TOPIC).map(|topic| topic.topic_id));
    let partitions = id.map(|id| shared.partitions.of_topic(id)).unwrap_or_default();
    let led = partitions.into_iter().filter_map(|partition| {
        let (epoch, leads) = partition.leader_epoch()?;
        leads.then(|| (partition.name().partition, (epoch, partition)))
    });
    led.collect()
}

/// All topics, as groups need them.
fn topics(state: &State) -> Topics {
    let info = |topic: &Arc<common::Topic>| {
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        (topic.topic_name.clone(), TopicInfo { id: topic.topic_id, partitions })
    };
    state.topics().map(info).collect()
}

fn replace_if_other<T: PartialEq>(told: &watch::Sender<T>, now: T) {
    told.send_if_modified(|before| {
        let is_other = *before != now;
        *before = now;
        is_other
    });
}

/// Tells whether [`topics`] or the settings may be others. Never 0.
fn fingerprint(state: &State) -> u64 {
    let mut hasher = DefaultHasher::new();
    for topic in state.topics() {
        (topic.topic_id, topic.partitions.len()).hash(&mut hasher);
    }
    state.topic(CONSUMER_OFFSETS_TOPIC).map(|topic| &topic.configs).hash(&mut hasher);
    state.broker_configs().of_all().hash(&mut hasher);
    for (id, configs) in state.broker_configs().brokers() {
        (id, configs).hash(&mut hasher);
    }
    state.group_configs().digest().hash(&mut hasher);
    hasher.finish().max(1)
}
