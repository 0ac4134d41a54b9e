//! What the APIs about settings share: resources, where values come from, and how the settings of topics, brokers and groups
//! are changed.

use std::{collections::BTreeMap, sync::Arc};

use client::api;
use common::{
    BrokerId, Topic, TopicName,
    broker_config::{self, Configs, InvalidBrokerConfig},
    group_config::{self, GroupSetting, InvalidGroupConfig},
    topic_config::{self, InvalidTopicConfig, Kind, Setting},
};
use http_api::{
    AlterTopicRequest, broker_configs::AlterBrokerConfigsRequest, group_configs::AlterGroupConfigsRequest,
};
use kafka_wire::ErrorCode;
use metadata_core::{State, command::GROUP_CONFIGS_LEVEL};

use super::{create_topics::Refusal, several::repeated, update_features::FEATURE};
use crate::{
    broker_config::Layer,
    kafka::{Server, errors},
};

/// `ConfigResource.Type` of a topic.
pub(super) const TOPIC: i8 = 2;

/// `ConfigResource.Type` of a broker, or with an empty name of all brokers.
pub(super) const BROKER: i8 = 4;

/// `ConfigType` of a text.
pub(super) const STRING: i8 = 2;

/// `ConfigType` of a 32-bit number.
pub(super) const INT: i8 = 3;

/// `ConfigType` of texts separated by commas.
pub(super) const LIST: i8 = 7;

/// `ConfigResource.Type` of a consumer group (KIP-848).
pub(super) const GROUP: i8 = 32;

/// What has settings.
#[derive(Debug, Clone)]
pub(super) enum Resource {
    /// A topic.
    Topic(Arc<Topic>),
    /// What the controllers keep for one broker, or with `None` for all.
    Brokers(Option<BrokerId>),
    /// What the controllers keep for one group, whether there is one or not.
    Group(String),
}

/// Where a value comes from, by Kafka's numbers (`DescribeConfigsResponse.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The topic sets it.
    Topic,
    /// A broker has it.
    Broker(Layer),
    /// The group sets it.
    Group,
}

impl Source {
    /// Nobody sets it.
    pub(super) const DEFAULT: Self = Self::Broker(Layer::Default);

    /// Its number.
    pub(super) fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Broker(Layer::Broker) => 2,
            Self::Broker(Layer::Cluster) => 3,
            Self::Broker(Layer::Static) => 4,
            Self::Broker(Layer::Default) => 5,
            Self::Group => 8,
        }
    }
}

/// Kafka's number for the values that a setting takes.
pub(super) fn type_code(kind: Kind) -> i8 {
    match kind {
        Kind::Boolean => 1,
        Kind::Fixed { value: "true" | "false", .. } => 1,
        Kind::Fixed { .. } => 5,
        Kind::OneOf(_) => STRING,
        Kind::Kept { max: i64::MAX, .. } | Kind::Long { .. } => 5,
        Kind::Int { .. } | Kind::Kept { .. } => INT,
        Kind::Double { .. } => 6,
        Kind::ListOf(_) | Kind::ThrottledReplicas => LIST,
    }
}

/// One value that a setting has somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// The name it has there: a topic's default has the name of the broker's setting.
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) source: Source,
}

/// Refuses a setting that is to be set, to nothing. (Of a new topic, it is [`INVALID_CONFIG`](ErrorCode::INVALID_CONFIG).)
pub(super) fn no_value(name: &str) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, format!("`{name}` has no value"))
}

/// What is wrong with settings of brokers, whatever it is: as in Kafka, this is no INVALID_CONFIG (KAFKA-13609).
const OF_BROKERS: ErrorCode = ErrorCode::INVALID_REQUEST;

impl From<InvalidBrokerConfig> for Refusal {
    fn from(error: InvalidBrokerConfig) -> Self {
        Self::new(OF_BROKERS, error.to_string())
    }
}

impl From<InvalidGroupConfig> for Refusal {
    fn from(error: InvalidGroupConfig) -> Self {
        Self::new(ErrorCode::INVALID_CONFIG, error.to_string())
    }
}

