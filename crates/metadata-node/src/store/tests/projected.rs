//! What the tables say against what the state says, after commands of every kind.

use std::collections::BTreeMap;

use common::{
    BrokerEpoch, BrokerId, BrokerStatus, ClusterId, DirectoryId, IncarnationId, MetadataVersion, PartitionId,
    TopicId, TopicName,
};
use metadata_core::{Command, Outcome, Proposal, State, command::Move};
use uuid::Uuid;

use super::{Place, Running, at, on_both_databases, snapshot_at};
use crate::store::{AppliedEntry, HistoryQuery, Image};

on_both_databases!(
    tables_are_the_state,
    history_is_asked_by_topic_broker_and_version,
    an_image_replaces_everything
);

/// A state and the entries that led to it.
struct Cluster {
    state: State,
    index: u64,
    epochs: BTreeMap<i32, BrokerEpoch>,
}

impl Cluster {
    fn new() -> Self {
        Self { state: State::new(ClusterId("test".into())), index: 0, epochs: BTreeMap::new() }
    }

    /// Applies a command that must succeed.
    fn apply(&mut self, command: Command) -> AppliedEntry {
        self.index += 1;
        let proposal = Proposal {
            time_ms: 1_700_000_000_000 + self.index,
            author: "rest:test".to_owned(),
            request_id: Some(Uuid::from_u128(u128::from(self.index))),
            command,
        };
        let applied = self.state.apply(MetadataVersion(self.index), &proposal);
        if let Outcome::Broker { broker } = applied.result.unwrap() {
            self.epochs.insert(broker.broker_id.0, broker.broker_epoch);
        }
        AppliedEntry { position: at(1, self.index), changes: applied.changes }
    }

    fn register(&mut self, id: i32) -> AppliedEntry {
        self.apply(Command::RegisterBroker {
            broker_id: BrokerId(id),
            incarnation_id: IncarnationId(Uuid::from_u128(u128::from(self.index) + 1000)),
            host: "localhost".to_owned(),
            port: 8080,
            kafka_port: (id % 2 == 0).then_some(9092),
            rack: (id % 2 == 1).then(|| format!("rack \"{id}\"")),
            directory_id: (id % 2 == 0).then(|| DirectoryId(Uuid::from_u128(self.index.into()))),
            previous_is_gone: true,
        })
    }

    fn create(&mut self, name: &str, partitions: i32) -> AppliedEntry {
        self.apply(Command::CreateTopic {
            topic_name: TopicName::new(name).unwrap(),
            topic_id: TopicId(Uuid::from_u128(u128::from(self.index) + 5000)),
            num_partitions: partitions,
            replication_factor: 2,
            configs: BTreeMap::from([("retention.ms".to_owned(), "60000".to_owned())]),
            assignments: None,
            placement_seed: self.index,
            internal: false,
        })
    }

    fn alter(&mut self, name: &str, partitions: Option<i32>, retention: Option<&str>) -> AppliedEntry {
        let configs = retention.map(|value| ("retention.ms".to_owned(), Some(value.to_owned())));
        self.apply(Command::AlterTopic {
            topic_name: TopicName::new(name).unwrap(),
            num_partitions: partitions,
            configs: configs.into_iter().collect(),
            assignments: None,
            placement_seed: self.index,
        })
    }

    fn delete(&mut self, name: &str) -> AppliedEntry {
        self.apply(Command::DeleteTopic { topic_name: TopicName::new(name).unwrap() })
    }

    fn fence(&mut self, id: i32) -> AppliedEntry {
        let epoch = self.epochs[&id];
        self.apply(Command::FenceBrokers { brokers: vec![(BrokerId(id), epoch)] })
    }

    /// Partition 0 moves to two other brokers, or does not move on.
    fn reassign(&mut self, name: &str, to: i32) -> AppliedEntry {
        let replicas = vec![BrokerId(103 + to % 2), BrokerId(101 + to % 2)];
        let topic_name = TopicName::new(name).unwrap();
        let wanted =
            Move { topic_name, partition: PartitionId(0), replicas: (to % 3 > 0).then_some(replicas) };
        self.apply(Command::ReassignPartitions { moves: vec![wanted] })
    }

    /// A life with everything in it, `rounds` long.
    fn life(&mut self, rounds: u64) -> Vec<AppliedEntry> {
        let mut entries: Vec<_> = (101..=104).map(|id| self.register(id)).collect();
        for round in 0..rounds {
            let name = format!("life-{}", round % 7);
            let exists = self.state.topic(&name).is_some();
            entries.push(match (exists, round % 6) {
                (false, _) => self.create(&name, 1 + (round % 4) as i32),
                (true, 0) => self.delete(&name),
                (true, 1) => self.alter(&name, None, Some(&format!("{}", 1000 + round))),
                (true, 2) => self.alter(&name, Some(6 + (round / 7) as i32), None),
                (true, 3) => self.fence(101 + (round % 2) as i32),
                (true, 4) => self.reassign(&name, (round / 6) as i32),
                (true, _) => self.register(101 + (round % 2) as i32),
            });
        }
        entries
    }
}

