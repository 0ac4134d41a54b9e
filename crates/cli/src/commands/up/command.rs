//! The flags of `dmq up`, and what it does in which order.

use std::{collections::BTreeSet, path::PathBuf};

use clap::Args;
use local_cluster::{ControlServer, LocalCluster};
use runtime::{Tasks, telemetry::LogOptions};
use tokio::sync::mpsc;

use super::{
    plan::Plan,
    view::{Painter, UpView},
    watch::{Watch, failure_of},
};
use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
};

/// Lines of output that may wait to be shown.
const ECHO_LINES: usize = 1024;

/// Starts a cluster and runs it until Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct UpCommand {
    /// Metadata nodes of a cluster without a services file, an odd number up to 9 [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=9))]
    pub(super) nodes: Option<u16>,
    /// Brokers of a cluster without a services file [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=50))]
    pub(super) brokers: Option<u16>,
    /// Keep all data in a temporary directory, and remove it at the end
    #[arg(long, conflicts_with = "data_dir")]
    pub(super) ephemeral: bool,
    /// Give each metadata node a database of its own on this Postgres server; made when missing
    #[arg(long, value_name = "URL", env = "DMQ_POSTGRES", hide_env_values = true)]
    pub(super) postgres: Option<String>,
    /// The directory that relative paths of the configuration count from [default: the working directory]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// Show nothing of what the processes log; it is in their log files anyway
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    pub(super) log: LogOptions,
}

impl UpCommand {
    /// Runs the cluster to its end.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let tasks = Tasks::new();
        runtime::shutdown::watch_signals(&tasks)?;
        let (quiet, output) = (self.quiet, connection.output);
        let mut plan = Plan::new(&self, connection)?;
        let control = ControlServer::bind(plan.directory()).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => Failure::new(Exit::Refused, error.to_string()),
            _ => Failure::failed(format!("{}: {error}", plan.directory().display())),
        })?;
        plan.check_ports()?;
        plan.prepare_databases().await?;
        let (echo, lines) = mpsc::channel(ECHO_LINES);
        let launch = plan.launch((!quiet).then_some(echo));
        let mut watch = Watch {
            cluster: LocalCluster::launch(launch).map_err(failure_of)?,
            control,
            painter: Painter::new(),
            missing: BTreeSet::new(),
        };
        let mut lines = if quiet { None } else { Some(lines) };
        let result = match watch.start(&tasks, &mut lines).await {
            Ok(Some(took)) => {
                let shown = output.emit(&UpView::new(&watch.cluster, &plan, took));
                if shown.is_ok() {
                    watch.run(&tasks, &mut lines).await;
                }
                shown
            }
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
        watch.stop(lines).await;
        let result = result.and_then(|()| watch.verdict());
        plan.finish(result.is_ok()).await;
        result
    }
}
