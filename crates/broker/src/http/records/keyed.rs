//! Records under an `Idempotency-Key`: a request that is repeated, through whichever broker and whoever died meanwhile, writes
//! nothing twice and gets the offsets of the first time.
//!
//! Key and records make a producer of their own, whose first and only batch in each partition they are. So it is the leaders
//! that know a repetition, by what every idempotent producer is known by (KIP-98): it is in the log, on every replica, and
//! outlives restarts and changes of leaders. Nothing is kept here. For that, the same request must give the same batches: a
//! record without key and partition goes where the idempotency key says, and all records of a partition make one batch.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use commit_log::{
    ProducerId, ProducerStamp,
    batch::{BatchBuilder, NewRecord as StoredRecord},
};
use common::{BrokerId, Offset, PartitionId, Topic};
use futures_util::future::join_all;
use http_api::{
    ErrorCode, Problem,
    records::{NewRecord, RecordOutcome, WrittenRecord},
};
use kafka_client::{CallError, Cluster, ClusterError, ErrorCode as KafkaCode, producer::partition_of_key};
use kafka_wire::messages::{
    ProduceRequest, ProduceResponse,
    produce::{PartitionProduceData, TopicProduceData},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{gateway::Gateway, problems, produce::Decoded};

/// How long a batch is tried.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// How long a leader may wait for its followers.
const REPLICATION_PATIENCE: Duration = Duration::from_secs(5);

/// The last version that names topics by their names.
const VERSION_WITH_NAMES: i16 = 12;

/// Acknowledged by every in-sync replica.
const ACKS_ALL: i16 = -1;

/// Writes records under a key, durable on every in-sync replica.
pub(super) async fn write(
    gateway: &Gateway,
    topic: &Topic,
    records: &[NewRecord],
    key: Uuid,
) -> Vec<RecordOutcome> {
    let identity = Identity::of(key, topic, records);
    let mut batches: BTreeMap<PartitionId, BatchBuilder> = BTreeMap::new();
    // Where each record is: its partition, and its place in the batch there.
    let mut places = Vec::with_capacity(records.len());
    for record in records {
        places.push(place(topic, record, identity, &mut batches));
    }
    let written = batches.into_iter().map(async |(partition, batch)| {
        (partition, Delivery::new(gateway, topic, partition).write(batch, identity).await)
    });
    let written: BTreeMap<PartitionId, Result<Offset, Problem>> =
        join_all(written).await.into_iter().collect();
    let outcome = |place: Result<(PartitionId, i64), Problem>| {
        let (partition, index) = place?;
        let base = written.get(&partition).cloned().unwrap_or(Ok(Offset(0)))?;
        Ok(WrittenRecord { partition, offset: Some(base + index), timestamp: None })
    };
    let outcomes = places.into_iter().zip(records).map(|(place, record)| match outcome(place) {
        // Without a time of its own, a record has that of its first attempt, which nobody here knows.
        Ok(written) => RecordOutcome::Written(WrittenRecord { timestamp: record.timestamp, ..written }),
        Err(problem) => RecordOutcome::Problem { problem: Box::new(problem) },
    });
    outcomes.collect()
}

/// Adds a record to the batch of its partition.
fn place(
    topic: &Topic,
    record: &NewRecord,
    identity: Identity,
    batches: &mut BTreeMap<PartitionId, BatchBuilder>,
) -> Result<(PartitionId, i64), Problem> {
    let decoded = Decoded::of(record)?;
    let count = topic.partitions.len();
    let of_key = decoded.key.as_deref().and_then(|key| partition_of_key(key, count));
    let partition = record.partition.or(of_key).unwrap_or_else(|| identity.partition(count));
    Gateway::known_partition(topic, partition)?;
    let batch = batches.entry(partition).or_default();
    let index = i64::from(batch.record_count());
    batch.push(&StoredRecord {
        timestamp_ms: decoded.timestamp_ms,
        key: decoded.key.as_deref(),
        value: decoded.value.as_deref(),
        headers: &decoded.headers(),
    });
    Ok((partition, index))
}

/// The producer that a key and its records make.
#[derive(Debug, Clone, Copy)]
struct Identity(u64);

impl Identity {
    /// The same for the same key, topic and records, on every broker and in every version: 64-bit FNV-1a over all of them.
    fn of(key: Uuid, topic: &Topic, records: &[NewRecord]) -> Self {
        const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        // Our own types are always written.
        let records = serde_json::to_vec(records).unwrap_or_default();
        let bytes = key.as_bytes().iter().chain(topic.topic_id.0.as_bytes()).chain(&records);
        Self(bytes.fold(BASIS, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME)))
    }

    fn stamp(self) -> ProducerStamp {
        ProducerStamp { id: ProducerId::of_request(self.0), epoch: 0, base_sequence: 0 }
    }

    /// Where records go that do not say where they belong.
    fn partition(self, count: usize) -> PartitionId {
        let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
        // The high bits: the low ones are less well mixed.
        PartitionId(i32::try_from((self.0 >> 32) % count).unwrap_or_default())
    }
}

