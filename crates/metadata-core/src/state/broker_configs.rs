//! The settings that are kept for brokers: for all of them, and for single ones.

use std::{collections::BTreeMap, sync::Arc};

use common::{BrokerId, broker_config::Configs};

use crate::digest::Digest;

/// See the [module](self). Clones share everything until one of them changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerConfigs {
    of_all: Arc<Configs>,
    /// Nobody is in it with nothing set.
    of_one: Arc<BTreeMap<BrokerId, Configs>>,
}

impl BrokerConfigs {
    /// What is set for all brokers.
    pub fn of_all(&self) -> &Configs {
        &self.of_all
    }

    /// What is set for this broker alone, if anything is.
    pub fn of(&self, id: BrokerId) -> Option<&Configs> {
        self.of_one.get(&id)
    }

    /// The brokers for which something is set, with what is.
    pub fn brokers(&self) -> impl Iterator<Item = (BrokerId, &Configs)> {
        self.of_one.iter().map(|(id, configs)| (*id, configs))
    }

    /// Whether nothing is set anywhere.
    pub fn is_empty(&self) -> bool {
        self.of_all.is_empty() && self.of_one.is_empty()
    }

    /// How many have something set; all brokers together count as one.
    pub(crate) fn len(&self) -> usize {
        usize::from(!self.of_all.is_empty()) + self.of_one.len()
    }

    /// What is set for this broker, or for all; nothing if nothing is.
    pub(crate) fn get(&self, id: Option<BrokerId>) -> Configs {
        match id {
            None => Configs::clone(&self.of_all),
            Some(id) => self.of(id).cloned().unwrap_or_default(),
        }
    }

    /// Sets exactly these, and gives back the former ones.
    pub(crate) fn set(&mut self, id: Option<BrokerId>, configs: Configs) -> Configs {
        let Some(id) = id else { return std::mem::replace(Arc::make_mut(&mut self.of_all), configs) };
        let of_one = Arc::make_mut(&mut self.of_one);
        let before = if configs.is_empty() { of_one.remove(&id) } else { of_one.insert(id, configs) };
        before.unwrap_or_default()
    }

    /// This broker is no more.
    pub(crate) fn forget(&mut self, id: BrokerId) {
        if self.of_one.contains_key(&id) {
            Arc::make_mut(&mut self.of_one).remove(&id);
        }
    }

    /// A hash of all of it. There is little of it, so that it is made anew each time.
    pub(crate) fn digest(&self) -> u64 {
        let add = |hash: Digest, configs: &Configs| {
            let hash = hash.word(configs.len() as u64);
            configs
                .iter()
                .fold(hash, |hash, (name, value)| hash.bytes(name.as_bytes()).bytes(value.as_bytes()))
        };
        let all = add(Digest::new(7), &self.of_all);
        self.of_one.iter().fold(all, |hash, (id, configs)| add(hash.int(id.0), configs)).finish()
    }
}
