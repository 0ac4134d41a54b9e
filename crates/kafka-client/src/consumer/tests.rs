//! The consumer against leaders that keep fetch sessions (KIP-227), forget them, and follow each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use commit_log::batch::{BatchBuilder, Compression};
use common::{Offset, PartitionId};
use kafka_wire::{
    ApiKey, ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch::{FetchableTopicResponse, LeaderIdAndEpoch, PartitionData},
    },
};
use tokio::{sync::watch, time::timeout};
use uuid::Uuid;

use super::*;
use crate::{
    Address, Cluster, ClusterOptions, ConnectionOptions, TopicPartition,
    stand_in::{self, Asked, StandIn},
};

const TOPIC: &str = "t";
const TOPIC_ID: Uuid = Uuid::from_u128(7);
const PARTITIONS: i32 = 3;

/// The brokers' numbers.
const FIRST: i32 = 1;
const SECOND: i32 = 2;

/// For what happens at once, or never.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where somebody reads.
type Places = BTreeMap<(Uuid, i32), i64>;

/// What a fetch said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    broker: i32,
    session: i32,
    epoch: i32,
    named: Vec<i32>,
    forgotten: Vec<(Uuid, i32)>,
}

/// A session: the epoch that its next request has, and where it reads.
#[derive(Debug)]
struct Session {
    epoch: i32,
    places: Places,
}

#[derive(Debug)]
struct State {
    brokers: Vec<Address>,
    topic_id: Uuid,
    /// Of each partition, with the epoch.
    leaders: Vec<(i32, i32)>,
    /// Batches of each partition, by their first offsets.
    logs: BTreeMap<i32, BTreeMap<i64, Bytes>>,
    /// By broker and id.
    sessions: BTreeMap<(i32, i32), Session>,
    has_room: bool,
    /// Every fetch.
    refuses: bool,
    /// Counts sessions.
    made: i32,
    said: Vec<Said>,
}

/// What a fetch is about.
struct Fetch {
    broker: i32,
    /// What is not new is answered as well.
    is_full: bool,
    session: i32,
    places: Places,
}

impl State {
    fn take_in(&mut self, broker: i32, request: &FetchRequest) -> Result<Fetch, ErrorCode> {
        let of_topic = |topic: &kafka_wire::messages::fetch::FetchTopic| {
            let id = topic.topic_id;
            topic
                .partitions
                .iter()
                .map(move |one| ((id, one.partition), one.fetch_offset))
                .collect::<Vec<_>>()
        };
        let named: Places = request.topics.iter().flat_map(of_topic).collect();
        let forgotten = request.forgotten_topics_data.iter();
        let forgotten =
            forgotten.flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, *partition)));
        let forgotten: Vec<(Uuid, i32)> = forgotten.collect();
        let (id, epoch) = (request.session_id, request.session_epoch);
        let ids = named.keys().map(|(_, partition)| *partition).collect();
        self.said.push(Said { broker, session: id, epoch, named: ids, forgotten: forgotten.clone() });
        if self.refuses {
            return Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        }
        if epoch == 0 {
            self.sessions.remove(&(broker, id));
            self.made += i32::from(self.has_room);
            let session = if self.has_room { self.made } else { 0 };
            if self.has_room {
                self.sessions.insert((broker, session), Session { epoch: 1, places: named.clone() });
            }
            return Ok(Fetch { broker, is_full: true, session, places: named });
        }
        let session = self.sessions.get_mut(&(broker, id)).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        session.epoch += 1;
        session.places.retain(|place, _| !forgotten.contains(place));
        session.places.extend(named);
        Ok(Fetch { broker, is_full: false, session: id, places: session.places.clone() })
    }

    /// The first batch of each partition, however large, where there is one.
    fn answer(&self, fetch: &Fetch) -> FetchResponse {
        let mut topics: BTreeMap<Uuid, Vec<PartitionData>> = BTreeMap::new();
        for (&(topic_id, partition_index), offset) in &fetch.places {
            let told = PartitionData { partition_index, ..PartitionData::default() };
            let (leader_id, leader_epoch) = self.leaders[partition_index as usize];
            let told = if topic_id != self.topic_id {
                PartitionData { error_code: ErrorCode::UNKNOWN_TOPIC_ID, ..told }
            } else if leader_id != fetch.broker {
                let current_leader = LeaderIdAndEpoch { leader_id, leader_epoch };
                PartitionData { error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER, current_leader, ..told }
            } else {
                let batch = self.logs.get(&partition_index).and_then(|log| log.range(offset..).next());
                let records = batch.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
                PartitionData { records: records.into(), ..told }
            };
            if fetch.is_full || !told.error_code.is_none() || !told.records.is_empty() {
                topics.entry(topic_id).or_default().push(told);
            }
        }
        let responses = topics.into_iter().map(|(topic_id, partitions)| FetchableTopicResponse {
            topic_id,
            partitions,
            ..Default::default()
        });
        let (session_id, responses) = (fetch.session, responses.collect());
        FetchResponse { session_id, responses, ..FetchResponse::default() }
    }
}

