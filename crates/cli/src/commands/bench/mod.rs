//! `dmq bench`: figures, each measured against a real cluster and printed with its distribution.

mod data;
mod figure;
mod groups;
mod idle;
mod load;
mod metadata;
mod outages;

use clap::Subcommand;

use self::figure::{Figure, Figures};
use crate::{connection::ConnectionArgs, exit::Failure};

/// Commands that measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// The control plane: topic creations, commits, heartbeats, pulls, discovery
    Metadata(metadata::MetadataBench),
    /// How fast, and how soon, records are acknowledged
    Produce(data::ProduceBench),
    /// How fast records are read
    Consume(data::ConsumeBench),
    /// How long records take from a producer to a consumer
    EndToEnd(data::EndToEndBench),
    /// Consumer groups: rebalances, commits, a coordinator that is killed
    Groups(groups::GroupsBench),
    /// A cluster that does nothing: start, memory, processor time
    Idle(idle::IdleBench),
}

impl BenchCommand {
    /// Runs the command.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        match self {
            Self::Metadata(bench) => bench.run(connection).await,
            Self::Produce(bench) => bench.run(connection).await,
            Self::Consume(bench) => bench.run(connection).await,
            Self::EndToEnd(bench) => bench.run(connection).await,
            Self::Groups(bench) => bench.run(connection).await,
            Self::Idle(bench) => bench.run(connection).await,
        }
    }
}