fn ids(brokers: &[BrokerId]) -> String {
    brokers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The state as the queries of [`tables`] would print it.
fn expected(state: &State) -> [String; 4] {
    let mut topics = Vec::new();
    let mut partitions = Vec::new();
    let mut replicas = Vec::new();
    for topic in state.topics() {
        let name = &topic.topic_name;
        let configs = topic.configs.get("retention.ms").cloned().unwrap_or_default();
        topics.push(format!(
            "{name}|{}|{}|{configs}|{}|{}",
            topic.topic_id,
            topic.replication_factor,
            topic.partitions.len(),
            topic.partitions.iter().filter(|partition| partition.reassignment.is_some()).count()
        ));
        for partition in &topic.partitions {
            let leader = partition.leader.map(|id| id.to_string()).unwrap_or_default();
            let (epoch, change) = (partition.leader_epoch, partition.partition_epoch);
            let (all, isr) = (ids(&partition.replicas), ids(&partition.isr));
            let eligible = ids(&partition.eligible_leader_replicas);
            let moving = partition.reassignment.as_deref();
            let target = moving.map(|it| format!("[{}]", ids(&it.target))).unwrap_or_default();
            partitions.push(format!(
                "{name}|{}|{leader}|{epoch}|{change}|[{all}]|[{isr}]|[{eligible}]|{target}",
                partition.id
            ));
            for (position, broker) in partition.replicas.iter().enumerate() {
                let in_sync = i32::from(partition.isr.contains(broker));
                let leads = i32::from(partition.leader == Some(*broker));
                let eligible = i32::from(partition.eligible_leader_replicas.contains(broker));
                let adding = i32::from(moving.is_some_and(|moving| moving.adding.contains(broker)));
                replicas.push(format!(
                    "{name}|{}|{position}|{broker}|{leads}|{in_sync}|{eligible}|{adding}",
                    partition.id
                ));
            }
        }
    }
    let broker = |broker: &common::Broker| {
        let status = match broker.status {
            BrokerStatus::Online => "ONLINE",
            BrokerStatus::Offline => "OFFLINE",
            BrokerStatus::Draining => "DRAINING",
        };
        let kafka_port = broker.kafka_port.map(|port| port.to_string()).unwrap_or_default();
        let rack = broker.rack.clone().unwrap_or_default();
        let (leads, holds) =
            (state.leader_partitions(broker.broker_id), state.replica_partitions(broker.broker_id));
        let disk = broker.directory_id.map(|id| id.to_string()).unwrap_or_default();
        let lost = broker.disk_lost_at.map(|epoch| epoch.to_string()).unwrap_or_default();
        let (id, epoch) = (broker.broker_id, broker.broker_epoch);
        format!("{id}|{epoch}|{kafka_port}|{rack}|{status}|{leads}|{holds}|{disk}|{lost}")
    };
    let brokers: Vec<_> = state.brokers().map(broker).collect();
    [topics.join("\n"), partitions.join("\n"), replicas.join("\n"), brokers.join("\n")]
}

/// What the tables and the documented views hold.
async fn tables(place: &Place) -> [String; 4] {
    // SQLite keeps arrays as JSON already; its names sort by bytes, as the state's do.
    let postgres = place.database.is_some();
    let by_bytes = if postgres { " COLLATE \"C\"" } else { "" };
    let array = |column: &str| match postgres {
        true => format!("'[' || array_to_string({column}, ',') || ']'"),
        false => column.to_owned(),
    };
    let topics = format!(
        "SELECT topic_name, topic_id, replication_factor, configs ->> 'retention.ms', partitions, \
         reassigning_partitions \
         FROM topic_overview ORDER BY topic_name{by_bytes}"
    );
    let partitions = format!(
        "SELECT topic_name, partition, leader, leader_epoch, partition_epoch, {}, {}, {}, {} \
         FROM partitions ORDER BY topic_name{by_bytes}, partition",
        array("replicas"),
        array("isr"),
        array("eligible"),
        array("target")
    );
    let replicas = format!(
        "SELECT topic_name, partition, position, broker_id, CASE WHEN is_leader THEN 1 ELSE 0 END, \
         CASE WHEN in_sync THEN 1 ELSE 0 END, CASE WHEN is_eligible THEN 1 ELSE 0 END, \
         CASE WHEN is_adding THEN 1 ELSE 0 END FROM replicas ORDER BY topic_name{by_bytes}, partition, position"
    );
    let brokers = "SELECT broker_id, broker_epoch, kafka_port, rack, status, leader_partitions, replica_partitions, \
                   directory_id, disk_lost_at FROM broker_overview ORDER BY broker_id";
    let mut found = Vec::new();
    for query in [topics.as_str(), &partitions, &replicas, brokers] {
        found.push(place.sql(query).await);
    }
    found.try_into().unwrap()
}

/// Batches of every size, so that every folding of events within one is met.
async fn tables_are_the_state(place: Place) {
    let mut cluster = Cluster::new();
    let entries = cluster.life(300);
    let running = place.open().await;
    let mut rest = entries.as_slice();
    let mut size = 1;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(size.min(rest.len()));
        running.store.project(now.to_vec()).await.unwrap();
        running.store.flush().await.unwrap();
        rest = later;
        size = size % 23 + 1;
    }
    assert_eq!(expected(&cluster.state), tables(&place).await);
    let events: usize = entries.iter().map(|entry| entry.changes.len()).sum();
    assert_eq!(events.to_string(), place.sql("SELECT count(*) FROM metadata_events").await);

    // Applying some again changes nothing.
    running.store.project(entries[250..].to_vec()).await.unwrap();
    let next = cluster.create("one.more", 3);
    running.store.project(vec![next]).await.unwrap();
    running.store.flush().await.unwrap();
    assert_eq!(expected(&cluster.state), tables(&place).await);
    running.close().await;

    let running = place.open().await;
    assert_eq!(Some(at(1, cluster.index)), running.opened.projected);
    running.close().await;
}

