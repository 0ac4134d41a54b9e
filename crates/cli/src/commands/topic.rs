//! `dmq topic`: create, list, describe, alter and delete topics. (Leaders and replicas: see [`super::replicas`].)

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use clap::Subcommand;
use client::api;
use common::{BrokerId, Offset, PartitionId};
use http_api::{AlterTopicRequest, BrokerInfo, CreateTopicRequest, TopicInfo};
use kafka_client::{Address, Cluster, ClusterOptions, OffsetSpec, TopicPartition};
use serde::Serialize;

use super::replicas::{ReplicaCommand, movement};
use crate::{
    connection::ConnectionArgs,
    exit::Failure,
    output::{Render, Table, comma_separated, or_dash, say},
};

/// How long the leaders are asked for offsets.
const OFFSETS_PATIENCE: Duration = Duration::from_secs(2);

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Create a topic
    Create {
        /// Its name
        name: String,
        /// How many partitions
        #[arg(long, short, default_value_t = 1, conflicts_with = "assignment")]
        partitions: i64,
        /// Replicas per partition; by default 3, or as many as there are brokers
        #[arg(long, short, conflicts_with = "assignment")]
        replication_factor: Option<i64>,
        /// A setting, by Kafka's name; may be repeated
        #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = parse_setting)]
        configs: Vec<(String, String)>,
        /// Replicas of each partition, preferred leader first: `101,102;102,103`
        #[arg(long, value_name = "IDS;IDS", value_parser = parse_assignment)]
        assignment: Option<Assignment>,
    },
    /// List topics
    List {
        /// Only those whose name starts so
        #[arg(long, default_value = "", hide_default_value = true)]
        prefix: String,
    },
    /// Show a topic with its partitions
    Describe {
        /// Its name
        name: String,
    },
    /// Add partitions or change settings
    Alter {
        /// Its name
        name: String,
        /// The new number of partitions; it can only grow
        #[arg(long, short)]
        partitions: Option<i64>,
        /// A setting to change; may be repeated
        #[arg(long = "config", short, value_name = "NAME=VALUE", value_parser = parse_setting)]
        configs: Vec<(String, String)>,
        /// A setting to put back to its default; may be repeated
        #[arg(long = "reset", value_name = "NAME")]
        resets: Vec<String>,
    },
    /// Delete a topic with all its records
    Delete {
        /// Its name
        name: String,
    },
    #[command(flatten)]
    Replicas(ReplicaCommand),
}

/// Replicas of each partition.
#[derive(Debug, Clone)]
pub(crate) struct Assignment(Vec<Vec<BrokerId>>);

/// The default of Kafka's own tools for production clusters, and the most that a small cluster can hold.
const REPLICATION_FACTOR: i64 = 3;

impl TopicCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let client = connection.client()?;
        match self {
            Self::Replicas(command) => command.run(connection).await,
            Self::Create { name, partitions, replication_factor, configs, assignment } => {
                let mut request = CreateTopicRequest {
                    topic_name: name,
                    configs: configs.into_iter().collect(),
                    ..CreateTopicRequest::default()
                };
                if let Some(Assignment(replicas)) = assignment {
                    request.assignments = Some(replicas);
                } else {
                    let replication_factor = match replication_factor {
                        Some(factor) => factor,
                        None => {
                            let brokers = client.call(&api::brokers()).await?.len();
                            i64::try_from(brokers).unwrap_or(i64::MAX).clamp(1, REPLICATION_FACTOR)
                        }
                    };
                    request.num_partitions = Some(partitions);
                    request.replication_factor = Some(replication_factor);
                }
                let topic = client.call(&api::create_topic(&request)).await?;
                say!("created topic `{}`", topic.topic_name);
                connection.output.emit(&topic)
            }
            Self::List { prefix } => {
                let mut topics = client.call(&api::topics()).await?;
                topics.retain(|topic| topic.topic_name.as_str().starts_with(&prefix));
                connection.output.emit(&TopicList(topics))
            }
            Self::Describe { name } => {
                let topic = client.call(&api::topic(&name)).await?;
                let brokers = client.call(&api::brokers()).await.unwrap_or_default();
                let offsets = offsets(&topic, &brokers).await;
                connection.output.emit(&TopicDescription { topic, offsets })
            }
            Self::Alter { name, partitions, configs, resets } => {
                let request = alteration(partitions, configs, resets)?;
                let topic = client.call(&api::alter_topic(&name, &request)).await?;
                say!("altered topic `{}`", topic.topic_name);
                connection.output.emit(&topic)
            }
            Self::Delete { name } => {
                client.call(&api::delete_topic(&name)).await?;
                say!("deleted topic `{name}`");
                Ok(())
            }
        }
    }
}

