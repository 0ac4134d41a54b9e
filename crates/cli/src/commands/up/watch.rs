//! The cluster while it runs: started in order, watched, stopped in order.

use std::{collections::BTreeSet, process::ExitStatus, time::Duration};

use local_cluster::{ClusterError, ControlServer, LocalCluster, OutputLine, Role, process::describe};
use runtime::{Stop, TaskKind, Tasks};
use tokio::{sync::mpsc, time::Instant};

use super::view::Painter;
use crate::{
    exit::{Exit, Failure},
    output::{count, say},
};

/// How long the processes may take to become ready. They need a fraction of a second; a database that recovers
/// after a crash may need more.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A cluster and what became of its processes.
pub(super) struct Watch {
    pub(super) cluster: LocalCluster,
    pub(super) control: ControlServer,
    pub(super) painter: Painter,
    /// Processes that ended by themselves and were not started again.
    pub(super) missing: BTreeSet<String>,
}

pub(super) type Lines = Option<mpsc::Receiver<OutputLine>>;

impl Watch {
    /// Starts the processes and waits until they are ready. `None`: the user gave up waiting.
    pub(super) async fn start(
        &mut self,
        tasks: &Tasks,
        lines: &mut Lines,
    ) -> Result<Option<Duration>, Failure> {
        let config = self.cluster.config();
        say!(
            "Starting {} and {} of cluster {} ...",
            count(config.metadata_nodes.len(), "metadata node"),
            count(config.brokers.len(), "broker"),
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
    pub(super) async fn run(&mut self, tasks: &Tasks, lines: &mut Lines) {
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
    pub(super) async fn stop(&mut self, lines: Lines) {
        let running = self.cluster.members().iter().filter(|member| member.pid.is_some()).count();
        if running > 0 {
            say!("Stopping {} ...", count(running, "process"));
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
    pub(super) fn verdict(&self) -> Result<(), Failure> {
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

pub(super) fn failure_of(error: ClusterError) -> Failure {
    let exit = match &error {
        ClusterError::Config(_) => Exit::Usage,
        ClusterError::Ended { code: Some(2), .. } => Exit::Usage,
        ClusterError::Ended { code: Some(3), .. } => Exit::Refused,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
