//! The settings of a topic: names, types, ranges and defaults, as in Kafka 4 (`TopicConfig`, `LogConfig`).
//!
//! The list is closed: an unknown name is refused, so that a misspelt setting is noticed when it is made and not
//! when the data is gone. It is part of the protocol: replicated commands are checked against it, so that a change of
//! it takes a new feature level. No setting is accepted and ignored: one whose feature this system lacks is listed with what
//! is true of it ([`Kind::Fixed`], [`Kind::Kept`]), and takes nothing else; each of the others has its place in [`TopicConfig`],
//! and a test of the broker that shows what it does (`broker/src/partition/effects.rs`).

use std::{collections::BTreeMap, fmt};

use thiserror::Error;

use crate::limits::{TOPIC_CONFIG_VALUE_BYTES_MAX, TOPIC_CONFIGS_BYTES_MAX};

mod registry;
mod values;

pub use registry::SETTINGS;
pub use values::{
    CleanupPolicy, Compression, FlushPolicy, MinInsyncReplicas, ThrottledReplicas, TimestampType,
    TopicConfig, unclean_leader_election_enable,
};

/// A setting: what it is called, takes and means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// Kafka's name, e.g. `retention.ms`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The value in force where a topic does not set it.
    pub default: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
}

/// The values that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A 32-bit number within bounds.
    Int {
        /// Least.
        min: i32,
        /// Greatest.
        max: i32,
    },
    /// A 64-bit number within bounds.
    Long {
        /// Least.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// A fraction within bounds.
    Double {
        /// Least.
        min: f64,
        /// Greatest.
        max: f64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any of these words, separated by commas; may be none (KIP-1161).
    ListOf(&'static [&'static str]),
    /// `*`, or `partition:broker` pairs separated by commas, or nothing (Kafka's `ThrottledReplicaListValidator`).
    ThrottledReplicas,
    /// This value alone, since it says what is so here whatever anybody sets.
    Fixed {
        /// The value.
        value: &'static str,
        /// Why there is no other.
        why: &'static str,
    },
    /// A bound that is kept here whatever anybody sets: any whole number from 0 up to this is true.
    Kept {
        /// Greatest.
        max: i64,
        /// Why it is kept.
        why: &'static str,
    },
}

impl Setting {
    /// Whether it takes only what is so here whatever anybody sets.
    pub fn is_fixed(&self) -> bool {
        matches!(self.kind, Kind::Fixed { .. } | Kind::Kept { .. })
    }
}

/// Why a topic's settings are refused. Every text names the setting, the value and the bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidTopicConfig {
    /// No setting has this name.
    #[error("unknown topic setting `{name}`")]
    Unknown {
        /// The name given.
        name: String,
    },
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
    /// The value is too long to keep.
    #[error("`{name}` has a value of {length} bytes; the most is {TOPIC_CONFIG_VALUE_BYTES_MAX}")]
    ValueTooLong {
        /// The setting.
        name: String,
        /// Bytes given.
        length: usize,
    },
    /// All values together are too long to keep.
    #[error("`{name}` brings the topic's settings to {length} bytes; the most is {TOPIC_CONFIGS_BYTES_MAX}")]
    TooLong {
        /// The setting that passes the bound.
        name: String,
        /// Bytes up to and with this setting.
        length: usize,
    },
    /// Two settings contradict each other.
    #[error("`{name}` is {value}; it must not exceed `{other}`, which is {other_value}")]
    Conflict {
        /// The setting that is too high.
        name: String,
        /// Its value.
        value: i64,
        /// The setting that bounds it.
        other: &'static str,
        /// Its value.
        other_value: i64,
    },
}

impl InvalidTopicConfig {
    /// The setting that is wrong.
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown { name }
            | Self::Value { name, .. }
            | Self::ValueTooLong { name, .. }
            | Self::TooLong { name, .. }
            | Self::Conflict { name, .. } => name,
        }
    }
}

/// The setting of this name.
pub fn setting(name: &str) -> Option<&'static Setting> {
    // Sorted by name, which a test checks.
    SETTINGS.binary_search_by(|setting| setting.name.cmp(name)).ok().and_then(|at| SETTINGS.get(at))
}