/// Two brokers, of which the first leads everything at the beginning.
struct Leaders {
    state: Arc<watch::Sender<State>>,
    _brokers: [StandIn; 2],
}

impl Leaders {
    async fn start() -> Self {
        let state = State {
            brokers: Vec::new(),
            topic_id: TOPIC_ID,
            leaders: vec![(FIRST, 0); PARTITIONS as usize],
            logs: BTreeMap::new(),
            sessions: BTreeMap::new(),
            has_room: true,
            refuses: false,
            made: 0,
            said: Vec::new(),
        };
        let state = Arc::new(watch::Sender::new(state));
        let start = |broker| {
            let state = Arc::clone(&state);
            StandIn::start(move |asked| answer(asked, broker, Arc::clone(&state)))
        };
        let brokers = [start(FIRST).await, start(SECOND).await];
        state.send_modify(|state| state.brokers = brokers.iter().map(|one| one.address.clone()).collect());
        Self { state, _brokers: brokers }
    }

    /// A consumer of all partitions.
    async fn consumer(&self, options: ConsumerOptions, answer_bytes_max: usize) -> Consumer {
        let connection = ConnectionOptions { answer_bytes_max, ..ConnectionOptions::default() };
        let cluster = ClusterOptions { connection, ..ClusterOptions::default() };
        let bootstrap = self.state.borrow().brokers.clone();
        let mut consumer = Consumer::new(Cluster::new(bootstrap, cluster), options);
        let place = |id| (TopicPartition::new(TOPIC, PartitionId(id)), StartAt::Offset(Offset(0)));
        consumer.assign((0..PARTITIONS).map(place)).await.unwrap();
        consumer
    }

