//! What one broker is started with: its part of `services.json`, and what the flags say otherwise.

use std::{path::PathBuf, time::Duration};

use common::{BrokerId, ClusterId, DirectoryId, IncarnationId, config::ClusterConfig};
use http_api::RegisterBrokerRequest;
use runtime::services::{self, LoadError};
use thiserror::Error;

use crate::{
    broker_config::{BrokerConfig, InvalidBrokerConfig},
    coordinator::GroupOptions,
    kafka::KafkaSettings,
    link::LinkConfig,
    options::Options,
    partition::PartitionSettings,
    replicas::ReplicaManagerOptions,
    replication::ReplicationOptions,
};

/// Everything that one broker is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who it is.
    pub broker_id: BrokerId,
    /// Where it belongs.
    pub cluster_id: ClusterId,
    /// Where it listens.
    pub listen_host: String,
    /// Port of the REST API; 0: any free one.
    pub listen_port: u16,
    /// What others reach it by.
    pub advertised_host: String,
    /// What others reach it by; 0: the port it listens on.
    pub advertised_port: u16,
    /// Port of the Kafka listener; 0: any free one. `None`: it has none.
    pub kafka_port: Option<u16>,
    /// By which port others reach it; `None`: the one it listens on.
    pub advertised_kafka_port: Option<u16>,
    /// Failure domain.
    pub rack: Option<String>,
    /// Where its data is.
    pub data_dir: PathBuf,
    /// Base URLs of all metadata nodes.
    pub metadata_nodes: Vec<String>,
    /// Time from one heartbeat to the next.
    pub heartbeat_interval: Duration,
    /// After so much silence the controller takes this broker for dead.
    pub session_timeout: Duration,
    /// How long a heartbeat may take.
    pub request_timeout: Duration,
    /// Metadata is pulled this often even if nothing is known to have changed.
    pub metadata_refresh: Duration,
    /// How long a shutdown waits for leaderships to be handed over.
    pub shutdown_timeout: Duration,
    /// How long the data of a deleted topic is kept.
    pub delete_delay: Duration,
    /// How many brokers the cluster has, by the file.
    pub brokers: usize,
    /// Settings by Kafka's names.
    pub config: BrokerConfig,
}

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum InvalidSettings {
    /// No usable `services.json`.
    #[error(transparent)]
    Services(#[from] LoadError),
    /// A setting by Kafka's name that cannot be.
    #[error(transparent)]
    Config(#[from] InvalidBrokerConfig),
    /// The file does not have this broker.
    #[error("{path} has no broker {id} in `services.storage-services`; it has {known}")]
    UnknownBroker {
        /// The file.
        path: PathBuf,
        /// Who was to be started.
        id: BrokerId,
        /// Whom it has.
        known: String,
    },
}

impl Settings {
    /// Reads the file that describes the cluster; the options win over it.
    ///
    /// # Errors
    /// [`InvalidSettings`]: a reason to exit with code 2.
    pub fn load(options: &Options) -> Result<Self, InvalidSettings> {
        let config = services::load(&options.services)?;
        for warning in &config.warnings {
            tracing::warn!(event = "config.warning", "{warning}");
        }
        Self::new(&config, options)
    }

    fn new(config: &ClusterConfig, options: &Options) -> Result<Self, InvalidSettings> {
        let Some(broker) = config.broker(options.id) else {
            let ids: Vec<_> = config.brokers.iter().map(|broker| broker.id.to_string()).collect();
            let known = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
            return Err(InvalidSettings::UnknownBroker {
                path: options.services.clone(),
                id: options.id,
                known,
            });
        };
        let listen_host = options.host.clone().unwrap_or_else(|| broker.host.clone());
        let listen_port = options.port.unwrap_or(broker.port);
        let (url_host, url_port) = host_and_port(&broker.url);
        // What the file gives as URL holds, as that may be a proxy's or another name of this host; but where it
        // is just the address that is listened on, a flag that changes the address changes the URL too.
        let follows_host = url_host == broker.host && !is_any_address(&listen_host);
        let advertised_host = if follows_host { listen_host.clone() } else { url_host.to_owned() };
        let advertised_port = if url_port == broker.port { listen_port } else { url_port };
        Ok(Self {
            broker_id: options.id,
            cluster_id: config.cluster_id.clone(),
            listen_host,
            listen_port,
            advertised_host,
            advertised_port,
            kafka_port: options.kafka_port.or(broker.kafka_port),
            advertised_kafka_port: options.advertised_kafka_port,
            rack: broker.rack.clone(),
            data_dir: options.data_dir.clone().unwrap_or_else(|| PathBuf::from(&broker.data_dir)),
            metadata_nodes: config.metadata_urls(),
            heartbeat_interval: config.broker.heartbeat,
            session_timeout: config.broker.session_timeout,
            request_timeout: config.broker.request_timeout,
            metadata_refresh: config.broker.metadata_refresh,
            shutdown_timeout: Duration::from_millis(options.controlled_shutdown_timeout_ms),
            delete_delay: Duration::from_millis(options.file_delete_delay_ms),
            brokers: config.brokers.len(),
            config: BrokerConfig::parse(options.set.iter().map(String::as_str))?,
        })
    }

    /// What group coordinators go by.
    pub fn groups(&self) -> GroupOptions {
        GroupOptions::new(&self.config, self.brokers)
    }

    /// The link's part.
    pub fn link(&self) -> LinkConfig {
        LinkConfig {
            broker_id: self.broker_id,
            heartbeat_interval: self.heartbeat_interval,
            session_timeout: self.session_timeout,
            request_timeout: self.request_timeout,
            metadata_refresh: self.metadata_refresh,
            shutdown_timeout: self.shutdown_timeout,
        }
    }

    /// The data plane's part.
    pub fn partitions(&self) -> PartitionSettings {
        let config = &self.config;
        PartitionSettings {
            session_timeout: self.session_timeout,
            cache_bytes: config.number("log.cache.bytes"),
            replica_lag_time_max: config.time("replica.lag.time.max.ms"),
            retention_check_interval: config.time("log.retention.check.interval.ms"),
            recovery_threads: config.number("num.recovery.threads.per.data.dir"),
            flush_threads: config.number("num.flush.threads"),
            ..PartitionSettings::new(self.broker_id)
        }
    }

    /// How the directories of the replicas are kept.
    pub fn replicas(&self, incarnation_id: IncarnationId) -> ReplicaManagerOptions {
        ReplicaManagerOptions {
            broker_id: self.broker_id,
            incarnation_id,
            delete_delay: self.delete_delay,
            stray_check_interval: self.metadata_refresh,
        }
    }

    /// Replication's part.
    pub fn replication(&self) -> ReplicationOptions {
        ReplicationOptions::new(self.broker_id, self.session_timeout)
    }

    /// How Kafka clients are answered.
    pub fn kafka(&self) -> KafkaSettings {
        KafkaSettings {
            broker_id: self.broker_id,
            cluster_id: self.cluster_id.clone(),
            data_dir: std::path::absolute(&self.data_dir).unwrap_or_else(|_| self.data_dir.clone()),
            limits: self.config.kafka_limits(),
        }
    }

    /// What the broker says of itself. `port` is what others reach it by, `kafka_port` what it listens on.
    pub fn registration(
        &self,
        port: u16,
        kafka_port: Option<u16>,
        incarnation_id: IncarnationId,
        directory_id: DirectoryId,
    ) -> RegisterBrokerRequest {
        RegisterBrokerRequest {
            broker_id: self.broker_id,
            host: self.advertised_host.clone(),
            port,
            kafka_port: kafka_port.map(|port| self.advertised_kafka_port.unwrap_or(port)),
            rack: self.rack.clone(),
            incarnation_id,
            directory_id: Some(directory_id),
        }
    }
}

/// Host and port of `http://host:port`, which the configuration has checked to look so.
fn host_and_port(url: &str) -> (&str, u16) {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    (host, port.parse().unwrap_or(80))
}

/// Whether this is an address to listen on only, which nobody can connect to.
fn is_any_address(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            id: BrokerId(102),
            services: "services.json".into(),
            host: None,
            port: None,
            kafka_port: None,
            advertised_kafka_port: None,
            data_dir: None,
            file_delete_delay_ms: 60_000,
            controlled_shutdown_timeout_ms: 5_000,
            set: Vec::new(),
        }
    }

    fn advertised(url: &str, host: Option<&str>, port: Option<u16>) -> (String, u16) {
        let mut config = ClusterConfig::local(3, 3);
        config.brokers[1].url = url.to_owned();
        let options = Options { host: host.map(str::to_owned), port, ..options() };
        let settings = Settings::new(&config, &options).unwrap();
        (settings.advertised_host, settings.advertised_port)
    }

    #[test]
    fn takes_its_part_of_the_file() {
        let config = ClusterConfig::local(3, 3);
        let settings = Settings::new(&config, &options()).unwrap();
        assert_eq!((settings.listen_host.as_str(), settings.listen_port), ("localhost", 8082));
        assert_eq!(settings.metadata_nodes.len(), 3);
        assert_eq!(settings.rack.as_deref(), Some("b"));
        assert!(settings.request_timeout <= settings.session_timeout / 2);
    }

    #[test]
    fn a_broker_that_the_file_does_not_have_is_refused() {
        let options = Options { id: BrokerId(7), ..options() };
        let error = Settings::new(&ClusterConfig::local(3, 3), &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            "services.json has no broker 7 in `services.storage-services`; it has 101, 102, 103"
        );
    }

    #[test]
    fn what_is_advertised_follows_the_url_or_the_flags() {
        let of = |host: &str, port| (host.to_owned(), port);
        let plain = "http://localhost:8082";
        assert_eq!(advertised(plain, None, None), of("localhost", 8082));
        assert_eq!(advertised(plain, Some("10.0.0.7"), Some(9000)), of("10.0.0.7", 9000));
        assert_eq!(advertised(plain, Some("0.0.0.0"), None), of("localhost", 8082));
        assert_eq!(advertised(plain, None, Some(0)), of("localhost", 0));
        let proxied = "http://broker-102:7000";
        assert_eq!(advertised(proxied, Some("0.0.0.0"), Some(9000)), of("broker-102", 7000));
        assert_eq!(advertised("http://[::1]:8082", None, None), of("[::1]", 8082));
    }
}
