//! Metadata events turned into rows.
//!
//! Applied entries are collected here until the writer takes them along with a commit. What several events of one
//! batch do to the same row is folded into one write, so that the tables cost what their rows cost and not what their
//! history costs; only `metadata_events` gets every event.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use common::{Broker, BrokerId, BrokerStatus, Partition, Topic};
use metadata_core::change::Before;
use metadata_core::{Change, Event, State};

use super::database::{BrokerRow, EventRow, PartitionRow, Step, TopicRow};
use super::{AppliedEntry, LogPosition, StoreError};

/// The whole metadata, for rewriting the projection when a snapshot is installed.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// All topics.
    pub topics: Vec<Arc<Topic>>,
    /// All brokers.
    pub brokers: Vec<Broker>,
}

impl Image {
    /// Of this state. Cheap: topics are shared.
    pub fn of(state: &State) -> Self {
        Self { topics: state.topics().cloned().collect(), brokers: state.brokers().cloned().collect() }
    }

    /// The steps that put it in place of what the tables hold.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut pending = Pending::new(None);
        for topic in &self.topics {
            pending.put_topic(topic);
        }
        for broker in &self.brokers {
            pending.put_broker(broker);
        }
        let mut steps = vec![Step::ClearMetadata];
        pending.take_rows(&mut steps);
        steps
    }
}

/// What is to become of a topic's row.
#[derive(Debug)]
enum TopicEdit {
    Put(TopicRow),
    Configs(String),
}

/// What is to become of a broker's row.
#[derive(Debug)]
enum BrokerEdit {
    Put(BrokerRow),
    Status { epoch: i64, status: &'static str },
    Drop,
}

/// Applied entries that wait for their rows.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// What is in the tables.
    written: Option<LogPosition>,
    /// What is in the tables once this is written.
    reached: Option<LogPosition>,
    entries: usize,
    dropped_topics: BTreeSet<String>,
    topics: BTreeMap<String, TopicEdit>,
    partitions: BTreeMap<(Arc<str>, i64), PartitionRow>,
    brokers: BTreeMap<i64, BrokerEdit>,
    events: Vec<EventRow>,
}

impl Pending {
    /// Nothing waits; the tables are at `written`.
    pub(super) fn new(written: Option<LogPosition>) -> Self {
        Self { written, reached: written, ..Self::default() }
    }

    /// How many entries wait.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Takes in one entry. Entries that the tables hold already (they are applied again after a restart) are left out.
    ///
    /// # Errors
    /// If an entry was left out by the caller: the tables would be wrong from then on.
    pub(super) fn push(&mut self, entry: &AppliedEntry) -> Result<(), StoreError> {
        if let Some(reached) = self.reached {
            if entry.position.index <= reached.index {
                return Ok(());
            }
            if entry.position.index != reached.index + 1 {
                return Err(StoreError::Misuse(format!(
                    "applied entry {} does not follow {reached}: the projection would miss what lies between",
                    entry.position
                )));
            }
        }
        self.reached = Some(entry.position);
        self.entries += 1;
        for change in &entry.changes {
            self.events.push(event_row(change)?);
            self.apply(&change.event);
        }
        Ok(())
    }

    /// The steps of one transaction that write all this, the position last; nothing waits after it.
    pub(super) fn take(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.entries = 0;
        let Some(to) = self.reached.filter(|_| self.reached != self.written) else { return steps };
        self.take_rows(&mut steps);
        steps.push(Step::Applied { from: self.written, to });
        self.written = Some(to);
        steps
    }

    /// Forgets what waits and goes on from `position`, which an image stands for.
    pub(super) fn jump(&mut self, position: Option<LogPosition>) -> Option<LogPosition> {
        let from = self.written;
        *self = Self::new(position);
        from
    }

