//! A quorum as a broker sees it: metadata nodes that answer by the contract, from the real `metadata-core` state, and
//! that elections and failures happen to when a test says so.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::result_large_err,
    reason = "helpers of tests may panic like the tests, and need not be fast"
)]

mod answers;
pub(crate) mod fixture;
pub(crate) mod groups;
pub(crate) mod kafka;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use common::{BrokerId, ClusterId, MetadataVersion, NodeId, PartitionId, Term, TopicId, TopicName};
pub(crate) use fixture::{BrokerFixture, eventually};
use http_api::{ErrorCode, HeartbeatRequest, HistoryEntry, MetadataPush, PushAck, UpdateType};
use metadata_core::{
    Applied, ChangeLog, Command, Event, Outcome, Proposal, State,
    command::{FEATURE_LEVEL_MAX, IsrChange, IsrMember, Move},
};
use runtime::{Tasks, http::HttpLimits};
use uuid::Uuid;

/// All nodes together.
pub(crate) struct Quorum {
    shared: Arc<Shared>,
    nodes: Vec<Node>,
}

struct Node {
    url: String,
    tasks: Tasks,
}

struct Shared {
    core: Mutex<Core>,
}

/// The committed state, and what the test wants to happen.
pub(crate) struct Core {
    pub(crate) state: State,
    log: ChangeLog,
    history: Vec<HistoryEntry>,
    index: u64,
    term: u64,
    leader: Option<u64>,
    urls: BTreeMap<u64, String>,
    /// A node that is behind: it still takes this one for the leader, of this term.
    pub(crate) stale: BTreeMap<u64, (u64, u64)>,
    /// What the leader answers to heartbeats, if not the truth.
    pub(crate) heartbeats_fail_with: Option<ErrorCode>,
    /// Whether the leader holds the former process of a broker for gone.
    pub(crate) previous_is_gone: bool,
    /// Heartbeats that were taken, in order, with the node that took them.
    pub(crate) heartbeats: Vec<(u64, HeartbeatRequest)>,
    pub(crate) registrations: usize,
    /// What pulls asked for.
    pub(crate) pulls: Vec<Option<MetadataVersion>>,
    pub(crate) full_answers: usize,
    /// Whether the history is gone.
    pub(crate) forgets_history: bool,
}

