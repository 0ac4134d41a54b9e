//! The command line.

use clap::{Parser, Subcommand};

use crate::{
    commands::{
        bench::BenchCommand, broker::BrokerCommand, cluster::ClusterCommand, metadata::MetadataCommand,
        raft::RaftCommand, topic::TopicCommand,
    },
    connection::ConnectionArgs,
    exit::Failure,
};

/// DistributedMQ: a Kafka-style message broker whose control plane can be read.
#[derive(Debug, Parser)]
#[command(name = "dmq", version)]
pub(crate) struct Args {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The cluster as a whole
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Topics
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Brokers
    #[command(subcommand)]
    Broker(BrokerCommand),
    /// The quorum of metadata nodes
    #[command(subcommand)]
    Raft(RaftCommand),
    /// The metadata and their history
    #[command(subcommand)]
    Metadata(MetadataCommand),
    /// Measure a running cluster
    #[command(subcommand)]
    Bench(BenchCommand),
}

impl Args {
    /// Runs the command.
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Cluster(command) => command.run(&self.connection).await,
            Command::Topic(command) => command.run(&self.connection).await,
            Command::Broker(command) => command.run(&self.connection).await,
            Command::Raft(command) => command.run(&self.connection).await,
            Command::Metadata(command) => command.run(&self.connection).await,
            Command::Bench(command) => command.run(&self.connection).await,
        }
    }
}