/// Asks the leaders where each partition begins and ends; nothing is known of those that do not answer at once.
async fn offsets(topic: &TopicInfo, brokers: &[BrokerInfo]) -> Vec<PartitionOffsets> {
    let bootstrap = brokers.iter().filter_map(|one| Some(Address::new(one.host.clone(), one.kafka_port?)));
    let options = ClusterOptions { max_block: OFFSETS_PATIENCE, ..ClusterOptions::default() };
    let cluster = Cluster::new(bootstrap, options);
    let led = || topic.partitions.iter().filter(|partition| partition.leader.is_some());
    let of = |spec| {
        let name = topic.topic_name.as_str();
        led().map(move |partition| (TopicPartition::new(name, partition.id), spec))
    };
    let asked = async {
        let earliest = cluster.offsets(of(OffsetSpec::Earliest)).await?;
        let latest = cluster.offsets(of(OffsetSpec::Latest)).await?;
        Ok::<_, kafka_client::ClusterError>((earliest, latest))
    };
    let (earliest, latest) = match tokio::time::timeout(OFFSETS_PATIENCE, asked).await {
        Ok(Ok(offsets)) => offsets,
        Ok(Err(error)) => {
            say!("offsets are not known: {error}");
            return Vec::new();
        }
        Err(_) => {
            say!("offsets are not known: no answer within {} s", OFFSETS_PATIENCE.as_secs());
            return Vec::new();
        }
    };
    let partitions = latest.into_iter().filter_map(|(place, latest)| {
        let earliest = earliest.get(&place).copied().flatten()?;
        Some(PartitionOffsets { partition: place.partition, earliest, latest: latest? })
    });
    partitions.collect()
}

fn alteration(
    num_partitions: Option<i64>,
    configs: Vec<(String, String)>,
    resets: Vec<String>,
) -> Result<AlterTopicRequest, Failure> {
    let changes = changes(configs, resets)?;
    if num_partitions.is_none() && changes.is_empty() {
        return Err(Failure::usage("nothing to alter: give --partitions, --config or --reset"));
    }
    Ok(AlterTopicRequest { num_partitions, configs: changes, assignments: None })
}

/// What changes of settings, `None` where one is put back.
pub(crate) fn changes(
    configs: Vec<(String, String)>,
    resets: Vec<String>,
) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut changes: BTreeMap<String, Option<String>> =
        configs.into_iter().map(|(name, value)| (name, Some(value))).collect();
    for name in resets {
        if changes.insert(name.clone(), None).is_some() {
            return Err(Failure::usage(format!("`{name}` is both set and reset")));
        }
    }
    Ok(changes)
}

/// `NAME=VALUE`.
pub(crate) fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("wanted: NAME=VALUE, as in retention.ms=60000".to_owned()),
    }
}

fn parse_assignment(text: &str) -> Result<Assignment, String> {
    let partition = |ids: &str| ids.split(',').map(|id| id.trim().parse()).collect();
    let partitions: Result<_, std::num::ParseIntError> = text.split(';').map(partition).collect();
    partitions.map(Assignment).map_err(|error| format!("wanted: broker ids as in 101,102;102,103 ({error})"))
}

