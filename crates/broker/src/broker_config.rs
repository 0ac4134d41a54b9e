//! The settings of this broker by Kafka's names: what it was started with (`--set num.partitions=4`), and what the
//! controllers keep for it or for all brokers, which goes before that and may change at any time.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use common::{
    BrokerId, Topic, TopicConfig,
    broker_config::{self, BrokerSetting, Change, Configs},
};
use metadata_core::State;

pub use common::broker_config::InvalidBrokerConfig;

use crate::{image::SharedImage, kafka::KafkaLimits};

/// The settings that one broker was started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerConfig {
    own: Configs,
}

impl BrokerConfig {
    /// Reads `name=value` for each setting that is not to have its default.
    ///
    /// # Errors
    /// [`InvalidBrokerConfig`]: also for what is the same for all brokers, since only the controllers keep that.
    pub fn parse<'a>(settings: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidBrokerConfig> {
        let mut own = BTreeMap::new();
        for text in settings {
            let form = || InvalidBrokerConfig::Form(text.to_owned());
            let (name, value) = text.split_once('=').ok_or_else(form)?;
            let (name, value) = (name.trim(), value.trim());
            if broker_config::validate_one(name, value)?.change == Change::ClusterWide {
                return Err(InvalidBrokerConfig::ClusterWide(name.to_owned()));
            }
            own.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self { own })
    }

    /// A number.
    pub fn number<N: FromStr + Default>(&self, name: &str) -> N {
        number(self.text(name))
    }

    /// A time, of a setting in ms.
    pub fn time(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// What clients may use; the number of connections may change later.
    pub fn kafka_limits(&self) -> KafkaLimits {
        KafkaLimits {
            connections_max: self.number("max.connections"),
            connections_per_ip_max: self.number("max.connections.per.ip"),
            idle_timeout: self.time("connections.max.idle.ms"),
            request_bytes_max: self.number("socket.request.max.bytes"),
            queued_bytes_max: self.number("queued.max.request.bytes"),
            fetch_bytes_max: self.number("fetch.max.bytes"),
            fetch_sessions_max: self.number("max.incremental.fetch.session.cache.slots"),
            fetch_session_eviction: self.time("min.incremental.fetch.session.eviction.ms"),
            ..KafkaLimits::default()
        }
    }

    fn text(&self, name: &str) -> &str {
        self.own.get(name).map_or_else(|| default(name), String::as_str)
    }
}

/// Who gives a setting its value, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// The controllers, for this broker.
    Broker,
    /// The controllers, for all brokers.
    Cluster,
    /// Whoever started the broker.
    Static,
    /// Nobody.
    Default,
}

/// The settings in force. Whoever wants one asks each time, so that nothing has to be told of a change. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveConfig {
    broker_id: BrokerId,
    own: BrokerConfig,
    image: SharedImage,
}

impl LiveConfig {
    /// Of a broker that was started with these, and knows of others by this image.
    pub fn new(broker_id: BrokerId, own: BrokerConfig, image: SharedImage) -> Self {
        Self { broker_id, own, image }
    }

    /// A number.
    pub fn number<N: FromStr + Default>(&self, name: &str) -> N {
        self.with(name, number)
    }

