//! Stories of elections, ISRs and registrations, told in `testdata/*.txt`: commands, a line `----`, and what they
//! gave, up to a blank line. `UPDATE_FIXTURES=1 cargo test -p metadata-core --test transcripts` writes what they give
//! now; read the difference as you would a change of behaviour.
//!
//! Brokers stand for their present registration (`3`) unless an epoch is named (`3@7`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

use std::{collections::BTreeMap, convert::Infallible, env, fmt::Write, fs, path::Path};

use common::{
    BrokerEpoch, BrokerId, ClusterId, DirectoryId, IncarnationId, LeaderEpoch, MetadataVersion, Partition,
    PartitionEpoch, PartitionId, TopicId, TopicName,
};
use metadata_core::{
    Applied, Command, Event, Outcome, Proposal, Rejection, State,
    command::{FEATURE_LEVEL_MAX, IsrChange, IsrMember, Move},
    outcome::Election,
};
use uuid::Uuid;

#[test]
fn stories() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut stories: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    stories.sort();
    for path in stories {
        let told = fs::read_to_string(&path).unwrap();
        let found = Story::new().retell(&told);
        if env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, &found).unwrap();
        } else {
            assert!(found == told, "{} goes otherwise now:\n{found}", path.display());
        }
    }
}

struct Story {
    state: State,
    index: u64,
    /// So that a re-created topic has another id.
    topics_created: u128,
}

impl Story {
    fn new() -> Self {
        Self { state: State::new(ClusterId("story".to_owned())), index: 0, topics_created: 0 }
    }

    /// The text with each block's results replaced by those of now.
    fn retell(&mut self, told: &str) -> String {
        let mut found = String::new();
        let mut results = String::new();
        let mut skipping = false;
        for line in told.lines() {
            match line {
                "----" => {
                    writeln!(found, "----\n{}", results.trim_end()).unwrap();
                    results.clear();
                    skipping = true;
                }
                "" => {
                    found.push('\n');
                    skipping = false;
                }
                _ if skipping => {}
                comment if comment.starts_with('#') => writeln!(found, "{comment}").unwrap(),
                command => {
                    writeln!(found, "{command}").unwrap();
                    self.step(command, &mut results);
                    self.state.check_invariants().unwrap();
                }
            }
        }
        assert!(results.is_empty(), "commands without `----` at the end");
        found
    }

