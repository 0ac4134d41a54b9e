//! The checked form of a cluster's configuration.

use super::{
    checks,
    database::DatabaseUrl,
    error::ConfigErrors,
    read, render,
    timings::{BrokerTimings, RaftTimings, TimingProfile},
};
use crate::{BrokerId, ClusterId, NodeId};

/// A cluster: who is in it, and its timings. Checked: ids, addresses, directories and databases are unique, and
/// the timings fit each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Its name.
    pub cluster_id: ClusterId,
    /// The metadata nodes, in the order of the file; at least one.
    pub metadata_nodes: Vec<MetadataNodeConfig>,
    /// The brokers, in the order of the file.
    pub brokers: Vec<BrokerConfig>,
    /// Which defaults `raft` was built on.
    pub profile: TimingProfile,
    /// Timings between metadata nodes.
    pub raft: RaftTimings,
    /// Timings between brokers and the controller.
    pub broker: BrokerTimings,
    /// What is allowed, but probably not meant: an even number of metadata nodes.
    pub warnings: Vec<String>,
}

/// A metadata node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataNodeConfig {
    /// Its id, above 0.
    pub id: NodeId,
    /// Where it listens.
    pub host: String,
    /// The port of its REST API and of Raft.
    pub port: u16,
    /// Where others reach it, without a `/` at the end.
    pub url: String,
    /// Its database, with `${VAR}` still in it.
    pub database: DatabaseUrl,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// Its id, above 0.
    pub id: BrokerId,
    /// Where it listens.
    pub host: String,
    /// The port of its REST API.
    pub port: u16,
    /// Where others reach its REST API, without a `/` at the end.
    pub url: String,
    /// The port of its Kafka listener.
    pub kafka_port: Option<u16>,
    /// Where it keeps its replicas.
    pub data_dir: String,
    /// Its failure domain.
    pub rack: Option<String>,
}

impl ClusterConfig {
    /// Reads and checks the text of a `services.json`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConfigErrors> {
        let (mut config, mut errors) = read::cluster(text)?;
        errors.extend(checks::all(&config));
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        config.warnings = checks::warnings(&config);
        Ok(config)
    }

    /// The cluster that `dmq up` starts without a file: everything on this machine, with the default ports.
    pub fn local(metadata_nodes: u16, brokers: u16) -> Self {
        let metadata_nodes =
            (1..=metadata_nodes).map(|n| MetadataNodeConfig::local(u64::from(n), 9090_u16.saturating_add(n)));
        let brokers = (1..=brokers).map(|n| {
            let rack = char::from(b'a' + u8::try_from((n - 1) % 3).unwrap_or(0));
            BrokerConfig {
                rack: Some(rack.to_string()),
                ..BrokerConfig::local(
                    i32::from(n) + 100,
                    8080_u16.saturating_add(n),
                    Some(local_kafka_port(n)),
                )
            }
        });
        Self {
            cluster_id: ClusterId("dmq-local".to_owned()),
            metadata_nodes: metadata_nodes.collect(),
            brokers: brokers.collect(),
            profile: TimingProfile::Local,
            raft: TimingProfile::Local.raft(),
            broker: BrokerTimings::default(),
            warnings: Vec::new(),
        }
    }

    /// Checks a configuration that was put together or changed in code.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let errors = checks::all(self);
        if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
    }

    /// The text of a `services.json` that reads as this.
    pub fn to_json(&self) -> String {
        render::cluster(self)
    }

    /// The metadata node called `id`.
    pub fn metadata_node(&self, id: NodeId) -> Option<&MetadataNodeConfig> {
        self.metadata_nodes.iter().find(|node| node.id == id)
    }

    /// The broker called `id`.
    pub fn broker(&self, id: BrokerId) -> Option<&BrokerConfig> {
        self.brokers.iter().find(|broker| broker.id == id)
    }

    /// Where the metadata nodes are reached.
    pub fn metadata_urls(&self) -> Vec<String> {
        self.metadata_nodes.iter().map(|node| node.url.clone()).collect()
    }
}

impl MetadataNodeConfig {
    /// A node on this machine, with the defaults of a file that gives only its id and port.
    pub fn local(id: u64, port: u16) -> Self {
        Self {
            id: NodeId(id),
            host: "localhost".to_owned(),
            port,
            url: url_of("localhost", port),
            database: default_database(id),
        }
    }
}

impl BrokerConfig {
    /// A broker on this machine, with the defaults of a file that gives only its id and ports.
    pub fn local(id: i32, port: u16, kafka_port: Option<u16>) -> Self {
        Self {
            id: BrokerId(id),
            host: "localhost".to_owned(),
            port,
            url: url_of("localhost", port),
            kafka_port,
            data_dir: default_data_dir(id),
            rack: None,
        }
    }
}

/// 19092, 29092, ... 59092, then 59093 and so on: the ports end.
fn local_kafka_port(n: u16) -> u16 {
    let tens = n.clamp(1, 5);
    9092 + 10_000 * tens + n.saturating_sub(5).min(5_000)
}

/// The URL of a server that listens on `host`:`port`.
pub(super) fn url_of(host: &str, port: u16) -> String {
    if host.contains(':') { format!("http://[{host}]:{port}") } else { format!("http://{host}:{port}") }
}

pub(super) fn default_database(id: u64) -> DatabaseUrl {
    DatabaseUrl::sqlite(&format!("data/metadata-{id}/raft.db"))
}

pub(super) fn default_data_dir(id: i32) -> String {
    format!("data/broker-{id}")
}