    fn take_rows(&mut self, steps: &mut Vec<Step>) {
        let mut push = |empty: bool, step: Step| {
            if !empty {
                steps.push(step);
            }
        };
        let dropped: Vec<String> = std::mem::take(&mut self.dropped_topics).into_iter().collect();
        push(dropped.is_empty(), Step::DropTopics(dropped));
        let (mut topics, mut configs) = (Vec::new(), Vec::new());
        for (name, edit) in std::mem::take(&mut self.topics) {
            match edit {
                TopicEdit::Put(row) => topics.push(row),
                TopicEdit::Configs(json) => configs.push((name, json)),
            }
        }
        push(topics.is_empty(), Step::PutTopics(topics));
        push(configs.is_empty(), Step::PutConfigs(configs));
        let partitions: Vec<_> = std::mem::take(&mut self.partitions).into_values().collect();
        push(partitions.is_empty(), Step::PutPartitions(partitions));
        let (mut gone, mut brokers, mut statuses) = (Vec::new(), Vec::new(), Vec::new());
        for (id, edit) in std::mem::take(&mut self.brokers) {
            match edit {
                BrokerEdit::Put(row) => brokers.push(row),
                BrokerEdit::Status { epoch, status } => statuses.push((id, epoch, status)),
                BrokerEdit::Drop => gone.push(id),
            }
        }
        push(gone.is_empty(), Step::DropBrokers(gone));
        push(brokers.is_empty(), Step::PutBrokers(brokers));
        push(statuses.is_empty(), Step::PutStatuses(statuses));
        let events = std::mem::take(&mut self.events);
        push(events.is_empty(), Step::AddEvents(events));
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::TopicCreated { topic } => self.put_topic(topic),
            Event::TopicConfigsChanged { topic_name, configs, .. } => {
                let json = configs_json(configs);
                match self.topics.entry(topic_name.to_string()) {
                    Entry::Occupied(mut slot) => match slot.get_mut() {
                        TopicEdit::Put(row) => row.configs = json,
                        TopicEdit::Configs(old) => *old = json,
                    },
                    Entry::Vacant(slot) => {
                        slot.insert(TopicEdit::Configs(json));
                    }
                }
            }
            Event::PartitionsAdded { topic_name, partitions, .. }
            | Event::PartitionsChanged { topic_name, partitions, .. } => {
                self.put_partitions(&Arc::from(topic_name.to_string()), partitions);
            }
            Event::TopicDeleted { topic_name, .. } => {
                let name = topic_name.to_string();
                let of_topic = (Arc::from(name.as_str()), 0)..=(Arc::from(name.as_str()), i64::MAX);
                let stale: Vec<_> = self.partitions.range(of_topic).map(|(key, _)| key.clone()).collect();
                for key in stale {
                    self.partitions.remove(&key);
                }
                self.topics.remove(&name);
                self.dropped_topics.insert(name);
            }
            Event::BrokerRegistered { broker } => self.put_broker(broker),
            Event::BrokerStatusChanged { broker_id, broker_epoch, status } => {
                self.set_status(*broker_id, broker_epoch.0, status_name(*status));
            }
            Event::BrokerRemoved { broker_id } => {
                self.brokers.insert(i64::from(broker_id.0), BrokerEdit::Drop);
            }
            // Read from the events, and from the API.
            Event::BrokerConfigsChanged { .. }
            | Event::GroupConfigsChanged { .. }
            | Event::ProducerIdsAllocated { .. }
            | Event::FeatureLevelChanged { .. } => {}
        }
    }

    fn put_topic(&mut self, topic: &Topic) {
        let name = topic.topic_name.to_string();
        self.put_partitions(&Arc::from(name.as_str()), &topic.partitions);
        let row = TopicRow {
            topic_name: name.clone(),
            topic_id: topic.topic_id.to_string(),
            replication_factor: i64::from(topic.replication_factor),
            configs: configs_json(&topic.configs),
        };
        self.topics.insert(name, TopicEdit::Put(row));
    }

    fn put_partitions(&mut self, topic_name: &Arc<str>, partitions: &[Partition]) {
        for partition in partitions {
            let id = i64::from(partition.id.0);
            let moving = partition.reassignment.as_deref();
            let row = PartitionRow {
                topic_name: Arc::clone(topic_name),
                partition: id,
                leader: partition.leader.map(|broker| i64::from(broker.0)),
                leader_epoch: i64::from(partition.leader_epoch.0),
                partition_epoch: i64::from(partition.partition_epoch.0),
                replicas: id_list(&partition.replicas),
                isr: id_list(&partition.isr),
                eligible: id_list(&partition.eligible_leader_replicas),
                adding: moving.map(|moving| id_list(&moving.adding)).unwrap_or_default(),
                target: moving.map(|moving| id_list(&moving.target)),
            };
            self.partitions.insert((Arc::clone(topic_name), id), row);
        }
    }

    fn put_broker(&mut self, broker: &Broker) {
        let row = BrokerRow {
            broker_id: i64::from(broker.broker_id.0),
            broker_epoch: broker.broker_epoch.0,
            incarnation_id: broker.incarnation_id.to_string(),
            host: text(&broker.host),
            port: i64::from(broker.port),
            kafka_port: broker.kafka_port.map(i64::from),
            rack: broker.rack.as_deref().map(text),
            status: status_name(broker.status),
            directory_id: broker.directory_id.map(|id| id.to_string()),
            disk_lost_at: broker.disk_lost_at.map(|epoch| epoch.0),
        };
        self.brokers.insert(row.broker_id, BrokerEdit::Put(row));
    }

    fn set_status(&mut self, broker: BrokerId, new_epoch: i64, new_status: &'static str) {
        match self.brokers.entry(i64::from(broker.0)) {
            Entry::Occupied(mut slot) => match slot.get_mut() {
                BrokerEdit::Put(row) => (row.broker_epoch, row.status) = (new_epoch, new_status),
                BrokerEdit::Status { epoch, status } => (*epoch, *status) = (new_epoch, new_status),
                BrokerEdit::Drop => {}
            },
            Entry::Vacant(slot) => {
                slot.insert(BrokerEdit::Status { epoch: new_epoch, status: new_status });
            }
        }
    }
}

