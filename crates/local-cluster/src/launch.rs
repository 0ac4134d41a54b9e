//! How a cluster is started: from its configuration to one process per member.

use std::{ffi::OsString, path::PathBuf};

use common::config::ClusterConfig;
use runtime::telemetry::LogOptions;
use tokio::sync::mpsc;

use crate::process::{Member, Process, Role};

/// A line that a process wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// Whose.
    pub name: String,
    /// Without its line feed.
    pub line: String,
}

/// A cluster that is to be started as it is configured.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The `dmq` binary.
    pub program: PathBuf,
    /// Where the logs go, and the files by which a running cluster is found.
    pub directory: PathBuf,
    /// Who is in it. Relative paths count from the working directory.
    pub config: ClusterConfig,
    /// The file that the configuration is written to, for the processes to read.
    pub services_file: PathBuf,
    /// Variables for the metadata nodes only: the secrets in their database URLs.
    pub secrets: Vec<(String, String)>,
    /// What the processes log, and how.
    pub log: LogOptions,
    /// Who wants to see the lines too that go to the logs.
    pub echo: Option<mpsc::Sender<OutputLine>>,
}

impl Launch {
    /// The processes, metadata nodes first; none is started.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let nodes = self.config.metadata_nodes.iter().map(|node| {
            let process = self.process(Role::Metadata, "metadata-node", node.id.0, node.url.clone());
            self.secrets.iter().fold(process, |process, (name, value)| process.env(name, value))
        });
        let brokers = self.config.brokers.iter().map(|broker| {
            let id = u64::try_from(broker.id.0).unwrap_or_default();
            self.process(Role::Broker, "broker", id, broker.url.clone())
        });
        nodes.chain(brokers).collect()
    }

    fn process(&self, role: Role, command: &str, id: u64, url: String) -> Process {
        let name = format!("{role}-{id}");
        let log = self.directory.join("logs").join(format!("{name}.log"));
        let id_text = id.to_string();
        let format = self.log.format.as_str();
        let args = [
            command,
            "--id",
            &id_text,
            "--log-format",
            format,
            "--log-level",
            &self.log.filter,
            "--services",
        ];
        let args: Vec<OsString> =
            args.iter().map(Into::into).chain([self.services_file.clone().into_os_string()]).collect();
        let process =
            Process::new(Member { name, role, id, url, log, pid: None }, self.program.clone(), args);
        match &self.echo {
            Some(echo) => process.echo(echo.clone()),
            None => process,
        }
    }
}
