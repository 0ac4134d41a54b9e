//! The settings that a broker is started with, by Kafka's names: `--set num.partitions=4`.
//!
//! Every setting of this list does something; a name that is not on it is refused, and so is a value that cannot be.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use common::topic_config::{Kind, Setting};
use thiserror::Error;

use crate::kafka::KafkaLimits;

/// Why a broker's settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidBrokerConfig {
    /// Not `name=value`.
    #[error("`{0}` is not of the form name=value")]
    Form(String),
    /// No setting has this name.
    #[error("unknown broker setting `{0}`")]
    Unknown(String),
    /// The value is not among those the setting takes.
    #[error("`{name}` is `{value}`; it takes {expected}")]
    Value {
        /// The setting.
        name: String,
        /// The value given.
        value: String,
        /// What it takes.
        expected: String,
    },
}

const fn int(name: &'static str, min: i32, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, kind: Kind::Int { min, max: i32::MAX }, default, doc }
}

const fn long(name: &'static str, min: i64, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, kind: Kind::Long { min, max: i64::MAX }, default, doc }
}

/// Every setting, sorted by name.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "auto.create.topics.enable",
        kind: Kind::Boolean,
        default: "true",
        doc: "A topic that a client asks about is made.",
    },
    long("connections.max.idle.ms", 1, "600000", "A connection without a request for so long is closed."),
    int(
        "default.replication.factor",
        1,
        "3",
        "Replicas of topics that do not say how many; no more than there are brokers (1 in Kafka).",
    ),
    int(
        "fetch.max.bytes",
        1_024,
        "57671680",
        "The largest answer to a fetch; one larger batch still goes out.",
    ),
    int(
        "group.initial.rebalance.delay.ms",
        0,
        "3000",
        "How long a classic group that was empty waits for more members.",
    ),
    int("group.max.session.timeout.ms", 1, "1800000", "The longest session timeout of a classic member."),
    int("group.max.size", 1, "2147483647", "Members of a classic group."),
    int("group.min.session.timeout.ms", 1, "6000", "The shortest session timeout of a classic member."),
    int(
        "log.cache.bytes",
        0,
        "67108864",
        "Bytes of the last batches of all partitions that are kept in memory.",
    ),
    long("log.retention.check.interval.ms", 1, "300000", "How often old segments are looked for."),
    int("max.connections", 1, "20000", "Open connections of Kafka clients."),
    int("max.connections.per.ip", 1, "10000", "Open connections of Kafka clients from one address."),
    int("num.flush.threads", 1, "4", "Threads that sync logs."),
    int("num.partitions", 1, "1", "Partitions of topics that do not say how many."),
    int("num.recovery.threads.per.data.dir", 1, "4", "Logs that are opened at the same time."),
    int("offset.metadata.max.bytes", 0, "4096", "What a client may note beside an offset."),
    int("offsets.commit.timeout.ms", 1, "5000", "A commit that is not safe after so long is an error."),
    long("offsets.retention.check.interval.ms", 1, "600000", "How often expired offsets are looked for."),
    int("offsets.retention.minutes", 1, "10080", "Offsets of a group without members are kept for so long."),
    int("offsets.topic.num.partitions", 1, "50", "Partitions of `__consumer_offsets`, when it is made."),
    int(
        "offsets.topic.replication.factor",
        1,
        "3",
        "Replicas of `__consumer_offsets`; no more than the cluster has brokers.",
    ),
    int("offsets.topic.segment.bytes", 14, "104857600", "Size of the segments of `__consumer_offsets`."),
    int(
        "producer.id.expiration.ms",
        1,
        "86400000",
        "A producer that wrote nothing for so long is forgotten.",
    ),
    int("queued.max.request.bytes", 1_048_576, "134217728", "Bytes of all requests that are in memory."),
    long(
        "replica.lag.time.max.ms",
        1,
        "30000",
        "A replica that did not catch up for so long leaves the ISR.",
    ),
    int("socket.request.max.bytes", 1_024, "104857600", "The largest request."),
];

/// The settings of one broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerConfig {
    own: BTreeMap<&'static str, String>,
}

impl BrokerConfig {
    /// Reads `name=value` for each setting that is not to have its default.
    ///
    /// # Errors
    /// [`InvalidBrokerConfig`].
    pub fn parse<'a>(settings: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidBrokerConfig> {
        let mut own = BTreeMap::new();
        for text in settings {
            let form = || InvalidBrokerConfig::Form(text.to_owned());
            let (name, value) = text.split_once('=').ok_or_else(form)?;
            let (name, value) = (name.trim(), value.trim());
            let setting = setting(name).ok_or_else(|| InvalidBrokerConfig::Unknown(name.to_owned()))?;
            if !setting.kind.accepts(value) {
                let (name, value) = (name.to_owned(), value.to_owned());
                return Err(InvalidBrokerConfig::Value { name, value, expected: setting.kind.to_string() });
            }
            own.insert(setting.name, value.to_owned());
        }
        Ok(Self { own })
    }

    /// The value that the broker was started with; `None`: the default.
    pub fn own(&self, name: &str) -> Option<&str> {
        self.own.get(name).map(String::as_str)
    }

    /// A number in force.
    pub fn number<N: FromStr + Default>(&self, name: &str) -> N {
        self.text(name).parse().unwrap_or_default()
    }

    /// A time in force, of a setting in ms.
    pub fn time(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// A switch in force.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }

    /// What clients may use.
    pub fn kafka_limits(&self) -> KafkaLimits {
        KafkaLimits {
            connections_max: self.number("max.connections"),
            connections_per_ip_max: self.number("max.connections.per.ip"),
            idle_timeout: self.time("connections.max.idle.ms"),
            request_bytes_max: self.number("socket.request.max.bytes"),
            queued_bytes_max: self.number("queued.max.request.bytes"),
            fetch_bytes_max: self.number("fetch.max.bytes"),
            ..KafkaLimits::default()
        }
    }

    fn text(&self, name: &str) -> &str {
        self.own(name).or_else(|| setting(name).map(|setting| setting.default)).unwrap_or_default()
    }
}

fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_defaults_are_allowed() {
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.name));
        assert!(SETTINGS.iter().all(|setting| setting.kind.accepts(setting.default)));
        assert_eq!(BrokerConfig::default().kafka_limits(), KafkaLimits::default());
    }

    #[test]
    fn what_is_given_is_taken_and_nonsense_is_refused() {
        let config = BrokerConfig::parse(["num.partitions = 4", "auto.create.topics.enable=false"]).unwrap();
        assert_eq!(config.number::<i32>("num.partitions"), 4);
        assert!(!config.flag("auto.create.topics.enable"));
        for wrong in ["num.partitions", "num.partition=4", "num.partitions=0", "num.partitions=many"] {
            assert!(BrokerConfig::parse([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn docs_name_every_setting() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let text = std::fs::read_to_string(page).unwrap();
        for setting in SETTINGS {
            let row = format!("| `{}` | `{}` | {} |", setting.name, setting.default, setting.doc);
            assert!(text.contains(&row), "docs/configuration.md lacks {row}");
        }
    }
}
