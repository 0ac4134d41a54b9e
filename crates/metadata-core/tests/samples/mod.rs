//! One value (or more, where fields are optional) of each persisted type's variants.

#![allow(clippy::unwrap_used, reason = "a panic here is a failed test")]
#![allow(dead_code, reason = "not every test needs every sample")]

use std::{collections::BTreeMap, sync::Arc};

use common::{
    Broker, BrokerEpoch, BrokerId, BrokerStatus, ClusterId, DirectoryId, IncarnationId, LeaderEpoch,
    MetadataVersion, Partition, PartitionEpoch, PartitionId, Reassignment, Topic, TopicId, TopicName,
    broker_config::Configs,
};
use metadata_core::{
    Before, Command, Event, Outcome, Record, Rejection,
    command::{IsrChange, IsrMember, Move},
    outcome::{Election, ElectionResult, PartitionResult},
};
use uuid::Uuid;

/// Makes the list of an enum's variants and the function that names a value's variant. A new variant does not
/// compile until it is listed, and once listed fails the tests until it has a sample.
macro_rules! variants {
    ($list:ident, $name_of:ident, $type:ident: $($variant:ident)*) => {
        pub(crate) const $list: &[&str] = &[$(stringify!($variant)),*];

        pub(crate) fn $name_of(value: &$type) -> &'static str {
            match value {
                $($type::$variant { .. } => stringify!($variant),)*
            }
        }
    };
}

variants!(COMMANDS, command_name, Command:
    CreateTopic AlterTopic AlterBrokerConfigs AlterGroupConfigs DeleteTopic RegisterBroker FenceBrokers UnfenceBroker DrainBroker RemoveBroker AlterIsr
    ElectPreferredLeaders ElectUncleanLeaders ReassignPartitions AllocateProducerIds SetFeatureLevel);
variants!(EVENTS, event_name, Event:
    TopicCreated TopicConfigsChanged PartitionsAdded PartitionsChanged TopicDeleted BrokerRegistered
    BrokerStatusChanged BrokerConfigsChanged BrokerRemoved ProducerIdsAllocated FeatureLevelChanged
    GroupConfigsChanged);
variants!(OUTCOMES, outcome_name, Outcome:
    Topic TopicDeleted Broker Done IsrChanges Elections Reassignments ProducerIds);
variants!(REJECTIONS, rejection_name, Rejection:
    InvalidTopicName InvalidPartitions InvalidReplicationFactor InvalidAssignment InvalidConfig InvalidGroupId
    TopicAlreadyExists
    UnknownTopic UnknownPartition InternalTopic UnknownBroker DuplicateBrokerId StaleBrokerEpoch BrokerHoldsReplicas
    InvalidRegistration FencedLeaderEpoch InvalidUpdateVersion InvalidIsr IneligibleReplica
    NoReassignmentInProgress InvalidFeatureLevel IdempotencyKeyReused LimitExceeded);
variants!(RECORDS, record_name, Record: Header Broker BrokerConfigs GroupConfigs Topic Request);
variants!(BEFORES, before_name, Before:
    Nothing Topic Configs NumPartitions Partitions Broker Status NextProducerId FeatureLevel);

