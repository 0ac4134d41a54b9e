//! The producer against a broker that fails in every way that a broker can, and keeps the one promise that idempotence
//! needs: a producer's batches are taken in by their numbers (KIP-98).

use std::{
    collections::{BTreeMap, VecDeque},
    future::ready,
    slice,
    sync::{Arc, Mutex},
    time::Duration,
};

use commit_log::{
    Offset,
    batch::{Batch, NewRecord},
};
use common::PartitionId;
use kafka_wire::{
    ApiKey, ErrorCode,
    messages::{
        InitProducerIdResponse, ProduceRequest, ProduceResponse,
        produce::{PartitionProduceResponse, TopicProduceResponse},
    },
};
use proptest::prelude::*;
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::{
    Cluster, ClusterOptions, ConnectionOptions,
    stand_in::{self, Answer, Asked, StandIn},
};

const TOPIC: &str = "t";

/// For what happens soon, or never.
const DEADLINE: Duration = Duration::from_secs(60);

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is answered as it should be.
    None,
    /// It is refused, with nothing written.
    Refused(ErrorCode),
    /// It is written, and the answer says otherwise.
    WrittenThen(ErrorCode),
    /// The connection breaks before it is written.
    Lost,
    /// The connection breaks when it is written.
    AnswerLost,
}

/// What a partition remembers of a producer.
#[derive(Debug, Default)]
struct Known {
    epoch: i16,
    /// The number behind the last record.
    next: i32,
    /// First number and base offset of the last batches.
    batches: VecDeque<(i32, i64)>,
}

#[derive(Debug, Default)]
struct Partition {
    log: Vec<String>,
    known: BTreeMap<i64, Known>,
    faults: VecDeque<Fault>,
}