    /// A time, of a setting in ms.
    pub fn time(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// A switch.
    pub fn flag(&self, name: &str) -> bool {
        self.with(name, |value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// A number of bytes per second; `None`: no bound.
    pub fn rate(&self, name: &str) -> Option<u64> {
        Some(self.number::<i64>(name))
            .filter(|rate| *rate != i64::MAX)
            .and_then(|rate| u64::try_from(rate).ok())
    }

    /// The feature level of the cluster.
    pub fn feature_level(&self) -> u16 {
        self.image.read(State::feature_level)
    }

    /// What topics have that do not say it themselves, by the names of topic settings.
    pub fn topic_defaults(&self) -> Configs {
        self.image.read(|state| {
            let kept = state.broker_configs();
            let (of_one, none) = (kept.of(self.broker_id), Configs::new());
            broker_config::topic_defaults(&[of_one.unwrap_or(&none), kept.of_all(), &self.own.own])
        })
    }

    /// The settings in force for the partitions of a topic here.
    pub fn of_topic(&self, topic: &Topic) -> TopicConfig {
        topic.config(&self.topic_defaults())
    }

    /// Every value that a setting has somewhere, the one in force first, the default last.
    pub fn layers(&self, setting: &BrokerSetting) -> Vec<(Layer, String)> {
        let name = setting.setting.name;
        self.image.read(|state| {
            let kept = state.broker_configs();
            let of_one = kept.of(self.broker_id).and_then(|configs| configs.get(name));
            let values = [
                (Layer::Broker, of_one.map(String::as_str)),
                (Layer::Cluster, kept.of_all().get(name).map(String::as_str)),
                (Layer::Static, self.own.own.get(name).map(String::as_str)),
                (Layer::Default, Some(setting.setting.default)),
            ];
            values.into_iter().filter_map(|(layer, value)| Some((layer, value?.to_owned()))).collect()
        })
    }

    fn with<R>(&self, name: &str, look: impl FnOnce(&str) -> R) -> R {
        self.image.read(|state| {
            let kept = state.broker_configs();
            let of_one = kept.of(self.broker_id).and_then(|configs| configs.get(name));
            let value = of_one.or_else(|| kept.of_all().get(name)).map(String::as_str);
            look(value.unwrap_or_else(|| self.own.text(name)))
        })
    }
}

fn default(name: &str) -> &'static str {
    broker_config::setting(name).map(|it| it.setting.default).unwrap_or_default()
}

/// Values are checked when they are set; blanks around them are allowed.
fn number<N: FromStr + Default>(value: &str) -> N {
    value.trim().parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::{ClusterId, MetadataVersion, broker_config::settings};
    use http_api::{ClusterMetadata, Delta, DeltaSet};
    use metadata_core::Event;

    use super::*;
    use crate::image::MetadataImage;

    #[test]
    fn defaults_are_those_of_the_limits() {
        assert_eq!(BrokerConfig::default().kafka_limits(), KafkaLimits::default());
    }

    #[test]
    fn what_is_given_is_taken_and_nonsense_is_refused() {
        let config = BrokerConfig::parse(["num.partitions = 4", "log.retention.ms=5"]).unwrap();
        assert_eq!(config.number::<i32>("num.partitions"), 4);
        let wrong = [
            "num.partitions",
            "num.partition=4",
            "num.partitions=0",
            "num.partitions=many",
            "min.insync.replicas=1",
        ];
        for wrong in wrong {
            assert!(BrokerConfig::parse([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_nearest_value_is_in_force() {
        let image = Arc::new(MetadataImage::new(ClusterId("test".into())));
        let started = ["num.partitions=2", "log.retention.ms=20", "log.segment.bytes=200"];
        let config = BrokerConfig::parse(started).unwrap();
        let live = LiveConfig::new(BrokerId(7), config, Arc::clone(&image));
        let mut version = 0;
        let mut happen = |event: Event| {
            let delta = Delta { version: MetadataVersion(version + 1), event: Arc::new(event) };
            let (from_version, deltas) = (MetadataVersion(version), vec![delta]);
            version += 1;
            let set = DeltaSet { from_version, version: MetadataVersion(version), deltas };
            image.take_in(ClusterMetadata::Deltas(set)).unwrap()
        };
        let configs = |value: &str| [("log.retention.ms".to_owned(), value.to_owned())].into();
        let registered = common::Broker {
            broker_id: BrokerId(7),
            broker_epoch: common::BrokerEpoch(1),
            incarnation_id: common::IncarnationId(uuid::Uuid::nil()),
            directory_id: None,
            disk_lost_at: None,
            host: "localhost".into(),
            port: 1,
            kafka_port: None,
            rack: None,
            status: common::BrokerStatus::Online,
        };
        happen(Event::BrokerRegistered { broker: registered });
        assert_eq!(live.number::<i32>("num.partitions"), 2);
        assert_eq!(live.time("log.retention.ms").as_millis(), 20);
        assert!(happen(Event::BrokerConfigsChanged { broker_id: None, configs: configs("30") }).configs);
        assert_eq!(live.time("log.retention.ms").as_millis(), 30);
        happen(Event::BrokerConfigsChanged { broker_id: Some(BrokerId(7)), configs: configs("40") });
        assert_eq!(live.time("log.retention.ms").as_millis(), 40);
        let layers = live.layers(broker_config::setting("log.retention.ms").unwrap());
        let values: Vec<_> = layers.iter().map(|(layer, value)| (*layer, value.as_str())).collect();
        let default = "604800000";
        assert_eq!(
            values,
            [(Layer::Broker, "40"), (Layer::Cluster, "30"), (Layer::Static, "20"), (Layer::Default, default)]
        );
        let defaults = [("retention.ms", "40"), ("segment.bytes", "200")];
        assert_eq!(live.topic_defaults(), defaults.map(|(name, value)| (name.into(), value.into())).into());
        assert_eq!(live.rate("leader.replication.throttled.rate"), None);
    }

    #[test]
    fn docs_name_every_setting() {
        let mut brokers = "| setting | default | changes | meaning |\n|---|---|---|---|\n".to_owned();
        for BrokerSetting { setting, change, topic } in settings() {
            let change = match change {
                Change::AtStart => "at start",
                Change::PerBroker => "broker, cluster",
                Change::ClusterWide => "cluster",
            };
            let topic = topic.map(|topic| format!(" Default of `{topic}`.")).unwrap_or_default();
            let row = format!(
                "| `{}` | `{}` | {change} | {}{topic} |\n",
                setting.name, setting.default, setting.doc
            );
            brokers += &row;
        }
        let mut topics = "| setting | default | takes | meaning |\n|---|---|---|---|\n".to_owned();
        for setting in common::topic_config::SETTINGS {
            let default =
                if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
            topics += &format!("| `{}` | {default} | {} | {} |\n", setting.name, setting.kind, setting.doc);
        }
        for (what, made) in [("broker", brokers), ("topic", topics)] {
            check_table(what, &made);
        }
    }

    fn check_table(what: &str, made: &str) {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let text = std::fs::read_to_string(page).unwrap();
        let mark = |at| format!("<!-- {what} settings: {at} -->\n");
        let (before, rest) = text.split_once(&mark("begin")).expect("the page has the two marks");
        let (table, after) = rest.split_once(&mark("end")).expect("the page has the two marks");
        if std::env::var_os("DMQ_REWRITE").is_some() {
            let (begin, end) = (mark("begin"), mark("end"));
            std::fs::write(page, format!("{before}{begin}{made}{end}{after}")).unwrap();
            return;
        }
        assert_eq!(table, made, "run this test with DMQ_REWRITE=1 and look at the difference");
    }
}
