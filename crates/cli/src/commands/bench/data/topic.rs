//! The topic that is measured, and what is written to it.

use clap::Args;
use common::PartitionId;
use kafka_client::{Cluster, ErrorCode, NewTopic, OffsetSpec, StartAt, TopicPartition};

use crate::{connection::ConnectionArgs, exit::Failure, kafka::BootstrapArgs, output::say};

/// The topic that is measured.
#[derive(Debug, Args)]
pub(super) struct TopicArgs {
    #[command(flatten)]
    pub(super) bootstrap: BootstrapArgs,
    /// The topic; created if it is not there. Without it one is made for the run and deleted at the end
    #[arg(long, short)]
    topic: Option<String>,
    /// Partitions, if it is created
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// Replicas of each, if it is created
    #[arg(long, default_value_t = 3)]
    replication_factor: i16,
    /// A setting, if it is created, by Kafka's name; may be repeated
    #[arg(long = "config", short, value_name = "NAME=VALUE")]
    configs: Vec<String>,
}

/// The topic, there.
pub(super) struct BenchTopic {
    pub(super) name: String,
    pub(super) partitions: Vec<PartitionId>,
    pub(super) replicas: usize,
    temporary: bool,
}

impl TopicArgs {
    /// A client of the cluster.
    pub(super) fn cluster(&self, connection: &ConnectionArgs) -> Result<Cluster, Failure> {
        self.bootstrap.cluster(connection)
    }

    /// Creates the topic if need be, and waits until all its partitions have leaders.
    pub(super) async fn prepare(&self, cluster: &Cluster) -> Result<BenchTopic, Failure> {
        let temporary = self.topic.is_none();
        let name = self.topic.clone().unwrap_or_else(|| format!("bench-{}", uuid::Uuid::new_v4().simple()));
        let configs = self.configs.iter().map(|setting| {
            let pair = setting.split_once('=').filter(|(name, _)| !name.is_empty());
            pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
                .ok_or_else(|| Failure::usage(format!("--config {setting}: wanted NAME=VALUE")))
        });
        let wanted = NewTopic {
            name: name.clone(),
            partitions: Some(self.partitions),
            replication_factor: Some(self.replication_factor),
            configs: configs.collect::<Result<_, _>>()?,
        };
        match cluster.create_topic(&wanted).await {
            Ok(()) => say!("created topic `{name}`"),
            Err(kafka_client::ClusterError::Refused { code: ErrorCode::TOPIC_ALREADY_EXISTS, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let topic = cluster.topic(&name).await?;
        let partitions: Vec<PartitionId> = topic.partition_ids().collect();
        for partition in &partitions {
            cluster.await_leader(&name, *partition).await?;
        }
        let replicas = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        Ok(BenchTopic { name, partitions, replicas, temporary })
    }
}

impl BenchTopic {
    /// The same place in every partition.
    pub(super) fn all(&self, spec: OffsetSpec) -> Vec<(TopicPartition, StartAt)> {
        let of =
            |partition: &PartitionId| (TopicPartition::new(&self.name, *partition), StartAt::Listed(spec));
        self.partitions.iter().map(of).collect()
    }

    /// In words.
    pub(super) fn describe(&self) -> String {
        format!("topic {}, {} partitions, replication {}", self.name, self.partitions.len(), self.replicas)
    }

    /// Deletes it, if it was made for the run.
    pub(super) async fn clean_up(self, cluster: &Cluster) {
        if self.temporary
            && let Err(error) = cluster.delete_topic(&self.name).await
        {
            say!("{error}");
        }
    }
}

/// What is written: bytes that no codec makes smaller than letters and digits are, another slice for each record.
pub(super) struct Payload {
    bytes: Vec<u8>,
    size: usize,
}

impl Payload {
    pub(super) fn new(size: usize) -> Self {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let bytes = (0..size + (64 << 10)).filter_map(|_| {
            // Marsaglia's xorshift: the same bytes in every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            LETTERS.get((state >> 58) as usize).copied()
        });
        Self { bytes: bytes.collect(), size }
    }

    /// Bytes of each value.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The value of a record.
    pub(super) fn of(&self, number: u64) -> &[u8] {
        let start = (number as usize).wrapping_mul(61) % (self.bytes.len() - self.size).max(1);
        self.bytes.get(start..start + self.size).unwrap_or_default()
    }
}
