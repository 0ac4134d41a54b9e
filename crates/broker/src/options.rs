//! Flags and environment of one broker.

use std::path::PathBuf;

use common::BrokerId;

/// How one broker is started. Flags win over the environment (`DMQ_*`), which wins over `services.json`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// This broker's id, as in `services.json`.
    #[arg(long, env = "DMQ_BROKER_ID")]
    pub id: BrokerId,
    /// The file that describes the cluster.
    #[arg(long, env = "DMQ_SERVICES", default_value = "services.json")]
    pub services: PathBuf,
    /// Address to listen on, and that others reach this broker by, instead of the one in `services.json`.
    #[arg(long, env = "DMQ_HOST")]
    pub host: Option<String>,
    /// Port of the REST API, instead of the one in `services.json`.
    #[arg(long, env = "DMQ_PORT")]
    pub port: Option<u16>,
    /// Port of the Kafka listener, instead of the one in `services.json`.
    #[arg(long, env = "DMQ_KAFKA_PORT")]
    pub kafka_port: Option<u16>,
    /// Port by which Kafka clients and other brokers reach this one, if it is not the one it listens on.
    #[arg(long, env = "DMQ_ADVERTISED_KAFKA_PORT")]
    pub advertised_kafka_port: Option<u16>,
    /// Directory of this broker's data, instead of the one in `services.json`.
    #[arg(long, env = "DMQ_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// How long the data of a deleted topic is kept, in milliseconds: Kafka's `file.delete.delay.ms`.
    #[arg(long, env = "DMQ_FILE_DELETE_DELAY_MS", default_value_t = 60_000)]
    pub file_delete_delay_ms: u64,
    /// How long a shutdown waits for partition leaderships to be handed over, in milliseconds.
    #[arg(long, env = "DMQ_CONTROLLED_SHUTDOWN_TIMEOUT_MS", default_value_t = 5_000)]
    pub controlled_shutdown_timeout_ms: u64,
    /// A setting by Kafka's name, as `num.partitions=4`; may be given more than once.
    #[arg(long = "set", env = "DMQ_SET", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub set: Vec<String>,
}
