//! What all connections share.

use std::{num::NonZero, path::PathBuf};

use client::MetadataClient;
use common::{BrokerId, ClusterId};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use super::{
    fetch_sessions::FetchSessions,
    limits::{Budget, Connections, KafkaLimits},
    metrics::KafkaMetrics,
};
use crate::{
    broker_config::LiveConfig, coordinator::Groups, image::SharedImage, partition::Partitions,
    producer_ids::ProducerIds,
};

/// How this broker answers Kafka clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Whose.
    pub broker_id: BrokerId,
    /// Where it belongs.
    pub cluster_id: ClusterId,
    /// Where its replicas are; absolute, as administrators are told.
    pub data_dir: PathBuf,
    /// Bounds of what clients may use, as it was started with them.
    pub limits: KafkaLimits,
}

/// What every API works with.
#[derive(Debug)]
pub struct Server {
    pub(super) settings: KafkaSettings,
    /// The settings in force.
    pub(super) config: LiveConfig,
    /// The bounds that do not change.
    pub(super) limits: KafkaLimits,
    pub(super) image: SharedImage,
    pub(super) partitions: Partitions,
    pub(super) metadata: MetadataClient,
    pub(super) producer_ids: ProducerIds,
    pub(super) groups: Groups,
    pub(super) metrics: KafkaMetrics,
    pub(super) connections: Connections,
    pub(super) fetch_sessions: FetchSessions,
    /// Memory of requests.
    pub(super) queued: Budget,
    /// Memory of records that were read from disk.
    pub(super) sending: Budget,
    /// How many batches may be packed anew at the same time: each may take tens of MB and a core.
    pub(super) recompressing: Semaphore,
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
        let limits = settings.limits;
        Self {
            settings,
            config: partitions.services().config().clone(),
            limits,
            metrics: KafkaMetrics::new(&image),
            image,
            partitions,
            metadata,
            producer_ids,
            groups,
            connections: Connections::default(),
            fetch_sessions: FetchSessions::new(limits.fetch_sessions_max, limits.fetch_session_eviction),
            queued: Budget::new(limits.queued_bytes_max),
            sending: Budget::new(limits.sending_bytes_max),
            recompressing: Semaphore::new(cores()),
        }
    }

    /// Makes the figures of Kafka clients part of `/metrics`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.metrics.register(registry);
        self.fetch_sessions.register(registry);
    }

    /// The bounds of now.
    pub(super) fn limits(&self) -> KafkaLimits {
        KafkaLimits {
            connections_max: self.config.number("max.connections"),
            connections_per_ip_max: self.config.number("max.connections.per.ip"),
            ..self.limits
        }
    }

    /// How many clients are connected.
    pub fn connection_count(&self) -> usize {
        self.connections.count()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
