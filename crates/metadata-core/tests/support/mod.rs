//! Arbitrary commands, sensible and hostile, chosen against the state they will meet.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]

use std::collections::BTreeMap;

use common::{
    BrokerEpoch, BrokerId, BrokerStatus, ClusterId, DirectoryId, IncarnationId, LeaderEpoch, MetadataVersion,
    Partition, PartitionEpoch, PartitionId, TopicId, TopicName,
};
use metadata_core::{
    Command, Proposal, Record, State,
    command::{FEATURE_LEVEL_MAX, IsrChange, IsrMember, Move},
};
use proptest::prelude::*;
use uuid::Uuid;

/// Names with collisions and an internal one among them.
const NAMES: [&str; 8] = ["a", "b", "a.b", "a_b", "c.d_e", "c_d.e", "orders", "__consumer_offsets"];

/// The least that a group may set for a session.
const GROUP_BOUND: &str = "group.consumer.min.session.timeout.ms";

/// The raw material of one command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    kind: u8,
    broker: u8,
    name: u8,
    partition: u8,
    number: u8,
    /// 0: something about the command is made wrong.
    hostile: u8,
    seed: u64,
    /// Below 16: sent with this idempotency key.
    key: u8,
    /// How far the leader's clock moves; it may go back.
    clock: i16,
}

/// Sequences of steps.
pub(crate) fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (
        (0..38_u8, 0..8_u8, any::<u8>(), 0..4_u8, any::<u8>(), 0..8_u8),
        (any::<u64>(), any::<u8>(), any::<i16>()),
    );
    let step = step.prop_map(|((kind, broker, name, partition, number, hostile), (seed, key, clock))| Step {
        kind,
        broker,
        name,
        partition,
        number,
        hostile,
        seed,
        key,
        clock,
    });
    prop::collection::vec(step, 0..most)
}

/// An empty state.
pub(crate) fn new_state() -> State {
    State::new(ClusterId("test".to_owned()))
}

impl Step {
    /// The proposal that this step makes of the state.
    pub(crate) fn proposal(&self, state: &State, index: u64) -> Proposal {
        Proposal {
            time_ms: (index * 1_000).saturating_add_signed(i64::from(self.clock) * 10),
            author: format!("test:{}", self.kind),
            request_id: (self.key < 16).then(|| Uuid::from_u128(self.key.into())),
            command: self.command(state),
        }
    }

    fn command(&self, state: &State) -> Command {
        let broker_id = self.broker_id();
        let broker_epoch = self.epoch_of(state, broker_id);
        match self.kind {
            0..=5 => self.register(),
            6..=9 => self.create(),
            10 => self.alter(),
            11 => Command::DeleteTopic { topic_name: self.topic_name() },
            12..=13 => {
                let other = BrokerId(i32::from(self.number % 6));
                let brokers = vec![(broker_id, broker_epoch), (other, self.epoch_of(state, other))];
                Command::FenceBrokers { brokers }
            }
            14 => Command::FenceBrokers { brokers: vec![(broker_id, broker_epoch)] },
            15..=17 => Command::UnfenceBroker { broker_id, broker_epoch },
            18 => Command::DrainBroker { broker_id, broker_epoch },
            19 => Command::RemoveBroker { broker_id },
            20..=24 => self.alter_isr(state),
            25 => Command::ElectPreferredLeaders {
                partitions: match self.number % 3 {
                    0 => vec![],
                    _ => vec![(self.topic_name(), self.partition_id()); 2],
                },
            },
            28..=31 => self.reassign(state),
            32 => Command::ElectUncleanLeaders {
                partitions: match self.number % 3 {
                    0 => vec![],
                    _ => vec![(self.topic_name(), self.partition_id()); 2],
                },
            },
            33 => self.alter_rules(),
            34..=35 => self.configure(),
            36..=37 => self.configure_group(),
            26 => Command::AllocateProducerIds { broker_id, broker_epoch },
            _ => Command::SetFeatureLevel { level: (self.number % 3).into(), level_max: FEATURE_LEVEL_MAX },
        }
    }

    fn broker_id(&self) -> BrokerId {
        if self.hostile == 0 && self.broker == 7 { BrokerId(-1) } else { BrokerId((self.broker % 6).into()) }
    }

    fn topic_name(&self) -> TopicName {
        TopicName::new(NAMES[usize::from(self.name) % NAMES.len()]).unwrap()
    }

    fn partition_id(&self) -> PartitionId {
        PartitionId(if self.hostile == 0 { -1 } else { self.partition.into() })
    }

    fn epoch_of(&self, state: &State, id: BrokerId) -> BrokerEpoch {
        let current = state.broker(id).map_or(0, |broker| broker.broker_epoch.0);
        BrokerEpoch(if self.hostile == 0 { current - 1 } else { current })
    }

