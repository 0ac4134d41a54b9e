//! CreateTopics (19), versions 2 to 7: asks the controllers for topics, and answers when this broker knows them.
//!
//! `validate_only` makes all checks that need no controller: name, settings, whether the topic is there, whether there
//! are enough brokers. Numbers of -1 are the broker's defaults.
//!
//! `__consumer_offsets` may be made by whoever wants other numbers for it than it would get; its settings are its own. Numbers of -1
//! are those of any topic then, as in Kafka: `offsets.topic.*` holds where the first group makes it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use client::api;
use common::{
    BrokerId, BrokerStatus, TopicName, topic_config,
    topic_name::{CLUSTER_METADATA_TOPIC, CONSUMER_OFFSETS_TOPIC},
};
use http_api::{CreateTopicRequest, TopicInfo};
use kafka_wire::{
    ErrorCode,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse,
        create_topics::{CreatableTopic, CreatableTopicConfigs, CreatableTopicResult},
    },
};
use tokio::time::timeout_at;

use super::{
    Call,
    several::{in_order, named_twice, repeated},
};
use crate::{
    coordinator::NoTopic,
    kafka::{Server, errors},
};

/// A topic that somebody wants.
#[derive(Debug, Clone, Default)]
pub(super) struct Wish {
    pub(super) name: String,
    /// `None`: the broker's default.
    pub(super) partitions: Option<i32>,
    /// `None`: the broker's default.
    pub(super) replication_factor: Option<i16>,
    /// Replicas of each partition, instead of the two above.
    pub(super) assignments: Option<Vec<Vec<BrokerId>>>,
    pub(super) configs: BTreeMap<String, String>,
}

/// Why there is no such topic now.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

pub(super) async fn handle(call: Arc<Call>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let deadline = call.arrived + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let twice = repeated(request.topics.iter().map(|topic| topic.name.as_str()));
    let results = request.topics.iter().map(async |topic| {
        let made = match wish(topic) {
            _ if twice.contains(topic.name.as_str()) => Err(named_twice()),
            Err(refusal) => Err(refusal),
            Ok(wish) if request.validate_only => validated(&call.server, wish),
            Ok(wish) => {
                let late = "the topic is not known everywhere in time";
                let late = Refusal::new(ErrorCode::REQUEST_TIMED_OUT, late);
                timeout_at(deadline, make(&call.server, wish)).await.unwrap_or(Err(late))
            }
        };
        made.map_or_else(|refusal| refused(&topic.name, refusal), |made| made.result(&call.server))
    });
    CreateTopicsResponse { topics: in_order(results.collect()).await, ..CreateTopicsResponse::default() }
}

async fn make(server: &Server, wish: Wish) -> Result<Made, Refusal> {
    let info = create(server, &wish).await?;
    let partitions = i32::try_from(info.num_partitions).unwrap_or(i32::MAX);
    Ok(Made { partitions, replicas: info.replication_factor, info: Some(info), wish })
}

fn validated(server: &Server, wish: Wish) -> Result<Made, Refusal> {
    let (partitions, replicas) = validate(server, &wish)?;
    Ok(Made { info: None, partitions, replicas, wish })
}

/// A topic that was made, or could be.
struct Made {
    info: Option<TopicInfo>,
    partitions: i32,
    replicas: i16,
    wish: Wish,
}

impl Made {
    fn result(self, server: &Server) -> CreatableTopicResult {
        let configs = topic_config::SETTINGS.iter().filter_map(|setting| {
            let in_force =
                server.topic_values(&self.wish.configs, self.replicas, setting).into_iter().next()?;
            Some(CreatableTopicConfigs {
                name: setting.name.to_owned(),
                value: Some(in_force.value),
                read_only: false,
                config_source: in_force.source.code(),
                is_sensitive: false,
            })
        });
        CreatableTopicResult {
            topic_id: self.info.map(|info| info.topic_id.0).unwrap_or_default(),
            num_partitions: self.partitions,
            replication_factor: self.replicas,
            configs: Some(configs.collect()),
            name: self.wish.name,
            ..CreatableTopicResult::default()
        }
    }
}

