//! Topics: create, alter, delete, by Kafka's rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use common::{
    BrokerId, BrokerStatus, LeaderEpoch, Partition, PartitionEpoch, PartitionId, Topic, TopicId, TopicName,
    limits::{PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, REPLICATION_FACTOR_MAX, TOPICS_MAX},
    topic_config::{self, InvalidTopicConfig},
};

use super::{Decision, candidates, taken_by_all_nodes, within};
use crate::{
    Event, Outcome, Rejection, State,
    election::{Rules, change, settle},
    placement::{Candidate, Wanted, place},
};

/// The fields of [`Command::CreateTopic`](crate::Command::CreateTopic).
#[derive(Clone, Copy)]
pub(super) struct NewTopic<'a> {
    pub(super) topic_name: &'a TopicName,
    pub(super) topic_id: TopicId,
    pub(super) num_partitions: i32,
    pub(super) replication_factor: i16,
    pub(super) configs: &'a BTreeMap<String, String>,
    pub(super) assignments: Option<&'a [Vec<BrokerId>]>,
    pub(super) placement_seed: u64,
    pub(super) internal: bool,
}

impl NewTopic<'_> {
    /// Creates it.
    pub(super) fn create(self, state: &State) -> Decision {
        create(state, self)
    }
}

fn create(state: &State, new: NewTopic<'_>) -> Decision {
    check_name(state, &new)?;
    check_configs(state, new.configs)?;
    within("topics of the cluster", state.topic_count() + 1, TOPICS_MAX)?;
    let replicas = match new.assignments {
        Some(assignments) => check_assignments(state, &new, assignments)?,
        None => {
            let partitions = check_partitions(state, new.num_partitions, 0)?;
            assign(state, 0, partitions, new.replication_factor, new.placement_seed)?
        }
    };
    let replication_factor = replicas.first().and_then(|first| i16::try_from(first.len()).ok());
    let topic = Arc::new(Topic {
        topic_name: new.topic_name.clone(),
        topic_id: new.topic_id,
        replication_factor: replication_factor.unwrap_or(new.replication_factor),
        configs: new.configs.clone(),
        partitions: partitions_from(0, replicas),
    });
    Ok((Outcome::Topic { topic: Arc::clone(&topic) }, vec![Event::TopicCreated { topic }]))
}

/// How a topic is to grow, by the fields of [`Command::AlterTopic`](crate::Command::AlterTopic).
#[derive(Clone, Copy)]
pub(super) struct Growth<'a> {
    num_partitions: Option<i32>,
    assignments: Option<&'a [Vec<BrokerId>]>,
    placement_seed: u64,
}

impl<'a> Growth<'a> {
    pub(super) fn new(
        num_partitions: Option<i32>,
        assignments: Option<&'a [Vec<BrokerId>]>,
        placement_seed: u64,
    ) -> Self {
        Self { num_partitions, assignments, placement_seed }
    }
}

/// Adds partitions and/or changes settings.
pub(super) fn alter(
    state: &State,
    name: &TopicName,
    growth: Growth<'_>,
    configs: &BTreeMap<String, Option<String>>,
) -> Decision {
    let topic = existing(state, name)?;
    check_not_internal(name, "altered")?;
    let mut altered = Topic::clone(topic);
    let (topic_name, topic_id) = (topic.topic_name.clone(), topic.topic_id);
    let mut events = Vec::new();

    for (setting, value) in configs {
        match value {
            Some(value) => altered.configs.insert(setting.clone(), value.clone()),
            None if topic_config::setting(setting).is_none() => {
                return Err(invalid_config(InvalidTopicConfig::Unknown { name: setting.clone() }));
            }
            None => altered.configs.remove(setting),
        };
    }
    if altered.configs != topic.configs {
        check_configs(state, &altered.configs)?;
        let (topic_name, configs) = (topic_name.clone(), altered.configs.clone());
        events.push(Event::TopicConfigsChanged { topic_name, topic_id, configs });
        let rules = Rules::new(&altered.configs, state.broker_configs().of_all());
        if rules != Rules::of(state, topic) {
            events.extend(under_new_rules(state, rules, &mut altered));
        }
    }
    let partitions = new_partitions(state, topic, growth)?;
    if !partitions.is_empty() {
        altered.partitions.extend_from_slice(&partitions);
        events.push(Event::PartitionsAdded { topic_name, topic_id, partitions });
    }
    let topic = if events.is_empty() { Arc::clone(topic) } else { Arc::new(altered) };
    Ok((Outcome::Topic { topic }, events))
}

