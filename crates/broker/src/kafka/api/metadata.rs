//! Metadata (3), versions 0 to 13: brokers, topics, leaders.
//!
//! - Of a topic that does not exist and may be made by asking for it (`auto.create.topics.enable`), the answer is the
//!   finished topic, or UNKNOWN_TOPIC_OR_PARTITION if that took too long: clients ask again.
//! - Every broker calls itself the controller: it passes on what it is asked to change.
//! - A leader that may have been replaced, as the controllers do not hear it, calls itself none: clients ask another broker.
//! - A broker without a Kafka listener, or one that is OFFLINE, is not named; a leader that is not named is none.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use common::{BrokerStatus, Partition, Topic, TopicName};
use kafka_wire::{
    ErrorCode,
    messages::{
        MetadataRequest, MetadataResponse,
        metadata::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
};
use metadata_core::State;
use uuid::Uuid;

use super::{
    super::Server,
    Call,
    create_topics::{self, Wish},
    operations::{self, if_asked},
    several::in_order,
    topics::{Node, TopicRef},
};

/// How long a client may have to wait for a topic that is made for it.
const AUTO_CREATE_WAIT: Duration = Duration::from_secs(5);

/// Since this version replicas on brokers that are not there are named.
const ABSENT_SINCE: i16 = 1;

/// Since this version a client may say that asking makes no topic.
const ALLOW_AUTO_CREATE_SINCE: i16 = 4;

pub(super) async fn handle(call: Arc<Call>, request: MetadataRequest) -> MetadataResponse {
    let wanted = match request.topics {
        None => None,
        // Before version 1 an empty list is all topics.
        Some(topics) if topics.is_empty() && call.version() == 0 => None,
        Some(topics) => Some(topics),
    };
    let may_create = call.version() < ALLOW_AUTO_CREATE_SINCE || request.allow_auto_topic_creation;
    if let Some(wanted) = &wanted
        && may_create
        && call.server.config.flag("auto.create.topics.enable")
    {
        let names = wanted.iter().filter(|topic| topic.topic_id.is_nil());
        create_missing(&call, names.filter_map(|topic| topic.name.as_deref()).collect()).await;
    }
    let server = &call.server;
    let on_topic = if_asked(request.include_topic_authorized_operations, operations::ON_TOPIC);
    let mut response = server.image.read(|state| {
        let topics = match &wanted {
            None => state.topics().map(|topic| described(state, topic, on_topic)).collect(),
            Some(wanted) => wanted
                .iter()
                .map(|topic| {
                    let name = topic.name.as_deref().unwrap_or_default();
                    let asked = TopicRef::new(!topic.topic_id.is_nil(), name, topic.topic_id);
                    match asked.find(state) {
                        Some(found) => described(state, &found, on_topic),
                        None => unknown(asked, name, topic.topic_id),
                    }
                })
                .collect(),
        };
        MetadataResponse {
            brokers: state
                .brokers()
                .filter_map(|broker| Node::of(state, broker.broker_id))
                .map(broker)
                .collect(),
            cluster_id: Some(server.settings.cluster_id.0.clone()),
            controller_id: server.settings.broker_id.0,
            topics,
            cluster_authorized_operations: if_asked(
                request.include_cluster_authorized_operations,
                operations::ON_CLUSTER,
            ),
            ..MetadataResponse::default()
        }
    });
    if call.version() < ABSENT_SINCE {
        name_nobody_absent(&mut response);
    }
    if !server.partitions.services().has_session() {
        name_no_cut_off_leaders(server, &mut response);
    }
    response
}

/// Leaves replicas on brokers that are not there out, and says so by the code.
fn name_nobody_absent(response: &mut MetadataResponse) {
    let there: BTreeSet<i32> = response.brokers.iter().map(|broker| broker.node_id).collect();
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        let named = partition.replica_nodes.len() + partition.isr_nodes.len();
        partition.replica_nodes.retain(|id| there.contains(id));
        partition.isr_nodes.retain(|id| there.contains(id));
        let is_less = partition.replica_nodes.len() + partition.isr_nodes.len() < named;
        if is_less && partition.error_code.is_none() {
            partition.error_code = ErrorCode::REPLICA_NOT_AVAILABLE;
        }
    }
}

