//! What all connections share.

use std::path::PathBuf;

use client::MetadataClient;
use common::{BrokerId, ClusterId};
use prometheus_client::registry::Registry;

use super::{
    limits::{Budget, Connections, KafkaLimits},
    metrics::KafkaMetrics,
};
use crate::{
    broker_config::BrokerConfig, coordinator::Groups, image::SharedImage, partition::Partitions,
    producer_ids::ProducerIds,
};

/// How this broker answers Kafka clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Whose.
    pub broker_id: BrokerId,
    /// Where it belongs.
    pub cluster_id: ClusterId,
    /// Where its replicas are.
    pub data_dir: PathBuf,
    /// What it was started with.
    pub config: BrokerConfig,
}

/// What every API works with.
#[derive(Debug)]
pub struct Server {
    pub(super) settings: KafkaSettings,
    pub(super) limits: KafkaLimits,
    pub(super) image: SharedImage,
    pub(super) partitions: Partitions,
    pub(super) metadata: MetadataClient,
    pub(super) producer_ids: ProducerIds,
    pub(super) groups: Groups,
    pub(super) metrics: KafkaMetrics,
    pub(super) connections: Connections,
    /// Memory of requests.
    pub(super) queued: Budget,
    /// Memory of records that were read from disk.
    pub(super) sending: Budget,
}

impl Server {
    /// Nobody is connected yet.
    pub fn new(
        settings: KafkaSettings,
        image: SharedImage,
        partitions: Partitions,
        metadata: MetadataClient,
        producer_ids: ProducerIds,
        groups: Groups,
    ) -> Self {
        let limits = settings.config.kafka_limits();
        Self {
            settings,
            limits,
            image,
            partitions,
            metadata,
            producer_ids,
            groups,
            metrics: KafkaMetrics::default(),
            connections: Connections::default(),
            queued: Budget::new(limits.queued_bytes_max),
            sending: Budget::new(limits.sending_bytes_max),
        }
    }

    /// Makes the figures of Kafka clients part of `/metrics`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// How many clients are connected.
    pub fn connection_count(&self) -> usize {
        self.connections.count()
    }
}
