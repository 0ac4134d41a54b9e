//! How commands reach the brokers over Kafka's protocol, and what its failures mean for the exit code.

use std::{sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use kafka_client::{
    Acks, Address, Cluster, ClusterError, ClusterOptions, Compression, ConnectionOptions, ConsumeError,
    ErrorCode, ProduceError, cluster::TopicMetadata,
};
use tokio::time::Instant;

use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    services::ServicesFile,
};

/// Where brokers listen by default.
const DEFAULT_BROKERS: [u16; 3] = [19092, 29092, 39092];

/// How long to wait for a topic that is not there: it may have been created a moment ago.
const TOPIC_WAIT: Duration = Duration::from_secs(2);

/// Which brokers a command talks to: ours, or any that speak Kafka's protocol.
#[derive(Debug, Clone, Args)]
pub(crate) struct BootstrapArgs {
    /// Brokers to begin with; without it those of services.json, or localhost:19092, 29092 and 39092
    #[arg(long, short, value_name = "HOST:PORT[,...]", env = "DMQ_BOOTSTRAP")]
    bootstrap: Option<String>,
}

impl BootstrapArgs {
    /// The brokers to begin with.
    ///
    /// # Errors
    /// If an address or the services file cannot be used.
    pub(crate) fn addresses(&self, connection: &ConnectionArgs) -> Result<Vec<Address>, Failure> {
        if let Some(list) = &self.bootstrap {
            return Address::list(list).map_err(|error| Failure::usage(format!("--bootstrap: {error}")));
        }
        match ServicesFile::find(connection.services.as_deref())? {
            Some(file) => file.kafka_addresses(),
            None => Ok(DEFAULT_BROKERS.map(|port| Address::new("localhost", port)).to_vec()),
        }
    }

    /// A client of the cluster.
    ///
    /// # Errors
    /// As [`BootstrapArgs::addresses`].
    pub(crate) fn cluster(&self, connection: &ConnectionArgs) -> Result<Cluster, Failure> {
        let timeout = connection.patience();
        let options = ClusterOptions {
            connection: ConnectionOptions {
                connection_setup_timeout: timeout.min(Duration::from_secs(5)),
                ..ConnectionOptions::default()
            },
            max_block: timeout,
            ..ClusterOptions::default()
        };
        Ok(Cluster::new(self.addresses(connection)?, options))
    }
}

/// A topic. One that is not there is not waited for as long as a broker that does not answer: most likely its name is
/// mistyped.
pub(crate) async fn find_topic(cluster: &Cluster, name: &str) -> Result<Arc<TopicMetadata>, Failure> {
    let deadline = Instant::now() + TOPIC_WAIT;
    let mut failures = 0;
    loop {
        match cluster.look_up(name).await {
            Err(ClusterError::Topic { .. }) if Instant::now() < deadline => {
                failures += 1;
                tokio::time::sleep(cluster.backoff(failures)).await;
            }
            result => return Ok(result?),
        }
    }
}

/// When a record counts as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AcksArg {
    /// When all replicas in sync have it
    #[default]
    #[value(alias = "-1")]
    All,
    /// When the leader has it
    #[value(name = "1", alias = "leader")]
    Leader,
    /// When it was sent
    #[value(name = "0", alias = "none")]
    None,
}

impl From<AcksArg> for Acks {
    fn from(acks: AcksArg) -> Self {
        match acks {
            AcksArg::All => Self::All,
            AcksArg::Leader => Self::Leader,
            AcksArg::None => Self::None,
        }
    }
}

/// How batches are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it all, and would stand twice in the help")]
pub(crate) enum CompressionArg {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl From<CompressionArg> for Compression {
    fn from(compression: CompressionArg) -> Self {
        match compression {
            CompressionArg::None => Self::None,
            CompressionArg::Gzip => Self::Gzip,
            CompressionArg::Snappy => Self::Snappy,
            CompressionArg::Lz4 => Self::Lz4,
            CompressionArg::Zstd => Self::Zstd,
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        let exit = match &error {
            ClusterError::NoBroker { .. }
            | ClusterError::NoLeader { .. }
            | ClusterError::UnknownBroker(_) => Exit::Unavailable,
            ClusterError::Call(call) if call.surely_not_received() => Exit::Unavailable,
            ClusterError::Call(_) => Exit::Unknown,
            ClusterError::Topic { .. }
            | ClusterError::UnknownPartition { .. }
            | ClusterError::Refused { .. } => Exit::Failed,
        };
        let message = match &error {
            ClusterError::Topic { topic, code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } => {
                format!("there is no topic `{topic}`\n     `dmq topic list` shows all")
            }
            ClusterError::NoBroker { .. } => {
                format!(
                    "{error}\n     is the cluster up? `dmq up` starts one here, --bootstrap names another"
                )
            }
            error => error.to_string(),
        };
        Self::new(exit, message)
    }
}

impl From<ProduceError> for Failure {
    fn from(error: ProduceError) -> Self {
        let exit = match error {
            ProduceError::Cluster(error) => return error.into(),
            ProduceError::Unknown { .. } => Exit::Unknown,
            ProduceError::NotWritten { .. } => Exit::Unavailable,
            ProduceError::Refused { .. } | ProduceError::TooLarge { .. } => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ConsumeError> for Failure {
    fn from(error: ConsumeError) -> Self {
        match error {
            ConsumeError::Cluster(error) => error.into(),
            error => Self::failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_has_an_exit_code_of_its_own() {
        let why = || "x".into();
        let unknown = ProduceError::Unknown { topic: why(), partition: Default::default(), why: why() };
        assert_eq!(Failure::from(unknown).exit, Exit::Unknown);
        let (topic, partition) = (why(), Default::default());
        let not = ProduceError::NotWritten { topic, partition, code: None, why: why() };
        assert_eq!(Failure::from(not).exit, Exit::Unavailable);
    }
}