/// A value with the variant it shows and, where one variant has several, what is special about it.
pub(crate) type Sample<T> = (&'static str, T);

fn name() -> TopicName {
    TopicName::new("orders").unwrap()
}

fn topic_id() -> TopicId {
    TopicId(Uuid::from_u128(0x7a9c_3f6e_2b1d_4c58_8e0f_5d6a_9b7c_1e23))
}

fn incarnation_id() -> IncarnationId {
    IncarnationId(Uuid::from_u128(0x1b4e_28ba_2fa1_41d2_883f_0016_d3cc_a427))
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

fn partition(id: i32, leader: Option<i32>, isr: &[i32]) -> Partition {
    Partition {
        id: PartitionId(id),
        leader: leader.map(BrokerId),
        leader_epoch: LeaderEpoch(2),
        partition_epoch: PartitionEpoch(5),
        replicas: ids(&[101, 102, 103]),
        isr: ids(isr),
        eligible_leader_replicas: Vec::new(),
        reassignment: None,
    }
}

/// A partition whose replicas move from 101, 102, 103 to 104, 102, 103, and whose ISR is too small.
fn moving_partition() -> Partition {
    let moving = Reassignment { target: ids(&[104, 102, 103]), adding: ids(&[104]), removing: ids(&[101]) };
    Partition {
        replicas: ids(&[101, 102, 103, 104]),
        eligible_leader_replicas: ids(&[102]),
        reassignment: Some(Box::new(moving)),
        ..partition(1, Some(101), &[101])
    }
}

fn directory_id() -> DirectoryId {
    DirectoryId(Uuid::from_u128(0x9d0e_4b7a_5c3f_42e8_b1d6_8a2f_7e9c_0b15))
}

fn topic() -> Arc<Topic> {
    Arc::new(Topic {
        topic_name: name(),
        topic_id: topic_id(),
        replication_factor: 3,
        configs: [("retention.ms".to_owned(), "86400000".to_owned())].into(),
        partitions: vec![partition(0, Some(101), &[101, 102, 103]), partition(1, None, &[102])],
    })
}

fn broker() -> Broker {
    Broker {
        broker_id: BrokerId(101),
        broker_epoch: BrokerEpoch(17),
        incarnation_id: incarnation_id(),
        directory_id: Some(directory_id()),
        disk_lost_at: Some(BrokerEpoch(17)),
        host: "localhost".to_owned(),
        port: 8081,
        kafka_port: Some(19092),
        rack: Some("a".to_owned()),
        status: BrokerStatus::Online,
    }
}

fn plain_broker() -> Broker {
    Broker {
        directory_id: None,
        disk_lost_at: None,
        kafka_port: None,
        rack: None,
        status: BrokerStatus::Draining,
        ..broker()
    }
}

fn broker_configs() -> Configs {
    [("log.retention.ms".to_owned(), "86400000".to_owned())].into()
}

fn altered_configs(broker_id: Option<BrokerId>) -> Command {
    let configs = [
        ("log.retention.ms".to_owned(), Some("86400000".to_owned())),
        ("log.segment.bytes".to_owned(), None),
    ];
    Command::AlterBrokerConfigs { broker_id, configs: configs.into() }
}

fn group_configs() -> Configs {
    [("consumer.session.timeout.ms".to_owned(), "50000".to_owned())].into()
}

fn altered_group() -> Command {
    let configs = [
        ("consumer.heartbeat.interval.ms".to_owned(), None),
        ("consumer.session.timeout.ms".to_owned(), Some("50000".to_owned())),
    ];
    Command::AlterGroupConfigs { group_id: "billing".to_owned(), configs: configs.into() }
}

fn altered(
    num_partitions: Option<i32>,
    configs: BTreeMap<String, Option<String>>,
    assignments: Option<Vec<Vec<BrokerId>>>,
) -> Command {
    Command::AlterTopic { topic_name: name(), num_partitions, configs, assignments, placement_seed: 7 }
}

pub(crate) fn commands() -> Vec<Sample<Command>> {
    let (broker_id, broker_epoch) = (BrokerId(101), BrokerEpoch(17));
    let created = |configs, assignments, internal| Command::CreateTopic {
        topic_name: name(),
        topic_id: topic_id(),
        num_partitions: 2,
        replication_factor: 3,
        configs,
        assignments,
        placement_seed: 9_007_199_254_740_993,
        internal,
    };
    let registered =
        |kafka_port, rack: Option<&str>, directory_id, previous_is_gone| Command::RegisterBroker {
            broker_id,
            incarnation_id: incarnation_id(),
            host: "localhost".to_owned(),
            port: 8081,
            kafka_port,
            rack: rack.map(str::to_owned),
            directory_id,
            previous_is_gone,
        };
    let change = IsrChange {
        topic_name: name(),
        topic_id: topic_id(),
        partition: PartitionId(1),
        leader_epoch: LeaderEpoch(2),
        partition_epoch: PartitionEpoch(5),
        new_isr: vec![
            IsrMember { broker_id, broker_epoch },
            IsrMember { broker_id: BrokerId(102), broker_epoch: BrokerEpoch(18) },
        ],
    };
    let moved = |replicas| Move { topic_name: name(), partition: PartitionId(1), replicas };
    let configs = [("retention.ms".to_owned(), "86400000".to_owned())].into();
    let assignments = Some(vec![ids(&[101, 102, 103]), ids(&[102, 103, 101])]);
    let settings =
        [("cleanup.policy".to_owned(), Some("compact".to_owned())), ("retention.ms".to_owned(), None)];
    vec![
        ("", created(configs, assignments, true)),
        ("minimal", created([].into(), None, false)),
        ("", altered(Some(6), settings.into(), None)),
        ("assigned", altered(Some(3), [].into(), Some(vec![ids(&[101, 102, 103])]))),
        ("minimal", altered(None, [].into(), None)),
        ("", altered_configs(Some(broker_id))),
        ("cluster", altered_configs(None)),
        ("", altered_group()),
        ("", Command::DeleteTopic { topic_name: name() }),
        ("", registered(Some(19092), Some("a"), Some(directory_id()), true)),
        ("minimal", registered(None, None, None, false)),
        (
            "",
            Command::FenceBrokers {
                brokers: vec![(broker_id, broker_epoch), (BrokerId(102), BrokerEpoch(18))],
            },
        ),
        ("", Command::UnfenceBroker { broker_id, broker_epoch }),
        ("", Command::DrainBroker { broker_id, broker_epoch }),
        ("", Command::RemoveBroker { broker_id }),
        ("", Command::AlterIsr { broker_id, broker_epoch, changes: vec![change] }),
        ("", Command::ElectPreferredLeaders { partitions: vec![(name(), PartitionId(0))] }),
        ("", Command::ElectUncleanLeaders { partitions: vec![(name(), PartitionId(0))] }),
        ("", Command::ReassignPartitions { moves: vec![moved(Some(ids(&[104, 102, 103]))), moved(None)] }),
        ("", Command::AllocateProducerIds { broker_id, broker_epoch }),
        ("", Command::SetFeatureLevel { level: 1, level_max: 2 }),
    ]
}

pub(crate) fn events() -> Vec<Sample<Event>> {
    let (topic_name, topic_id) = (name(), topic_id());
    let (broker_id, broker_epoch) = (BrokerId(101), BrokerEpoch(17));
    let partitions = vec![partition(1, Some(102), &[102, 103])];
    let named = || (topic_name.clone(), topic_id);
    let (configs_of, added_to, changed_in, deleted) = (named(), named(), named(), named());
    let moving_in = named();
    vec![
        ("", Event::TopicCreated { topic: topic() }),
        (
            "",
            Event::TopicConfigsChanged {
                topic_name: configs_of.0,
                topic_id: configs_of.1,
                configs: topic().configs.clone(),
            },
        ),
        (
            "",
            Event::PartitionsAdded {
                topic_name: added_to.0,
                topic_id: added_to.1,
                partitions: partitions.clone(),
            },
        ),
        ("", Event::PartitionsChanged { topic_name: changed_in.0, topic_id: changed_in.1, partitions }),
        (
            "moving",
            Event::PartitionsChanged {
                topic_name: moving_in.0,
                topic_id: moving_in.1,
                partitions: vec![moving_partition()],
            },
        ),
        ("", Event::TopicDeleted { topic_name: deleted.0, topic_id: deleted.1 }),
        ("", Event::BrokerRegistered { broker: broker() }),
        ("minimal", Event::BrokerRegistered { broker: plain_broker() }),
        ("", Event::BrokerStatusChanged { broker_id, broker_epoch, status: BrokerStatus::Offline }),
        ("", Event::BrokerConfigsChanged { broker_id: Some(broker_id), configs: broker_configs() }),
        ("cluster", Event::BrokerConfigsChanged { broker_id: None, configs: broker_configs() }),
        ("", Event::BrokerRemoved { broker_id }),
        ("", Event::ProducerIdsAllocated { broker_id, next_producer_id: 3_000 }),
        ("", Event::FeatureLevelChanged { level: 1 }),
        ("", Event::GroupConfigsChanged { group_id: "billing".to_owned(), configs: group_configs() }),
    ]
}

pub(crate) fn outcomes() -> Vec<Sample<Outcome>> {
    let result = |result| PartitionResult { topic_name: name(), partition: PartitionId(1), result };
    let results = vec![
        result(Ok(partition(1, Some(101), &[101, 102]))),
        result(Err(Rejection::UnknownTopic { topic_name: name() })),
    ];
    let election = |partition, result, leader| ElectionResult {
        topic_name: name(),
        partition: PartitionId(partition),
        result,
        leader,
    };
    let elections = vec![
        election(0, Election::NotNeeded, Some(BrokerId(101))),
        election(1, Election::Elected, Some(BrokerId(102))),
        election(2, Election::NotAvailable, None),
    ];
    vec![
        ("", Outcome::Topic { topic: topic() }),
        ("", Outcome::TopicDeleted),
        ("", Outcome::Broker { broker: broker() }),
        ("", Outcome::Done { changed: true }),
        ("", Outcome::IsrChanges { results }),
        ("", Outcome::Elections { elected: 1, results: elections }),
        ("all", Outcome::Elections { elected: 4, results: Vec::new() }),
        ("", Outcome::Reassignments { results: vec![result(Ok(moving_partition()))] }),
        ("", Outcome::ProducerIds { first: 2_000, count: 1_000 }),
    ]
}

pub(crate) fn rejections() -> Vec<Sample<Rejection>> {
    let detail = || "what is wrong, with the value and the bound".to_owned();
    let (broker_id, broker_epoch) = (BrokerId(101), BrokerEpoch(17));
    vec![
        ("", Rejection::InvalidTopicName { detail: detail() }),
        ("", Rejection::InvalidPartitions { detail: detail() }),
        ("", Rejection::InvalidReplicationFactor { detail: detail() }),
        ("", Rejection::InvalidAssignment { detail: detail() }),
        ("", Rejection::InvalidConfig { name: "retention.ms".to_owned(), detail: detail() }),
        ("", Rejection::InvalidGroupId { detail: detail() }),
        ("", Rejection::TopicAlreadyExists { topic_name: name() }),
        ("", Rejection::UnknownTopic { topic_name: name() }),
        ("", Rejection::UnknownPartition { topic_name: name(), partition: PartitionId(9) }),
        ("", Rejection::InternalTopic { topic_name: name(), action: "deleted".to_owned() }),
        ("", Rejection::UnknownBroker { broker_id }),
        ("", Rejection::DuplicateBrokerId { broker_id, broker_epoch }),
        ("", Rejection::StaleBrokerEpoch { broker_id, given: BrokerEpoch(3), current: broker_epoch }),
        ("", Rejection::BrokerHoldsReplicas { broker_id, replicas: 12 }),
        ("", Rejection::InvalidRegistration { detail: detail() }),
        ("", Rejection::FencedLeaderEpoch { detail: detail() }),
        ("", Rejection::InvalidUpdateVersion { detail: detail() }),
        ("", Rejection::InvalidIsr { detail: detail() }),
        ("", Rejection::IneligibleReplica { detail: detail() }),
        ("", Rejection::NoReassignmentInProgress { topic_name: name(), partition: PartitionId(1) }),
        ("", Rejection::InvalidFeatureLevel { detail: detail() }),
        ("", Rejection::IdempotencyKeyReused { request_id: incarnation_id().0 }),
        (
            "",
            Rejection::LimitExceeded {
                what: "partitions of the cluster".to_owned(),
                value: 1_000_001,
                bound: 1_000_000,
            },
        ),
    ]
}

pub(crate) fn records() -> Vec<Sample<Record>> {
    let header = Record::Header {
        format: 1,
        cluster_id: ClusterId("demo".to_owned()),
        version: MetadataVersion(42),
        feature_level: 1,
        next_producer_id: 3_000,
        brokers: 3,
        broker_configs: 0,
        group_configs: 0,
        topics: 1,
        requests: 2,
        digest: 0xfedc_ba98_7654_3210,
    };
    let request = |result| Record::Request {
        request_id: incarnation_id().0,
        time_ms: 1_760_000_000_000,
        fingerprint: 0x0123_4567_89ab_cdef,
        result,
    };
    vec![
        ("", header),
        ("", Record::Broker { broker: broker() }),
        ("", Record::BrokerConfigs { broker_id: Some(BrokerId(101)), configs: broker_configs() }),
        ("cluster", Record::BrokerConfigs { broker_id: None, configs: broker_configs() }),
        ("", Record::GroupConfigs { group_id: "billing".to_owned(), configs: group_configs() }),
        ("", Record::Topic { topic: topic() }),
        ("", request(Ok(Outcome::Done { changed: false }))),
        ("rejected", request(Err(Rejection::UnknownBroker { broker_id: BrokerId(101) }))),
    ]
}

pub(crate) fn befores() -> Vec<Sample<Before>> {
    vec![
        ("", Before::Nothing),
        ("", Before::Topic(topic())),
        ("", Before::Configs(topic().configs.clone())),
        ("", Before::NumPartitions(2)),
        ("", Before::Partitions(vec![partition(1, None, &[102])])),
        ("", Before::Broker(Box::new(broker()))),
        ("", Before::Status(BrokerStatus::Online)),
        ("", Before::NextProducerId(2_000)),
        ("", Before::FeatureLevel(1)),
    ]
}
