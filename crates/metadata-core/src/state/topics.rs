//! Topics, by name and by id, and the names that a new topic would collide with.

use std::{collections::BTreeMap, sync::Arc};

use common::{Topic, TopicId, TopicName};

use super::cow_map::CowMap;
use crate::digest;

/// All topics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topics {
    by_name: CowMap<TopicName, Arc<Topic>>,
    /// Name of each topic; ids are unique.
    by_id: CowMap<TopicId, TopicName>,
    /// Names that contain a `.`, by collision key. Keys are unique, since topics that share one are refused.
    /// Names without a `.` are their own key, and `by_name` answers for them.
    dotted: CowMap<String, TopicName>,
    /// Sum of the topics' digests, without their partitions.
    digest: u64,
}

impl Topics {
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub(crate) fn by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id).and_then(|name| self.get(name.as_str()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    pub(crate) fn iter_from(&self, start: &str) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.range_from(start).map(|(_, topic)| topic)
    }

    /// A topic of another name that shares the collision key of `name`.
    pub(crate) fn colliding(&self, name: &TopicName) -> Option<&TopicName> {
        if !name.as_str().contains(['.', '_']) {
            return None;
        }
        let key = name.collision_key();
        let plain = self.get(&key).map(|topic| &topic.topic_name);
        plain.into_iter().chain(self.dotted.get(&key)).find(|other| *other != name)
    }

    /// Adds a topic. Its name must be free.
    pub(crate) fn insert(&mut self, topic: Arc<Topic>) {
        let name = &topic.topic_name;
        self.digest = self.digest.wrapping_add(digest::topic(&topic));
        self.by_id.insert(topic.topic_id, name.clone());
        if name.as_str().contains('.') {
            self.dotted.insert(name.collision_key(), name.clone());
        }
        self.by_name.insert(name.clone(), topic);
    }

    pub(crate) fn remove(&mut self, name: &TopicName) -> Option<Arc<Topic>> {
        let topic = self.by_name.remove(name)?;
        self.digest = self.digest.wrapping_sub(digest::topic(&topic));
        self.by_id.remove(&topic.topic_id);
        if name.as_str().contains('.') {
            self.dotted.remove(&name.collision_key());
        }
        Some(topic)
    }

    /// The topic to change in place, copied first if someone still holds it as it was. The caller changes neither
    /// name, id nor settings.
    pub(crate) fn get_mut(&mut self, name: &TopicName, id: TopicId) -> Option<&mut Topic> {
        self.by_name.get_mut(name).filter(|topic| topic.topic_id == id).map(Arc::make_mut)
    }

    /// Sets a topic's settings and returns the former ones.
    pub(crate) fn set_configs(
        &mut self,
        name: &TopicName,
        id: TopicId,
        configs: BTreeMap<String, String>,
    ) -> Option<BTreeMap<String, String>> {
        let topic = self.get_mut(name, id)?;
        let removed = digest::topic(topic);
        let before = std::mem::replace(&mut topic.configs, configs);
        let added = digest::topic(topic);
        self.digest = self.digest.wrapping_sub(removed).wrapping_add(added);
        Some(before)
    }

    /// Whether the indexes say what the topics say.
    pub(crate) fn indexes_hold(&self) -> bool {
        let mut rebuilt = Self::default();
        self.iter().for_each(|topic| rebuilt.insert(Arc::clone(topic)));
        rebuilt.digest == self.digest && rebuilt.by_id == self.by_id && rebuilt.dotted == self.dotted
    }
}