    /// Writes a record of so many bytes.
    fn write(&self, partition: i32, offset: i64, bytes: usize) {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.record(0, None, Some(&vec![b'x'; bytes]));
        let batch: Bytes = builder.build(Offset(offset)).unwrap().into();
        self.change(|state| drop(state.logs.entry(partition).or_default().insert(offset, batch)));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    /// What was said since the last look, without the fetches that neither name nor forget anything.
    fn said(&self) -> Vec<Said> {
        let mut said = Vec::new();
        self.change(|state| said = std::mem::take(&mut state.said));
        said.retain(|one| one.epoch == 0 || !one.named.is_empty() || !one.forgotten.is_empty());
        said
    }
}

async fn answer(asked: Asked, broker: i32, state: Arc<watch::Sender<State>>) -> stand_in::Answer {
    match asked.header.key {
        ApiKey::ApiVersions => asked.answer_versions(&[(ApiKey::Metadata, 12), (ApiKey::Fetch, 16)]),
        ApiKey::Metadata => {
            let State { brokers, topic_id, leaders, .. } = &*state.borrow();
            asked.answer(&stand_in::metadata(brokers, (TOPIC, *topic_id), leaders))
        }
        ApiKey::Fetch => asked.answer(&fetched(broker, &asked.read(), &state).await),
        other => panic!("{other:?}"),
    }
}

/// Waits for something new, if nothing is.
async fn fetched(broker: i32, request: &FetchRequest, state: &watch::Sender<State>) -> FetchResponse {
    let mut taken = Err(ErrorCode::NONE);
    state.send_modify(|state| taken = state.take_in(broker, request));
    let fetch = match taken {
        Ok(fetch) => fetch,
        Err(error_code) => return FetchResponse { error_code, ..FetchResponse::default() },
    };
    let wait = Duration::from_millis(request.max_wait_ms.try_into().unwrap());
    let news = Fetch { is_full: false, places: fetch.places.clone(), ..fetch };
    let has_news = |state: &State| !state.answer(&news).responses.is_empty();
    let _ = timeout(wait, state.subscribe().wait_for(has_news)).await.is_ok();
    state.borrow().answer(&fetch)
}

/// The next records: partition, and where they begin and end.
async fn next(consumer: &mut Consumer) -> (i32, i64, i64) {
    let fetched = timeout(DEADLINE, consumer.next()).await.expect("records in time").unwrap();
    fetched.each(|_| true).unwrap();
    (fetched.partition.0, fetched.from.0, fetched.next.0)
}

#[tokio::test]
async fn only_what_has_moved_is_named_again() {
    let leaders = Leaders::start().await;
    leaders.write(1, 0, 10);
    let mut consumer = leaders.consumer(ConsumerOptions::default(), 1 << 20).await;
    assert_eq!(next(&mut consumer).await, (1, 0, 1));
    leaders.write(2, 0, 10);
    assert_eq!(next(&mut consumer).await, (2, 0, 1));
    leaders.write(0, 0, 10);
    assert_eq!(next(&mut consumer).await, (0, 0, 1));
    let said = leaders.said();
    let named: Vec<_> = said.iter().map(|one| (one.epoch == 0, &one.named[..])).collect();
    assert_eq!(named, [(true, &[0, 1, 2][..]), (false, &[1]), (false, &[2])], "{said:?}");
    consumer.release(TOPIC, PartitionId(1));
    leaders.write(0, 1, 10);
    assert_eq!(next(&mut consumer).await, (0, 1, 2));
    leaders.write(0, 2, 10);
    assert_eq!(next(&mut consumer).await, (0, 2, 3));
    assert!(leaders.said().iter().any(|one| one.forgotten == [(TOPIC_ID, 1)]));
}

/// After the leader has come to know the session otherwise: it is begun anew, once, and nothing is lost or comes twice.
async fn begins_anew(confuse: impl FnOnce(&mut State), session: i32) {
    let leaders = Leaders::start().await;
    leaders.write(1, 0, 10);
    let mut consumer = leaders.consumer(ConsumerOptions::default(), 1 << 20).await;
    assert_eq!(next(&mut consumer).await, (1, 0, 1));
    leaders.change(confuse);
    leaders.write(2, 0, 10);
    leaders.write(1, 1, 10);
    let mut read = [next(&mut consumer).await, next(&mut consumer).await];
    read.sort_unstable();
    assert_eq!(read, [(1, 1, 2), (2, 0, 1)]);
    let said = leaders.said();
    let full: Vec<_> = said.iter().filter(|one| one.epoch == 0).collect();
    let expected =
        |session| Said { broker: FIRST, session, epoch: 0, named: vec![0, 1, 2], forgotten: vec![] };
    assert_eq!(full, [&expected(0), &expected(session)], "{said:?}");
}

#[tokio::test]
async fn a_leader_that_has_forgotten_the_session_is_told_everything() {
    begins_anew(|state| state.sessions.clear(), 0).await;
}

#[tokio::test]
async fn a_session_of_another_epoch_is_ended_and_begun_anew() {
    begins_anew(|state| state.sessions.values_mut().for_each(|session| session.epoch += 5), 1).await;
}

#[tokio::test]
async fn a_leader_without_room_for_sessions_is_told_everything_each_time() {
    let leaders = Leaders::start().await;
    leaders.change(|state| state.has_room = false);
    let mut consumer = leaders.consumer(ConsumerOptions::default(), 1 << 20).await;
    for offset in 0..3 {
        leaders.write(1, offset, 10);
        assert_eq!(next(&mut consumer).await, (1, offset, offset + 1));
    }
    let said = leaders.said();
    let is_full = |one: &Said| (one.session, one.epoch, one.named.len()) == (0, 0, 3);
    assert!(said.len() >= 3 && said.iter().all(is_full), "{said:?}");
}

#[tokio::test]
async fn a_leader_that_refuses_what_names_everything_is_asked_seldom_and_told_of() {
    let leaders = Leaders::start().await;
    leaders.change(|state| state.refuses = true);
    let bootstrap = leaders.state.borrow().brokers.clone();
    let options = ClusterOptions { max_block: Duration::from_millis(50), ..ClusterOptions::default() };
    let mut consumer = Consumer::new(Cluster::new(bootstrap, options), ConsumerOptions::default());
    let place = TopicPartition::new(TOPIC, PartitionId(0));
    consumer.assign([(place, StartAt::Offset(Offset(0)))]).await.unwrap();
    let error = timeout(DEADLINE, consumer.next()).await.expect("it does not try for ever").unwrap_err();
    let code = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
    assert!(matches!(error, ConsumeError::Refused { code: told, .. } if told == code), "{error}");
    let said = leaders.said();
    assert!(said.len() < 9 && said.iter().all(|one| one.epoch == 0), "{said:?}");
}

#[tokio::test]
async fn a_partition_whose_leader_changes_is_forgotten_there_and_read_here() {
    let leaders = Leaders::start().await;
    leaders.write(1, 0, 10);
    let mut consumer = leaders.consumer(ConsumerOptions::default(), 1 << 20).await;
    assert_eq!(next(&mut consumer).await, (1, 0, 1));
    leaders.change(|state| state.leaders[1] = (SECOND, 1));
    leaders.write(1, 1, 10);
    assert_eq!(next(&mut consumer).await, (1, 1, 2));
    leaders.write(0, 0, 10);
    assert_eq!(next(&mut consumer).await, (0, 0, 1));
    leaders.write(0, 1, 10);
    assert_eq!(next(&mut consumer).await, (0, 1, 2));
    let said = leaders.said();
    assert!(said.iter().any(|one| one.broker == FIRST && one.forgotten == [(TOPIC_ID, 1)]), "{said:?}");
    let second = said.iter().find(|one| one.broker == SECOND);
    assert!(second.is_some_and(|one| one.epoch == 0 && one.named == [1]), "{said:?}");
    // And back, into a session that has gone on meanwhile.
    leaders.change(|state| state.leaders[1] = (FIRST, 2));
    leaders.write(1, 2, 10);
    assert_eq!(next(&mut consumer).await, (1, 2, 3));
    let said = leaders.said();
    assert!(
        said.iter().any(|one| one.broker == FIRST && one.epoch > 0 && one.named.contains(&1)),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_topic_that_is_made_anew_is_read_by_its_new_id() {
    let leaders = Leaders::start().await;
    leaders.write(1, 0, 10);
    let mut consumer = leaders.consumer(ConsumerOptions::default(), 1 << 20).await;
    assert_eq!(next(&mut consumer).await, (1, 0, 1));
    leaders.change(|state| state.topic_id = Uuid::from_u128(8));
    leaders.write(1, 1, 10);
    assert_eq!(next(&mut consumer).await, (1, 1, 2));
    let said = leaders.said();
    assert_eq!(said.iter().filter(|one| one.epoch == 0).count(), 1, "{said:?}");
    let forgotten: BTreeSet<_> = said.iter().flat_map(|one| one.forgotten.clone()).collect();
    assert_eq!(forgotten, [(TOPIC_ID, 0), (TOPIC_ID, 1), (TOPIC_ID, 2)].into(), "{said:?}");
}

#[tokio::test]
async fn a_batch_that_is_larger_than_what_is_asked_for_is_read() {
    let leaders = Leaders::start().await;
    leaders.write(0, 0, 100_000);
    leaders.write(0, 1, 10);
    let options =
        ConsumerOptions { fetch_max_bytes: 100, partition_fetch_max_bytes: 10, ..ConsumerOptions::default() };
    let mut consumer = leaders.consumer(options, 1 << 20).await;
    assert_eq!(next(&mut consumer).await, (0, 0, 1));
    assert_eq!(next(&mut consumer).await, (0, 1, 2));
}

#[tokio::test]
async fn a_batch_that_no_answer_can_hold_is_told_and_the_others_are_read() {
    let leaders = Leaders::start().await;
    for partition in 0..PARTITIONS {
        leaders.write(partition, 0, if partition == 1 { 100_000 } else { 10 });
    }
    leaders.write(1, 1, 10);
    let mut consumer = leaders.consumer(ConsumerOptions::default(), 10_000).await;
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
