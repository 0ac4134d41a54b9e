//! What the leader proposes. Every command is complete: whatever is random or depends on the time was drawn
//! by the leader and stands in it, so that applying it gives the same result on every node.
//!
//! The JSON form is persisted in the Raft log for ever. Tags are never renamed or reused; a new field must have
//! a default that means "as before"; unknown fields are refused, and [`FEATURE_LEVEL_MAX`] gates what may be
//! proposed while older nodes are about. `fixtures/commands/` holds one golden file per command.

use std::collections::BTreeMap;

use common::{
    BrokerEpoch, BrokerId, DirectoryId, IncarnationId, LeaderEpoch, PartitionEpoch, PartitionId, TopicId,
    TopicName,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::digest::DigestWriter;

/// The feature level of a new cluster, in every build: what replays a log begins where its writer began.
pub const FEATURE_LEVEL_INITIAL: u16 = 1;

/// The newest feature level this build can apply. A decision must never depend on it, since nodes of other builds
/// take the same one.
pub const FEATURE_LEVEL_MAX: u16 = GROUP_CONFIGS_LEVEL;

/// Since this feature level groups have settings of their own, and brokers have those that bound them.
pub const GROUP_CONFIGS_LEVEL: u16 = 2;

/// Since this feature level lists may be empty (`cleanup.policy`), and what is kept whatever anybody sets may be set to any
/// bound (`replica.alter.log.dirs.io.max.bytes.per.second`).
pub const MORE_VALUES_LEVEL: u16 = 2;

/// Since this feature level a member that takes itself out of an ISR begins a leader epoch.
pub const LEAVING_LEVEL: u16 = 2;

const _: () = assert!(FEATURE_LEVEL_INITIAL <= FEATURE_LEVEL_MAX, "a new cluster can be run");

/// Identifies a client's request (its `Idempotency-Key`): the same id is applied once.
pub type RequestId = Uuid;

/// A command with what the leader stamped on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proposal {
    /// The leader's wall clock when it proposed, in Unix milliseconds. For people and expiry, never for safety.
    pub time_ms: u64,
    /// Who asked: `rest:127.0.0.1`, `broker:101`, `controller:1`.
    pub author: String,
    /// The client's idempotency key, if it sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// What to do.
    pub command: Command,
}

