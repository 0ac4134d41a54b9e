//! Fetch (1), versions 4 to 18: reads record batches, for consumers and for followers.
//!
//! - A long poll holds no records while it waits: it looks, lets go of what it saw if that is not enough, and looks
//!   again when one of its partitions has news. It ends early at any error, at the shutdown, and where records had to
//!   be read from disk, as that is far from the end of the log anyway.
//! - At least one batch is given if there is any, however large; the others keep to the limits.
//! - A consumer that names its rack is sent to a replica there, if one has what it wants. Followers give any consumer what they
//!   know to be committed, since version 11 (KIP-392). Whatever else it asks them for, it is sent back to the leader.
//! - Of a session (KIP-227) the request is what the client changes, and the answer what is new: see `kafka/fetch_sessions`.
//!   In between, everything that the session has is looked at, as if it had been named.
//! - Records in memory are sent as they are, without copying. What is on disk is read into memory and checked: a sick
//!   disk must not be a consumer's problem. Sending from the page cache instead was measured, and is slower: ADR 0005.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use common::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, TopicId};
use futures_util::FutureExt;
use kafka_wire::{
    ErrorCode, Message, Records,
    messages::{
        FetchRequest, FetchResponse,
        fetch::{
            AbortedTransaction, EpochEndOffset, FetchPartition, FetchableTopicResponse, LeaderIdAndEpoch,
            NodeEndpoint, PartitionData,
        },
    },
};
use metadata_core::State;
use replica::{FollowerFetch, Isolation};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{
    Call, blocking,
    list_offsets::{isolation, known_epoch},
    topics::{Node, ROLE_WAIT, TopicRef, wants_leader},
};
use crate::{
    kafka::{errors, limits::Held, writer::Pending},
    partition::{News, Partition, PartitionError, PlannedRead, ReadRecords, Reader, Watch},
};

/// Since this version topics are named by their ids.
const TOPIC_IDS_SINCE: i16 = 13;

/// Since this version clients are told who leads (KIP-951).
const LEADERS_SINCE: i16 = 16;

/// Since this version followers answer consumers too, whether they say where they are or not.
const FOLLOWERS_SINCE: i16 = 11;

/// No replica is nearer than this one.
const NO_REPLICA: i32 = -1;

/// Longest that a long poll waits, whatever the client says.
const WAIT_MAX: Duration = Duration::from_secs(600);

pub(super) fn start(call: Call, body: &Bytes) -> Result<Pending, String> {
    let request = FetchRequest::from_body(body, call.version()).map_err(|error| error.to_string())?;
    Ok(run(call, request).boxed())
}

async fn run(call: Call, mut request: FetchRequest) -> crate::kafka::writer::Outcome {
    let is_follower = request.replica_id >= 0 || request.replica_state.replica_id >= 0;
    let server = Arc::clone(&call.server);
    let context = match server.fetch_sessions.resolve(&mut request, call.version(), is_follower, call.arrived)
    {
        Ok(context) => context,
        Err(error_code) => {
            let response = FetchResponse { error_code, ..FetchResponse::default() };
            return call.answer(&response, Vec::new(), Held::default());
        }
    };
    let fetch = Fetch::new(call, &request);
    let answer = fetch.until_enough(&request).await;
    let mut response = FetchResponse::default();
    let mut records = Vec::new();
    let mut answers = answer.partitions.into_iter();
    for topic in &request.topics {
        let partitions = answers.by_ref().take(topic.partitions.len());
        let partitions = partitions.map(|answer| answer.into_data(&mut records)).collect();
        let (topic, topic_id) = (topic.topic.clone(), topic.topic_id);
        response.responses.push(FetchableTopicResponse { topic, topic_id, partitions });
    }
    context.finish(&server.fetch_sessions, &request, &mut response, Instant::now());
    if fetch.call.version() >= LEADERS_SINCE {
        fetch.add_leaders(&mut response);
    }
    fetch.count(&response);
    fetch.call.answer(&response, records, answer.held)
}

