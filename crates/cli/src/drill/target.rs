//! The cluster that a drill hurts: a throw-away one of its own, or the one that `dmq up` runs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use common::{BrokerId, NodeId};
use local_cluster::{
    ClusterSpec, ControlError, Controller, Fault, LocalCluster, Member, Observer, Role, process::describe,
    wait_for, wait_ready,
};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::exit::Failure;

/// How long a process may take to end.
const END_DEADLINE: Duration = Duration::from_secs(15);

/// How long processes may take to be ready.
pub(crate) const READY_DEADLINE: Duration = Duration::from_secs(60);

/// Which bytes between a broker and its peers do not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All.
    BothWays,
    /// What it sends.
    Outgoing,
    /// What they send to it.
    Incoming,
}

/// A cluster whose processes can be hurt.
pub(crate) enum Target {
    /// Started for this drill; its files go with it.
    ThrowAway {
        /// Its processes.
        cluster: Box<LocalCluster>,
        /// Its files.
        directory: Option<TempDir>,
    },
    /// Run by `dmq up`.
    Running(Controller),
}

/// The name of a metadata node's process.
pub(crate) fn node_name(id: NodeId) -> String {
    format!("metadata-{id}")
}

/// The name of a broker's process.
pub(crate) fn broker_name(id: BrokerId) -> String {
    format!("broker-{id}")
}

