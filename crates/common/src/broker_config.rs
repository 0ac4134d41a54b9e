//! The settings of brokers: names, types, ranges and defaults, as in Kafka 4, and what may change while a broker runs.
//!
//! A setting has up to four values; the first one there is holds: what the controllers keep for this broker, what they keep
//! for all brokers, what the broker was started with, the default. Many of them are the defaults of topic settings; a
//! topic's own value then goes before all four.
//!
//! Like that of [topics](crate::topic_config), the list is closed and part of the protocol.

use std::{collections::BTreeMap, sync::LazyLock};

use thiserror::Error;

use crate::{
    group_config::{self, InvalidGroupConfig},
    limits::{TOPIC_CONFIG_VALUE_BYTES_MAX, TOPIC_CONFIGS_BYTES_MAX},
    topic_config::{self, Kind, Setting, cut},
};

mod registry;

/// Settings by name.
pub type Configs = BTreeMap<String, String>;

/// Who may change a setting, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Whoever starts the broker; nobody after that.
    AtStart,
    /// At any time, for one broker or for all.
    PerBroker,
    /// At any time, for all brokers alike: the controllers go by it, too.
    ClusterWide,
}

/// What a broker is, told beside its settings by Kafka's names: no request changes it.
pub const FACTS: [&str; 5] = ["advertised.listeners", "broker.id", "broker.rack", "log.dirs", "node.id"];

/// Rates that have no bound until somebody sets one. Kafka tells them only then, and its tools take what is told for a bound
/// that was set.
const RATES: [&str; 3] = [
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// A setting of brokers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrokerSetting {
    /// What it is called, takes and means.
    pub setting: Setting,
    /// Who may change it.
    pub change: Change,
    /// The topic setting whose default it is.
    pub topic: Option<&'static str>,
}

impl BrokerSetting {
    /// Whether nobody is told of it who asks for settings, for as long as nobody has set it.
    pub fn is_told_only_if_set(&self) -> bool {
        RATES.contains(&self.setting.name)
    }
}

/// Why settings of brokers are refused. Every text names the setting, and the value with its bound or the reason.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidBrokerConfig {
    /// Not `name=value`.
    #[error("`{0}` is not of the form name=value")]
    Form(String),
    /// No setting has this name.
    #[error("unknown broker setting `{0}`")]
    Unknown(String),
    /// One of [`FACTS`].
    #[error("`{0}` is read-only: it is what the broker is, by `services.json` and the broker's flags")]
    Fact(String),
    /// The value is not among those the setting takes.
    #[error("`{name}` is {value:?}; it takes {expected}")]
    Value {
        /// The setting.
        name: String,
        /// The value given, cut if long.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// The values are too long to keep.
    #[error("`{name}` brings the settings to {length} bytes; the most is {TOPIC_CONFIGS_BYTES_MAX}")]
    TooLong {
        /// The setting that passes the bound.
        name: String,
        /// Bytes up to and with this setting.
        length: usize,
    },
    /// It does not change while a broker runs.
    #[error("`{0}` is read-only: a broker takes it when it starts (`--set {0}=...`)")]
    ReadOnly(String),
    /// It is the same for all brokers.
    #[error("`{0}` is the same for all brokers: set it for the cluster, not for one broker")]
    ClusterWide(String),
    /// It bounds settings of groups, and no value is left for them, or not the one that a group has.
    #[error(transparent)]
    OfGroups(#[from] InvalidGroupConfig),
}

impl InvalidBrokerConfig {
    /// The setting that is wrong, or the text that names none.
    pub fn name(&self) -> &str {
        match self {
            Self::Form(name)
            | Self::Unknown(name)
            | Self::Fact(name)
            | Self::ReadOnly(name)
            | Self::ClusterWide(name) => name,
            Self::Value { name, .. } | Self::TooLong { name, .. } => name,
            Self::OfGroups(error) => error.name(),
        }
    }
}

static ALL: LazyLock<Vec<BrokerSetting>> = LazyLock::new(|| {
    let own = registry::OWN.iter().map(|(change, setting)| BrokerSetting {
        setting: *setting,
        change: *change,
        topic: None,
    });
    let of_topics = registry::TOPIC_DEFAULTS.iter().filter_map(|(name, topic, change)| {
        let setting = Setting { name, ..*topic_config::setting(topic)? };
        Some(BrokerSetting { setting, change: *change, topic: Some(topic) })
    });
    let mut all: Vec<_> = own.chain(of_topics).collect();
    all.sort_by_key(|it| it.setting.name);
    all
});

/// Every broker setting, by name.
pub fn settings() -> &'static [BrokerSetting] {
    &ALL
}

/// The setting of this name.
pub fn setting(name: &str) -> Option<&'static BrokerSetting> {
    ALL.binary_search_by(|it| it.setting.name.cmp(name)).ok().and_then(|at| ALL.get(at))
}

fn known(name: &str) -> Result<&'static BrokerSetting, InvalidBrokerConfig> {
    setting(name).ok_or_else(|| match name {
        fact if FACTS.contains(&fact) => InvalidBrokerConfig::Fact(fact.to_owned()),
        other => InvalidBrokerConfig::Unknown(cut(other)),
    })
}

