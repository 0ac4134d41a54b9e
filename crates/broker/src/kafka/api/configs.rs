//! What the APIs about settings share: resources, where values come from, and how a topic's settings are changed.

use std::collections::BTreeMap;

use client::api;
use common::{
    Topic,
    topic_config::{self, Kind},
};
use http_api::AlterTopicRequest;
use kafka_wire::ErrorCode;

use super::create_topics::Refusal;
use crate::kafka::{Server, errors};

/// `ConfigResource.Type` of a topic.
pub(super) const TOPIC: i8 = 2;

/// `ConfigResource.Type` of a broker.
pub(super) const BROKER: i8 = 4;

/// Where a value comes from, by Kafka's numbers (`DescribeConfigsResponse.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The topic sets it.
    Topic,
    /// The broker was started with it.
    Static,
    /// Nobody sets it.
    Default,
}

impl Source {
    /// Its number.
    pub(super) fn code(self) -> i8 {
        match self {
            Self::Topic => 1,
            Self::Static => 4,
            Self::Default => 5,
        }
    }
}

/// Kafka's number for the values that a setting takes.
pub(super) fn type_code(kind: Kind) -> i8 {
    match kind {
        Kind::Boolean => 1,
        Kind::OneOf(_) => 2,
        Kind::Int { .. } => 3,
        Kind::Long { .. } => 5,
        Kind::Double { .. } => 6,
        Kind::ListOf(_) | Kind::ThrottledReplicas => 7,
    }
}

impl Server {
    /// The topic that a request about settings is about, or why there is none.
    pub(super) fn configured_topic(
        &self,
        resource_type: i8,
        name: &str,
    ) -> Result<std::sync::Arc<Topic>, Refusal> {
        match resource_type {
            TOPIC => self.image.read(|state| state.topic(name).cloned()).ok_or_else(|| {
                Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("there is no topic `{name}`"))
            }),
            BROKER => {
                let message = "a broker's settings are those it was started with";
                Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
            }
            other => {
                let message = format!("resources of type {other} have no settings");
                Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
            }
        }
    }

    /// Gives a topic exactly these settings of its own, or only checks whether it could have them.
    pub(super) async fn set_configs(
        &self,
        topic: &Topic,
        wanted: BTreeMap<String, String>,
        validate_only: bool,
    ) -> Result<(), Refusal> {
        topic_config::validate(&wanted)
            .map_err(|error| Refusal::new(ErrorCode::INVALID_CONFIG, error.to_string()))?;
        let dropped = topic.configs.keys().filter(|name| !wanted.contains_key(*name));
        let mut configs: BTreeMap<String, Option<String>> =
            dropped.map(|name| (name.clone(), None)).collect();
        let changed = wanted.iter().filter(|(name, value)| topic.configs.get(*name) != Some(value));
        configs.extend(changed.map(|(name, value)| (name.clone(), Some(value.clone()))));
        if validate_only || configs.is_empty() {
            return Ok(());
        }
        let request = AlterTopicRequest { num_partitions: None, configs };
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
}
