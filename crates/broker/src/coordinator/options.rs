//! Settings of group coordinators, from the broker's.

use std::{collections::BTreeMap, sync::Arc};

use common::{Topic, broker_config::Configs, topic_name::CONSUMER_OFFSETS_TOPIC};
use coordinator::{GroupId, GroupSettings};

use crate::{
    broker_config::{BrokerConfig, LiveConfig},
    image::SharedImage,
};

/// The longest note beside an offset: its record has 16 bits for the length.
const NOTE_BYTES_MAX: usize = i16::MAX as usize;

/// How `__consumer_offsets` is made, if it is not there. Nothing of that changes while a broker runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOptions {
    /// Partitions of `__consumer_offsets` (`offsets.topic.num.partitions`).
    pub topic_partitions: i32,
    /// Its replicas (`offsets.topic.replication.factor`); no more than the cluster has brokers.
    pub topic_replication_factor: i16,
    /// Its segments (`offsets.topic.segment.bytes`).
    pub topic_segment_bytes: i32,
}

impl GroupOptions {
    /// Those of a broker in a cluster of so many brokers.
    pub fn new(config: &BrokerConfig, brokers: usize) -> Self {
        let brokers = i16::try_from(brokers).unwrap_or(i16::MAX).max(1);
        Self {
            topic_partitions: config.number("offsets.topic.num.partitions"),
            topic_replication_factor: config.number::<i16>("offsets.topic.replication.factor").min(brokers),
            topic_segment_bytes: config.number("offsets.topic.segment.bytes"),
        }
    }
}

/// What groups go by now.
pub(super) fn rules(config: &LiveConfig, image: &SharedImage) -> coordinator::Settings {
    let minutes: i64 = config.number("offsets.retention.minutes");
    coordinator::Settings {
        group_min_session_timeout_ms: config.number("group.min.session.timeout.ms"),
        group_max_session_timeout_ms: config.number("group.max.session.timeout.ms"),
        group_initial_rebalance_delay_ms: config.number("group.initial.rebalance.delay.ms"),
        group_max_size: config.number("group.max.size"),
        group_consumer_session_timeout_ms: config.number("group.consumer.session.timeout.ms"),
        group_consumer_heartbeat_interval_ms: config.number("group.consumer.heartbeat.interval.ms"),
        group_consumer_min_heartbeat_interval_ms: config.number("group.consumer.min.heartbeat.interval.ms"),
        group_consumer_max_size: config.number("group.consumer.max.size"),
        group_consumer_migration_policy: config.number("group.consumer.migration.policy"),
        of_groups: Arc::new(of_groups(image)),
        offset_metadata_max_bytes: config.number::<usize>("offset.metadata.max.bytes").min(NOTE_BYTES_MAX),
        record_bytes_max: record_bytes_max(config, image),
        offsets_retention_ms: minutes.saturating_mul(60_000),
        offsets_retention_check_interval_ms: config.number("offsets.retention.check.interval.ms"),
    }
}

/// What single groups have set.
fn of_groups(image: &SharedImage) -> BTreeMap<GroupId, GroupSettings> {
    let own = |configs: &Configs| {
        let number = |name: &str| configs.get(name).and_then(|value| value.trim().parse().ok());
        GroupSettings {
            consumer_session_timeout_ms: number("consumer.session.timeout.ms"),
            consumer_heartbeat_interval_ms: number("consumer.heartbeat.interval.ms"),
        }
    };
    image.read(|state| state.group_configs().iter().map(|(id, configs)| (id.into(), own(configs))).collect())
}

fn record_bytes_max(config: &LiveConfig, image: &SharedImage) -> usize {
    let topic = image.read(|state| state.topic(CONSUMER_OFFSETS_TOPIC).cloned());
    let in_force = |topic: &Arc<Topic>| config.of_topic(topic).max_message_bytes;
    topic.as_ref().map_or(usize::MAX, |topic| usize::try_from(in_force(topic)).unwrap_or(usize::MAX))
}
