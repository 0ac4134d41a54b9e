//! Brokers: registration and what the controllers know of each.

use common::{Broker, BrokerEpoch, BrokerId, BrokerStatus, DirectoryId, IncarnationId, MetadataVersion};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ControllerInfo;

/// `POST /api/v1/metadata/brokers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterBrokerRequest {
    /// The id that the broker is configured with.
    #[schema(example = 101)]
    pub broker_id: BrokerId,
    /// Host name or address that others reach it by.
    #[schema(example = "localhost")]
    pub host: String,
    /// Port of its REST API.
    #[schema(example = 8081)]
    pub port: u16,
    /// Port of its Kafka listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 19092)]
    pub kafka_port: Option<u16>,
    /// Failure domain, for placement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Drawn anew at each start of the process.
    pub incarnation_id: IncarnationId,
    /// Drawn when the data directory was made. A process that does not name the one that its predecessor had has lost the
    /// data, and is in sync with nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_id: Option<DirectoryId>,
}

/// Answer to a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterBrokerResponse {
    /// Who was registered.
    pub broker_id: BrokerId,
    /// The epoch that every later call of the broker carries.
    pub broker_epoch: BrokerEpoch,
    /// `metadataVersion` after the registration.
    pub metadata_version: MetadataVersion,
    /// The controller that registered it.
    pub controller_info: ControllerInfo,
}

/// A broker as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerInfo {
    /// Its id.
    pub broker_id: BrokerId,
    /// The epoch of its present registration.
    pub broker_epoch: BrokerEpoch,
    /// The process that made this registration.
    pub incarnation_id: IncarnationId,
    /// The disk that its data is on, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_id: Option<DirectoryId>,
    /// The registration that last came with another disk than the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_lost_at: Option<BrokerEpoch>,
    /// Host name or address.
    pub host: String,
    /// Port of its REST API.
    pub port: u16,
    /// Port of its Kafka listener, if it has one.
    pub kafka_port: Option<u16>,
    /// Failure domain.
    pub rack: Option<String>,
    /// Whether it takes part.
    pub status: BrokerStatus,
    /// When it last made contact, in Unix milliseconds. Only the controller knows; absent elsewhere, and `null`
    /// where the broker has not been heard of since this controller took office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heartbeat: Option<u64>,
    /// The metadata that it said it has, in its last heartbeat. Only the controller knows, as with the following.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_version: Option<MetadataVersion>,
    /// When it last had all metadata, in Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_caught_up: Option<u64>,
    /// How many partitions it leads.
    pub leader_partitions: usize,
    /// How many replicas it holds.
    pub replica_partitions: usize,
}

impl BrokerInfo {
    /// Shows `broker` with its numbers of led partitions and held replicas.
    pub fn new(broker: &Broker, leader_partitions: usize, replica_partitions: usize) -> Self {
        Self {
            broker_id: broker.broker_id,
            broker_epoch: broker.broker_epoch,
            incarnation_id: broker.incarnation_id,
            directory_id: broker.directory_id,
            disk_lost_at: broker.disk_lost_at,
            host: broker.host.clone(),
            port: broker.port,
            kafka_port: broker.kafka_port,
            rack: broker.rack.clone(),
            status: broker.status,
            last_heartbeat: None,
            metadata_version: None,
            last_caught_up: None,
            leader_partitions,
            replica_partitions,
        }
    }

    /// Base URL of its REST API.
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }
}

impl From<BrokerInfo> for Broker {
    fn from(info: BrokerInfo) -> Self {
        Self {
            broker_id: info.broker_id,
            broker_epoch: info.broker_epoch,
            incarnation_id: info.incarnation_id,
            directory_id: info.directory_id,
            disk_lost_at: info.disk_lost_at,
            host: info.host,
            port: info.port,
            kafka_port: info.kafka_port,
            rack: info.rack,
            status: info.status,
        }
    }
}