impl Resource {
    /// The setting of this name that such a resource has.
    pub(super) fn setting(&self, name: &str) -> Result<&'static Setting, Refusal> {
        match self {
            Self::Topic(_) => topic_config::setting(name).ok_or_else(|| {
                let unknown = InvalidTopicConfig::Unknown { name: name.to_owned() };
                Refusal::new(ErrorCode::INVALID_CONFIG, unknown.to_string())
            }),
            Self::Brokers(id) => Ok(&broker_config::check_change(name, id.is_some())?.setting),
            Self::Group(_) => Ok(&group_config::setting(name)?.setting),
        }
    }

    /// That such a resource could have these, as things are.
    fn validate(&self, configs: &Configs, state: &State) -> Result<(), Refusal> {
        match self {
            Self::Topic(_) => topic_config::validate(configs)
                .map_err(|error| Refusal::new(ErrorCode::INVALID_CONFIG, error.to_string())),
            Self::Brokers(Some(_)) => Ok(broker_config::validate(configs, true)?),
            Self::Brokers(None) => {
                broker_config::validate(configs, false)?;
                let of_groups = state.group_configs().validate(configs);
                of_groups.map_err(|unfit| Refusal::new(OF_BROKERS, unfit.to_string()))
            }
            Self::Group(_) if state.feature_level() < GROUP_CONFIGS_LEVEL => {
                let message = format!(
                    "settings of groups take `{FEATURE}` {GROUP_CONFIGS_LEVEL}, and {} is in force",
                    state.feature_level()
                );
                Err(Refusal::new(ErrorCode::UNSUPPORTED_VERSION, message))
            }
            Self::Group(_) => Ok(group_config::validate(configs, state.broker_configs().of_all())?),
        }
    }
}

