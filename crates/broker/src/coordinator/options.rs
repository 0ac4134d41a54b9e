//! Settings of group coordinators, from the broker's.

use std::time::Duration;

use crate::broker_config::BrokerConfig;

/// How a broker coordinates groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOptions {
    /// What groups go by.
    pub rules: coordinator::Settings,
    /// Partitions of `__consumer_offsets`, when it is made (`offsets.topic.num.partitions`).
    pub topic_partitions: i32,
    /// Its replicas (`offsets.topic.replication.factor`); no more than the cluster has brokers.
    pub topic_replication_factor: i16,
    /// Its segments (`offsets.topic.segment.bytes`).
    pub topic_segment_bytes: i32,
    /// A commit that is not safe after so long is answered with an error (`offsets.commit.timeout.ms`).
    pub commit_timeout: Duration,
}

impl GroupOptions {
    /// Those of a broker in a cluster of so many brokers.
    pub fn new(config: &BrokerConfig, brokers: usize) -> Self {
        let minutes: i64 = config.number("offsets.retention.minutes");
        let rules = coordinator::Settings {
            group_min_session_timeout_ms: config.number("group.min.session.timeout.ms"),
            group_max_session_timeout_ms: config.number("group.max.session.timeout.ms"),
            group_initial_rebalance_delay_ms: config.number("group.initial.rebalance.delay.ms"),
            group_max_size: config.number("group.max.size"),
            group_consumer_session_timeout_ms: config.number("group.consumer.session.timeout.ms"),
            group_consumer_heartbeat_interval_ms: config.number("group.consumer.heartbeat.interval.ms"),
            group_consumer_max_size: config.number("group.consumer.max.size"),
            group_consumer_migration_policy: config.number("group.consumer.migration.policy"),
            offset_metadata_max_bytes: config.number("offset.metadata.max.bytes"),
            offsets_retention_ms: minutes.saturating_mul(60_000),
            offsets_retention_check_interval_ms: config.number("offsets.retention.check.interval.ms"),
        };
        let brokers = i16::try_from(brokers).unwrap_or(i16::MAX).max(1);
        Self {
            rules,
            topic_partitions: config.number("offsets.topic.num.partitions"),
            topic_replication_factor: config.number::<i16>("offsets.topic.replication.factor").min(brokers),
            topic_segment_bytes: config.number("offsets.topic.segment.bytes"),
            commit_timeout: config.time("offsets.commit.timeout.ms"),
        }
    }
}