/// A change to the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    /// Creates a topic and places its partitions.
    CreateTopic {
        /// Its name.
        topic_name: TopicName,
        /// Its id, drawn by the leader.
        topic_id: TopicId,
        /// How many partitions; with `assignments` their number, or -1.
        num_partitions: i32,
        /// Replicas per partition; with `assignments` the same as there, or -1.
        replication_factor: i16,
        /// Settings; checked when applied.
        #[serde(default)]
        configs: BTreeMap<String, String>,
        /// Replicas of each partition, chosen by the caller, preferred leader first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignments: Option<Vec<Vec<BrokerId>>>,
        /// Where round-robin placement starts, drawn by the leader.
        placement_seed: u64,
        /// Whether the system itself asks: it alone may create internal topics.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        internal: bool,
    },
    /// Adds partitions and/or changes settings.
    AlterTopic {
        /// Which topic.
        topic_name: TopicName,
        /// The new number of partitions; it may only grow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        num_partitions: Option<i32>,
        /// Settings to set, or with `None` to put back to the default.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        configs: BTreeMap<String, Option<String>>,
        /// Replicas of each new partition, chosen by the caller, preferred leader first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignments: Option<Vec<Vec<BrokerId>>>,
        /// Where placement of new partitions starts, drawn by the leader.
        placement_seed: u64,
    },
    /// Changes settings that the controllers keep for brokers.
    AlterBrokerConfigs {
        /// Of which broker; `None`: of all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        broker_id: Option<BrokerId>,
        /// Settings to set, or with `None` to set no more.
        configs: BTreeMap<String, Option<String>>,
    },
    /// Changes settings of a group. The controllers know no groups: settings may be kept for one that is yet to come.
    AlterGroupConfigs {
        /// Of which group.
        group_id: String,
        /// Settings to set, or with `None` to set no more.
        configs: BTreeMap<String, Option<String>>,
    },
    /// Deletes a topic.
    DeleteTopic {
        /// Which topic.
        topic_name: TopicName,
    },
    /// A broker process announces itself. A new incarnation of a known id fences the former one.
    RegisterBroker {
        /// Its id.
        broker_id: BrokerId,
        /// Its process.
        incarnation_id: IncarnationId,
        /// Where it is reached.
        host: String,
        /// REST port.
        port: u16,
        /// Kafka port.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kafka_port: Option<u16>,
        /// Failure domain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rack: Option<String>,
        /// The disk that its data is on. If it is not the one that the former incarnation named, the broker has lost
        /// its data. Absent: unknown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        directory_id: Option<DirectoryId>,
        /// Whether the leader, which knows who heartbeats, holds the former incarnation for gone. If not, the
        /// incarnation differs, and the former one is not OFFLINE, the registration is refused.
        previous_is_gone: bool,
    },
    /// Brokers that are silent or dead: they become OFFLINE, leave every ISR, and their partitions get other leaders.
    FenceBrokers {
        /// Who, with the epoch that was judged: a later registration is not meant.
        brokers: Vec<(BrokerId, BrokerEpoch)>,
    },
    /// An OFFLINE broker heartbeats again under its epoch.
    UnfenceBroker {
        /// Who.
        broker_id: BrokerId,
        /// Under which epoch.
        broker_epoch: BrokerEpoch,
    },
    /// A broker wants to shut down: it becomes DRAINING and hands its leaderships over.
    DrainBroker {
        /// Who.
        broker_id: BrokerId,
        /// Under which epoch.
        broker_epoch: BrokerEpoch,
    },
    /// Forgets a broker that holds no replicas.
    RemoveBroker {
        /// Who.
        broker_id: BrokerId,
    },
    /// A partition leader's changes to ISRs, each a compare-and-set; they succeed or fail one by one (KIP-497).
    AlterIsr {
        /// The leader that asks.
        broker_id: BrokerId,
        /// Under which epoch.
        broker_epoch: BrokerEpoch,
        /// What to change.
        changes: Vec<IsrChange>,
    },
    /// Gives partitions back to their preferred leaders where these are in sync and online.
    ElectPreferredLeaders {
        /// Which partitions; empty: all.
        partitions: Vec<(TopicName, PartitionId)>,
    },
    /// Gives partitions that have no leader one of their replicas that is ONLINE, whatever that one lacks.
    ElectUncleanLeaders {
        /// Which partitions; empty: all.
        partitions: Vec<(TopicName, PartitionId)>,
    },
    /// Moves replicas, or cancels moves; they succeed or fail one by one (KIP-455).
    ReassignPartitions {
        /// What is to move.
        moves: Vec<Move>,
    },
    /// Hands out a block of producer ids (KIP-730).
    AllocateProducerIds {
        /// To whom.
        broker_id: BrokerId,
        /// Under which epoch.
        broker_epoch: BrokerEpoch,
    },
    /// Raises the feature level, once every node can apply it.
    SetFeatureLevel {
        /// The new level.
        level: u16,
        /// [`FEATURE_LEVEL_MAX`] of the leader's build, stamped by it: what applies this may be of another build.
        level_max: u16,
    },
}

impl Command {
    /// The feature level that it takes: below it, there may be nodes that cannot read it, so that it must not be proposed.
    pub fn feature_level(&self) -> u16 {
        match self {
            Self::AlterGroupConfigs { .. } => GROUP_CONFIGS_LEVEL,
            _ => FEATURE_LEVEL_INITIAL,
        }
    }

