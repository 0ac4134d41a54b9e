//! A Kafka client of the tests, that does nothing by itself.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use broker::broker_config::BrokerConfig;
use bytes::Bytes;
use commit_log::batch::BatchBuilder;
use common::{BrokerId, Offset};
use kafka_wire::{
    ErrorCode, Records, Request, decode_response, encode_request,
    messages::{
        FetchRequest, ListOffsetsRequest, ProduceRequest,
        fetch::{FetchPartition, FetchTopic, PartitionData, ReplicaState},
        list_offsets::{ListOffsetsPartition, ListOffsetsTopic},
        produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData},
    },
};
use tempfile::TempDir;

use super::{BrokerFixture, Quorum, eventually};

/// Longest that an answer may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A client that does nothing by itself.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) fn new(broker: &BrokerFixture) -> Self {
        let stream = TcpStream::connect(broker.kafka()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(crate) fn send<R: Request>(&mut self, correlation_id: i32, version: i16, request: &R) {
        let frame = encode_request(correlation_id, Some("test"), version, request).unwrap();
        self.0.write_all(&frame.into_bytes().unwrap()).unwrap();
    }

    pub(crate) fn frame(&mut self) -> Bytes {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.0.read_exact(&mut frame).unwrap();
        frame.into()
    }

    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> (i32, R::Response) {
        decode_response::<R>(&self.frame(), version).unwrap()
    }

    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(7, version, request);
        let (correlation_id, response) = self.receive::<R>(version);
        assert_eq!(correlation_id, 7);
        response
    }

    /// Whether the broker closed the connection. A reset is a way to do that, too.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0; 64]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// A broker with one topic `orders` of two partitions.
pub(crate) async fn start(quorum: &Quorum, dir: &TempDir, config: &[&str]) -> BrokerFixture {
    let mut settings = BrokerFixture::settings(quorum.urls(), dir.path());
    settings.kafka_port = Some(0);
    settings.config = BrokerConfig::parse(config.iter().copied()).unwrap();
    let broker = BrokerFixture::following(settings).await;
    if quorum.core().state.topic("orders").is_none() {
        quorum.create_topic("orders", 2, &[101]);
    }
    eventually("it leads", async || is_led(&broker)).await;
    broker
}

fn is_led(broker: &BrokerFixture) -> bool {
    let topics = [0, 1].map(|partition_index| ListOffsetsPartition {
        partition_index,
        timestamp: -1,
        ..ListOffsetsPartition::default()
    });
    let topic = ListOffsetsTopic { name: "orders".into(), partitions: topics.into() };
    let request = ListOffsetsRequest { topics: vec![topic], ..ListOffsetsRequest::default() };
    let response = Client::new(broker).call(6, &request);
    response.topics[0].partitions.iter().all(|partition| partition.error_code.is_none())
}

pub(crate) fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::default();
    for value in values {
        builder.record(1_000, None, Some(value.as_bytes()));
    }
    builder.build(Offset(0)).unwrap().into()
}

pub(crate) fn produce(acks: i16, partition: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData { index: partition, records: Records::Bytes(records) };
    let topic =
        TopicProduceData { name: "orders".into(), partition_data: vec![data], ..TopicProduceData::default() };
    ProduceRequest { acks, timeout_ms: 10_000, topic_data: vec![topic], ..ProduceRequest::default() }
}

pub(crate) fn produced(client: &mut Client, records: Bytes) -> PartitionProduceResponse {
    client.call(9, &produce(-1, 0, records)).responses[0].partition_responses[0].clone()
}

pub(crate) fn fetch(partition: i32, from: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition {
        partition,
        current_leader_epoch: -1,
        fetch_offset: from,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topic = FetchTopic { topic: "orders".into(), partitions: vec![partition], ..FetchTopic::default() };
    FetchRequest {
        max_wait_ms,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![topic],
        ..FetchRequest::default()
    }
}

/// A fetch of follower 102, which has everything of partition 0 before `from`; OFFSET_OUT_OF_RANGE if the leader has less.
pub(crate) fn follow(quorum: &Quorum, client: &mut Client, topic: &str, from: i64) -> ErrorCode {
    let (topic_id, partition, replica_epoch) = {
        let core = quorum.core();
        let topic = core.state.topic(topic).unwrap().clone();
        let epoch = core.state.broker(BrokerId(102)).unwrap().broker_epoch;
        (topic.topic_id.0, topic.partitions[0].clone(), epoch.0)
    };
    let mut request = fetch(0, from, 0);
    request.replica_state = ReplicaState { replica_id: 102, replica_epoch };
    request.topics[0].topic_id = topic_id;
    let wanted = &mut request.topics[0].partitions[0];
    wanted.current_leader_epoch = partition.leader_epoch.0;
    wanted.last_fetched_epoch = if from > 0 { partition.leader_epoch.0 } else { -1 };
    let answer = &client.call(17, &request).responses[0].partitions[0];
    let diverges = answer.diverging_epoch.end_offset >= 0;
    if diverges { ErrorCode::OFFSET_OUT_OF_RANGE } else { answer.error_code }
}

pub(crate) fn fetched(client: &mut Client, request: &FetchRequest) -> PartitionData {
    client.call(12, request).responses[0].partitions[0].clone()
}

pub(crate) fn values(data: &PartitionData) -> Vec<String> {
    let bytes = data.records.bytes().unwrap();
    let batches = commit_log::batch::Batch::all(bytes).map(Result::unwrap);
    let mut values = Vec::new();
    for batch in batches {
        let payload = batch.payload(1 << 20).unwrap();
        let value =
            |record: &commit_log::batch::Record<'_>| String::from_utf8(record.value.unwrap().to_vec());
        values.extend(payload.records().map(|record| value(&record.unwrap()).unwrap()));
    }
    values
}
