//! Making events happen. No rules here: an event is a fact, and says what is so after it.

use std::sync::Arc;

use common::{MetadataVersion, Partition, PartitionId, Topic, TopicId, TopicName};

use crate::{Before, Event, State, state::Delta};

impl State {
    /// Makes an event happen. Total and idempotent: an event about something unknown changes nothing but the version.
    pub fn evolve(&mut self, version: MetadataVersion, event: &Event) {
        self.replace(version, event);
    }

    /// As [`evolve`](Self::evolve), and gives back what the event replaced.
    pub(crate) fn replace(&mut self, version: MetadataVersion, event: &Event) -> Before {
        self.version = version;
        self.replace_known(event).unwrap_or(Before::Nothing)
    }

    fn replace_known(&mut self, event: &Event) -> Option<Before> {
        match event {
            Event::TopicCreated { topic } => {
                let before = self.remove_topic(&topic.topic_name);
                self.insert_topic(Arc::clone(topic));
                before.map(Before::Topic)
            }
            Event::TopicDeleted { topic_name, topic_id } => {
                self.topics.get(topic_name.as_str()).filter(|topic| topic.topic_id == *topic_id)?;
                self.remove_topic(topic_name).map(Before::Topic)
            }
            Event::TopicConfigsChanged { topic_name, topic_id, configs } => {
                self.topics.set_configs(topic_name, *topic_id, configs.clone()).map(Before::Configs)
            }
            Event::PartitionsAdded { topic_name, topic_id, partitions } => {
                self.add_partitions(topic_name, *topic_id, partitions)
            }
            Event::PartitionsChanged { topic_name, topic_id, partitions } => {
                self.change_partitions(topic_name, *topic_id, partitions)
            }
            Event::BrokerRegistered { broker } => {
                self.brokers.insert(broker.clone()).map(|before| Before::Broker(Box::new(before)))
            }
            Event::BrokerStatusChanged { broker_id, broker_epoch, status } => {
                self.brokers.set_status(*broker_id, *broker_epoch, *status).map(Before::Status)
            }
            Event::BrokerConfigsChanged { broker_id, configs } => {
                if let Some(id) = broker_id {
                    self.brokers.get(*id)?;
                }
                Some(Before::Configs(self.broker_configs.set(*broker_id, configs.clone())))
            }
            Event::GroupConfigsChanged { group_id, configs } => {
                Some(Before::Configs(self.group_configs.set(group_id, configs.clone())))
            }
            Event::BrokerRemoved { broker_id } => {
                self.broker_configs.forget(*broker_id);
                self.brokers.remove(*broker_id).map(|before| Before::Broker(Box::new(before)))
            }
            Event::ProducerIdsAllocated { next_producer_id, .. } => {
                let before = std::mem::replace(&mut self.producer_ids.next, *next_producer_id);
                Some(Before::NextProducerId(before))
            }
            Event::FeatureLevelChanged { level } => {
                let before = std::mem::replace(&mut self.features.level, *level);
                Some(Before::FeatureLevel(before))
            }
        }
    }

    pub(crate) fn insert_topic(&mut self, topic: Arc<Topic>) {
        let mut delta = Delta::default();
        topic.partitions.iter().for_each(|partition| delta.add(topic.topic_id, partition));
        self.partitions.apply(&topic.topic_name, delta);
        self.topics.insert(topic);
    }

    fn remove_topic(&mut self, name: &TopicName) -> Option<Arc<Topic>> {
        let topic = self.topics.remove(name)?;
        let mut delta = Delta::default();
        topic.partitions.iter().for_each(|partition| delta.remove(topic.topic_id, partition));
        self.partitions.apply(name, delta);
        Some(topic)
    }

    fn add_partitions(&mut self, name: &TopicName, id: TopicId, added: &[Partition]) -> Option<Before> {
        let topic = self.topics.get_mut(name, id)?;
        let before = topic.partitions.len();
        let mut delta = Delta::default();
        for partition in added {
            // Those that are there already were added by the same event before.
            if position(partition.id) == Some(topic.partitions.len()) {
                delta.add(id, partition);
                topic.partitions.push(partition.clone());
            }
        }
        self.partitions.apply(name, delta);
        Some(Before::NumPartitions(before))
    }

    fn change_partitions(&mut self, name: &TopicName, id: TopicId, changed: &[Partition]) -> Option<Before> {
        let topic = self.topics.get_mut(name, id)?;
        let mut before = Vec::with_capacity(changed.len());
        let mut delta = Delta::default();
        for partition in changed {
            let slot = position(partition.id).and_then(|position| topic.partitions.get_mut(position));
            if let Some(slot) = slot {
                let old = std::mem::replace(slot, partition.clone());
                delta.remove(id, &old);
                delta.add(id, partition);
                before.push(old);
            }
        }
        self.partitions.apply(name, delta);
        Some(Before::Partitions(before))
    }
}

/// Where a partition stands in its topic; `None` for a negative id.
pub(crate) fn position(id: PartitionId) -> Option<usize> {
    usize::try_from(id.0).ok()
}
