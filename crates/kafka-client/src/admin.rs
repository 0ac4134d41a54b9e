//! A little administration, by whichever broker: brokers forward it to the controller.

use std::{collections::BTreeMap, time::Duration};

use kafka_wire::{
    ErrorCode,
    messages::{
        CreateTopicsRequest, DeleteTopicsRequest,
        create_topics::{CreatableTopic, CreatableTopicConfig},
        delete_topics::DeleteTopicState,
    },
};

use crate::cluster::{Cluster, ClusterError};

/// How long the brokers may take to create or delete a topic.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The last version of DeleteTopics that has a plain list of names.
const DELETE_BY_NAMES: i16 = 5;

/// A topic that is to be created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None`: the cluster's default.
    pub partitions: Option<i32>,
    /// How many replicas of each; `None`: the cluster's default.
    pub replication_factor: Option<i16>,
    /// Settings by Kafka's names.
    pub configs: BTreeMap<String, String>,
}

impl Cluster {
    /// Creates a topic.
    ///
    /// # Errors
    /// If it is refused. If there is no answer, the topic may exist nonetheless.
    pub async fn create_topic(&self, topic: &NewTopic) -> Result<(), ClusterError> {
        let configs = topic
            .configs
            .iter()
            .map(|(name, value)| CreatableTopicConfig { name: name.clone(), value: Some(value.clone()) });
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: topic.name.clone(),
                num_partitions: topic.partitions.unwrap_or(-1),
                replication_factor: topic.replication_factor.unwrap_or(-1),
                configs: configs.collect(),
                ..CreatableTopic::default()
            }],
            timeout_ms: timeout_ms(),
            validate_only: false,
        };
        let response = self.any().await?.call(&request).await?;
        let told = response.topics.into_iter().find(|told| told.name == topic.name);
        let (code, message) = told
            .map_or((ErrorCode::UNKNOWN_SERVER_ERROR, None), |told| (told.error_code, told.error_message));
        outcome(format!("creating topic `{}`", topic.name), code, message)
    }

    /// Deletes a topic with all its records.
    ///
    /// # Errors
    /// If it is refused. If there is no answer, the topic may be gone nonetheless.
    pub async fn delete_topic(&self, name: &str) -> Result<(), ClusterError> {
        let connection = self.any().await?;
        let states = [DeleteTopicState { name: Some(name.to_owned()), ..DeleteTopicState::default() }];
        let mut request = DeleteTopicsRequest { timeout_ms: timeout_ms(), ..DeleteTopicsRequest::default() };
        let newest = connection.versions().best::<DeleteTopicsRequest>(i16::MAX);
        if newest.is_some_and(|version| version > DELETE_BY_NAMES) {
            request.topics = states.to_vec();
        } else {
            request.topic_names = vec![name.to_owned()];
        }
        let response = connection.call(&request).await?;
        let told = response.responses.into_iter().find(|told| told.name.as_deref() == Some(name));
        let (code, message) = told
            .map_or((ErrorCode::UNKNOWN_SERVER_ERROR, None), |told| (told.error_code, told.error_message));
        outcome(format!("deleting topic `{name}`"), code, message)
    }
}

fn timeout_ms() -> i32 {
    i32::try_from(TIMEOUT.as_millis()).unwrap_or(i32::MAX)
}

fn outcome(what: String, code: ErrorCode, message: Option<String>) -> Result<(), ClusterError> {
    if code.is_none() { Ok(()) } else { Err(ClusterError::Refused { what, code, message }) }
}