impl Server {
    /// What a request about settings is about, or why there is no such thing.
    pub(super) fn resource(&self, resource_type: i8, name: &str) -> Result<Resource, Refusal> {
        match resource_type {
            TOPIC => {
                TopicName::new(name)
                    .map_err(|error| Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string()))?;
                self.image.read(|state| state.topic(name).cloned()).map(Resource::Topic).ok_or_else(|| {
                    Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("there is no topic `{name}`"))
                })
            }
            BROKER if name.is_empty() => Ok(Resource::Brokers(None)),
            BROKER => match name.parse() {
                Ok(id) => Ok(Resource::Brokers(Some(BrokerId(id)))),
                Err(_) => {
                    let message = format!("`{name}` is no broker id");
                    Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
                }
            },
            GROUP => match group_config::check_group_id(name) {
                Ok(()) => Ok(Resource::Group(name.to_owned())),
                Err(error) => Err(Refusal::new(ErrorCode::INVALID_REQUEST, error.to_string())),
            },
            other => {
                let message = format!("resources of type {other} have no settings");
                Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
            }
        }
    }

    /// What these settings are to be changed of.
    pub(super) fn to_alter<'a>(
        &self,
        resource_type: i8,
        name: &str,
        settings: impl IntoIterator<Item = &'a str>,
    ) -> Result<Resource, Refusal> {
        let refused = |message: String| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        // Which of the values is meant, nobody can say.
        if let Some(twice) = repeated(settings).first() {
            return refused(format!("`{twice}` is named more than once"));
        }
        if resource_type == TOPIC && name.is_empty() {
            return refused(
                "no topic is named: what is to hold for all of them is set for brokers".to_owned(),
            );
        }
        self.resource(resource_type, name)
    }

    /// What is set for it itself.
    pub(super) fn own_configs(&self, resource: &Resource) -> Configs {
        match resource {
            Resource::Topic(topic) => topic.configs.clone(),
            Resource::Brokers(id) => self.image.read(|state| kept(state, *id).clone()),
            Resource::Group(id) => self.image.read(|state| of_group(state, id).clone()),
        }
    }

    /// Every value of a topic's setting, the one in force first: the topic's, then this broker's and the default.
    pub(super) fn topic_values(
        &self,
        own: &Configs,
        replication_factor: i16,
        setting: &'static Setting,
    ) -> Vec<Value> {
        let own = own.get(setting.name).map(|value| (setting.name, value.clone(), Source::Topic));
        let mut values: Vec<_> = own
            .into_iter()
            .map(|(name, value, source)| Value { name, value, source })
            .chain(self.default_values(setting))
            .collect();
        if let Some(default) = values.last_mut().filter(|it| it.name == MIN_INSYNC_REPLICAS) {
            let config = common::TopicConfig::default();
            let replicas = usize::from(replication_factor.unsigned_abs());
            default.value = config.min_insync_replicas(replicas).to_string();
        }
        values
    }

    /// Every value that a topic's setting has on this broker, for topics that do not set it.
    fn default_values(&self, setting: &'static Setting) -> Vec<Value> {
        let (name, source) = (setting.name, Source::DEFAULT);
        match broker_config::default_of(setting.name) {
            None => vec![Value { name, value: setting.default.to_owned(), source }],
            Some(default) => self.broker_values(default),
        }
    }

    /// Every value that a setting of this broker has, the one in force first.
    pub(super) fn broker_values(&self, setting: &broker_config::BrokerSetting) -> Vec<Value> {
        let name = setting.setting.name;
        let layers = self.config.layers(setting).into_iter();
        layers.map(|(layer, value)| Value { name, value, source: Source::Broker(layer) }).collect()
    }

    /// Every value of a group's setting, the one in force first: the group's, then this broker's.
    pub(super) fn group_values(&self, own: &Configs, setting: &GroupSetting) -> Vec<Value> {
        let name = setting.setting.name;
        let own = own.get(name).map(|value| Value { name, value: value.clone(), source: Source::Group });
        let default = broker_config::setting(setting.default);
        own.into_iter().chain(default.into_iter().flat_map(|it| self.broker_values(it))).collect()
    }

    /// Gives a topic, brokers or a group exactly these settings, or only checks whether they could have them.
    pub(super) async fn set_configs(
        &self,
        resource: &Resource,
        wanted: Configs,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        self.image.read(|state| resource.validate(&wanted, state))?;
        let own = self.own_configs(resource);
        let dropped = own.keys().filter(|name| !wanted.contains_key(*name));
        let mut configs: BTreeMap<String, Option<String>> =
            dropped.map(|name| (name.clone(), None)).collect();
        let changed = wanted.iter().filter(|(name, value)| own.get(*name) != Some(value));
        configs.extend(changed.map(|(name, value)| (name.clone(), Some(value.clone()))));
        let known_broker = |id: &BrokerId| self.image.read(|state| state.broker(*id).is_some());
        if let Resource::Brokers(Some(id)) = resource
            && !known_broker(id)
        {
            let message = format!("broker {id} is not registered");
            return Err(Refusal::new(ErrorCode::BROKER_ID_NOT_REGISTERED, message));
        }
        if validate_only || configs.is_empty() {
            return Ok(());
        }
        match resource {
            Resource::Topic(topic) => self.alter_topic(topic, configs).await,
            Resource::Brokers(id) => self.alter_brokers(*id, configs).await,
            Resource::Group(id) => self.alter_group(id, configs).await,
        }
    }

    async fn alter_topic(
        &self,
        topic: &Topic,
        configs: BTreeMap<String, Option<String>>,
    ) -> Result<(), Refusal> {
        let request = AlterTopicRequest { configs, ..AlterTopicRequest::default() };
        let altered = self.metadata.call(&api::alter_topic(topic.topic_name.as_str(), &request)).await;
        let info = altered.map_err(|error| Refusal::new(errors::of_call(&error), error.to_string()))?;
        // Whoever asks this broker next finds what was changed here.
        let is_known = |topic: &Topic| topic.configs == info.configs;
        let known = self.image.wait_for(|state| match state.topic_by_id(info.topic_id) {
            Some(topic) if !is_known(topic) => None,
            _ => Some(()),
        });
        let _ = tokio::time::timeout(super::KNOWN_WAIT, known).await;
        Ok(())
    }

    async fn alter_brokers(
        &self,
        id: Option<BrokerId>,
        configs: BTreeMap<String, Option<String>>,
    ) -> Result<(), Refusal> {
        let request = AlterBrokerConfigsRequest { configs };
        let altered = self.metadata.call(&api::alter_broker_configs(id, &request)).await;
        let info = altered.map_err(|error| match errors::of_call(&error) {
            ErrorCode::INVALID_CONFIG => Refusal::new(OF_BROKERS, error.to_string()),
            code => Refusal::new(code, error.to_string()),
        })?;
        let known = self.image.wait_for(|state| {
            let is_there = id.is_none_or(|id| state.broker(id).is_some());
            (!is_there || kept(state, id) == &info.configs).then_some(())
        });
        let _ = tokio::time::timeout(super::KNOWN_WAIT, known).await;
        Ok(())
    }

    async fn alter_group(&self, id: &str, configs: BTreeMap<String, Option<String>>) -> Result<(), Refusal> {
        let request = AlterGroupConfigsRequest { configs };
        let altered = self.metadata.call(&api::alter_group_configs(id, &request)).await;
        let info = altered.map_err(|error| Refusal::new(errors::of_call(&error), error.to_string()))?;
        let known = self.image.wait_for(|state| (of_group(state, id) == &info.configs).then_some(()));
        let _ = tokio::time::timeout(super::KNOWN_WAIT, known).await;
        Ok(())
    }
}

/// What the controllers keep for a group.
fn of_group<'a>(state: &'a State, id: &str) -> &'a Configs {
    static NONE: Configs = Configs::new();
    state.group_configs().of(id).unwrap_or(&NONE)
}

/// Its default depends on the topic.
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What the controllers keep for a broker, or for all.
fn kept(state: &State, id: Option<BrokerId>) -> &Configs {
    static NONE: Configs = Configs::new();
    let configs = state.broker_configs();
    match id {
        None => configs.of_all(),
        Some(id) => configs.of(id).unwrap_or(&NONE),
    }
}
