//! `dmq topic elect`, `reassign`, `cancel-reassign` and `reassignments`: who leads partitions, and where their replicas are.

use std::{
    io::{self, Write},
    str::FromStr,
};

use clap::{Args, Subcommand};
use client::{MetadataClient, api};
use common::{BrokerId, Partition, PartitionId, TopicName};
use http_api::{
    elections::{ElectLeadersRequest, ElectLeadersResponse, PartitionRef},
    reassignments::{ReassignRequest, ReassignResponse, ReassignmentInfo, ReassignmentRequest},
};
use serde::Serialize;

use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
    output::{Render, Table, comma_separated, count, or_dash, say},
};

/// What to do with leaders and replicas.
#[derive(Debug, Subcommand)]
pub(crate) enum ReplicaCommand {
    /// Give partitions back to their preferred leaders, or any leader to those that have none
    Elect(Elect),
    /// Move replicas to other brokers: they copy the data, then the old ones go
    Reassign {
        /// What moves where, preferred leader first: `orders:0=104,102,103`
        #[arg(required = true, value_name = "TOPIC:PARTITION=IDS")]
        moves: Vec<Move>,
    },
    /// Cancel moves of replicas that are under way
    CancelReassign {
        /// Which partitions: `orders:0`
        #[arg(required = true, value_name = "TOPIC:PARTITION")]
        partitions: Vec<Named>,
    },
    /// List the moves of replicas that are under way
    Reassignments,
}

/// `dmq topic elect`.
#[derive(Debug, Args)]
pub(crate) struct Elect {
    /// Which partitions, `orders:0`, or whole topics, `orders`; all if none is named
    #[arg(value_name = "TOPIC[:PARTITION]")]
    partitions: Vec<Named>,
    /// Elect a leader where there is none from the replicas that are online: acknowledged records may be lost
    #[arg(long)]
    unclean: bool,
}

/// A topic, or a partition of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    topic: TopicName,
    partition: Option<PartitionId>,
}

/// Where a partition is to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    named: Named,
    replicas: Vec<BrokerId>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (topic, partition) =
            text.split_once(':').map_or((text, None), |(topic, partition)| (topic, Some(partition)));
        let topic = TopicName::new(topic).map_err(|error| error.to_string())?;
        let partition =
            partition.map(|id| id.parse().map_err(|error| format!("`{id}` is no partition: {error}")));
        Ok(Self { topic, partition: partition.transpose()? })
    }
}

impl FromStr for Move {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "wanted: a partition and broker ids, as in orders:0=104,102,103".to_owned();
        let (named, replicas) = text.split_once('=').ok_or_else(wanted)?;
        let named: Named = named.parse()?;
        let replicas: Result<_, _> = replicas.split(',').map(|id| id.trim().parse()).collect();
        match (named.partition, replicas) {
            (Some(_), Ok(replicas)) => Ok(Self { named, replicas }),
            _ => Err(wanted()),
        }
    }
}

impl ReplicaCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let client = connection.client()?;
        match self {
            Self::Elect(elect) => elect.run(&client, connection).await,
            Self::Reassign { moves } => {
                let wanted = |it: Move| request(it.named, Some(it.replicas));
                let moves: Result<_, _> = moves.into_iter().map(wanted).collect();
                reassign(&client, connection, moves?).await
            }
            Self::CancelReassign { partitions } => {
                let moves: Result<_, _> = partitions.into_iter().map(|named| request(named, None)).collect();
                reassign(&client, connection, moves?).await
            }
            Self::Reassignments => {
                connection.output.emit(&ReassignmentList(client.call(&api::reassignments()).await?))
            }
        }
    }
}