    fn step(&mut self, line: &str, results: &mut String) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "show" => return self.show(results),
            "restart" => {
                let records = self.state.records().map(Ok::<_, Infallible>);
                self.state = State::from_records(records).unwrap();
                return writeln!(results, "restored from a snapshot").unwrap();
            }
            _ => {}
        }
        self.index += 1;
        let request_id = words[0].strip_prefix("key=").map(|key| Uuid::from_u128(key.parse().unwrap()));
        if request_id.is_some() {
            words.remove(0);
        }
        let command = self.command(&Words(words));
        let proposal = Proposal { time_ms: 0, author: "story".to_owned(), request_id, command };
        let applied = self.state.apply(MetadataVersion(self.index), &proposal);
        tell(&applied, results);
        match applied.unclean_elections(&proposal.command) {
            0 => {}
            unclean => writeln!(results, "elected uncleanly: {unclean}").unwrap(),
        }
    }

    fn command(&mut self, words: &Words<'_>) -> Command {
        let broker = || self.broker(words.at(1));
        match words.at(0) {
            "register" => self.register(words),
            "fence" => {
                Command::FenceBrokers { brokers: words.0[1..].iter().map(|word| self.broker(word)).collect() }
            }
            "unfence" => Command::UnfenceBroker { broker_id: broker().0, broker_epoch: broker().1 },
            "drain" => Command::DrainBroker { broker_id: broker().0, broker_epoch: broker().1 },
            "remove" => Command::RemoveBroker { broker_id: broker().0 },
            "producer-ids" => {
                Command::AllocateProducerIds { broker_id: broker().0, broker_epoch: broker().1 }
            }
            "create" => self.create(words),
            "alter" => self.alter(words),
            "configure" => self.configure(words),
            "configure-group" => Self::configure_group(words),
            "delete" => Command::DeleteTopic { topic_name: name(words.at(1)) },
            "isr" => self.isr(words),
            "prefer" => Command::ElectPreferredLeaders {
                partitions: words.0[1..].iter().map(|word| topic_partition(word)).collect(),
            },
            "unclean" => Command::ElectUncleanLeaders {
                partitions: words.0[1..].iter().map(|word| topic_partition(word)).collect(),
            },
            "move" => {
                Command::ReassignPartitions { moves: words.0[1..].iter().map(|it| moved(it)).collect() }
            }
            "feature-level" => {
                Command::SetFeatureLevel { level: words.at(1).parse().unwrap(), level_max: FEATURE_LEVEL_MAX }
            }
            other => panic!("no such command: {other}"),
        }
    }

    /// `3` or `3@7`.
    fn broker(&self, word: &str) -> (BrokerId, BrokerEpoch) {
        let (id, epoch) = word.split_once('@').map_or((word, None), |(id, epoch)| (id, Some(epoch)));
        let id = BrokerId(id.parse().unwrap());
        let current = || self.state.broker(id).map_or(BrokerEpoch(0), |broker| broker.broker_epoch);
        (id, epoch.map_or_else(current, |epoch| BrokerEpoch(epoch.parse().unwrap())))
    }

    /// `register ID PROCESS [gone] [disk=D] [host=H] [rack=R]`
    fn register(&self, words: &Words<'_>) -> Command {
        Command::RegisterBroker {
            broker_id: self.broker(words.at(1)).0,
            incarnation_id: IncarnationId(Uuid::from_u128(sum(words.at(2)))),
            host: words.value("host").unwrap_or("localhost").to_owned(),
            port: 8081,
            kafka_port: None,
            rack: words.value("rack").map(str::to_owned),
            directory_id: words.value("disk").map(|disk| DirectoryId(Uuid::from_u128(sum(disk)))),
            previous_is_gone: words.0.contains(&"gone"),
        }
    }

    /// `create NAME 1,2,3 2,3,1 ...` (replicas of each partition) or `create NAME partitions=N rf=R`
    fn create(&mut self, words: &Words<'_>) -> Command {
        self.topics_created += 1;
        let listed: Vec<_> = words.0[2..].iter().filter(|word| !word.contains('=')).collect();
        let replicas = |list: &&&str| list.split(',').map(|id| BrokerId(id.parse().unwrap())).collect();
        Command::CreateTopic {
            topic_name: name(words.at(1)),
            topic_id: TopicId(Uuid::from_u128(self.topics_created)),
            num_partitions: words.value("partitions").map_or(-1, |n| n.parse().unwrap()),
            replication_factor: words.value("rf").map_or(-1, |n| n.parse().unwrap()),
            configs: words.value("set").and_then(|set| set.split_once(':')).into_iter().map(owned).collect(),
            assignments: (!listed.is_empty()).then(|| listed.iter().map(replicas).collect()),
            placement_seed: 0,
            internal: words.value("by") == Some("system"),
        }
    }

    /// `alter NAME [partitions=N [on=1,2/2,3]] [set=NAME:VALUE] [unset=NAME]`
    fn alter(&self, words: &Words<'_>) -> Command {
        Command::AlterTopic {
            topic_name: name(words.at(1)),
            num_partitions: words.value("partitions").map(|n| n.parse().unwrap()),
            configs: words.settings(),
            assignments: words.value("on").map(|on| on.split('/').map(ids).collect()),
            placement_seed: self.index,
        }
    }

    /// `configure [BROKER] [set=NAME:VALUE] [unset=NAME]`
    fn configure(&self, words: &Words<'_>) -> Command {
        let broker_id = words.at(1).parse().ok().map(BrokerId);
        Command::AlterBrokerConfigs { broker_id, configs: words.settings() }
    }

    /// `configure-group GROUP [set=NAME:VALUE] [unset=NAME]`
    fn configure_group(words: &Words<'_>) -> Command {
        Command::AlterGroupConfigs { group_id: words.at(1).to_owned(), configs: words.settings() }
    }

    /// `isr CALLER TOPIC-PARTITION=1,2 ... [leader-epoch=E] [partition-epoch=E] [topic-id=N]`
    fn isr(&self, words: &Words<'_>) -> Command {
        let (broker_id, broker_epoch) = self.broker(words.at(1));
        let wanted = words.0[2..].iter().filter_map(|word| word.split_once('='));
        let wanted = wanted.filter(|(key, _)| !key.ends_with("-epoch") && *key != "topic-id");
        let changes = wanted.map(|(partition, isr)| {
            let (topic_name, partition) = topic_partition(partition);
            let known = self.partition(&topic_name, partition);
            let epoch = |key, current| words.value(key).map_or(current, |epoch| epoch.parse().unwrap());
            let member = |word| {
                let (broker_id, broker_epoch) = self.broker(word);
                IsrMember { broker_id, broker_epoch }
            };
            IsrChange {
                leader_epoch: LeaderEpoch(epoch("leader-epoch", known.map_or(0, |p| p.leader_epoch.0))),
                partition_epoch: PartitionEpoch(epoch(
                    "partition-epoch",
                    known.map_or(0, |p| p.partition_epoch.0),
                )),
                new_isr: isr.split(',').map(member).collect(),
                topic_id: words.value("topic-id").map_or_else(
                    || {
                        self.state
                            .topic(topic_name.as_str())
                            .map_or(TopicId(Uuid::nil()), |topic| topic.topic_id)
                    },
                    |id| TopicId(Uuid::from_u128(id.parse().unwrap())),
                ),
                topic_name,
                partition,
            }
        });
        Command::AlterIsr { broker_id, broker_epoch, changes: changes.collect() }
    }

    fn partition(&self, topic: &TopicName, id: PartitionId) -> Option<&Partition> {
        self.state.topic(topic.as_str())?.partitions.get(usize::try_from(id.0).unwrap())
    }

    fn show(&self, results: &mut String) {
        for broker in self.state.brokers() {
            let (id, epoch, status) = (broker.broker_id, broker.broker_epoch, broker.status);
            let leads = self.state.leader_partitions(id);
            let holds = self.state.replica_partitions(id);
            writeln!(results, "broker {id}: {status}, epoch {epoch}, leads {leads} of {holds}").unwrap();
        }
        for topic in self.state.topics() {
            topic
                .partitions
                .iter()
                .for_each(|partition| tell_partition(&topic.topic_name, partition, results));
        }
    }
}