    fn register(&self) -> Command {
        Command::RegisterBroker {
            broker_id: self.broker_id(),
            incarnation_id: IncarnationId(Uuid::from_u128((self.number % 3).into())),
            host: if self.hostile == 0 { "a/b".to_owned() } else { format!("host-{}", self.seed % 3) },
            port: 8080,
            kafka_port: Some(9092),
            rack: (!self.seed.is_multiple_of(5)).then(|| format!("rack-{}", self.broker % 3)),
            directory_id: match self.seed / 5 % 8 {
                0 => None,
                1 => Some(DirectoryId(Uuid::from_u128(1))),
                _ => Some(DirectoryId(Uuid::from_u128(0))),
            },
            previous_is_gone: self.number >= 128,
        }
    }

    fn create(&self) -> Command {
        let config = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let assigned = self.number.is_multiple_of(4);
        Command::CreateTopic {
            topic_name: self.topic_name(),
            topic_id: TopicId(Uuid::from_u128((self.seed % 1_000).into())),
            num_partitions: if assigned { -1 } else { i32::from(self.partition) + 1 },
            replication_factor: if assigned { -1 } else { i16::from(self.number % 5) },
            configs: match self.hostile {
                0 => config("no.such.setting", "1"),
                1 => config("retention.ms", "1000"),
                _ => BTreeMap::new(),
            },
            assignments: assigned
                .then(|| vec![vec![self.broker_id(), BrokerId(i32::from(self.number / 4 % 6))]; 2]),
            placement_seed: self.seed,
            internal: self.number.is_multiple_of(2),
        }
    }

    fn alter(&self) -> Command {
        let value = if self.hostile == 0 { "-5" } else { "5" };
        Command::AlterTopic {
            topic_name: self.topic_name(),
            num_partitions: self.number.is_multiple_of(2).then_some(self.partition.into()),
            configs: [(
                "retention.ms".to_owned(),
                (!self.number.is_multiple_of(3)).then(|| value.to_owned()),
            )]
            .into(),
            assignments: self.seed.is_multiple_of(5).then(|| vec![vec![self.broker_id()]; 2]),
            placement_seed: self.seed,
        }
    }

    /// Settings that say who may lead.
    fn alter_rules(&self) -> Command {
        let setting = |name: &str, value: Option<String>| (name.to_owned(), value);
        let min = (!self.number.is_multiple_of(4)).then(|| (self.number % 4).to_string());
        let unclean = (self.seed.is_multiple_of(4)).then(|| "true".to_owned());
        Command::AlterTopic {
            topic_name: self.topic_name(),
            num_partitions: None,
            configs: [
                setting("min.insync.replicas", min),
                setting("unclean.leader.election.enable", unclean),
            ]
            .into(),
            assignments: None,
            placement_seed: self.seed,
        }
    }

    /// Settings of all brokers, which bear on elections, or of one, which do not; some are refused.
    fn configure(&self) -> Command {
        let setting = |name: &str, value: Option<String>| (name.to_owned(), value);
        let min = (!self.number.is_multiple_of(4)).then(|| (self.number % 4).to_string());
        let unclean = (self.seed.is_multiple_of(4)).then(|| "true".to_owned());
        let of_all = [
            setting("min.insync.replicas", min),
            setting("unclean.leader.election.enable", unclean),
            setting("log.retention.ms", Some(i64::from(self.number).to_string())),
        ];
        let least = setting(GROUP_BOUND, (!self.number.is_multiple_of(5)).then(|| self.session_timeout()));
        let retention = (!self.number.is_multiple_of(3)).then(|| self.number.to_string());
        let name = if self.hostile == 0 { "min.insync.replicas" } else { "log.retention.ms" };
        match self.partition {
            0 => Command::AlterBrokerConfigs {
                broker_id: Some(self.broker_id()),
                configs: [setting(name, retention)].into(),
            },
            1 => Command::AlterBrokerConfigs { broker_id: None, configs: [least].into() },
            _ => Command::AlterBrokerConfigs { broker_id: None, configs: of_all.into() },
        }
    }

    /// Settings of a group; some are out of bounds, which change.
    fn configure_group(&self) -> Command {
        let session = (!self.number.is_multiple_of(4)).then(|| self.session_timeout());
        let mut configs = BTreeMap::from([("consumer.session.timeout.ms".to_owned(), session)]);
        if self.hostile == 0 {
            configs.insert("consumer.heartbeat.interval.ms".to_owned(), Some("60000".to_owned()));
        }
        let group_id = if self.hostile == 1 { String::new() } else { format!("group-{}", self.name % 4) };
        Command::AlterGroupConfigs { group_id, configs }
    }

