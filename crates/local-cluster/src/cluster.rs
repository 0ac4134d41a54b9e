//! The running cluster.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use common::{
    BrokerId, NodeId,
    config::{ClusterConfig, ConfigErrors},
};
use futures_util::future::join_all;
use runtime::telemetry::{LogFormat, LogOptions};
use thiserror::Error;

use crate::{
    Fault, FaultProxy, Launch, Observer,
    fault_proxy::{Sender, Way},
    ports::ReservedPort,
    process::{Member, Process, ProcessError, Role, describe},
    ready::{NotReady, wait_ready},
    spec::ClusterSpec,
};

/// How long a process may take to end after SIGTERM.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Why a cluster could not be started or used.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// Files or ports.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's words.
        source: io::Error,
    },
    /// A configuration that was put together wrongly.
    #[error("the configuration of the cluster is wrong:\n{0}")]
    Config(#[from] ConfigErrors),
    /// A process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Not ready in time.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// A process ended by itself.
    #[error("{name} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// Which one.
        name: String,
        /// How.
        status: String,
        /// Its exit code, if it was not a signal that ended it.
        code: Option<i32>,
        /// Its last lines.
        log: String,
    },
    /// No such process.
    #[error("the cluster has no process `{name}`; it has {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

/// A cluster whose processes are children of this one and die with it. Dropping it kills them.
#[derive(Debug)]
pub struct LocalCluster {
    launch: Launch,
    processes: Vec<Process>,
    /// Before the REST ports of the metadata nodes.
    proxies: BTreeMap<NodeId, FaultProxy>,
    /// Before the Kafka ports of the brokers.
    kafka_proxies: BTreeMap<BrokerId, FaultProxy>,
    _ports: Vec<ReservedPort>,
}

impl LocalCluster {
    /// Writes the cluster's `services.json` and starts its processes. Does not wait until they are ready.
    ///
    /// # Errors
    /// If the directory cannot be written to, no ports are free, or the program cannot be started.
    pub async fn start(spec: ClusterSpec) -> Result<Self, ClusterError> {
        let mut cluster = Self::prepare(spec).await?;
        cluster.start_all().await?;
        Ok(cluster)
    }

    /// All of [`LocalCluster::start`] but starting the processes.
    ///
    /// # Errors
    /// If the directory cannot be written to, or no ports are free.
    pub async fn prepare(spec: ClusterSpec) -> Result<Self, ClusterError> {
        let mut ports = Vec::new();
        let mut reserve = || -> Result<u16, ClusterError> {
            let port = ReservedPort::find().map_err(|source| io_error("cannot reserve a port", source))?;
            let number = port.number();
            ports.push(port);
            Ok(number)
        };
        let mut proxies = BTreeMap::new();
        let mut nodes = Vec::new();
        for id in 1..=spec.nodes {
            let port = reserve()?;
            let mut url_port = port;
            if spec.fault_proxies {
                let proxy = FaultProxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
                let proxy = proxy.map_err(|source| io_error("cannot start a fault proxy", source))?;
                url_port = proxy.address().port();
                proxies.insert(NodeId(id), proxy);
            }
            nodes.push((id, port, format!("http://127.0.0.1:{url_port}")));
        }
        let mut brokers = Vec::new();
        for id in (101..).take(usize::try_from(spec.brokers).unwrap_or_default()) {
            brokers.push((id, reserve()?, reserve()?));
        }
        let mut kafka_proxies = BTreeMap::new();
        for (id, _, kafka_port) in brokers.iter().filter(|_| spec.fault_proxies) {
            let proxy = FaultProxy::start_kafka(SocketAddr::from((Ipv4Addr::LOCALHOST, *kafka_port))).await;
            let proxy = proxy.map_err(|source| io_error("cannot start a fault proxy", source))?;
            kafka_proxies.insert(BrokerId(*id), proxy);
        }
        let config = spec.config(&nodes, &brokers);
        let settings = spec.settings;
        let format = if spec.json_logs { LogFormat::Json } else { LogFormat::Text };
        let launch = Launch {
            program: spec.program,
            services_file: spec.directory.join("services.json"),
            directory: spec.directory,
            config,
            secrets: Vec::new(),
            log: LogOptions { format, ..LogOptions::default() },
            echo: None,
        };
        let mut cluster = Self { proxies, kafka_proxies, _ports: ports, ..Self::launch(launch)? };
        cluster.tell_brokers(&settings);
        Ok(cluster)
    }