/// The words of a command line.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    fn at(&self, position: usize) -> &'a str {
        self.0[position]
    }

    /// `set=NAME:VALUE` and `unset=NAME`.
    fn settings(&self) -> BTreeMap<String, Option<String>> {
        let set = self.value("set").and_then(|set| set.split_once(':')).map(owned);
        let set = set.into_iter().map(|(name, value)| (name, Some(value)));
        set.chain(self.value("unset").map(|name| (name.to_owned(), None))).collect()
    }

    /// Of `key=value`.
    fn value(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }
}

fn owned((a, b): (&str, &str)) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

fn name(word: &str) -> TopicName {
    TopicName::new(word).unwrap()
}

/// A number for a word.
fn sum(word: &str) -> u128 {
    word.bytes().map(u128::from).sum()
}

/// `1,2,3`.
fn ids(list: &str) -> Vec<BrokerId> {
    list.split(',').filter(|id| !id.is_empty()).map(|id| BrokerId(id.parse().unwrap())).collect()
}

/// `orders-0=1,2,3`, or `orders-0=back` to cancel.
fn moved(word: &str) -> Move {
    let (partition, replicas) = word.split_once('=').unwrap();
    let (topic_name, partition) = topic_partition(partition);
    Move { topic_name, partition, replicas: (replicas != "back").then(|| ids(replicas)) }
}

/// `orders-0`.
fn topic_partition(word: &str) -> (TopicName, PartitionId) {
    let (topic, partition) = word.rsplit_once('-').unwrap();
    (name(topic), PartitionId(partition.parse().unwrap()))
}

