//! What `dmq up` starts: the configuration, made complete by flags, and the places of everything.

use std::{
    io,
    net::{TcpListener, ToSocketAddrs as _},
    path::{Path, PathBuf},
};

use common::config::{ClusterConfig, DatabaseUrl};
use local_cluster::{Launch, OutputLine};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{
    UpCommand,
    databases::{Databases, DatabasesError},
};
use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    output::say,
    services::DEFAULT_FILE,
};

/// Below the base directory: logs and the files by which a running cluster is found.
pub(crate) const CLUSTER_DIRECTORY: &str = "data";

/// A cluster that is to be started.
pub(super) struct Plan {
    config: ClusterConfig,
    directory: PathBuf,
    /// Removed at the end, unless something went wrong.
    temporary: Option<TempDir>,
    databases: Option<Databases>,
    secrets: Vec<(String, String)>,
    log: runtime::telemetry::LogOptions,
}

impl Plan {
    /// Reads the configuration and applies the flags. Touches nothing but the temporary directory.
    pub(super) fn new(args: &UpCommand, connection: &ConnectionArgs) -> Result<Self, Failure> {
        let mut config = configuration(args, connection)?;
        let temporary = args
            .ephemeral
            .then(|| tempfile::Builder::new().prefix("dmq-up-").tempdir())
            .transpose()
            .map_err(|error| Failure::failed(format!("cannot make a temporary directory: {error}")))?;
        let base = match (&temporary, &args.data_dir) {
            (Some(temporary), _) => temporary.path().to_owned(),
            (None, Some(base)) => absolute(base)?,
            (None, None) => absolute(Path::new("."))?,
        };
        start_paths_from(&base, &mut config);
        let databases = args
            .postgres
            .as_deref()
            .map(|url| Databases::new(url, &config, args.ephemeral))
            .transpose()
            .map_err(failure_of)?;
        let mut secrets = Vec::new();
        for node in &mut config.metadata_nodes {
            if let Some(databases) = &databases {
                let (name, value) = databases.variable(node.id);
                node.database = DatabaseUrl::parse(&format!("${{{name}}}"))
                    .map_err(|error| Failure::failed(format!("database of node {}: {error}", node.id)))?;
                secrets.push((name, value));
            }
            // Said here, where the user is, and not first in a log.
            let value_of = |name: &str| {
                let own = secrets.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
                own.or_else(|| std::env::var(name).ok())
            };
            node.database
                .expand(value_of)
                .map_err(|error| Failure::usage(format!("metadata node {}: {error}", node.id)))?;
        }
        config.check().map_err(Failure::usage)?;
        let directory = base.join(CLUSTER_DIRECTORY);
        Ok(Self { config, directory, temporary, databases, secrets, log: args.log.clone() })
    }

    /// Where logs and state go.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether nothing is kept.
    pub(super) fn is_ephemeral(&self) -> bool {
        self.temporary.is_some()
    }

    /// Names every address that somebody else listens on. A process that loses a race after this refuses by itself.
    pub(super) fn check_ports(&self) -> Result<(), Failure> {
        let nodes = self
            .config
            .metadata_nodes
            .iter()
            .map(|node| (format!("metadata-{}", node.id), node.host.as_str(), node.port));
        let brokers = self.config.brokers.iter().flat_map(|broker| {
            let rest = (format!("broker-{}", broker.id), broker.host.as_str(), broker.port);
            let kafka = broker
                .kafka_port
                .map(|port| (format!("broker-{} (Kafka)", broker.id), broker.host.as_str(), port));
            std::iter::once(rest).chain(kafka)
        });
        let taken: Vec<String> = nodes
            .chain(brokers)
            .filter_map(|(name, host, port)| {
                listen_error(host, port)
                    .map(|error| format!("{name} cannot listen on {host}:{port}: {error}"))
            })
            .collect();
        if taken.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Refused, taken.join("\n     "))) }
    }

    /// Makes the databases of `--postgres` that are missing.
    pub(super) async fn prepare_databases(&mut self) -> Result<(), Failure> {
        let Some(databases) = &self.databases else { return Ok(()) };
        for name in databases.create_missing().await.map_err(failure_of)? {
            say!("Made the database {name}");
        }
        Ok(())
    }

    /// How the cluster is started. The secrets go to the metadata nodes only, and into no file.
    pub(super) fn launch(&self, echo: Option<mpsc::Sender<OutputLine>>) -> Launch {
        Launch {
            program: std::env::current_exe().unwrap_or_else(|_| "dmq".into()),
            directory: self.directory.clone(),
            config: self.config.clone(),
            services_file: self.directory.join("services.running.json"),
            secrets: self.secrets.clone(),
            log: self.log.clone(),
            echo,
        }
    }

    /// Removes what an ephemeral cluster leaves; after a failure its files are kept, and named.
    pub(super) async fn finish(self, went_well: bool) {
        let Some(temporary) = self.temporary else { return };
        if let Some(databases) = self.databases
            && let Err(error) = databases.drop_all().await
        {
            say!("dmq: {error}");
        }
        if !went_well {
            say!("The files of this run are kept in {}", temporary.keep().display());
        }
    }
}

/// The file that was named, or the default one if it is there and no flag asks for something else, or the built-in
/// cluster.
fn configuration(args: &UpCommand, connection: &ConnectionArgs) -> Result<ClusterConfig, Failure> {
    let shape_is_given = args.nodes.is_some() || args.brokers.is_some();
    let file = match &connection.services {
        Some(_) if shape_is_given => {
            return Err(Failure::usage(
                "--nodes and --brokers shape the built-in cluster; with --services the file does",
            ));
        }
        Some(file) => file.as_path(),
        None if !shape_is_given && Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
        None => return Ok(ClusterConfig::local(args.nodes.unwrap_or(3), args.brokers.unwrap_or(3))),
    };
    runtime::services::load(file).map_err(Failure::usage)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

/// Makes relative paths absolute, so that they mean the same to every process.
fn start_paths_from(base: &Path, config: &mut ClusterConfig) {
    for node in &mut config.metadata_nodes {
        node.database = node.database.with_sqlite_base(&base.to_string_lossy());
    }
    for broker in &mut config.brokers {
        broker.data_dir = base.join(&broker.data_dir).display().to_string();
    }
}

fn listen_error(host: &str, port: u16) -> Option<String> {
    let address = match (host, port).to_socket_addrs() {
        Ok(addresses) => addresses.min_by_key(std::net::SocketAddr::is_ipv6)?,
        Err(error) => return Some(format!("the host does not resolve: {error}")),
    };
    match TcpListener::bind(address) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Some("the port is in use by another process".to_owned())
        }
        Err(error) => Some(error.to_string()),
    }
}

fn failure_of(error: DatabasesError) -> Failure {
    match error {
        DatabasesError::Url(_) => Failure::usage(error),
        DatabasesError::Server { .. } | DatabasesError::Create { .. } => Failure::failed(error),
    }
}