/// Where brokers say that they are.
fn racks(call: &Call) -> BTreeMap<BrokerId, String> {
    call.server.image.read(|state| {
        let racks = state.brokers().filter_map(|broker| Some((broker.broker_id, broker.rack.clone()?)));
        racks.collect()
    })
}

/// A fetch that is carried out.
struct Fetch {
    call: Call,
    by_id: bool,
    /// A follower and its epoch, if it is one.
    follower: Option<(BrokerId, BrokerEpoch)>,
    isolation: Isolation,
    bytes_max: usize,
    /// Where the consumer is; empty if it does not say.
    rack: String,
    /// Where brokers are, for those who say where they are.
    racks: BTreeMap<BrokerId, String>,
}

/// All that a look at the partitions gave.
#[derive(Default)]
struct Looked {
    partitions: Vec<FetchAnswer>,
    bytes: usize,
    /// Whether the answer is not to wait for more.
    urgent: bool,
    /// Memory of what was read from disk.
    held: Held,
}

/// The answer for one partition.
struct FetchAnswer {
    data: PartitionData,
    /// The batches, in pieces that are sent one after the other.
    records: Vec<Bytes>,
}

impl Fetch {
    fn new(call: Call, request: &FetchRequest) -> Self {
        let (id, epoch) = match request.replica_state.replica_id {
            // Before version 15.
            -1 => (request.replica_id, -1),
            id => (id, request.replica_state.replica_epoch),
        };
        let bytes_max =
            usize::try_from(request.max_bytes).unwrap_or(0).min(call.server.limits.fetch_bytes_max);
        Self {
            by_id: call.version() >= TOPIC_IDS_SINCE,
            follower: (id >= 0).then_some((BrokerId(id), BrokerEpoch(epoch))),
            isolation: isolation(request.isolation_level),
            bytes_max,
            racks: if request.rack_id.is_empty() { BTreeMap::new() } else { racks(&call) },
            rack: request.rack_id.clone(),
            call,
        }
    }

    /// Looks until there is enough, or no more time.
    async fn until_enough(&self, request: &FetchRequest) -> Looked {
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(WAIT_MAX);
        let deadline = self.call.arrived + wait;
        let enough = usize::try_from(request.min_bytes).unwrap_or(0);
        let mut looked = self.look(request).await;
        if looked.is_enough(enough) || wait.is_zero() {
            return looked;
        }
        let news = Arc::new(Notify::new());
        let _watches = self.watch(request, &news);
        loop {
            // The watch begins before the look, so nothing is missed between them.
            looked = self.look(request).await;
            if looked.is_enough(enough) || self.call.client.stop.is_requested() || Instant::now() >= deadline
            {
                return looked;
            }
            drop(looked);
            let stop = &self.call.client.stop;
            // Whatever ends the wait, there is another look.
            let _ = timeout_at(deadline, stop.or(news.notified())).await;
        }
    }

    fn watch(&self, request: &FetchRequest, notify: &Arc<Notify>) -> Vec<Watch> {
        let news = if self.follower.is_some() { News::Appended } else { News::Committed };
        let partitions = request.topics.iter().flat_map(|topic| {
            let name = TopicRef::new(self.by_id, &topic.topic, topic.topic_id);
            topic
                .partitions
                .iter()
                .filter_map(move |wanted| self.call.server.partition(name, wanted.partition).ok())
        });
        partitions.map(|partition| partition.watch(news, notify)).collect()
    }

    async fn look(&self, request: &FetchRequest) -> Looked {
        let mut looked = Looked::default();
        for topic in &request.topics {
            let name = TopicRef::new(self.by_id, &topic.topic, topic.topic_id);
            for wanted in &topic.partitions {
                let led = self.call.server.led_partition_by(name, wanted.partition, self.roles_until());
                let answer = match led.await {
                    Ok(partition) => self
                        .look_at(&partition, wanted, &mut looked)
                        .await
                        .map_err(|error| self.refusal(wanted.partition, &error)),
                    Err(code) => Err(FetchAnswer::failed(wanted.partition, code)),
                };
                looked.urgent |= answer.is_err();
                looked.partitions.push(answer.unwrap_or_else(|refusal| refusal));
            }
        }
        // A request that names nothing waits for nothing.
        looked.urgent |= looked.partitions.is_empty();
        looked
    }

