//! Wiring of all that handles records: partitions, their directories, and the listener for Kafka clients.

use std::sync::Arc;

use client::{HttpClient, MetadataClient, MetadataClientOptions};
use common::IncarnationId;
use prometheus_client::registry::Registry;
use runtime::{TaskKind, Tasks, http::BindError};
use tokio::net::TcpListener;

use crate::{
    broker::StartError,
    broker_config::LiveConfig,
    coordinator::{GroupCollector, Groups, OffsetsTopic},
    follower::Follower,
    identity::DataDir,
    image::SharedImage,
    kafka::{self, Server},
    partition::{Keeper, PartitionCollector, Partitions},
    producer_ids::ProducerIds,
    replicas::{ReplicaDirs, ReplicaManager, Replicas},
    replication::{self, Replication, ReplicationFigures},
    settings::Settings,
};

/// A data plane whose partitions work, and that listens but does not serve clients yet.
#[derive(Debug)]
pub(crate) struct DataPlane {
    /// The replicas at work.
    pub(crate) partitions: Partitions,
    /// The replica directories.
    pub(crate) replicas: Replicas,
    /// What Kafka clients are answered from.
    pub(crate) server: Arc<Server>,
    /// The groups that are coordinated here.
    pub(crate) groups: Groups,
    replication: ReplicationFigures,
    listeners: Vec<TcpListener>,
}

impl DataPlane {
    /// Reads the data directory, and starts what owns it.
    pub(crate) async fn start(
        settings: &Settings,
        data_dir: &DataDir,
        incarnation_id: IncarnationId,
        tasks: &Tasks,
        http: &HttpClient,
        image: &SharedImage,
        follower: &Follower,
    ) -> Result<Self, StartError> {
        let listeners = bind(settings).await?;
        let nodes = settings.metadata_nodes.clone();
        let metadata = MetadataClient::new(http.clone(), nodes, MetadataClientOptions::default());
        let config = LiveConfig::new(settings.broker_id, settings.config.clone(), Arc::clone(image));
        let partitions = Partitions::new(settings.partitions(), config.clone());
        let replicas = Replicas::default();
        Keeper::start(tasks, &partitions, image, data_dir.path());
        let path = data_dir.path().to_owned();
        let dirs = tokio::task::spawn_blocking(move || ReplicaDirs::open(&path))
            .await
            .map_err(|error| StartError::Failed(format!("reading the data directory: {error}")))?
            .map_err(|error| StartError::Failed(format!("data directory: {error}")))?;
        let options = settings.replicas(incarnation_id);
        let manager = ReplicaManager::new(
            options,
            dirs,
            Arc::clone(image),
            metadata.clone(),
            replicas.clone(),
            partitions.clone(),
        );
        tasks.spawn(TaskKind::LogFlush, "replicas", move |stop| manager.run(stop));
        let replication = Replication {
            options: settings.replication(),
            partitions: partitions.clone(),
            image: Arc::clone(image),
            link: follower.clone(),
            metadata: metadata.clone(),
        };
        let replication = replication::start(replication, tasks);
        let producer_ids = ProducerIds::new(settings.broker_id, follower.clone(), metadata.clone());
        let topic = OffsetsTopic::new(
            settings.broker_id,
            settings.groups(),
            Arc::clone(image),
            follower.clone(),
            metadata.clone(),
        );
        let groups = Groups::start(tasks, config, image, &partitions, topic);
        let server = Server::new(
            settings.kafka(),
            Arc::clone(image),
            partitions.clone(),
            metadata,
            producer_ids,
            groups.clone(),
        );
        Ok(Self { partitions, replicas, server: Arc::new(server), groups, replication, listeners })
    }

    /// Makes its figures part of `/metrics`.
    pub(crate) fn register_metrics(&self, registry: &mut Registry) {
        self.server.register_metrics(registry);
        registry.register_collector(Box::new(PartitionCollector(self.partitions.clone())));
        registry.register_collector(Box::new(GroupCollector(self.groups.clone())));
        self.partitions.services().integrity().register(registry);
        self.replication.register(registry);
    }

    /// The port that Kafka clients come to, if there is one.
    pub(crate) fn kafka_port(&self) -> Option<u16> {
        Some(self.listeners.first()?.local_addr().ok()?.port())
    }

    /// From now on Kafka clients are served.
    pub(crate) fn serve(&mut self, tasks: &Tasks) {
        kafka::serve(tasks, std::mem::take(&mut self.listeners), &self.server);
    }
}

/// Listens for Kafka clients, if the settings say so.
async fn bind(settings: &Settings) -> Result<Vec<TcpListener>, BindError> {
    match settings.kafka_port {
        Some(port) => kafka::bind(&settings.listen_host, port).await,
        None => Ok(Vec::new()),
    }
}