impl Partition {
    /// Base offset or error code, as in Kafka.
    fn append(&mut self, bytes: &[u8]) -> Result<i64, ErrorCode> {
        let (batch, rest) = Batch::split_first(bytes).unwrap();
        assert!(rest.is_empty(), "one batch per partition");
        batch.check_crc().unwrap();
        let base_offset = self.log.len() as i64;
        if let Some(stamp) = batch.header().producer() {
            let new = !self.known.contains_key(&stamp.id.0);
            let known = self.known.entry(stamp.id.0).or_default();
            if stamp.epoch > known.epoch {
                *known = Known { epoch: stamp.epoch, ..Known::default() };
            }
            if stamp.epoch < known.epoch {
                return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            if let Some((_, offset)) = known.batches.iter().find(|(first, _)| *first == stamp.base_sequence) {
                return Ok(*offset);
            }
            // Of a producer that is not known, any number is the first.
            if !new && stamp.base_sequence != known.next {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
            known.next = stamp.base_sequence + batch.header().record_count;
            known.batches.push_back((stamp.base_sequence, base_offset));
            if known.batches.len() > 5 {
                known.batches.pop_front();
            }
        }
        for record in batch.payload(1 << 20).unwrap().records() {
            self.log.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        }
        Ok(base_offset)
    }
}

/// A broker with one topic of one partition.
struct Broker {
    stand_in: StandIn,
    partition: Arc<Mutex<Partition>>,
}

impl Broker {
    async fn start(faults: Vec<Fault>) -> Self {
        let partition = Arc::new(Mutex::new(Partition { faults: faults.into(), ..Partition::default() }));
        let shared = partition.clone();
        let stand_in = StandIn::start(move |asked| ready(answer(&asked, &shared))).await;
        Self { stand_in, partition }
    }

    fn producer(&self, options: ProducerOptions) -> Producer {
        let pause = Duration::from_millis(1);
        let cluster =
            ClusterOptions { retry_backoff: pause, retry_backoff_max: pause, ..ClusterOptions::default() };
        Producer::new(Cluster::new([self.stand_in.address.clone()], cluster), options)
    }

    fn log(&self) -> Vec<String> {
        self.partition.lock().unwrap().log.clone()
    }
}

fn answer(asked: &Asked, partition: &Mutex<Partition>) -> Answer {
    match asked.header.key {
        ApiKey::ApiVersions => {
            asked.answer_versions(&[(ApiKey::Metadata, 4), (ApiKey::InitProducerId, 4), (ApiKey::Produce, 4)])
        }
        ApiKey::Metadata => {
            asked.answer(&stand_in::metadata(slice::from_ref(&asked.at), (TOPIC, Uuid::nil()), &[(1, 0)]))
        }
        ApiKey::InitProducerId => {
            asked.answer(&InitProducerIdResponse { producer_id: 7, ..Default::default() })
        }
        ApiKey::Produce => asked.answer(&produce(&asked.read(), &mut partition.lock().unwrap())?),
        other => panic!("{other:?}"),
    }
}

fn produce(request: &ProduceRequest, partition: &mut Partition) -> Option<ProduceResponse> {
    let records = request.topic_data[0].partition_data[0].records.bytes().unwrap();
    let (error_code, base_offset) = match partition.faults.pop_front().unwrap_or(Fault::None) {
        Fault::Refused(code) => (code, -1),
        Fault::Lost => return None,
        fault => {
            let written = partition.append(records);
            match fault {
                Fault::AnswerLost => return None,
                Fault::WrittenThen(code) => (code, -1),
                _ => (written.err().unwrap_or_default(), written.unwrap_or(-1)),
            }
        }
    };
    let told = PartitionProduceResponse { error_code, base_offset, ..Default::default() };
    let name = TOPIC.to_owned();
    let topic = TopicProduceResponse { name, partition_responses: vec![told], ..Default::default() };
    Some(ProduceResponse { responses: vec![topic], ..Default::default() })
}

/// Sends so many records, two to a batch, and gives their deliveries once all are settled.
async fn send(producer: &Producer, count: usize) -> Vec<Result<Ack, ProduceError>> {
    let mut deliveries = Vec::new();
    for number in 0..count {
        let value = number.to_string();
        let record = NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() };
        deliveries.push(producer.send(TOPIC, Some(PartitionId(0)), &record).await.unwrap());
    }
    producer.flush().await;
    deliveries.iter().map(|delivery| delivery.try_acked().unwrap()).collect()
}

fn small_batches() -> ProducerOptions {
    ProducerOptions { batch_bytes: 60, ..ProducerOptions::default() }
}

fn fault() -> impl Strategy<Value = Fault> {
    let code = prop::sample::select(vec![
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ]);
    prop_oneof![
        3 => Just(Fault::None),
        2 => code.clone().prop_map(Fault::Refused),
        2 => code.prop_map(Fault::WrittenThen),
        1 => Just(Fault::Lost),
        1 => Just(Fault::AnswerLost),
    ]
}

/// Whatever fails along the way: in the end every record is there, once, in order, where its delivery says.
async fn written_once_and_in_order(faults: Vec<Fault>) {
    let broker = Broker::start(faults).await;
    let acks = send(&broker.producer(small_batches()), 40).await;
    let all: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    assert_eq!(broker.log(), all);
    for (number, ack) in acks.into_iter().enumerate() {
        assert_eq!(ack.unwrap().offset, Some(Offset(number as i64)));
    }
}

/// `PROPTEST_CASES=5000 cargo test -p kafka-client in_order` is the long form.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn records_are_written_once_and_in_order(faults in prop::collection::vec(fault(), 0..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(written_once_and_in_order(faults));
    }
}

/// Were others written meanwhile, the broker would no longer know the batch for one that it has.
#[tokio::test]
async fn a_batch_that_is_tried_again_and_again_is_alone() {
    let moved = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    let mut faults = vec![Fault::None; 8];
    (faults[1], faults[6]) = (Fault::WrittenThen(moved), Fault::Refused(moved));
    written_once_and_in_order(faults).await;
}