fn refused(name: &str, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.to_owned(),
        error_code: refusal.code,
        error_message: Some(refusal.message),
        num_partitions: -1,
        replication_factor: -1,
        configs: None,
        ..CreatableTopicResult::default()
    }
}

/// What the request says, as far as it makes sense.
fn wish(topic: &CreatableTopic) -> Result<Wish, Refusal> {
    let number = |value: i32| (value != -1).then_some(value);
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            let message = format!("`{}` has no value", config.name);
            return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
        };
        configs.insert(config.name.clone(), value.clone());
    }
    let mut wish = Wish {
        name: topic.name.clone(),
        partitions: number(topic.num_partitions),
        replication_factor: (topic.replication_factor != -1).then_some(topic.replication_factor),
        assignments: None,
        configs,
    };
    if !topic.assignments.is_empty() {
        if wish.partitions.is_some() || wish.replication_factor.is_some() {
            let message = "with assignments, partitions and replication factor must both be -1";
            return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
        }
        let mut by_index: BTreeMap<i32, Vec<BrokerId>> = BTreeMap::new();
        for assigned in &topic.assignments {
            by_index.insert(
                assigned.partition_index,
                assigned.broker_ids.iter().map(|id| BrokerId(*id)).collect(),
            );
        }
        let dense = by_index.keys().copied().eq(0..count(by_index.len()));
        if by_index.len() != topic.assignments.len() || !dense {
            let message = "assignments must name each partition from 0 on once";
            return Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        }
        wish.assignments = Some(by_index.into_values().collect());
    }
    Ok(wish)
}

/// That a topic of the system may be made so.
fn check_of_system(wish: &Wish) -> Result<(), Refusal> {
    let refused = |message| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    match wish.name.as_str() {
        CONSUMER_OFFSETS_TOPIC if wish.assignments.is_some() || !wish.configs.is_empty() => {
            refused(format!("`{CONSUMER_OFFSETS_TOPIC}` takes numbers, and neither settings nor assignments"))
        }
        CLUSTER_METADATA_TOPIC => {
            refused(format!("`{CLUSTER_METADATA_TOPIC}` is the controllers' own: nobody creates it"))
        }
        _ => Ok(()),
    }
}