/// The partitions that a topic gets.
fn new_partitions(state: &State, topic: &Topic, growth: Growth<'_>) -> Result<Vec<Partition>, Rejection> {
    let existing = topic.partitions.len();
    let invalid = |detail| Err(Rejection::InvalidAssignment { detail });
    let added = match growth.num_partitions {
        Some(wanted) => check_partitions(state, wanted, existing)?,
        None if growth.assignments.is_some() => {
            return invalid("assignments come with the new number of partitions".to_owned());
        }
        None => 0,
    };
    // As many as the topic has now, if its replicas were reassigned since it was created.
    let factor = topic.partitions.first().map(Partition::settled_replicas);
    let factor = factor.unwrap_or_else(|| usize::from(topic.replication_factor.unsigned_abs()));
    let replicas = match growth.assignments {
        Some(assignments) if assignments.len() != added => {
            let named = assignments.len();
            return invalid(format!("assignments name {named} partitions, but {added} are to be added"));
        }
        Some(assignments) => check_replicas(state, existing, assignments, factor)?,
        None if added == 0 => Vec::new(),
        None => {
            let factor = i16::try_from(factor).unwrap_or(i16::MAX);
            assign(state, existing, added, factor, growth.placement_seed)?
        }
    };
    Ok(partitions_from(existing, replicas))
}

/// What other settings change at once: who is eligible, whether a move is complete, and whether a partition without a
/// leader may have one now.
pub(super) fn under_new_rules(state: &State, rules: Rules, topic: &mut Topic) -> Option<Event> {
    let is_online = |id| state.brokers.is_online(id);
    let of = candidates(state, &is_online);
    let mut partitions = Vec::new();
    for partition in &mut topic.partitions {
        let same = change(partition, rules, partition.leader, partition.isr.clone());
        if let Some(after) = settle(same.as_ref().unwrap_or(partition), rules, of).or(same) {
            *partition = after.clone();
            partitions.push(after);
        }
    }
    let (topic_name, topic_id) = (topic.topic_name.clone(), topic.topic_id);
    (!partitions.is_empty()).then_some(Event::PartitionsChanged { topic_name, topic_id, partitions })
}

/// Deletes a topic.
pub(super) fn delete(state: &State, name: &TopicName) -> Decision {
    let topic = existing(state, name)?;
    check_not_internal(name, "deleted")?;
    let deleted = Event::TopicDeleted { topic_name: topic.topic_name.clone(), topic_id: topic.topic_id };
    Ok((Outcome::TopicDeleted, vec![deleted]))
}

fn existing<'a>(state: &'a State, name: &TopicName) -> Result<&'a Arc<Topic>, Rejection> {
    state.topic(name.as_str()).ok_or_else(|| Rejection::UnknownTopic { topic_name: name.clone() })
}

fn check_configs(state: &State, configs: &BTreeMap<String, String>) -> Result<(), Rejection> {
    topic_config::validate(configs).map_err(invalid_config)?;
    taken_by_all_nodes(state, configs, topic_config::setting)
}

fn invalid_config(error: InvalidTopicConfig) -> Rejection {
    Rejection::InvalidConfig { name: error.name().to_owned(), detail: error.to_string() }
}

fn check_not_internal(name: &TopicName, action: &str) -> Result<(), Rejection> {
    if name.is_internal() {
        return Err(Rejection::InternalTopic { topic_name: name.clone(), action: action.to_owned() });
    }
    Ok(())
}

/// The name must be free, collide with no other, and be a client's to take; the id must be new.
fn check_name(state: &State, new: &NewTopic<'_>) -> Result<(), Rejection> {
    let name = new.topic_name;
    if !new.internal {
        check_not_internal(name, "created")?;
    }
    let same = state.topic(name.as_str()).or_else(|| state.topic_by_id(new.topic_id));
    if let Some(same) = same {
        return Err(Rejection::TopicAlreadyExists { topic_name: same.topic_name.clone() });
    }
    match state.topics.colliding(name) {
        None => Ok(()),
        Some(other) => Err(Rejection::InvalidTopicName {
            detail: format!(
                "topic name `{name}` collides with the topic `{other}`: names must differ in more than `.` and `_`"
            ),
        }),
    }
}

/// How many partitions to add to reach `wanted`.
fn check_partitions(state: &State, wanted: i32, existing: usize) -> Result<usize, Rejection> {
    let invalid = |detail| Err(Rejection::InvalidPartitions { detail });
    let wanted = match usize::try_from(wanted) {
        Ok(wanted @ 1..=PARTITIONS_PER_TOPIC_MAX) => wanted,
        _ => {
            return invalid(format!("numPartitions is {wanted}; it must be 1 to {PARTITIONS_PER_TOPIC_MAX}"));
        }
    };
    let Some(added) = wanted.checked_sub(existing) else {
        return invalid(format!(
            "numPartitions is {wanted}, but the topic has {existing}: partitions only grow"
        ));
    };
    within("partitions of the cluster", state.total_partitions() + added, PARTITIONS_MAX)?;
    Ok(added)
}

