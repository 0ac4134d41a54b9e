//! Flags and environment of one metadata node.

use std::path::PathBuf;

use common::NodeId;

/// How one metadata node is started. Flags win over the environment (`DMQ_*`), which wins over `services.json`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// This node's id, as in `services.json`. Never reuse the id of a node that lost its disk.
    #[arg(long, env = "DMQ_NODE_ID")]
    pub id: NodeId,
    /// The file that describes the cluster.
    #[arg(long, env = "DMQ_SERVICES", default_value = "services.json")]
    pub services: PathBuf,
    /// Address to listen on, instead of the one in `services.json`.
    #[arg(long, env = "DMQ_HOST")]
    pub host: Option<String>,
    /// Port to listen on, instead of the one in `services.json`.
    #[arg(long, env = "DMQ_PORT")]
    pub port: Option<u16>,
    /// Database of this node: `sqlite:path` or `postgres://...`, instead of the one in `services.json`.
    #[arg(long, env = "DMQ_DATABASE", hide_env_values = true)]
    pub database: Option<String>,
    /// Directory that relative SQLite paths start from.
    #[arg(long, env = "DMQ_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}
