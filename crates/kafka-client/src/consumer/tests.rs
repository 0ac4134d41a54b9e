//! The consumer against a leader that keeps fetch sessions (KIP-227), and forgets them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use commit_log::batch::{BatchBuilder, Compression};
use common::{Offset, PartitionId};
use kafka_wire::{
    ApiKey, ErrorCode, FrameReader, Incoming, Message as _, RequestHeader, encode_response,
    messages::{
        ApiVersionsResponse, FetchRequest, FetchResponse, MetadataResponse,
        api_versions::ApiVersion,
        fetch::{FetchableTopicResponse, PartitionData},
        metadata::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use uuid::Uuid;

use super::*;
use crate::{Address, Cluster, ClusterOptions, ConnectionOptions, TopicPartition};

const TOPIC: &str = "t";
const TOPIC_ID: Uuid = Uuid::from_u128(7);
const PARTITIONS: i32 = 3;

/// For what happens at once, or never.
const DEADLINE: Duration = Duration::from_secs(60);

/// A fetch: epoch of the session, partitions that are named, partitions that are to be forgotten.
type Asked = (i32, Vec<i32>, Vec<i32>);

#[derive(Debug, Default)]
struct State {
    /// Batches of each partition, by their first offsets.
    logs: BTreeMap<i32, BTreeMap<i64, Bytes>>,
    /// The session there is, and the epoch that its next request has.
    session: Option<(i32, i32)>,
    sessions: i32,
    /// Where the session is in each partition.
    offsets: BTreeMap<i32, i64>,
    asked: Vec<Asked>,
}

impl State {
    /// Takes a request in. Tells whether everything is to be answered, or only what is new.
    fn take_in(&mut self, request: &FetchRequest) -> Result<bool, ErrorCode> {
        let named = request.topics.iter().flat_map(|topic| &topic.partitions);
        let named: BTreeMap<i32, i64> = named.map(|one| (one.partition, one.fetch_offset)).collect();
        let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone());
        let forgotten: Vec<i32> = forgotten.collect();
        self.asked.push((request.session_epoch, named.keys().copied().collect(), forgotten.clone()));
        if request.session_epoch == 0 {
            self.sessions += 1;
            self.session = Some((self.sessions, 1));
            self.offsets = named;
            return Ok(true);
        }
        let (id, epoch) = self.session.ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        assert_eq!((request.session_id, request.session_epoch), (id, epoch));
        self.session = Some((id, epoch + 1));
        self.offsets.retain(|partition, _| !forgotten.contains(partition));
        self.offsets.extend(named);
        Ok(false)
    }

    /// The first batch of each partition, however large, where there is one.
    fn answer(&self, is_full: bool) -> FetchResponse {
        let told = self.offsets.iter().filter_map(|(&partition_index, offset)| {
            let batch = self.logs.get(&partition_index).and_then(|log| log.range(offset..).next());
            let records = batch.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
            (is_full || !records.is_empty()).then(|| PartitionData {
                partition_index,
                records: records.into(),
                ..PartitionData::default()
            })
        });
        let partitions: Vec<PartitionData> = told.collect();
        let topic = FetchableTopicResponse { topic_id: TOPIC_ID, partitions, ..Default::default() };
        let responses = if topic.partitions.is_empty() { Vec::new() } else { vec![topic] };
        let session_id = self.session.map_or(0, |(id, _)| id);
        FetchResponse { session_id, responses, ..FetchResponse::default() }
    }
}

/// The leader of all partitions.
struct Leader {
    address: Address,
    state: Arc<watch::Sender<State>>,
    _tasks: JoinSet<()>,
}

impl Leader {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let state = Arc::new(watch::Sender::<State>::default());
        let (shared, own) = (Arc::clone(&state), address.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&shared), own.clone()));
            }
        });
        Self { address, state, _tasks: tasks }
    }

    /// A consumer of all partitions.
    async fn consumer(&self, options: ConsumerOptions, answer_bytes_max: usize) -> Consumer {
        let connection = ConnectionOptions { answer_bytes_max, ..ConnectionOptions::default() };
        let cluster = ClusterOptions { connection, ..ClusterOptions::default() };
        let mut consumer = Consumer::new(Cluster::new([self.address.clone()], cluster), options);
        let place = |id| (TopicPartition::new(TOPIC, PartitionId(id)), StartAt::Offset(Offset(0)));
        consumer.assign((0..PARTITIONS).map(place)).await.unwrap();
        consumer
    }

    /// Writes a record of so many bytes.
    fn write(&self, partition: i32, offset: i64, bytes: usize) {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.record(0, None, Some(&vec![b'x'; bytes]));
        let batch: Bytes = builder.build(Offset(offset)).unwrap().into();
        self.state.send_modify(|state| {
            state.logs.entry(partition).or_default().insert(offset, batch);
        });
    }

    /// What was asked since the last look, without the fetches that neither name nor forget anything.
    fn asked(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        self.state.send_modify(|state| asked = std::mem::take(&mut state.asked));
        asked.retain(|(epoch, named, forgotten)| *epoch == 0 || !named.is_empty() || !forgotten.is_empty());
        asked
    }
}