    /// Until when this fetch waits for partitions that this broker is about to lead. A follower asks again soon, and all
    /// others that it follows here would wait along.
    fn roles_until(&self) -> Instant {
        let wait = if self.follower.is_some() { Duration::ZERO } else { ROLE_WAIT };
        self.call.arrived + wait
    }

    /// The answer of a partition that gives nothing. A follower whose offset is not there is told where to begin anew.
    fn refusal(&self, partition: i32, error: &PartitionError) -> FetchAnswer {
        let mut answer = FetchAnswer::failed(partition, errors::of_partition(error));
        if let (Some(_), PartitionError::OffsetOutOfRange { range, .. }) = (self.follower, error) {
            answer.data.log_start_offset = range.start.0;
        }
        answer
    }

    /// A replica in the consumer's rack, if this one is not, and has what it wants (KIP-392).
    fn preferred_replica(&self, partition: &Partition, from: Offset) -> Option<BrokerId> {
        if self.rack.is_empty() || self.follower.is_some() {
            return None;
        }
        partition.preferred_replica(&self.rack, from, |id| self.racks.get(&id).map(String::as_str))
    }

    async fn look_at(
        &self,
        partition: &Arc<Partition>,
        wanted: &FetchPartition,
        looked: &mut Looked,
    ) -> Result<FetchAnswer, PartitionError> {
        let left = self.bytes_max.saturating_sub(looked.bytes);
        let bytes_max = usize::try_from(wanted.partition_max_bytes).unwrap_or(0).min(left);
        let from = Offset(wanted.fetch_offset);
        let near = self.preferred_replica(partition, from);
        let planned = partition.plan_read(self.reader(wanted), from, bytes_max)?;
        let marks = planned.marks.clone();
        looked.urgent |= marks.diverged.is_some() || marks.is_news || near.is_some();
        let first = looked.bytes == 0;
        let mut read = ReadRecords::default();
        if near.is_none() && (first || bytes_max > 0) {
            let is_ready = planned.is_ready();
            read = self.read(planned, bytes_max, looked).await?;
            if !first && read.size_bytes() > left {
                read.pieces.clear();
            }
            looked.urgent |= !is_ready && !read.pieces.is_empty();
        }
        looked.bytes += read.size_bytes();
        let aborted = read.aborted.map(|aborted| {
            let transaction = |it: commit_log::AbortedTransaction| AbortedTransaction {
                producer_id: it.producer.0,
                first_offset: it.first.0,
            };
            aborted.into_iter().map(transaction).collect()
        });
        let diverging_epoch = marks.diverged.map_or_else(EpochEndOffset::default, |end| EpochEndOffset {
            epoch: end.epoch.0,
            end_offset: end.end.0,
        });
        let data = PartitionData {
            partition_index: wanted.partition,
            high_watermark: marks.high_watermark.0,
            last_stable_offset: marks.last_stable.0,
            log_start_offset: marks.log_start.0,
            diverging_epoch,
            aborted_transactions: aborted,
            preferred_read_replica: near.map_or(NO_REPLICA, |id| id.0),
            ..PartitionData::default()
        };
        Ok(FetchAnswer { data, records: read.pieces })
    }

    /// Reads from memory here and now; from disk on a thread that may wait, within the memory that there is for that.
    async fn read(
        &self,
        planned: PlannedRead,
        bytes_max: usize,
        looked: &mut Looked,
    ) -> Result<ReadRecords, PartitionError> {
        if planned.is_ready() {
            return planned.read();
        }
        looked.held.add(self.call.server.sending.take(bytes_max).await);
        let read = blocking(move || planned.read()).await;
        read.unwrap_or(Err(PartitionError::NotLeader))
    }