/// The broker setting that is the default of this topic setting.
pub fn default_of(topic: &str) -> Option<&'static BrokerSetting> {
    ALL.iter().find(|it| it.topic == Some(topic))
}

/// Checks one setting by itself, whoever sets it.
pub fn validate_one(name: &str, value: &str) -> Result<&'static BrokerSetting, InvalidBrokerConfig> {
    let known = known(name)?;
    if value.len() <= TOPIC_CONFIG_VALUE_BYTES_MAX && known.setting.kind.accepts(value) {
        return Ok(known);
    }
    let (name, value, expected) = (name.to_owned(), cut(value), known.setting.kind.to_string());
    Err(InvalidBrokerConfig::Value { name, value, expected })
}

/// Whether this setting may be changed while brokers run: for all of them, or for one.
pub fn check_change(name: &str, for_one: bool) -> Result<&'static BrokerSetting, InvalidBrokerConfig> {
    let known = known(name)?;
    match known.change {
        Change::AtStart => Err(InvalidBrokerConfig::ReadOnly(name.to_owned())),
        Change::ClusterWide if for_one => Err(InvalidBrokerConfig::ClusterWide(name.to_owned())),
        Change::ClusterWide | Change::PerBroker => Ok(known),
    }
}

/// Checks all settings that the controllers are to keep: for all brokers, or for one.
pub fn validate(configs: &Configs, for_one: bool) -> Result<(), InvalidBrokerConfig> {
    let mut length = 0;
    for (name, value) in configs {
        check_change(name, for_one)?;
        validate_one(name, value)?;
        length += value.len();
        if length > TOPIC_CONFIGS_BYTES_MAX {
            return Err(InvalidBrokerConfig::TooLong { name: name.clone(), length });
        }
    }
    // Bounds are set for all brokers, or not at all.
    if for_one { Ok(()) } else { Ok(group_config::validate_bounds(configs)?) }
}

/// What these settings say about topics that do not say it themselves, by the names of the topic settings. The first of
/// the maps that has a setting counts.
pub fn topic_defaults(precedence: &[&Configs]) -> Configs {
    let value = |it: &BrokerSetting| {
        let value = precedence.iter().find_map(|configs| configs.get(it.setting.name))?;
        Some((it.topic?.to_owned(), value.clone()))
    };
    ALL.iter().filter_map(value).collect()
}

/// Whether the controllers themselves go by it.
pub fn is_cluster_wide(name: &str) -> bool {
    setting(name).is_some_and(|it| it.change == Change::ClusterWide)
}

/// Whether values of this kind are lists, which grow and shrink.
pub fn is_list(kind: Kind) -> bool {
    matches!(kind, Kind::ListOf(_) | Kind::ThrottledReplicas)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(pairs: &[(&str, &str)]) -> Configs {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_list_is_sorted_and_defaults_are_allowed() {
        assert!(settings().is_sorted_by(|a, b| a.setting.name < b.setting.name));
        for it in settings() {
            assert_eq!(setting(it.setting.name), Some(it));
            assert_eq!(validate_one(it.setting.name, it.setting.default), Ok(it));
        }
        assert_eq!(settings().len(), registry::OWN.len() + registry::TOPIC_DEFAULTS.len());
    }

    /// What a topic can set, an operator can set for all topics that do not.
    #[test]
    fn every_topic_setting_that_counts_has_its_default_here() {
        for topic in topic_config::SETTINGS.iter().filter(|it| !it.is_fixed()) {
            let throttled = matches!(topic.kind, Kind::ThrottledReplicas);
            assert_eq!(default_of(topic.name).is_some(), !throttled, "{}", topic.name);
        }
    }

    #[test]
    fn what_may_not_change_is_refused_with_its_reason() {
        let refused = |name: &str, value: &str, for_one| {
            validate(&configs(&[(name, value)]), for_one).unwrap_err().to_string()
        };
        assert_eq!(
            refused("num.flush.threads", "9", false),
            "`num.flush.threads` is read-only: a broker takes it when it starts (`--set num.flush.threads=...`)"
        );
        assert_eq!(
            refused("min.insync.replicas", "1", true),
            "`min.insync.replicas` is the same for all brokers: set it for the cluster, not for one broker"
        );
        assert_eq!(
            refused("log.retention.ms", "soon", true),
            "`log.retention.ms` is \"soon\"; it takes a whole number of at least -1"
        );
        assert_eq!(refused("log.retention", "1", true), "unknown broker setting `log.retention`");
        assert_eq!(
            refused("node.id", "1", true),
            "`node.id` is read-only: it is what the broker is, by `services.json` and the broker's flags"
        );
        assert_eq!(validate(&configs(&[("min.insync.replicas", "1")]), false), Ok(()));
        assert_eq!(validate(&configs(&[("log.retention.ms", "1")]), true), Ok(()));
    }

    #[test]
    fn the_nearest_value_is_the_default_of_topics() {
        let broker = configs(&[("log.retention.ms", "1"), ("max.connections", "5")]);
        let cluster = configs(&[("log.retention.ms", "2"), ("log.segment.bytes", "100")]);
        assert_eq!(
            topic_defaults(&[&broker, &cluster]),
            configs(&[("retention.ms", "1"), ("segment.bytes", "100")])
        );
    }
}