async fn versions(running: &Running, query: HistoryQuery) -> Vec<(u64, String)> {
    let entries = running.store.history(query).await.unwrap();
    entries.into_iter().map(|entry| (entry.version.0, entry.kind)).collect()
}

async fn history_is_asked_by_topic_broker_and_version(place: Place) {
    let mut cluster = Cluster::new();
    let entries = vec![
        cluster.register(101),
        cluster.register(102),
        cluster.create("a", 1),
        cluster.create("b", 1),
        cluster.alter("a", None, Some("5000")),
        cluster.delete("a"),
    ];
    let running = place.open().await;
    running.store.project(entries).await.unwrap();
    let query = |limit| HistoryQuery { limit, ..HistoryQuery::default() };
    let named = |found: &[(u64, &str)]| -> Vec<(u64, String)> {
        found.iter().map(|(version, kind)| (*version, (*kind).to_owned())).collect()
    };
    // Nothing was flushed: asking does it.
    assert_eq!(
        named(&[(6, "TOPIC_DELETED"), (5, "TOPIC_CONFIGS_CHANGED")]),
        versions(&running, query(2)).await,
        "the newest first"
    );
    let since = HistoryQuery { since: Some(MetadataVersion(2)), ..query(2) };
    assert_eq!(named(&[(3, "TOPIC_CREATED"), (4, "TOPIC_CREATED")]), versions(&running, since).await);
    let of_a = HistoryQuery { topic: Some("a".into()), ..query(10) };
    assert_eq!(
        named(&[(6, "TOPIC_DELETED"), (5, "TOPIC_CONFIGS_CHANGED"), (3, "TOPIC_CREATED")]),
        versions(&running, of_a.clone()).await
    );
    let of_a_since = HistoryQuery { since: Some(MetadataVersion(3)), ..of_a };
    assert_eq!(
        named(&[(5, "TOPIC_CONFIGS_CHANGED"), (6, "TOPIC_DELETED")]),
        versions(&running, of_a_since).await
    );
    let of_broker = HistoryQuery { broker: Some(BrokerId(102)), ..query(10) };
    assert_eq!(named(&[(2, "BROKER_REGISTERED")]), versions(&running, of_broker).await);

    let changed = running.store.history(HistoryQuery { topic: Some("a".into()), ..query(2) }).await.unwrap();
    let changed = &changed[1];
    assert_eq!((changed.author.as_str(), changed.time_ms), ("rest:test", 1_700_000_000_005));
    assert_eq!(Some(Uuid::from_u128(5)), changed.request_id);
    assert_eq!(r#"{"retention.ms":"60000"}"#, changed.before.as_ref().unwrap().get());
    assert!(changed.after.as_ref().unwrap().get().contains(r#""retention.ms":"5000""#));
    assert_eq!("topic:a", changed.subject);
    running.close().await;
}

async fn an_image_replaces_everything(place: Place) {
    let mut mine = Cluster::new();
    let running = place.open().await;
    running.store.project(mine.life(40)).await.unwrap();
    let mut other = Cluster::new();
    other.life(120);
    let (record, data) = snapshot_at(at(1, other.index), 100);
    running.store.install_snapshot(record, data, Image::of(&other.state)).await.unwrap();
    assert_eq!(expected(&other.state), tables(&place).await);
    let newest = HistoryQuery { limit: 1, ..HistoryQuery::default() };
    assert_eq!(vec![(other.index, "SNAPSHOT_INSTALLED".to_owned())], versions(&running, newest).await);

    // An older one, as a restarted node installs it again, takes nothing back.
    let (record, data) = snapshot_at(at(1, 20), 100);
    running.store.install_snapshot(record, data, Image::of(&mine.state)).await.unwrap();
    assert_eq!(expected(&other.state), tables(&place).await);
    let (kept, _) = running.store.snapshot().await.unwrap().unwrap();
    assert_eq!(Some(at(1, other.index)), kept.last);
    running.store.project(vec![other.create("goes.on", 2)]).await.unwrap();
    running.store.flush().await.unwrap();
    assert_eq!(expected(&other.state), tables(&place).await);
    running.close().await;
}