    /// Adds to the arguments of the brokers: their settings, and by which port others reach them.
    fn tell_brokers(&mut self, settings: &[String]) {
        for process in self.processes.iter_mut().filter(|process| process.member().role == Role::Broker) {
            for setting in settings {
                process.add_arg("--set");
                process.add_arg(setting);
            }
            let id = i32::try_from(process.member().id).map(BrokerId);
            if let Some(proxy) = id.ok().and_then(|id| self.kafka_proxies.get(&id)) {
                process.add_arg("--advertised-kafka-port");
                process.add_arg(proxy.address().port().to_string());
            }
        }
    }

    /// A configured cluster, of which nothing is started yet; its configuration is written for its processes.
    ///
    /// # Errors
    /// If the configuration is wrong, or the directory cannot be written to.
    pub fn launch(launch: Launch) -> Result<Self, ClusterError> {
        launch.config.check()?;
        let create = |directory: &Path| {
            std::fs::create_dir_all(directory)
                .map_err(|source| io_error(&format!("cannot create {}", directory.display()), source))
        };
        create(&launch.directory)?;
        let file = &launch.services_file;
        std::fs::write(file, launch.config.to_json())
            .map_err(|source| io_error(&format!("cannot write {}", file.display()), source))?;
        let processes = launch.processes();
        let (proxies, kafka_proxies) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { launch, processes, proxies, kafka_proxies, _ports: Vec::new() })
    }

    /// Starts all processes that do not run. Does not wait until they are ready.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub async fn start_all(&mut self) -> Result<(), ClusterError> {
        for process in self.processes.iter_mut().filter(|process| process.pid().is_none()) {
            process.start().await?;
        }
        Ok(())
    }

    /// Starts the processes of one kind that do not run. Does not wait until they are ready.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub async fn start_role(&mut self, role: Role) -> Result<(), ClusterError> {
        let idle = |process: &&mut Process| process.member().role == role && process.pid().is_none();
        for process in self.processes.iter_mut().filter(idle) {
            process.start().await?;
        }
        Ok(())
    }

    /// Waits until every running process is ready. Returns how long that took.
    ///
    /// # Errors
    /// If one ends or is not ready within `deadline`.
    pub async fn ready(&mut self, deadline: Duration) -> Result<Duration, ClusterError> {
        let running = self.processes.iter().filter(|process| process.pid().is_some());
        let urls: Vec<String> = running.map(|process| process.member().url).collect();
        tokio::select! {
            waited = wait_ready(&urls, deadline) => Ok(waited?),
            (name, status) = self.next_exit() => {
                let log = self.process(&name)?.log_tail(20);
                Err(ClusterError::Ended { name, status: describe(status), code: status.code(), log })
            }
        }
    }

    /// Waits until a process ends. Never resolves while none runs.
    pub async fn next_exit(&mut self) -> (String, ExitStatus) {
        let running = self.processes.iter_mut().filter(|process| process.pid().is_some());
        let exits: Vec<_> = running
            .map(|process| {
                Box::pin(async move {
                    let name = process.name().to_owned();
                    (name, process.exited().await)
                })
            })
            .collect();
        if !exits.is_empty()
            && let ((name, Ok(status)), _, _) = futures_util::future::select_all(exits).await
        {
            return (name, status);
        }
        std::future::pending().await
    }

    /// Processes that have ended since [`LocalCluster::next_exit`] told of the last one. Does not wait.
    pub fn exited(&mut self) -> Vec<(String, ExitStatus)> {
        let ended = self.processes.iter_mut().filter_map(|process| {
            let status = process.has_exited()?;
            Some((process.name().to_owned(), status))
        });
        ended.collect()
    }

    /// Who is in it, and its timings.
    pub fn config(&self) -> &ClusterConfig {
        &self.launch.config
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        &self.launch.directory
    }

    /// Its `services.json`.
    pub fn services_file(&self) -> PathBuf {
        self.launch.services_file.clone()
    }

    /// All members, the metadata nodes first.
    pub fn members(&self) -> Vec<Member> {
        self.processes.iter().map(Process::member).collect()
    }

    /// Base URLs of the metadata nodes, by id.
    pub fn node_urls(&self) -> Vec<String> {
        let members = self.members().into_iter();
        members.filter(|member| member.role == Role::Metadata).map(|member| member.url).collect()
    }

    /// A view of its metadata nodes from outside.
    pub fn observer(&self) -> Observer {
        let nodes = self.members().into_iter().filter(|member| member.role == Role::Metadata);
        Observer::new(nodes.map(|member| (NodeId(member.id), member.url)).collect())
    }

    /// A process by its name.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn process(&self, name: &str) -> Result<&Process, ClusterError> {
        self.processes.iter().find(|process| process.name() == name).ok_or_else(|| self.unknown(name))
    }

    /// A process by its name, to start or end it.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn process_mut(&mut self, name: &str) -> Result<&mut Process, ClusterError> {
        let unknown = self.unknown(name);
        self.processes.iter_mut().find(|process| process.name() == name).ok_or(unknown)
    }

    fn unknown(&self, name: &str) -> ClusterError {
        let known: Vec<&str> = self.processes.iter().map(Process::name).collect();
        ClusterError::Unknown { name: name.to_owned(), known: known.join(", ") }
    }

    /// Whether nodes and brokers are reached through fault proxies.
    pub fn has_fault_proxies(&self) -> bool {
        !self.proxies.is_empty()
    }

    /// Breaks the network between `node` and all other metadata nodes, both ways. Clients still reach it.
    pub fn isolate(&self, node: NodeId, fault: Fault) {
        for (to, proxy) in &self.proxies {
            for from in self.proxies.keys() {
                if from != to && (*from == node || *to == node) {
                    proxy.set(*from, fault);
                }
            }
        }
    }

    /// Breaks the network between a broker and all metadata nodes. Clients and other brokers still reach it.
    pub fn isolate_broker(&self, broker: BrokerId, fault: Fault) {
        for proxy in self.proxies.values() {
            proxy.set_broker(broker, fault);
        }
    }

    /// Breaks the network between two brokers one way: what `from` sends to `to`, be it a request or an answer, does not
    /// arrive. Clients still reach both.
    pub fn cut_brokers(&self, from: BrokerId, to: BrokerId, fault: Fault) {
        if let Some(proxy) = self.kafka_proxies.get(&to) {
            proxy.set_way(Sender::Broker(from), Way::There, fault);
        }
        if let Some(proxy) = self.kafka_proxies.get(&from) {
            proxy.set_way(Sender::Broker(to), Way::Back, fault);
        }
    }

    /// Ends all faults of the network.
    pub fn heal(&self) {
        for proxy in self.proxies.values().chain(self.kafka_proxies.values()) {
            proxy.heal();
        }
    }

    /// Ends all processes in good order: brokers first, so that their leave is heard. What does not end is killed.
    ///
    /// # Errors
    /// Those that had to be killed.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        let ends = self.stop_all().await;
        // The last error is as good as any: what did not stop is killed with this.
        ends.into_iter()
            .filter_map(|(_, end)| end.err())
            .next_back()
            .map_or(Ok(()), |error| Err(error.into()))
    }

    /// Ends all processes like [`LocalCluster::stop`], and tells how each that still ran has ended.
    pub async fn stop_all(&mut self) -> Vec<(String, Result<ExitStatus, ProcessError>)> {
        let mut ends = Vec::new();
        for role in [Role::Broker, Role::Metadata] {
            let running = |process: &&mut Process| process.member().role == role && process.pid().is_some();
            let stopping = self.processes.iter_mut().filter(running).map(async |process| {
                let end = process.terminate(STOP_PATIENCE).await;
                (process.name().to_owned(), end)
            });
            ends.extend(join_all(stopping).await);
        }
        ends
    }
}

fn io_error(what: &str, source: io::Error) -> ClusterError {
    ClusterError::Io { what: what.to_owned(), source }
}