/// Checks one setting by itself.
pub fn validate_one(name: &str, value: &str) -> Result<(), InvalidTopicConfig> {
    let setting = setting(name).ok_or_else(|| InvalidTopicConfig::Unknown { name: cut(name) })?;
    if value.len() > TOPIC_CONFIG_VALUE_BYTES_MAX {
        return Err(InvalidTopicConfig::ValueTooLong { name: name.to_owned(), length: value.len() });
    }
    if setting.kind.accepts(value) {
        return Ok(());
    }
    Err(InvalidTopicConfig::Value {
        name: name.to_owned(),
        value: cut(value),
        expected: setting.kind.to_string(),
    })
}

/// Checks all settings of a topic, each by itself and against the others.
pub fn validate(configs: &BTreeMap<String, String>) -> Result<(), InvalidTopicConfig> {
    let mut length = 0;
    for (name, value) in configs {
        validate_one(name, value)?;
        length += value.len();
        if length > TOPIC_CONFIGS_BYTES_MAX {
            return Err(InvalidTopicConfig::TooLong { name: name.clone(), length });
        }
    }
    not_above(configs, "min.compaction.lag.ms", "max.compaction.lag.ms")
}

/// Checks that one number does not exceed another where a topic sets both.
fn not_above(
    configs: &BTreeMap<String, String>,
    name: &str,
    other: &'static str,
) -> Result<(), InvalidTopicConfig> {
    let number = |name: &str| configs.get(name).and_then(|value| value.trim().parse::<i64>().ok());
    match (number(name), number(other)) {
        (Some(value), Some(other_value)) if value > other_value => {
            Err(InvalidTopicConfig::Conflict { name: name.to_owned(), value, other, other_value })
        }
        _ => Ok(()),
    }
}

/// The start of a text that is too long to repeat in a message.
pub(crate) fn cut(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl Kind {
    /// Whether a value is one of these. Blanks around it are allowed, as in Kafka.
    pub fn accepts(&self, value: &str) -> bool {
        let value = value.trim();
        match *self {
            Self::Boolean => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
            Self::Int { min, max } => value.parse::<i32>().is_ok_and(|v| (min..=max).contains(&v)),
            Self::Long { min, max } => value.parse::<i64>().is_ok_and(|v| (min..=max).contains(&v)),
            Self::Double { min, max } => value.parse::<f64>().is_ok_and(|v| (min..=max).contains(&v)),
            Self::OneOf(words) => words.contains(&value),
            Self::ListOf(words) => {
                value.is_empty() || value.split(',').all(|word| words.contains(&word.trim()))
            }
            Self::Fixed { value: only, .. } => value == only,
            Self::Kept { max, .. } => value.parse::<i64>().is_ok_and(|v| (0..=max).contains(&v)),
            Self::ThrottledReplicas => value.is_empty() || value == "*" || value.split(',').all(is_replica),
        }
    }
}

/// `partition:broker`.
fn is_replica(text: &str) -> bool {
    let is_id = |part: &str| part.parse::<i32>().is_ok_and(|id| id >= 0);
    text.trim().split_once(':').is_some_and(|(partition, broker)| is_id(partition) && is_id(broker))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Boolean => f.write_str("true or false"),
            Self::Int { min, max } => range(f, min.into(), max.into(), i32::MAX.into()),
            Self::Long { min, max } => range(f, min, max, i64::MAX),
            Self::Double { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Fixed { value, why } => write!(f, "only `{value}`: {why}"),
            Self::Kept { max, why } => {
                range(f, 0, max, i64::MAX)?;
                write!(f, ": {why}")
            }
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::ListOf(words) => write!(f, "a comma-separated list of {}, or nothing", words.join(", ")),
            Self::ThrottledReplicas => f.write_str("`*` or a comma-separated list of partition:broker"),
        }
    }
}

fn range(f: &mut fmt::Formatter<'_>, min: i64, max: i64, unbounded: i64) -> fmt::Result {
    if max == unbounded {
        write!(f, "a whole number of at least {min}")
    } else {
        write!(f, "a whole number from {min} to {max}")
    }
}

#[cfg(test)]
mod tests;
