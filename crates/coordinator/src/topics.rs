//! The topics of the cluster, as far as groups need them.

use std::collections::{BTreeMap, BTreeSet};

use common::{TopicId, TopicName};

/// A topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its id.
    pub id: TopicId,
    /// How many partitions it has: 0 to this, exclusive.
    pub partitions: i32,
}

/// All topics at one moment. Made once for all coordinators of a broker, and shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics {
    by_name: BTreeMap<TopicName, TopicInfo>,
    by_id: BTreeMap<TopicId, TopicName>,
}

impl Topics {
    /// Adds a topic, or replaces the one of that name.
    pub fn insert(&mut self, name: TopicName, info: TopicInfo) {
        self.remove(name.as_str());
        self.by_id.insert(info.id, name.clone());
        self.by_name.insert(name, info);
    }

    /// Takes a topic out.
    pub fn remove(&mut self, name: &str) {
        if let Some(info) = self.by_name.remove(name) {
            self.by_id.remove(&info.id);
        }
    }

    /// The topic of that name.
    pub fn get(&self, name: &str) -> Option<TopicInfo> {
        self.by_name.get(name).copied()
    }

    /// The name of a topic.
    pub fn name_of(&self, id: TopicId) -> Option<&TopicName> {
        self.by_id.get(&id)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Those that are not there any more later, or are others of the same name.
    pub(crate) fn gone(&self, later: &Self) -> BTreeSet<&TopicName> {
        let is_gone = |(name, info): &(&TopicName, TopicInfo)| {
            later.get(name.as_str()).map(|now| now.id) != Some(info.id)
        };
        self.iter().filter(is_gone).map(|(name, _)| name).collect()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicName, TopicInfo)> {
        self.by_name.iter().map(|(name, info)| (name, *info))
    }
}

impl FromIterator<(TopicName, TopicInfo)> for Topics {
    fn from_iter<I: IntoIterator<Item = (TopicName, TopicInfo)>>(topics: I) -> Self {
        let mut all = Self::default();
        for (name, info) in topics {
            all.insert(name, info);
        }
        all
    }
}