impl Quorum {
    /// So many nodes; node 1 leads in term 1.
    pub(crate) async fn start(nodes: u64) -> Self {
        let mut state = State::new(ClusterId("test".into()));
        // As a new cluster has it.
        state.evolve(MetadataVersion(0), &Event::FeatureLevelChanged { level: FEATURE_LEVEL_MAX });
        let core = Core {
            state,
            log: ChangeLog::new(MetadataVersion(0), 10_000, 1 << 20),
            history: Vec::new(),
            index: 0,
            term: 1,
            leader: Some(1),
            urls: BTreeMap::new(),
            stale: BTreeMap::new(),
            heartbeats_fail_with: None,
            previous_is_gone: true,
            heartbeats: Vec::new(),
            registrations: 0,
            pulls: Vec::new(),
            full_answers: 0,
            forgets_history: false,
        };
        let mut quorum = Self { shared: Arc::new(Shared { core: Mutex::new(core) }), nodes: Vec::new() };
        for id in 1..=nodes {
            let listener = runtime::http::bind("127.0.0.1", 0).await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            quorum.core().urls.insert(id, url.clone());
            let tasks = Tasks::new();
            let router = answers::router(id, Arc::clone(&quorum.shared));
            runtime::http::serve(&tasks, listener, router, HttpLimits::default());
            quorum.nodes.push(Node { url, tasks });
        }
        quorum
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.shared.core.lock().unwrap()
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url.clone()).collect()
    }

    pub(crate) fn url(&self, node: u64) -> String {
        self.core().urls[&node].clone()
    }

    /// The node's process ends.
    pub(crate) async fn stop(&self, node: u64) {
        let tasks = self.nodes[usize::try_from(node).unwrap() - 1].tasks.clone();
        tasks.drain(Duration::from_millis(100)).await;
    }

    /// An election: that node leads now, in the next term.
    pub(crate) fn elect(&self, node: u64) {
        let mut core = self.core();
        core.term += 1;
        core.leader = Some(node);
    }

    /// Who took the last heartbeat.
    pub(crate) fn last_heartbeat_at(&self) -> Option<u64> {
        self.core().heartbeats.last().map(|(node, _)| *node)
    }

    /// Nobody leads.
    pub(crate) fn depose(&self) {
        self.core().leader = None;
    }

    pub(crate) fn apply(&self, command: Command) -> Applied {
        self.core().apply(command)
    }

    /// A topic whose partitions all have these replicas.
    pub(crate) fn create_topic(&self, name: &str, partitions: usize, replicas: &[i32]) -> TopicId {
        let replicas: Vec<BrokerId> = replicas.iter().copied().map(BrokerId).collect();
        let topic_id = TopicId(Uuid::new_v4());
        let applied = self.apply(Command::CreateTopic {
            topic_name: TopicName::new(name).unwrap(),
            topic_id,
            num_partitions: i32::try_from(partitions).unwrap(),
            replication_factor: i16::try_from(replicas.len()).unwrap(),
            configs: BTreeMap::new(),
            assignments: Some(vec![replicas; partitions]),
            placement_seed: 0,
            internal: false,
        });
        applied.result.unwrap();
        topic_id
    }

    /// A topic has so many partitions from now on.
    pub(crate) fn add_partitions(&self, name: &str, num_partitions: i32) {
        let command = Command::AlterTopic {
            topic_name: TopicName::new(name).unwrap(),
            num_partitions: Some(num_partitions),
            configs: BTreeMap::new(),
            assignments: None,
            placement_seed: 0,
        };
        self.apply(command).result.unwrap();
    }

    /// Partition 0 of a topic moves to these brokers, and all of them are in sync at once.
    pub(crate) fn move_to(&self, topic: &str, replicas: &[i32]) {
        let name = TopicName::new(topic).unwrap();
        let target: Vec<BrokerId> = replicas.iter().copied().map(BrokerId).collect();
        let (topic_name, partition) = (name.clone(), PartitionId(0));
        let wanted = Move { topic_name, partition, replicas: Some(target) };
        let moving = match self.apply(Command::ReassignPartitions { moves: vec![wanted] }).result.unwrap() {
            Outcome::Reassignments { mut results } => results.remove(0).result.unwrap(),
            other => panic!("{other:?}"),
        };
        let core = self.core();
        let epoch_of = |id: &BrokerId| core.state.broker(*id).unwrap().broker_epoch;
        let member = |id| IsrMember { broker_id: id, broker_epoch: epoch_of(&id) };
        let leader = moving.leader.unwrap();
        let change = IsrChange {
            topic_id: core.state.topic(topic).unwrap().topic_id,
            topic_name: name,
            partition,
            leader_epoch: moving.leader_epoch,
            partition_epoch: moving.partition_epoch,
            new_isr: moving.replicas.iter().copied().map(member).collect(),
        };
        let broker_epoch = epoch_of(&leader);
        drop(core);
        self.apply(Command::AlterIsr { broker_id: leader, broker_epoch, changes: vec![change] })
            .result
            .unwrap();
    }

    pub(crate) fn delete_topic(&self, name: &str) {
        self.apply(Command::DeleteTopic { topic_name: TopicName::new(name).unwrap() }).result.unwrap();
    }

    /// A broker that exists, but has no process in this test.
    pub(crate) fn register_other(&self, id: i32) {
        let command = answers::registration(BrokerId(id), Uuid::new_v4(), "localhost".into(), 9, None, true);
        self.apply(command).result.unwrap();
    }

    /// The controllers give a broker up.
    pub(crate) fn fence(&self, id: i32) {
        let broker_id = BrokerId(id);
        let broker_epoch = self.core().state.broker(broker_id).unwrap().broker_epoch;
        self.apply(Command::FenceBrokers { brokers: vec![(broker_id, broker_epoch)] }).result.unwrap();
    }

    /// Deltas do not reach back any more.
    pub(crate) fn forget_deltas(&self) {
        let mut core = self.core();
        let version = core.state.version();
        core.log.reset(version);
    }

    pub(crate) fn version(&self) -> MetadataVersion {
        self.core().state.version()
    }

    /// The push of a controller, as the leader would send it now.
    pub(crate) fn push(&self, update_type: UpdateType) -> MetadataPush {
        let core = self.core();
        let leader = core.leader.unwrap();
        MetadataPush {
            update_type,
            version: core.state.version(),
            controller_id: NodeId(leader),
            controller_url: core.urls[&leader].clone(),
            controller_term: Term(core.term),
            timestamp: 0,
        }
    }
}

impl Core {
    pub(crate) fn apply(&mut self, command: Command) -> Applied {
        self.index += 1;
        let proposal = Proposal { time_ms: 0, author: "test".into(), request_id: None, command };
        let applied = self.state.apply(MetadataVersion(self.index), &proposal);
        self.log.push(&applied.changes);
        for change in &applied.changes {
            let after = serde_json::to_value(&*change.event).unwrap();
            self.history.push(HistoryEntry {
                version: change.version,
                time: 0,
                author: "test".into(),
                request_id: None,
                kind: after["kind"].as_str().unwrap().to_owned(),
                subject: String::new(),
                before: serde_json::Value::Null,
                after,
            });
        }
        applied
    }
}

/// Sends a push as a controller would.
pub(crate) async fn send_push(broker: &BrokerFixture, push: &MetadataPush) -> PushAck {
    let url = format!("{}{}", broker.url(), http_api::paths::STORAGE_METADATA);
    let reply = client::HttpClient::default().send(client::HttpRequest::post_json(url, push)).await.unwrap();
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.json().unwrap()
}