/// A broker that the controllers do not hear names itself the leader of nothing that it does not serve: clients would
/// come back to it for ever.
fn name_no_cut_off_leaders(server: &Server, response: &mut MetadataResponse) {
    for topic in &mut response.topics {
        let led = topic.partitions.iter_mut().filter(|it| it.leader_id == server.settings.broker_id.0);
        for partition in led {
            let found = server.partition(TopicRef::Id(topic.topic_id), partition.partition_index);
            if found.is_ok_and(|found| found.is_cut_off()) {
                (partition.leader_id, partition.error_code) = (-1, ErrorCode::LEADER_NOT_AVAILABLE);
            }
        }
    }
}

/// Makes the topics that are not there, and waits until they are known here.
async fn create_missing(call: &Call, names: BTreeSet<&str>) {
    let server = &call.server;
    let is_missing = |name: &TopicName| server.image.read(|state| state.topic(name.as_str()).is_none());
    let missing = names.into_iter().filter_map(|name| TopicName::new(name).ok()).filter(is_missing);
    let made = missing.filter(|name| !name.is_internal()).map(|name| async move {
        let wish = Wish { name: name.as_str().to_owned(), ..Wish::default() };
        match create_topics::create(server, &wish).await {
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(event = "kafka.auto_create", topic = %name, code = %error.code, "not made");
            }
        }
    });
    // Whatever is not there by then is not there.
    let _ = tokio::time::timeout(AUTO_CREATE_WAIT, in_order(made.collect())).await;
}

fn broker(node: Node) -> MetadataResponseBroker {
    MetadataResponseBroker { node_id: node.id, host: node.host, port: node.port, rack: node.rack }
}

fn described(state: &State, topic: &Topic, operations: i32) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::NONE,
        name: Some(topic.topic_name.as_str().to_owned()),
        topic_id: topic.topic_id.0,
        is_internal: topic.topic_name.is_internal(),
        partitions: topic.partitions.iter().map(|partition| placed(state, partition)).collect(),
        topic_authorized_operations: operations,
    }
}

pub(super) fn placed(state: &State, partition: &Partition) -> MetadataResponsePartition {
    let leader = partition.leader.filter(|leader| Node::of(state, *leader).is_some());
    let is_offline = |id: &&common::BrokerId| {
        state.broker(**id).is_none_or(|broker| broker.status == BrokerStatus::Offline)
    };
    MetadataResponsePartition {
        error_code: if leader.is_some() { ErrorCode::NONE } else { ErrorCode::LEADER_NOT_AVAILABLE },
        partition_index: partition.id.0,
        leader_id: leader.map_or(-1, |leader| leader.0),
        leader_epoch: partition.leader_epoch.0,
        replica_nodes: partition.replicas.iter().map(|id| id.0).collect(),
        isr_nodes: partition.isr.iter().map(|id| id.0).collect(),
        offline_replicas: partition.replicas.iter().filter(is_offline).map(|id| id.0).collect(),
    }
}

fn unknown(asked: TopicRef<'_>, name: &str, topic_id: Uuid) -> MetadataResponseTopic {
    let is_bad = matches!(asked, TopicRef::Name(name) if TopicName::new(name).is_err());
    MetadataResponseTopic {
        error_code: if is_bad { ErrorCode::INVALID_TOPIC_EXCEPTION } else { asked.unknown() },
        name: Some(name.to_owned()),
        topic_id,
        topic_authorized_operations: operations::NOT_ASKED,
        ..MetadataResponseTopic::default()
    }
}
