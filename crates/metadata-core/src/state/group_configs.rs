//! The settings that are kept for single groups.

use common::{
    broker_config::Configs,
    group_config::{self, InvalidGroupConfig, check_group_id},
    limits::GROUPS_WITH_CONFIGS_MAX,
};

use super::cow_map::CowMap;
use crate::digest::Digest;

/// See the [module](self). Clones share everything until one of them changes.
#[derive(Debug, Clone, Default)]
pub struct GroupConfigs {
    /// By group id. Nobody is in it with nothing set.
    by_id: CowMap<String, Configs>,
    /// Sum of the entries' digests.
    digest: u64,
}

/// A group whose settings do not agree with those of all brokers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("group `{group_id}`: {error}")]
pub struct UnfitGroup {
    /// Which one.
    pub group_id: String,
    /// What is wrong.
    pub error: InvalidGroupConfig,
}

impl GroupConfigs {
    /// What is set for this group, if anything is.
    pub fn of(&self, group_id: &str) -> Option<&Configs> {
        self.by_id.get(group_id)
    }

    /// The groups for which something is set, by id, with what is.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Configs)> {
        self.by_id.iter().map(|(group_id, configs)| (group_id.as_str(), configs))
    }

    /// How many groups have something set.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks the settings of every group, where `of_all` is set for all brokers.
    ///
    /// # Errors
    /// The first group that they would not do for.
    pub fn validate(&self, of_all: &Configs) -> Result<(), UnfitGroup> {
        self.iter().try_for_each(|(group_id, configs)| {
            group_config::validate(configs, of_all)
                .map_err(|error| UnfitGroup { group_id: group_id.to_owned(), error })
        })
    }

    /// A hash of all of it, kept up to date with each change.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Sets exactly these, and gives back the former ones.
    pub(crate) fn set(&mut self, group_id: &str, configs: Configs) -> Configs {
        let before = if configs.is_empty() {
            self.by_id.remove(group_id)
        } else {
            self.digest = self.digest.wrapping_add(digest(group_id, &configs));
            self.by_id.insert(group_id.to_owned(), configs)
        };
        let Some(before) = before else { return Configs::new() };
        self.digest = self.digest.wrapping_sub(digest(group_id, &before));
        before
    }

    /// Whether ids are valid, no more than may be, and nobody is in it with nothing set; if not, what is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let count = self.len();
        if count > GROUPS_WITH_CONFIGS_MAX {
            return Err(format!("{count} groups with settings exceed the bound {GROUPS_WITH_CONFIGS_MAX}"));
        }
        self.iter().try_for_each(|(group_id, configs)| {
            check_group_id(group_id).map_err(|error| format!("settings of group `{group_id}`: {error}"))?;
            if configs.is_empty() {
                return Err(format!("group `{group_id}` has an entry without settings"));
            }
            Ok(())
        })
    }

    /// Whether the digest says what the entries say.
    pub(crate) fn indexes_hold(&self) -> bool {
        self.iter().fold(0_u64, |sum, (id, configs)| sum.wrapping_add(digest(id, configs))) == self.digest
    }
}

fn digest(group_id: &str, configs: &Configs) -> u64 {
    let start = Digest::new(8).bytes(group_id.as_bytes()).word(configs.len() as u64);
    let configs = configs.iter();
    configs.fold(start, |hash, (name, value)| hash.bytes(name.as_bytes()).bytes(value.as_bytes())).finish()
}