/// Chooses ONLINE brokers for new partitions.
fn assign(
    state: &State,
    first_partition: usize,
    partitions: usize,
    replication_factor: i16,
    seed: u64,
) -> Result<Vec<Vec<BrokerId>>, Rejection> {
    let online = state.brokers().filter(|broker| broker.status == BrokerStatus::Online);
    let candidates: Vec<_> = online
        .map(|broker| Candidate { broker_id: broker.broker_id, rack: broker.rack.as_deref() })
        .collect();
    let invalid = |detail| Err(Rejection::InvalidReplicationFactor { detail });
    let replication_factor = match usize::try_from(replication_factor) {
        Ok(factor @ 1..=REPLICATION_FACTOR_MAX) => factor,
        _ => {
            return invalid(format!(
                "replicationFactor is {replication_factor}; it must be 1 to {REPLICATION_FACTOR_MAX}"
            ));
        }
    };
    if replication_factor > candidates.len() {
        let online = candidates.len();
        return invalid(format!(
            "replicationFactor is {replication_factor}, but the number of ONLINE brokers is {online}"
        ));
    }
    Ok(place(&candidates, Wanted { first_partition, partitions, replication_factor, seed }))
}

/// Checks replicas chosen by the caller (as Kafka's manual assignment, but only ONLINE brokers).
fn check_assignments(
    state: &State,
    new: &NewTopic<'_>,
    assignments: &[Vec<BrokerId>],
) -> Result<Vec<Vec<BrokerId>>, Rejection> {
    let invalid = |detail| Err(Rejection::InvalidAssignment { detail });
    let partitions = i32::try_from(assignments.len()).unwrap_or(i32::MAX);
    check_partitions(state, partitions, 0)?;
    if new.num_partitions != -1 && new.num_partitions != partitions {
        return invalid(format!(
            "assignments name {partitions} partitions, but numPartitions is {}",
            new.num_partitions
        ));
    }
    let factor = assignments.first().map_or(0, Vec::len);
    if factor == 0 || factor > REPLICATION_FACTOR_MAX {
        return invalid(format!(
            "partition 0 has {factor} replicas; it must have 1 to {REPLICATION_FACTOR_MAX}"
        ));
    }
    if new.replication_factor != -1 && usize::try_from(new.replication_factor) != Ok(factor) {
        return invalid(format!(
            "assignments have {factor} replicas, but replicationFactor is {}",
            new.replication_factor
        ));
    }
    check_replicas(state, 0, assignments, factor)
}

/// Checks the replicas of partitions from `first` on: on different ONLINE brokers, and as many as partition 0 has.
fn check_replicas(
    state: &State,
    first: usize,
    assignments: &[Vec<BrokerId>],
    factor: usize,
) -> Result<Vec<Vec<BrokerId>>, Rejection> {
    let invalid = |detail| Err(Rejection::InvalidAssignment { detail });
    for (partition, replicas) in (first..).zip(assignments) {
        if replicas.len() != factor {
            let length = replicas.len();
            return invalid(format!(
                "partition {partition} has {length} replicas, but partition 0 has {factor}"
            ));
        }
        let mut seen = BTreeSet::new();
        for replica in replicas {
            if !seen.insert(replica) {
                return invalid(format!("partition {partition} has two replicas on broker {replica}"));
            }
            match state.broker(*replica) {
                Some(broker) if broker.status == BrokerStatus::Online => {}
                Some(broker) => {
                    let status = broker.status;
                    return invalid(format!(
                        "partition {partition}: broker {replica} is {status}, not ONLINE"
                    ));
                }
                None => return invalid(format!("partition {partition}: broker {replica} is not registered")),
            }
        }
    }
    Ok(assignments.to_vec())
}

/// New partitions: led by their first replica, with all replicas in sync, since all are empty.
fn partitions_from(first: usize, replicas: Vec<Vec<BrokerId>>) -> Vec<Partition> {
    let partition = |(id, replicas): (usize, Vec<BrokerId>)| Partition {
        id: PartitionId(i32::try_from(id).expect("PARTITIONS_PER_TOPIC_MAX is below i32::MAX")),
        leader: replicas.first().copied(),
        leader_epoch: LeaderEpoch::default(),
        partition_epoch: PartitionEpoch::default(),
        isr: replicas.clone(),
        replicas,
        eligible_leader_replicas: Vec::new(),
        reassignment: None,
    };
    (first..).zip(replicas).map(partition).collect()
}