async fn serve(mut stream: TcpStream, state: Arc<watch::Sender<State>>, own: Address) {
    let mut frames = FrameReader::new(1 << 20);
    while let Ok(1..) = stream.read_buf(&mut frames.space()).await {
        while let Some(frame) = frames.next_frame().unwrap() {
            let Incoming::Request { header, body } = Incoming::read(&frame).unwrap() else { panic!() };
            let answer = answer(&header, &body, &state, &own).await;
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

async fn answer(header: &RequestHeader, body: &Bytes, state: &watch::Sender<State>, own: &Address) -> Bytes {
    let (id, version) = (header.correlation_id, header.version);
    let frame = match header.key {
        ApiKey::ApiVersions => {
            let apis = [(ApiKey::ApiVersions, 4), (ApiKey::Metadata, 12), (ApiKey::Fetch, 16)];
            let api_keys = apis.map(|(api, max_version)| ApiVersion {
                api_key: api as i16,
                min_version: 0,
                max_version,
            });
            let response = ApiVersionsResponse { api_keys: api_keys.to_vec(), ..Default::default() };
            encode_response(id, version, &response)
        }
        ApiKey::Metadata => encode_response(id, version, &metadata(own)),
        ApiKey::Fetch => {
            let request = FetchRequest::from_body(body, version).unwrap();
            encode_response(id, version, &fetched(&request, state).await)
        }
        other => panic!("{other:?}"),
    };
    frame.unwrap().into_bytes().unwrap()
}

/// Waits for something new, if nothing is.
async fn fetched(request: &FetchRequest, state: &watch::Sender<State>) -> FetchResponse {
    let mut taken = Ok(true);
    state.send_modify(|state| taken = state.take_in(request));
    let is_full = match taken {
        Ok(is_full) => is_full,
        Err(error_code) => return FetchResponse { error_code, ..FetchResponse::default() },
    };
    let wait = Duration::from_millis(request.max_wait_ms.try_into().unwrap());
    let has_records = |state: &State| !state.answer(false).responses.is_empty();
    let _ = timeout(wait, state.subscribe().wait_for(has_records)).await.is_ok();
    state.borrow().answer(is_full)
}

fn metadata(own: &Address) -> MetadataResponse {
    let partition = |partition_index| MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        ..MetadataResponsePartition::default()
    };
    let topic = MetadataResponseTopic {
        name: Some(TOPIC.into()),
        topic_id: TOPIC_ID,
        partitions: (0..PARTITIONS).map(partition).collect(),
        ..MetadataResponseTopic::default()
    };
    let (host, port) = (own.host.clone(), i32::from(own.port));
    let broker = MetadataResponseBroker { node_id: 1, host, port, ..MetadataResponseBroker::default() };
    MetadataResponse { brokers: vec![broker], topics: vec![topic], ..MetadataResponse::default() }
}

/// The next records: partition, and where they begin and end.
async fn next(consumer: &mut Consumer) -> (i32, i64, i64) {
    let fetched = timeout(DEADLINE, consumer.next()).await.expect("records in time").unwrap();
    fetched.each(|_| true).unwrap();
    (fetched.partition.0, fetched.from.0, fetched.next.0)
}

#[tokio::test]
async fn only_what_has_moved_is_named_again_until_the_leader_forgets() {
    let leader = Leader::start().await;
    leader.write(1, 0, 10);
    let mut consumer = leader.consumer(ConsumerOptions::default(), 1 << 20).await;
    assert_eq!(next(&mut consumer).await, (1, 0, 1));
    leader.write(2, 0, 10);
    assert_eq!(next(&mut consumer).await, (2, 0, 1));
    leader.write(0, 0, 10);
    assert_eq!(next(&mut consumer).await, (0, 0, 1));
    let asked = leader.asked();
    assert_eq!(asked[0], (0, vec![0, 1, 2], vec![]));
    let named: Vec<&[i32]> = asked[1..].iter().map(|(_, named, _)| &**named).collect();
    assert_eq!(named, [[1], [2]], "{asked:?}");
    leader.state.send_modify(|state| state.session = None);
    leader.write(2, 1, 10);
    assert_eq!(next(&mut consumer).await, (2, 1, 2), "nothing is lost, nothing comes twice");
    assert!(leader.asked().contains(&(0, vec![0, 1, 2], vec![])));
    consumer.release(TOPIC, PartitionId(1));
    leader.write(0, 1, 10);
    assert_eq!(next(&mut consumer).await, (0, 1, 2));
    leader.write(0, 2, 10);
    assert_eq!(next(&mut consumer).await, (0, 2, 3));
    assert!(leader.asked().iter().any(|(_, _, forgotten)| forgotten == &[1]));
}

#[tokio::test]
async fn a_batch_that_is_larger_than_what_is_asked_for_is_read() {
    let leader = Leader::start().await;
    leader.write(0, 0, 100_000);
    leader.write(0, 1, 10);
    let options =
        ConsumerOptions { fetch_max_bytes: 100, partition_fetch_max_bytes: 10, ..ConsumerOptions::default() };
    let mut consumer = leader.consumer(options, 1 << 20).await;
    assert_eq!(next(&mut consumer).await, (0, 0, 1));
    assert_eq!(next(&mut consumer).await, (0, 1, 2));
}

#[tokio::test]
async fn a_batch_that_no_answer_can_hold_is_told_and_the_others_are_read() {
    let leader = Leader::start().await;
    for partition in 0..PARTITIONS {
        leader.write(partition, 0, if partition == 1 { 100_000 } else { 10 });
    }
    leader.write(1, 1, 10);
    let mut consumer = leader.consumer(ConsumerOptions::default(), 10_000).await;
    let (mut read, mut refused) = (Vec::new(), Vec::new());
    while read.len() + refused.len() < 3 {
        match timeout(DEADLINE, consumer.next()).await.expect("something in time") {
            Ok(fetched) => read.push(fetched.partition.0),
            Err(error) => refused.push(error),
        }
    }
    read.sort_unstable();
    assert_eq!(read, [0, 2]);
    assert!(matches!(refused[..], [ConsumeError::TooLong { partition: PartitionId(1), .. }]), "{refused:?}");
    assert!(refused[0].to_string().contains("allowed are 10000"), "{refused:?}");
    consumer.seek(TOPIC, PartitionId(1), Offset(1));
    assert_eq!(next(&mut consumer).await, (1, 1, 2));
}