    /// Tells whether two commands ask for the same thing: the same on every build, and blind to what the leader
    /// stamps, which differs when a client tries again.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut asked = self.clone();
        match &mut asked {
            Self::CreateTopic { topic_id, placement_seed, .. } => {
                *topic_id = TopicId(Uuid::nil());
                *placement_seed = 0;
            }
            Self::AlterTopic { placement_seed, .. } => *placement_seed = 0,
            Self::RegisterBroker { previous_is_gone, .. } => *previous_is_gone = false,
            Self::SetFeatureLevel { level_max, .. } => *level_max = 0,
            Self::DeleteTopic { .. }
            | Self::AlterBrokerConfigs { .. }
            | Self::AlterGroupConfigs { .. }
            | Self::FenceBrokers { .. }
            | Self::UnfenceBroker { .. }
            | Self::DrainBroker { .. }
            | Self::RemoveBroker { .. }
            | Self::AlterIsr { .. }
            | Self::ElectPreferredLeaders { .. }
            | Self::ElectUncleanLeaders { .. }
            | Self::ReassignPartitions { .. }
            | Self::AllocateProducerIds { .. } => {}
        }
        let mut digest = DigestWriter::new(5);
        serde_json::to_writer(&mut digest, &asked).expect("commands are JSON, and the digest takes any");
        digest.finish()
    }
}

/// One ISR change: applied only if the topic and both epochs are still the partition's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IsrChange {
    /// Topic.
    pub topic_name: TopicName,
    /// Its identity: the partitions of a topic that was created again under its name begin with the same epochs.
    pub topic_id: TopicId,
    /// Partition.
    pub partition: PartitionId,
    /// The leader epoch the caller leads under.
    pub leader_epoch: LeaderEpoch,
    /// The partition epoch the caller last saw.
    pub partition_epoch: PartitionEpoch,
    /// The wanted ISR, each member with the broker epoch the leader knows it by (KIP-903).
    pub new_isr: Vec<IsrMember>,
}

/// A wanted member of an ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IsrMember {
    /// Who.
    pub broker_id: BrokerId,
    /// The epoch of the registration that was seen catching up.
    pub broker_epoch: BrokerEpoch,
}

/// A partition's replicas are to move, or not to move on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Move {
    /// Topic.
    pub topic_name: TopicName,
    /// Partition.
    pub partition: PartitionId,
    /// Where to, preferred leader first; `None` cancels the move that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<BrokerId>>,
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, env, fs, path::PathBuf};

    use super::*;

    fn fixtures() -> PathBuf {
        [env!("CARGO_MANIFEST_DIR"), "fixtures"].iter().collect()
    }

    /// Retries reach leaders of other builds, and snapshots keep fingerprints.
    #[test]
    fn fingerprints_are_the_same_on_every_build() {
        let fingerprint = |path: &PathBuf| {
            let command: Command = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            format!("{:016x}", command.fingerprint())
        };
        let files = fs::read_dir(fixtures().join("commands")).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let found: BTreeMap<_, _> = files.map(|path| (name(&path), fingerprint(&path))).collect();
        let golden = fixtures().join("fingerprints.json");
        if env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&golden, format!("{}\n", serde_json::to_string_pretty(&found).unwrap())).unwrap();
        }
        let golden: BTreeMap<String, String> =
            serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
        assert_eq!(found, golden);
    }

    #[test]
    fn a_retry_has_the_fingerprint_of_the_first_try() {
        let create = |topic_name: &str, id, placement_seed| Command::CreateTopic {
            topic_name: TopicName::new(topic_name).unwrap(),
            topic_id: TopicId(Uuid::from_u128(id)),
            num_partitions: 1,
            replication_factor: 1,
            configs: BTreeMap::new(),
            assignments: None,
            placement_seed,
            internal: false,
        };
        assert_eq!(create("a", 1, 2).fingerprint(), create("a", 3, 4).fingerprint());
        assert_ne!(create("a", 1, 2).fingerprint(), create("b", 1, 2).fingerprint());
        let register = |port, previous_is_gone| Command::RegisterBroker {
            broker_id: BrokerId(1),
            incarnation_id: IncarnationId(Uuid::nil()),
            host: "localhost".to_owned(),
            port,
            kafka_port: None,
            rack: None,
            directory_id: None,
            previous_is_gone,
        };
        assert_eq!(register(1, true).fingerprint(), register(1, false).fingerprint());
        assert_ne!(register(1, true).fingerprint(), register(2, true).fingerprint());
    }
}