    fn session_timeout(&self) -> String {
        (40_000 + 5_000 * u32::from(self.number % 5)).to_string()
    }

    /// Moves one partition, and cancels the move of another, or of the same.
    fn reassign(&self, state: &State) -> Command {
        let name = self.topic_name();
        let known = state.topic(name.as_str()).map_or(1, |topic| topic.partitions.len());
        let partition = i32::from(self.partition) % i32::try_from(known).unwrap().max(1);
        let all = (0..6).map(BrokerId).cycle().skip(usize::from(self.broker));
        let mut target: Vec<_> = all.take(1 + usize::from(self.number % 3)).collect();
        if self.hostile == 0 {
            target.push(self.broker_id());
        }
        let moved = |partition, replicas| Move { topic_name: name.clone(), partition, replicas };
        let start = moved(PartitionId(partition), Some(target));
        let cancel = moved(PartitionId(i32::from(self.number / 4 % 3)), None);
        let cancels = self.seed.is_multiple_of(3);
        Command::ReassignPartitions { moves: if cancels { vec![cancel, start] } else { vec![start] } }
    }

    /// Changes to two partitions, of which the first may be named twice. The caller is the leader, mostly.
    fn alter_isr(&self, state: &State) -> Command {
        let name = self.topic_name();
        let topic = state.topic(name.as_str());
        let known = topic.and_then(|topic| topic.partitions.get(usize::from(self.partition)));
        let caller = match known.and_then(|partition| partition.leader) {
            Some(leader) if self.hostile != 1 => leader,
            _ => self.broker_id(),
        };
        let change = |partition| self.isr_change(state, &name, partition, known, caller);
        Command::AlterIsr {
            broker_id: caller,
            broker_epoch: self.epoch_of(state, caller),
            changes: vec![
                change(self.partition_id()),
                change(self.partition_id()),
                change(PartitionId(self.number.into())),
            ],
        }
    }

    fn isr_change(
        &self,
        state: &State,
        name: &TopicName,
        partition: PartitionId,
        known: Option<&Partition>,
        caller: BrokerId,
    ) -> IsrChange {
        let replicas = known.map_or(&[][..], |known| &known.replicas);
        let bits = self.seed;
        let mut new_isr: Vec<_> =
            (0..).zip(replicas).filter(|(at, _)| bits >> at & 1 == 1).map(|(_, id)| *id).collect();
        if self.hostile != 2 && !new_isr.contains(&caller) {
            new_isr.push(caller);
        }
        if self.hostile == 3 {
            new_isr.push(self.broker_id());
        }
        let member = |id: &BrokerId| IsrMember { broker_id: *id, broker_epoch: self.epoch_of(state, *id) };
        let topic_id = state.topic(name.as_str()).map(|topic| topic.topic_id);
        IsrChange {
            topic_name: name.clone(),
            topic_id: topic_id.filter(|_| self.hostile != 5).unwrap_or(TopicId(Uuid::nil())),
            partition,
            leader_epoch: known.map_or(LeaderEpoch(0), |known| known.leader_epoch),
            partition_epoch: match self.hostile {
                4 => PartitionEpoch(0),
                _ => known.map_or(PartitionEpoch(0), |known| known.partition_epoch),
            },
            new_isr: new_isr.iter().map(member).collect(),
        }
    }
}

/// Everything that events carry: all records but the remembered requests and the digest that covers them.
pub(crate) fn image(state: &State) -> Vec<Record> {
    let records = state.records().filter(|record| !matches!(record, Record::Request { .. }));
    records
        .map(|record| match record {
            Record::Header {
                format,
                cluster_id,
                version,
                feature_level,
                next_producer_id,
                brokers,
                broker_configs,
                group_configs,
                topics,
                ..
            } => Record::Header {
                format,
                cluster_id,
                version,
                feature_level,
                next_producer_id,
                brokers,
                broker_configs,
                group_configs,
                topics,
                requests: 0,
                digest: 0,
            },
            other => other,
        })
        .collect()
}

/// Whether a broker of the state is ONLINE.
pub(crate) fn is_online(state: &State, id: BrokerId) -> bool {
    state.broker(id).is_some_and(|broker| broker.status == BrokerStatus::Online)
}

/// Applies each step at the next index and hands every result to `check` with the state before and after.
pub(crate) fn run(
    steps: &[Step],
    mut check: impl FnMut(&State, &Proposal, &metadata_core::Applied, &State) -> Result<(), TestCaseError>,
) -> Result<State, TestCaseError> {
    let mut state = new_state();
    for (index, step) in (1..).zip(steps) {
        let before = state.clone();
        let proposal = step.proposal(&before, index);
        let applied = state.apply(MetadataVersion(index), &proposal);
        check(&before, &proposal, &applied, &state)?;
    }
    Ok(state)
}