/// One batch on its way to the leader of its partition.
struct Delivery<'a> {
    gateway: &'a Gateway,
    topic: &'a str,
    partition: PartitionId,
    /// Whether a leader may have written it.
    in_doubt: bool,
}

/// Why an attempt came to nothing.
enum Failed {
    /// Another one may succeed.
    Retry(Problem),
    Final(Problem),
}

impl<'a> Delivery<'a> {
    fn new(gateway: &'a Gateway, topic: &'a Topic, partition: PartitionId) -> Self {
        Self { gateway, topic: topic.topic_name.as_str(), partition, in_doubt: false }
    }

    /// Tries until it is written, refused, or too late. Gives the offset of its first record.
    async fn write(mut self, mut batch: BatchBuilder, identity: Identity) -> Result<Offset, Problem> {
        batch = batch.producer(identity.stamp());
        let batch = batch.build(Offset(0)).map_err(|error| {
            Problem::new(ErrorCode::RecordTooLarge, format!("the records of one partition: {error}"))
        })?;
        let request = ProduceRequest {
            acks: ACKS_ALL,
            timeout_ms: i32::try_from(REPLICATION_PATIENCE.as_millis()).unwrap_or(i32::MAX),
            topic_data: vec![TopicProduceData {
                name: self.topic.to_owned(),
                partition_data: vec![PartitionProduceData {
                    index: self.partition.0,
                    records: Bytes::from(batch).into(),
                }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        let cluster = self.gateway.cluster()?.clone();
        let deadline = Instant::now() + DELIVERY_TIMEOUT;
        loop {
            let generation = cluster.generation();
            match self.attempt(&cluster, &request).await {
                Ok(offset) => return Ok(offset),
                Err(Failed::Retry(_)) if Instant::now() + RETRY_PAUSE < deadline => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                    // Who leads now; if nobody says so, the next attempt finds out.
                    let _ = cluster.refresh([self.topic], generation).await;
                }
                Err(Failed::Retry(problem) | Failed::Final(problem)) => return Err(self.settle(problem)),
            }
        }
    }

    async fn attempt(&mut self, cluster: &Cluster, request: &ProduceRequest) -> Result<Offset, Failed> {
        let unreachable = |error: ClusterError| Failed::Retry(problems::of_cluster(&error));
        let leader = cluster.await_leader(self.topic, self.partition).await.map_err(unreachable)?.broker;
        let admitted = self.gateway.admit(leader);
        admitted.map_err(Failed::Retry)?;
        let connection = cluster.connection(leader).await;
        let connection = connection.inspect_err(|_| self.gateway.failed(leader)).map_err(unreachable)?;
        let asked = async {
            let pending = connection.start(request, VERSION_WITH_NAMES, REPLICATION_PATIENCE).await?;
            pending.answer().await
        };
        match asked.await {
            Ok(response) => {
                self.gateway.answered(leader);
                self.answered(&response)
            }
            Err(error) => Err(self.no_answer(leader, &error)),
        }
    }

    fn answered(&mut self, response: &ProduceResponse) -> Result<Offset, Failed> {
        let answer = response.responses.first().and_then(|topic| topic.partition_responses.first());
        let Some(answer) = answer else {
            self.in_doubt = true;
            return Err(Failed::Retry(problems::of_code(
                KafkaCode::UNKNOWN_SERVER_ERROR,
                "the leader's answer leaves the partition out".to_owned(),
            )));
        };
        let code = answer.error_code;
        if code.is_none() && answer.base_offset >= 0 {
            return Ok(Offset(answer.base_offset));
        }
        let place = format!("{}-{}", self.topic, self.partition);
        let said = answer.error_message.as_deref().unwrap_or_default();
        let problem = problems::of_code(code, format!("{place} refuses the records: {code} {said}"));
        // These are said before anything is written.
        let surely_not = answer.nothing_appended
            || matches!(code, KafkaCode::NOT_ENOUGH_REPLICAS | KafkaCode::UNKNOWN_TOPIC_OR_PARTITION);
        self.in_doubt |= code.is_retriable() && !surely_not;
        Err(if code.is_retriable() { Failed::Retry(problem) } else { Failed::Final(problem) })
    }

    fn no_answer(&mut self, leader: BrokerId, error: &CallError) -> Failed {
        self.gateway.failed(leader);
        self.in_doubt |= !error.surely_not_received();
        let problem = Problem::new(ErrorCode::LeaderUnreachable, error.to_string());
        if error.is_retriable() { Failed::Retry(problem) } else { Failed::Final(problem) }
    }

    /// What is told in the end: that nobody knows, if a leader may have written the batch.
    fn settle(self, problem: Problem) -> Problem {
        let problem =
            if self.in_doubt { Problem::new(ErrorCode::CommitUnknown, problem.detail) } else { problem };
        problem.with("topicName", self.topic).with("partition", self.partition.0)
    }
}
