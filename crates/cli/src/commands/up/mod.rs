//! `dmq up`: a whole cluster with one command. Starts every process as a child with a log of its own, waits until all
//! are ready, says what to try, and keeps watch: a child that ends is reported, never silently started again.

mod databases;
mod plan;
mod view;

pub(crate) use self::plan::CLUSTER_DIRECTORY;

use std::{collections::BTreeSet, path::PathBuf, process::ExitStatus, time::Duration};

use clap::Args;
use local_cluster::{ClusterError, ControlServer, LocalCluster, OutputLine, Role, process::describe};
use runtime::{Stop, TaskKind, Tasks, telemetry::LogOptions};
use tokio::{sync::mpsc, time::Instant};

use self::{
    plan::Plan,
    view::{Painter, UpView},
};
use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    output::say,
};

/// How long the processes may take to become ready. They need a fraction of a second; a database that recovers
/// after a crash may need more.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// Lines of output that may wait to be shown.
const ECHO_LINES: usize = 1024;

/// Starts a cluster and runs it until Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct UpCommand {
    /// Metadata nodes of a cluster without a services file: 1, 3, 5 or 7 [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: Option<u16>,
    /// Brokers of a cluster without a services file [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=50))]
    brokers: Option<u16>,
    /// Keep all data in a temporary directory, and remove it at the end
    #[arg(long, conflicts_with = "data_dir")]
    ephemeral: bool,
    /// Give each metadata node a database of its own on this Postgres server; made when missing
    #[arg(long, value_name = "URL", env = "DMQ_POSTGRES", hide_env_values = true)]
    postgres: Option<String>,
    /// The directory that relative paths of the configuration count from [default: the working directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Show nothing of what the processes log; it is in their log files anyway
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    log: LogOptions,
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

/// A cluster and what became of its processes.
struct Watch {
    cluster: LocalCluster,
    control: ControlServer,
    painter: Painter,
    /// Processes that ended by themselves and were not started again.
    missing: BTreeSet<String>,
}

type Lines = Option<mpsc::Receiver<OutputLine>>;

impl Watch {
    /// Starts the processes and waits until they are ready. `None`: the user gave up waiting.
    async fn start(&mut self, tasks: &Tasks, lines: &mut Lines) -> Result<Option<Duration>, Failure> {
        let config = self.cluster.config();
        say!(
            "Starting {} and {} of cluster {} ...",
            view::count(config.metadata_nodes.len(), "metadata node"),
            view::count(config.brokers.len(), "broker"),
            config.cluster_id
        );
        for warning in &config.warnings {
            say!("{} {warning}", self.painter.warning());
        }
        let begun = Instant::now();
        tokio::select! {
            ready = start_in_order(&mut self.cluster) => ready.map_err(failure_of)?,
            // What is logged at the start is in the logs; shown before the endpoints it would only hide them.
            () = discard(lines) => return Ok(None),
            _ = tasks.shutdown().requested() => return Ok(None),
        }
        self.publish();
        Ok(Some(begun.elapsed()))
    }

    /// Watches until the end is requested, or no process is left.
    async fn run(&mut self, tasks: &Tasks, lines: &mut Lines) {
        let count = self.cluster.members().len();
        while self.missing.len() < count {
            tokio::select! {
                _ = tasks.shutdown().requested() => {
                    // What ended just before counts as well.
                    for (name, status) in self.cluster.exited() {
                        self.note_exit(name, status);
                    }
                    return;
                }
                (name, status) = self.cluster.next_exit() => self.note_exit(name, status),
                line = next_line(lines) => say!("{}", self.painter.line(&line)),
                request = self.control.next() => match request {
                    Ok(request) => self.start_again(request).await,
                    Err(error) => say!("{} the control socket fails: {error}", self.painter.warning()),
                },
            }
        }
        say!("{} no process is left", self.painter.warning());
    }

    fn note_exit(&mut self, name: String, status: ExitStatus) {
        let how = describe(status);
        say!("{} {name} ended with {how}; the cluster goes on without it", self.painter.warning());
        self.missing.insert(name);
        self.publish();
    }

    async fn start_again(&mut self, request: local_cluster::control::StartRequest) {
        let started = match self.cluster.process_mut(&request.name) {
            Ok(process) => process.start().await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Ok(pid) = started {
            say!("{} was started again, as asked (pid {pid})", request.name);
            self.missing.remove(&request.name);
            self.publish();
        }
        request.answer(started).await;
    }

    /// Stops what still runs: brokers first, so that they can say goodbye, then the metadata nodes.
    async fn stop(&mut self, lines: Lines) {
        let running = self.cluster.members().iter().filter(|member| member.pid.is_some()).count();
        if running > 0 {
            say!("Stopping {} ...", view::count(running, "process"));
        }
        // The channel must not fill up while nobody shows what the processes say at their end.
        let quiet = Tasks::new();
        if let Some(mut lines) = lines {
            quiet.spawn(TaskKind::Background, "up.discard", move |_: Stop| async move {
                while lines.recv().await.is_some() {}
            });
        }
        for (name, end) in self.cluster.stop_all().await {
            let how = match end {
                Ok(status) if status.success() => continue,
                Ok(status) => format!("ended with {}", describe(status)),
                Err(error) => format!("has to be killed: {error}"),
            };
            say!("{} {name} {how}", self.painter.warning());
            self.missing.insert(name);
        }
    }

    /// A good run is one in which every process that ended was started again, and all stopped when asked.
    fn verdict(&self) -> Result<(), Failure> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.missing.iter().map(String::as_str).collect();
        Err(Failure::failed(format!("did not run to their end in good order: {}", names.join(", "))))
    }

    fn publish(&self) {
        if let Err(error) = self.control.publish(&self.cluster) {
            say!("{} drills will not find this cluster: {error}", self.painter.warning());
        }
    }
}

/// Metadata nodes first: brokers that find a controller at once need not ask again later.
async fn start_in_order(cluster: &mut LocalCluster) -> Result<(), ClusterError> {
    for role in [Role::Metadata, Role::Broker] {
        cluster.start_role(role).await?;
        cluster.ready(READY_DEADLINE).await?;
    }
    Ok(())
}

/// The next line to show; never, if none are to be shown.
async fn next_line(lines: &mut Lines) -> OutputLine {
    match lines {
        Some(lines) => match lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Takes lines without showing them, for ever.
async fn discard(lines: &mut Lines) {
    loop {
        next_line(lines).await;
    }
}

fn failure_of(error: ClusterError) -> Failure {
    let exit = match &error {
        ClusterError::Config(_) => Exit::Usage,
        ClusterError::Ended { code: Some(2), .. } => Exit::Usage,
        ClusterError::Ended { code: Some(3), .. } => Exit::Refused,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