/// The row that tells where history was cut: what lies between the last event before it and this version was not
/// seen by this node as single events, it came as a snapshot.
pub(super) fn snapshot_event(at: LogPosition, node: u64, time_ms: u64) -> EventRow {
    EventRow {
        version: i64::try_from(at.index).unwrap_or(i64::MAX),
        seq: -1,
        time_ms: i64::try_from(time_ms).unwrap_or(i64::MAX),
        author: Arc::from(format!("controller:{node}")),
        request_id: None,
        kind: "SNAPSHOT_INSTALLED",
        subject: "cluster".to_owned(),
        before: None,
        after: None,
    }
}

fn event_row(change: &Change) -> Result<EventRow, StoreError> {
    let json = |error: serde_json::Error| StoreError::Misuse(format!("event {}: {error}", change.version));
    let (kind, subject) = kind_and_subject(&change.event);
    let before = match &change.before {
        Before::Nothing => None,
        before => Some(serde_json::to_string(before).map_err(json)?),
    };
    Ok(EventRow {
        version: i64::try_from(change.version.0).unwrap_or(i64::MAX),
        seq: i64::from(change.seq),
        time_ms: i64::try_from(change.time_ms).unwrap_or(i64::MAX),
        author: if change.author.contains('\0') {
            text(&change.author).into()
        } else {
            Arc::clone(&change.author)
        },
        request_id: change.request_id.map(|id| id.to_string()),
        kind,
        subject,
        before,
        after: Some(serde_json::to_string(&*change.event).map_err(json)?),
    })
}

/// The event's tag, and what it is about.
fn kind_and_subject(event: &Event) -> (&'static str, String) {
    let topic = |name: &common::TopicName| format!("topic:{name}");
    let broker = |id: &BrokerId| format!("broker:{id}");
    match event {
        Event::TopicCreated { topic: created } => ("TOPIC_CREATED", topic(&created.topic_name)),
        Event::TopicConfigsChanged { topic_name, .. } => ("TOPIC_CONFIGS_CHANGED", topic(topic_name)),
        Event::PartitionsAdded { topic_name, .. } => ("PARTITIONS_ADDED", topic(topic_name)),
        Event::PartitionsChanged { topic_name, .. } => ("PARTITIONS_CHANGED", topic(topic_name)),
        Event::TopicDeleted { topic_name, .. } => ("TOPIC_DELETED", topic(topic_name)),
        Event::BrokerRegistered { broker: registered } => {
            ("BROKER_REGISTERED", broker(&registered.broker_id))
        }
        Event::BrokerStatusChanged { broker_id, .. } => ("BROKER_STATUS_CHANGED", broker(broker_id)),
        Event::BrokerConfigsChanged { broker_id: Some(broker_id), .. } => {
            ("BROKER_CONFIGS_CHANGED", broker(broker_id))
        }
        Event::BrokerConfigsChanged { broker_id: None, .. } => {
            ("BROKER_CONFIGS_CHANGED", "cluster".to_owned())
        }
        Event::GroupConfigsChanged { group_id, .. } => {
            ("GROUP_CONFIGS_CHANGED", format!("group:{}", text(group_id)))
        }
        Event::BrokerRemoved { broker_id } => ("BROKER_REMOVED", broker(broker_id)),
        Event::ProducerIdsAllocated { broker_id, .. } => ("PRODUCER_IDS_ALLOCATED", broker(broker_id)),
        Event::FeatureLevelChanged { .. } => ("FEATURE_LEVEL_CHANGED", "cluster".to_owned()),
    }
}

fn status_name(status: BrokerStatus) -> &'static str {
    match status {
        BrokerStatus::Online => "ONLINE",
        BrokerStatus::Offline => "OFFLINE",
        BrokerStatus::Draining => "DRAINING",
    }
}

fn configs_json(configs: &BTreeMap<String, String>) -> String {
    if configs.is_empty() {
        return "{}".to_owned();
    }
    serde_json::to_string(configs).expect("a map of strings is JSON")
}

fn id_list(brokers: &[BrokerId]) -> String {
    let mut list = String::with_capacity(brokers.len() * 5);
    for broker in brokers {
        if !list.is_empty() {
            list.push(',');
        }
        write!(list, "{}", broker.0).expect("writing to a String cannot fail");
    }
    list
}

/// Postgres has no NUL in texts: a name that somehow holds one must not stop every node for ever.
fn text(value: &str) -> String {
    value.replace('\0', "\u{fffd}")
}
