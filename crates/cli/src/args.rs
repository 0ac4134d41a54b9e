//! The command line.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use runtime::telemetry::LogOptions;

use crate::{
    commands::{
        bench::BenchCommand, broker::BrokerCommand, broker_node, cluster::ClusterCommand,
        consume::ConsumeCommand, drill::DrillCommand, group::GroupCommand, log::LogCommand,
        metadata::MetadataCommand, metadata_node::MetadataNodeCommand, produce::ProduceCommand,
        raft::RaftCommand, topic::TopicCommand, up::UpCommand,
    },
    connection::ConnectionArgs,
    exit::Failure,
};

/// Threads for commands that talk to a cluster.
const WORKER_THREADS: usize = 2;

/// What scripts want to know; [`crate::exit`] says it in full.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused or failed; 2 wrong usage, nothing was tried; 3 a server refused to start; \
                          4 nobody answered; 5 the write may or may not have taken effect; 6 the verdict is FAIL";

/// DistributedMQ: a Kafka-style message broker whose control plane can be read.
#[derive(Debug, Parser)]
#[command(name = "dmq", version, after_help = EXIT_CODES)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a whole cluster on this machine and run it until Ctrl-C
    Up(UpCommand),
    /// The cluster as a whole
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Topics
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Consumer groups
    #[command(subcommand)]
    Group(GroupCommand),
    /// Write each line of stdin as a record
    Produce(ProduceCommand),
    /// Read the records of a topic
    Consume(ConsumeCommand),
    /// Brokers: run one (`dmq broker --id 101`), or look at those of the cluster
    Broker(BrokerArgs),
    /// Run one metadata node
    MetadataNode(MetadataNodeCommand),
    /// The quorum of metadata nodes
    #[command(subcommand)]
    Raft(RaftCommand),
    /// The metadata and their history
    #[command(subcommand)]
    Metadata(MetadataCommand),
    /// The files of partitions, looked at without a broker
    #[command(subcommand)]
    Log(LogCommand),
    /// Break a cluster on purpose, and see what it costs
    #[command(subcommand)]
    Drill(DrillCommand),
    /// Measure a cluster: the running one, or one of its own
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// `dmq broker <what>` talks to a cluster, `dmq broker --id <id>` is one of its brokers.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct BrokerArgs {
    #[command(subcommand)]
    command: Option<BrokerCommand>,
    #[command(flatten)]
    options: Option<broker::Options>,
    #[command(flatten)]
    log: LogOptions,
}

impl CommandLine {
    /// Runs the command. Servers have a runtime sized for them; everything else shares one.
    pub(crate) fn run(self) -> ExitCode {
        match self.command {
            Command::MetadataNode(node) => node.run(),
            Command::Broker(BrokerArgs { options: Some(options), log, command: None }) => {
                broker_node::run(options, &log)
            }
            Command::Log(command) => match command.run(self.connection.output) {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => failure.report(),
            },
            command => match runtime::executor::block_on(WORKER_THREADS, command.run(&self.connection)) {
                Ok(Ok(())) => ExitCode::SUCCESS,
                Ok(Err(failure)) => failure.report(),
                Err(error) => Failure::failed(format!("cannot start the runtime: {error}")).report(),
            },
        }
    }
}

impl Command {
    /// Runs a command that talks to a cluster.
    async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        match self {
            Self::Up(command) => command.run(connection).await,
            Self::Cluster(command) => command.run(connection).await,
            Self::Topic(command) => command.run(connection).await,
            Self::Group(command) => command.run(connection).await,
            Self::Produce(command) => command.run(connection).await,
            Self::Consume(command) => command.run(connection).await,
            Self::Broker(BrokerArgs { command: Some(command), .. }) => command.run(connection).await,
            Self::Raft(command) => command.run(connection).await,
            Self::Metadata(command) => command.run(connection).await,
            Self::Drill(command) => command.run(connection).await,
            Self::Bench(command) => command.run(connection).await,
            Self::Broker(_) | Self::MetadataNode(_) | Self::Log(_) => Err(Failure::usage(
                "which broker? `dmq broker --id <id>` runs one, `dmq broker list` shows all",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