/// The checks of a topic that is not to be made. Gives partitions and replicas.
fn validate(server: &Server, wish: &Wish) -> Result<(i32, i16), Refusal> {
    let name = TopicName::new(&wish.name)
        .map_err(|error| Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, error.to_string()))?;
    check_of_system(wish)?;
    topic_config::validate(&wish.configs)
        .map_err(|error| Refusal::new(ErrorCode::INVALID_CONFIG, error.to_string()))?;
    let (exists, brokers) = server.image.read(|state| {
        let online = state.brokers().filter(|broker| broker.status == BrokerStatus::Online).count();
        (state.topic(name.as_str()).is_some(), online)
    });
    if exists {
        return Err(Refusal::new(ErrorCode::TOPIC_ALREADY_EXISTS, format!("topic `{name}` exists")));
    }
    if let Some(assignments) = &wish.assignments {
        let replicas = assignments.first().map_or(0, Vec::len);
        return Ok((count(assignments.len()), i16::try_from(replicas).unwrap_or(i16::MAX)));
    }
    let (partitions, replicas) = numbers(server, wish);
    if partitions < 1 {
        let message = format!("{partitions} partitions; at least 1 is needed");
        return Err(Refusal::new(ErrorCode::INVALID_PARTITIONS, message));
    }
    if replicas < 1 || usize::try_from(replicas).unwrap_or(usize::MAX) > brokers {
        let message = format!("{replicas} replicas; there are {brokers} brokers");
        return Err(Refusal::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
    }
    Ok((partitions, replicas))
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// How many partitions and replicas are wanted, with the broker's defaults.
fn numbers(server: &Server, wish: &Wish) -> (i32, i16) {
    let default_replicas = || {
        let is_online = |broker: &&common::Broker| broker.status == BrokerStatus::Online;
        let brokers = server.image.read(|state| state.brokers().filter(is_online).count());
        let brokers = i16::try_from(brokers).unwrap_or(i16::MAX).max(1);
        server.config.number::<i16>("default.replication.factor").min(brokers)
    };
    (
        wish.partitions.unwrap_or_else(|| server.config.number("num.partitions")),
        wish.replication_factor.unwrap_or_else(default_replicas),
    )
}

/// Makes a topic, and waits until this broker knows it.
pub(super) async fn create(server: &Server, wish: &Wish) -> Result<TopicInfo, Refusal> {
    check_of_system(wish)?;
    let (partitions, replicas) = numbers(server, wish);
    let info = if wish.name == CONSUMER_OFFSETS_TOPIC {
        create_offsets_topic(server, partitions, replicas).await?
    } else {
        create_plain(server, wish, partitions, replicas).await?
    };
    server.image.wait_for(|state| state.topic_by_id(info.topic_id).map(drop)).await;
    Ok(info)
}

async fn create_plain(
    server: &Server,
    wish: &Wish,
    partitions: i32,
    replicas: i16,
) -> Result<TopicInfo, Refusal> {
    let by_numbers = wish.assignments.is_none();
    let request = CreateTopicRequest {
        topic_name: wish.name.clone(),
        num_partitions: by_numbers.then_some(partitions.into()),
        replication_factor: by_numbers.then_some(replicas.into()),
        configs: wish.configs.clone(),
        assignments: wish.assignments.clone(),
    };
    let made = server.metadata.call(&api::create_topic(&request)).await;
    made.map_err(|error| Refusal::new(errors::of_call(&error), error.to_string()))
}

async fn create_offsets_topic(server: &Server, partitions: i32, replicas: i16) -> Result<TopicInfo, Refusal> {
    server.groups.topic().create(partitions, replicas).await.map_err(|error| {
        let code = match &error {
            NoTopic::Refused(error) => errors::of_call(error),
            NoTopic::NotRegistered | NoTopic::TakesLong => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        };
        Refusal::new(code, error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use kafka_wire::messages::create_topics::CreatableReplicaAssignment;

    use super::*;

    fn assigned(partitions: &[(i32, &[i32])]) -> Result<Option<Vec<Vec<BrokerId>>>, ErrorCode> {
        let assignment = |(partition_index, broker_ids): &(i32, &[i32])| CreatableReplicaAssignment {
            partition_index: *partition_index,
            broker_ids: broker_ids.to_vec(),
        };
        let topic = CreatableTopic {
            name: "orders".into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: partitions.iter().map(assignment).collect(),
            ..CreatableTopic::default()
        };
        wish(&topic).map(|wish| wish.assignments).map_err(|refusal| refusal.code)
    }

    #[test]
    fn assignments_are_taken_in_the_order_of_their_partitions() {
        let (first, second) = (vec![BrokerId(101), BrokerId(102)], vec![BrokerId(103)]);
        assert_eq!(assigned(&[(1, &[103]), (0, &[101, 102])]), Ok(Some(vec![first, second])));
        assert_eq!(assigned(&[]), Ok(None));
    }

    #[test]
    fn assignments_with_a_hole_or_a_partition_twice_are_refused() {
        for partitions in [&[(0, &[101][..]), (2, &[101])][..], &[(0, &[101]), (0, &[102])], &[(-1, &[101])]]
        {
            assert_eq!(assigned(partitions), Err(ErrorCode::INVALID_REPLICA_ASSIGNMENT), "{partitions:?}");
        }
    }
}