impl Elect {
    async fn run(self, client: &MetadataClient, connection: &ConnectionArgs) -> Result<(), Failure> {
        let mut partitions = Vec::new();
        for Named { topic, partition } in self.partitions {
            match partition {
                Some(partition) => partitions.push(PartitionRef { topic_name: topic, partition }),
                None => {
                    let described = client.call(&api::topic(topic.as_str())).await?;
                    partitions.extend(described.partitions.iter().map(|partition| PartitionRef {
                        topic_name: topic.clone(),
                        partition: partition.id,
                    }));
                }
            }
        }
        let request = ElectLeadersRequest { partitions, unclean: self.unclean };
        let elected = client.call(&api::elect_leaders(&request)).await?;
        say!("{} got another leader", count(elected.elected, "partition"));
        connection.output.emit(&ElectionView(elected))
    }
}

fn request(named: Named, replicas: Option<Vec<BrokerId>>) -> Result<ReassignmentRequest, Failure> {
    let Named { topic, partition } = named;
    let Some(partition) = partition else {
        return Err(Failure::usage(format!("which partition of `{topic}`? As in {topic}:0")));
    };
    Ok(ReassignmentRequest { topic_name: topic, partition, replicas })
}

async fn reassign(
    client: &MetadataClient,
    connection: &ConnectionArgs,
    reassignments: Vec<ReassignmentRequest>,
) -> Result<(), Failure> {
    let answer = client.call(&api::reassign_partitions(&ReassignRequest { reassignments })).await?;
    let asked = answer.results.len();
    let refused = answer.results.iter().filter(|result| result.problem.is_some()).count();
    connection.output.emit(&ReassignView(answer))?;
    match refused {
        0 => Ok(()),
        refused => {
            Err(Failure::new(Exit::Failed, format!("{refused} of {asked} refused, for the reasons above")))
        }
    }
}

/// Where a partition moves, in words; nothing if it does not.
pub(super) fn movement(partition: &Partition) -> String {
    or_dash(partition.reassignment.as_ref().map(|moving| format!("to {}", comma_separated(&moving.target))))
}

#[derive(Serialize)]
#[serde(transparent)]
struct ElectionView(ElectLeadersResponse);

impl Render for ElectionView {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.0.results.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(["TOPIC", "PARTITION", "RESULT", "LEADER"]);
        for election in &self.0.results {
            table.row([
                election.topic_name.to_string(),
                election.partition.to_string(),
                super::name_of(&election.result),
                or_dash(election.leader),
            ]);
        }
        table.write(out)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct ReassignView(ReassignResponse);

impl Render for ReassignView {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["TOPIC", "PARTITION", "REPLICAS", "MOVES", "PROBLEM"]);
        for result in &self.0.results {
            let state = result.state.as_ref();
            table.row([
                result.topic_name.to_string(),
                result.partition.to_string(),
                or_dash(state.map(|partition| comma_separated(&partition.replicas))),
                or_dash(state.map(movement)),
                or_dash(result.problem.as_ref()),
            ]);
        }
        table.write(out)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct ReassignmentList(Vec<ReassignmentInfo>);

impl Render for ReassignmentList {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new(["TOPIC", "PARTITION", "REPLICAS", "ISR", "TO", "ADDING", "REMOVING"]);
        for moving in &self.0 {
            table.row([
                moving.topic_name.to_string(),
                moving.partition.to_string(),
                comma_separated(&moving.replicas),
                comma_separated(&moving.isr),
                comma_separated(&moving.reassignment.target),
                comma_separated(&moving.reassignment.adding),
                comma_separated(&moving.reassignment.removing),
            ]);
        }
        table.write(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_moves_are_read() {
        let named: Named = "orders.eu:3".parse().unwrap();
        assert_eq!((named.topic.as_str(), named.partition), ("orders.eu", Some(PartitionId(3))));
        assert_eq!("orders".parse::<Named>().unwrap().partition, None);
        assert!("or ders".parse::<Named>().is_err() && "orders:x".parse::<Named>().is_err());

        let moved: Move = "orders:0=104, 102".parse().unwrap();
        assert_eq!(moved.replicas, [BrokerId(104), BrokerId(102)]);
        for wrong in ["orders=1", "orders:0", "orders:0=", "orders:0=1,x"] {
            assert!(wrong.parse::<Move>().is_err(), "{wrong}");
        }
        assert!(request("orders".parse().unwrap(), None).is_err());
    }
}