fn tell(applied: &Applied, results: &mut String) {
    match &applied.result {
        Ok(Outcome::Elections { results: elections, .. }) => {
            for election in elections {
                let (topic, partition) = (&election.topic_name, election.partition);
                match election.result {
                    Election::Elected => {}
                    Election::NotNeeded => writeln!(results, "{topic}-{partition}: no need").unwrap(),
                    Election::NotAvailable => writeln!(results, "{topic}-{partition}: nobody").unwrap(),
                }
            }
        }
        Ok(Outcome::IsrChanges { results: changes } | Outcome::Reassignments { results: changes }) => {
            for change in changes {
                if let Err(rejection) = &change.result {
                    tell_rejection(rejection, results);
                }
            }
        }
        Ok(Outcome::ProducerIds { first, count }) => {
            writeln!(results, "producer ids {first} to {}", first + i64::from(*count) - 1).unwrap();
        }
        Ok(Outcome::Broker { broker }) => {
            writeln!(results, "epoch {} for broker {}", broker.broker_epoch, broker.broker_id).unwrap();
        }
        Ok(_) => {}
        Err(rejection) => tell_rejection(rejection, results),
    }
    if applied.changes.is_empty() && applied.result.is_ok() {
        writeln!(results, "nothing changes").unwrap();
    }
    applied.changes.iter().for_each(|change| tell_event(&change.event, results));
}

fn tell_rejection(rejection: &Rejection, results: &mut String) {
    let json = serde_json::to_value(rejection).unwrap();
    writeln!(results, "{}: {rejection}", json["code"].as_str().unwrap()).unwrap();
}

fn tell_event(event: &Event, results: &mut String) {
    match event {
        Event::TopicCreated { topic } => {
            writeln!(results, "topic {} created {:?}", topic.topic_name, topic.configs).unwrap();
            topic
                .partitions
                .iter()
                .for_each(|partition| tell_partition(&topic.topic_name, partition, results));
        }
        Event::TopicConfigsChanged { topic_name, configs, .. } => {
            writeln!(results, "topic {topic_name} has settings {configs:?}").unwrap();
        }
        Event::PartitionsAdded { topic_name, partitions, .. }
        | Event::PartitionsChanged { topic_name, partitions, .. } => {
            partitions.iter().for_each(|partition| tell_partition(topic_name, partition, results));
        }
        Event::TopicDeleted { topic_name, .. } => writeln!(results, "topic {topic_name} deleted").unwrap(),
        Event::BrokerRegistered { broker } => {
            let (id, host, status) = (broker.broker_id, &broker.host, broker.status);
            writeln!(results, "broker {id} at {host} registered, {status}").unwrap();
        }
        Event::BrokerStatusChanged { broker_id, status, .. } => {
            writeln!(results, "broker {broker_id} is {status}").unwrap();
        }
        Event::BrokerConfigsChanged { broker_id: None, configs } => {
            writeln!(results, "all brokers have settings {configs:?}").unwrap();
        }
        Event::BrokerConfigsChanged { broker_id: Some(id), configs } => {
            writeln!(results, "broker {id} has settings {configs:?}").unwrap();
        }
        Event::GroupConfigsChanged { group_id, configs } => {
            writeln!(results, "group {group_id} has settings {configs:?}").unwrap();
        }
        Event::BrokerRemoved { broker_id } => writeln!(results, "broker {broker_id} removed").unwrap(),
        Event::ProducerIdsAllocated { next_producer_id, .. } => {
            writeln!(results, "next producer id {next_producer_id}").unwrap();
        }
        Event::FeatureLevelChanged { level } => writeln!(results, "feature level {level}").unwrap(),
    }
}

fn tell_partition(topic: &TopicName, partition: &Partition, results: &mut String) {
    let ids = |ids: &[BrokerId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let leader = partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    write!(
        results,
        "{topic}-{}: leader {leader}, ISR {} of {}",
        partition.id,
        if partition.isr.is_empty() { "none".to_owned() } else { ids(&partition.isr) },
        ids(&partition.replicas),
    )
    .unwrap();
    if !partition.eligible_leader_replicas.is_empty() {
        write!(results, ", eligible {}", ids(&partition.eligible_leader_replicas)).unwrap();
    }
    if let Some(moving) = &partition.reassignment {
        write!(results, ", moving to {}", ids(&moving.target)).unwrap();
    }
    let (leader_epoch, partition_epoch) = (partition.leader_epoch, partition.partition_epoch);
    writeln!(results, " (leader epoch {leader_epoch}, partition epoch {partition_epoch})").unwrap();
}