#[derive(Serialize)]
#[serde(transparent)]
struct TopicList(Vec<TopicInfo>);

impl Render for TopicList {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut table =
            Table::new(["TOPIC", "PARTITIONS", "REPLICATION", "OFFLINE", "UNDER-REPLICATED", "CONFIGS"]);
        for topic in &self.0 {
            let offline = topic.partitions.iter().filter(|partition| partition.leader.is_none()).count();
            let under = topic.partitions.iter().filter(|p| p.isr.len() < p.settled_replicas()).count();
            table.row([
                topic.topic_name.to_string(),
                topic.num_partitions.to_string(),
                topic.replication_factor.to_string(),
                offline.to_string(),
                under.to_string(),
                settings(&topic.configs),
            ]);
        }
        table.write(out)
    }
}

/// A topic with the offsets of its partitions.
#[derive(Serialize)]
struct TopicDescription {
    #[serde(flatten)]
    topic: TopicInfo,
    /// By partition, of those whose leader answers.
    offsets: Vec<PartitionOffsets>,
}

#[derive(Serialize)]
struct PartitionOffsets {
    partition: PartitionId,
    /// Of the first record.
    earliest: Offset,
    /// Behind the last record that consumers see.
    latest: Offset,
}

impl Render for TopicDescription {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        self.topic.render(out)?;
        if self.offsets.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        let mut table = Table::new(["PARTITION", "FIRST OFFSET", "NEXT OFFSET", "RECORDS", "NOT IN SYNC"]);
        for PartitionOffsets { partition, earliest, latest } in &self.offsets {
            let info = self.topic.partitions.iter().find(|info| info.id == *partition);
            let behind = info
                .into_iter()
                .flat_map(|info| info.replicas.iter().filter(|replica| !info.isr.contains(replica)));
            table.row([
                partition.to_string(),
                earliest.to_string(),
                latest.to_string(),
                (*latest - *earliest).to_string(),
                comma_separated(behind),
            ]);
        }
        table.write(out)
    }
}

impl Render for TopicInfo {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}  id {}  partitions {}  replication {}  configs {}",
            self.topic_name,
            self.topic_id,
            self.num_partitions,
            self.replication_factor,
            settings(&self.configs)
        )?;
        let mut table = Table::new([
            "PARTITION",
            "LEADER",
            "LEADER EPOCH",
            "EPOCH",
            "REPLICAS",
            "ISR",
            "ELIGIBLE",
            "MOVES",
        ]);
        for partition in &self.partitions {
            table.row([
                partition.id.to_string(),
                or_dash(partition.leader),
                partition.leader_epoch.to_string(),
                partition.partition_epoch.to_string(),
                comma_separated(&partition.replicas),
                comma_separated(&partition.isr),
                comma_separated(&partition.eligible_leader_replicas),
                movement(partition),
            ]);
        }
        table.write(out)
    }
}

fn settings(configs: &BTreeMap<String, String>) -> String {
    comma_separated(configs.iter().map(|(name, value)| format!("{name}={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_say_what_they_want() {
        assert_eq!(parse_setting("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(parse_setting("a").unwrap_err().contains("NAME=VALUE"));
        assert_eq!(
            parse_assignment("1,2;2,1").unwrap().0,
            [[BrokerId(1), BrokerId(2)], [BrokerId(2), BrokerId(1)]]
        );
        assert!(parse_assignment("1,x").is_err());
    }

    #[test]
    fn an_empty_or_contradictory_alteration_is_refused() {
        assert!(alteration(None, vec![], vec![]).is_err());
        assert!(alteration(None, vec![("a".into(), "b".into())], vec!["a".into()]).is_err());
        let request = alteration(Some(4), vec![], vec!["a".into()]).unwrap();
        assert_eq!(request.configs.get("a"), Some(&None));
    }
}