impl Target {
    /// Starts a cluster in a temporary directory and waits until it is ready. `shape` may change what is started.
    pub(crate) async fn throw_away(shape: impl FnOnce(&mut ClusterSpec)) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("dmq-drill-").tempdir()?;
        let mut spec = ClusterSpec::new(std::env::current_exe()?, directory.path());
        shape(&mut spec);
        let mut cluster = LocalCluster::start(spec).await.map_err(Failure::failed)?;
        let ready = cluster.ready(READY_DEADLINE).await;
        let mut target = Self::ThrowAway { cluster: Box::new(cluster), directory: Some(directory) };
        match ready {
            Ok(_) => Ok(target),
            Err(error) => {
                let kept = target.keep_files();
                Err(Failure::failed(format!("{error}\nits files are kept in {}", kept.display())))
            }
        }
    }

    /// The cluster that `dmq up` runs with this data directory.
    pub(crate) fn running(directory: &Path) -> Result<Self, Failure> {
        Controller::open(directory).map(Self::Running).map_err(Failure::usage)
    }

    /// Its members, with the pids they have now.
    pub(crate) fn members(&self) -> Result<Vec<Member>, Failure> {
        match self {
            Self::ThrowAway { cluster, .. } => Ok(cluster.members()),
            Self::Running(controller) => Ok(controller.state().map_err(Failure::failed)?.members),
        }
    }

    /// The metadata nodes from outside.
    pub(crate) fn observer(&self) -> Result<Observer, Failure> {
        let nodes = self.members()?.into_iter().filter(|member| member.role == Role::Metadata);
        Ok(Observer::new(nodes.map(|member| (NodeId(member.id), member.url)).collect()))
    }

    /// The brokers.
    pub(crate) fn brokers(&self) -> Result<Vec<BrokerId>, Failure> {
        let brokers = self.members()?.into_iter().filter(|member| member.role == Role::Broker);
        Ok(brokers.filter_map(|member| i32::try_from(member.id).ok().map(BrokerId)).collect())
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) async fn kill(&mut self, name: &str) -> Result<(), Failure> {
        self.end(name, Signal::SIGKILL).await.map(drop)
    }

    /// SIGTERM; returns when the process is gone, with how it ended if that is known.
    pub(crate) async fn terminate(&mut self, name: &str) -> Result<Option<String>, Failure> {
        self.end(name, Signal::SIGTERM).await
    }

    async fn end(&mut self, name: &str, signal: Signal) -> Result<Option<String>, Failure> {
        match self {
            Self::ThrowAway { cluster, .. } => {
                let process = cluster.process_mut(name).map_err(Failure::failed)?;
                let ended = match signal {
                    Signal::SIGKILL => process.kill().await,
                    _ => process.terminate(END_DEADLINE).await,
                };
                Ok(Some(describe(ended.map_err(Failure::failed)?)))
            }
            Self::Running(controller) => {
                controller.signal(name, signal).map_err(Failure::failed)?;
                let what = format!("{name} ends");
                let gone = wait_for(&what, END_DEADLINE, async || {
                    let members = controller.state().map_err(|error| error.to_string())?.members;
                    match members.iter().find(|member| member.name == name).and_then(|member| member.pid) {
                        Some(pid) => Err(format!("it runs as {pid}")),
                        None => Ok(()),
                    }
                });
                gone.await.map_err(Failure::failed)?;
                Ok(None)
            }
        }
    }

    /// SIGSTOP.
    pub(crate) fn pause(&mut self, name: &str) -> Result<(), Failure> {
        self.signal(name, Signal::SIGSTOP)
    }

    /// SIGCONT.
    pub(crate) fn resume(&mut self, name: &str) -> Result<(), Failure> {
        self.signal(name, Signal::SIGCONT)
    }

    fn signal(&mut self, name: &str, signal: Signal) -> Result<(), Failure> {
        match self {
            Self::ThrowAway { cluster, .. } => {
                let process = cluster.process(name).map_err(Failure::failed)?;
                process.signal(signal).map_err(Failure::failed)
            }
            Self::Running(controller) => controller.signal(name, signal).map_err(Failure::failed),
        }
    }

    /// Starts a process that was ended. Does not wait until it is ready.
    pub(crate) async fn start(&mut self, name: &str) -> Result<(), Failure> {
        match self {
            Self::ThrowAway { cluster, .. } => {
                let process = cluster.process_mut(name).map_err(Failure::failed)?;
                process.start().await.map(drop).map_err(Failure::failed)
            }
            Self::Running(controller) => controller.start(name).await.map(drop).map_err(Failure::failed),
        }
    }

    /// Has every process of the running cluster run again: what was stopped goes on, what was ended is started. Of a throw-away
    /// cluster nothing stays anyway.
    pub(crate) async fn repair(&mut self) -> Result<(), Failure> {
        let Self::Running(controller) = self else { return Ok(()) };
        let repaired = wait_for("every process runs again", END_DEADLINE, async || {
            for member in controller.state()?.members {
                match member.pid {
                    Some(_) => controller.signal(&member.name, Signal::SIGCONT)?,
                    None => drop(controller.start(&member.name).await?),
                }
            }
            Ok::<(), ControlError>(())
        });
        repaired.await.map_err(Failure::failed)
    }

    /// Waits until every member is ready.
    pub(crate) async fn ready(&mut self) -> Result<(), Failure> {
        match self {
            Self::ThrowAway { cluster, .. } => {
                cluster.ready(READY_DEADLINE).await.map(drop).map_err(Failure::failed)
            }
            Self::Running(controller) => {
                let members = controller.state().map_err(Failure::failed)?.members;
                let urls: Vec<String> = members.into_iter().map(|member| member.url).collect();
                wait_ready(&urls, READY_DEADLINE).await.map(drop).map_err(Failure::failed)
            }
        }
    }

    /// Breaks the network between a node and the other nodes.
    pub(crate) fn isolate(&self, node: NodeId) -> Result<(), Failure> {
        match self {
            Self::ThrowAway { cluster, .. } if cluster.has_fault_proxies() => {
                cluster.isolate(node, Fault::Silence);
                Ok(())
            }
            _ => Err(Failure::usage(
                "this drill needs fault proxies between the nodes: run it with --ephemeral",
            )),
        }
    }

    /// Breaks the network between a broker and the metadata nodes.
    pub(crate) fn isolate_broker(&self, broker: BrokerId) -> Result<(), Failure> {
        match self {
            Self::ThrowAway { cluster, .. } if cluster.has_fault_proxies() => {
                cluster.isolate_broker(broker, Fault::Silence);
                Ok(())
            }
            _ => Err(Failure::usage(
                "this drill needs fault proxies before the nodes: run it with --ephemeral",
            )),
        }
    }

    /// Breaks the network between a broker and all others, one way or both.
    pub(crate) fn cut_from_peers(&self, broker: BrokerId, cut: Cut) -> Result<(), Failure> {
        let peers = self.brokers()?.into_iter().filter(|peer| *peer != broker);
        match self {
            Self::ThrowAway { cluster, .. } if cluster.has_fault_proxies() => {
                for peer in peers {
                    if cut != Cut::Incoming {
                        cluster.cut_brokers(broker, peer, Fault::Silence);
                    }
                    if cut != Cut::Outgoing {
                        cluster.cut_brokers(peer, broker, Fault::Silence);
                    }
                }
                Ok(())
            }
            _ => Err(Failure::usage(
                "this drill needs fault proxies before the brokers: run it with --ephemeral",
            )),
        }
    }

    /// Ends all faults of the network.
    pub(crate) fn heal(&self) {
        if let Self::ThrowAway { cluster, .. } = self {
            cluster.heal();
        }
    }

    /// Keeps the files of a throw-away cluster, and says where they are.
    pub(crate) fn keep_files(&mut self) -> PathBuf {
        match self {
            Self::ThrowAway { cluster, directory } => {
                if let Some(directory) = directory.take() {
                    // Only forgets to remove it.
                    let _ = directory.keep();
                }
                cluster.directory().to_owned()
            }
            Self::Running(_) => PathBuf::new(),
        }
    }

    /// What it is, in words.
    pub(crate) fn describe(&self) -> Result<String, Failure> {
        let members = self.members()?;
        let count = |role| members.iter().filter(|member| member.role == role).count();
        let kind = match self {
            Self::ThrowAway { .. } => "a throw-away cluster",
            Self::Running(_) => "the running cluster",
        };
        Ok(format!("{kind} of {} metadata nodes and {} brokers", count(Role::Metadata), count(Role::Broker)))
    }
}