#[tokio::test]
async fn a_first_batch_that_is_refused_does_not_let_the_next_one_overtake() {
    let faults = vec![Fault::Refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION); 3];
    let broker = Broker::start(faults).await;
    let acks = send(&broker.producer(small_batches()), 10).await;
    assert!(acks.iter().all(Result::is_ok));
    assert_eq!(broker.log(), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[tokio::test]
async fn a_refusal_for_good_is_told_and_the_rest_goes_on() {
    let broker = Broker::start(vec![Fault::None, Fault::Refused(ErrorCode::INVALID_RECORD)]).await;
    let acks = send(&broker.producer(small_batches()), 6).await;
    let refused: Vec<usize> = (0..6).filter(|number| acks[*number].is_err()).collect();
    assert!(!refused.is_empty());
    for number in &refused {
        let error = acks[*number].as_ref().unwrap_err();
        assert!(matches!(error, ProduceError::Refused { code: ErrorCode::INVALID_RECORD, .. }), "{error}");
        assert!(!error.is_unknown());
    }
    let rest: Vec<String> =
        (0..6).filter(|number| !refused.contains(number)).map(|number| number.to_string()).collect();
    assert_eq!(broker.log(), rest, "under a raised epoch");
}

#[tokio::test]
async fn giving_up_says_whether_the_record_may_be_written() {
    let options = ProducerOptions { delivery_timeout: Duration::from_millis(50), ..small_batches() };
    let never = Broker::start(vec![Fault::Refused(ErrorCode::NOT_ENOUGH_REPLICAS); 1000]).await;
    let error = send(&never.producer(options.clone()), 1).await.remove(0).unwrap_err();
    assert!(matches!(error, ProduceError::NotWritten { .. }), "{error}");
    assert!(error.to_string().contains("NOT_ENOUGH_REPLICAS"), "{error}");
    let perhaps = Broker::start(vec![Fault::WrittenThen(ErrorCode::REQUEST_TIMED_OUT); 1000]).await;
    let error = send(&perhaps.producer(options), 1).await.remove(0).unwrap_err();
    assert!(error.is_unknown(), "{error}");
    assert_eq!(perhaps.log(), ["0"]);
}

/// With `acks=0` nobody answers, and a broker that stops to read is told of nonetheless.
#[tokio::test]
async fn what_no_broker_takes_in_is_given_up() {
    // It reads no further than to the first request that it is not to answer.
    let stand_in = StandIn::start(|asked| async move {
        match asked.header.key {
            ApiKey::Produce => std::future::pending().await,
            _ => answer(&asked, &Mutex::default()),
        }
    })
    .await;
    let soon = Duration::from_millis(50);
    let connection = ConnectionOptions { request_timeout: soon, ..ConnectionOptions::default() };
    let cluster = ClusterOptions { connection, ..ClusterOptions::default() };
    let options = ProducerOptions {
        acks: Acks::None,
        buffer_bytes: 128 << 20,
        delivery_timeout: soon,
        ..ProducerOptions::default()
    };
    let producer = Producer::new(Cluster::new([stand_in.address.clone()], cluster), options);
    let value = vec![0; 1_000_000];
    let record = NewRecord { value: Some(&value), ..NewRecord::default() };
    let mut deliveries = Vec::new();
    for _ in 0..64 {
        deliveries.push(producer.send(TOPIC, Some(PartitionId(0)), &record).await.unwrap());
    }
    timeout(DEADLINE, producer.flush()).await.expect("all is settled");
    let settled = deliveries.iter().map(|delivery| delivery.try_acked().unwrap());
    let (written, given_up): (Vec<_>, Vec<_>) = settled.partition(Result::is_ok);
    assert!(!given_up.is_empty(), "{} were written", written.len());
}

#[tokio::test]
async fn a_record_that_no_request_can_hold_is_not_sent() {
    let broker = Broker::start(Vec::new()).await;
    let producer = broker.producer(ProducerOptions { request_bytes_max: 1000, ..ProducerOptions::default() });
    let record = NewRecord { value: Some(&[0; 1000]), ..NewRecord::default() };
    let error = producer.send(TOPIC, None, &record).await.unwrap_err();
    assert!(matches!(error, ProduceError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn without_a_producer_its_records_are_given_up() {
    let broker = Broker::start(vec![Fault::Refused(ErrorCode::NOT_ENOUGH_REPLICAS); 1000]).await;
    let producer = broker.producer(ProducerOptions::default());
    let record = NewRecord { value: Some(b"v"), ..NewRecord::default() };
    let delivery = producer.send(TOPIC, None, &record).await.unwrap();
    drop(producer);
    assert!(!delivery.acked().await.unwrap_err().is_unknown());
}