    fn reader(&self, wanted: &FetchPartition) -> Reader {
        let last_fetched_epoch = known_epoch(wanted.last_fetched_epoch);
        match self.follower {
            None => Reader::Consumer {
                isolation: self.isolation,
                leader_epoch: known_epoch(wanted.current_leader_epoch),
                last_fetched_epoch,
                from_follower: self.call.version() >= FOLLOWERS_SINCE,
            },
            Some((broker_id, broker_epoch)) => Reader::Follower(FollowerFetch {
                broker_id,
                broker_epoch,
                leader_epoch: LeaderEpoch(wanted.current_leader_epoch),
                fetch_offset: Offset(wanted.fetch_offset),
                last_fetched_epoch,
                log_start: Offset(wanted.log_start_offset),
                high_watermark: Offset(wanted.high_watermark),
            }),
        }
    }

    /// Tells clients that came to the wrong broker where to go (KIP-951).
    fn add_leaders(&self, response: &mut FetchResponse) {
        let mut nodes: BTreeMap<i32, Node> = BTreeMap::new();
        for topic in &mut response.responses {
            let name = TopicRef::new(self.by_id, &topic.topic, topic.topic_id);
            for data in topic.partitions.iter_mut().filter(|data| wants_leader(data.error_code)) {
                let Some(hint) = self.call.server.leader_elsewhere(name, data.partition_index) else {
                    continue;
                };
                let Some(node) = hint.node else { continue };
                data.current_leader =
                    LeaderIdAndEpoch { leader_id: hint.leader_id, leader_epoch: hint.leader_epoch };
                nodes.insert(node.id, node);
            }
        }
        let endpoint =
            |node: Node| NodeEndpoint { node_id: node.id, host: node.host, port: node.port, rack: node.rack };
        response.node_endpoints = nodes.into_values().map(endpoint).collect();
    }

    fn count(&self, response: &FetchResponse) {
        let partitions = || response.responses.iter().flat_map(|topic| &topic.partitions);
        let metrics = &self.call.server.metrics;
        let failures = partitions().filter(|data| !data.error_code.is_none()).count();
        metrics.fetch_requests.inc_by(partitions().count() as u64);
        metrics.failed_fetch.inc_by(failures as u64);
        for topic in &response.responses {
            let bytes: u64 = topic.partitions.iter().map(|data| data.records.len() as u64).sum();
            if bytes == 0 {
                continue;
            }
            let by_id = |state: &State| {
                let known = state.topic_by_id(TopicId(topic.topic_id))?;
                Some(known.topic_name.to_string())
            };
            let name = if topic.topic.is_empty() {
                self.call.server.image.read(by_id).unwrap_or_default()
            } else {
                topic.topic.clone()
            };
            metrics.bytes_out.add(&name, bytes);
        }
    }
}

impl Looked {
    fn is_enough(&self, bytes: usize) -> bool {
        self.urgent || self.bytes >= bytes
    }
}

impl FetchAnswer {
    fn failed(partition_index: i32, error_code: ErrorCode) -> Self {
        let data = PartitionData {
            partition_index,
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            ..PartitionData::default()
        };
        Self { data, records: Vec::new() }
    }

    /// The data, with its records in place, or the place left for those that are in pieces.
    fn into_data(mut self, records: &mut Vec<Vec<Bytes>>) -> PartitionData {
        let mut pieces = self.records;
        self.data.records = match pieces.len() {
            0 => Records::default(),
            1 => Records::Bytes(pieces.pop().unwrap_or_default()),
            _ => {
                let len: usize = pieces.iter().map(Bytes::len).sum();
                records.push(pieces);
                Records::Deferred(u32::try_from(len).unwrap_or(u32::MAX))
            }
        };
        self.data
    }
}
