//! Against a broker made of bytes, which answers as each test wants.

use std::time::Duration;

use bytes::Bytes;
use kafka_wire::{
    ApiKey, ErrorCode, Incoming, Records, encode_response,
    messages::{
        ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse, MetadataRequest, ProduceRequest,
        api_versions::ApiVersion,
        produce::{PartitionProduceData, TopicProduceData},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::address::Address;

/// The broker's end of a connection.
struct Broker(TcpStream);

impl Broker {
    /// A connection whose broker has Heartbeat and Produce.
    async fn connected(options: ConnectionOptions) -> (Connection, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let serve = async {
            let mut broker = Self(listener.accept().await.unwrap().0);
            let frame = broker.frame().await;
            let Incoming::Request { header, .. } = Incoming::read(&frame).unwrap() else { panic!() };
            broker.answer(header.correlation_id, header.version, &versions(ErrorCode::NONE)).await;
            broker
        };
        let (connection, broker) = tokio::join!(Connection::open(&address, &options), serve);
        (connection.unwrap(), broker)
    }

    async fn frame(&mut self) -> Bytes {
        let length = self.0.read_u32().await.unwrap();
        let mut frame = vec![0; length as usize];
        self.0.read_exact(&mut frame).await.unwrap();
        frame.into()
    }

    /// The correlation id of the next request, whatever it is.
    async fn id(&mut self) -> i32 {
        kafka_wire::header::Peek::of(&self.frame().await).unwrap().correlation_id
    }

    async fn answer<R: kafka_wire::Response>(&mut self, id: i32, version: i16, response: &R) {
        let frame = encode_response(id, version, response).unwrap();
        self.0.write_all(&frame.into_bytes().unwrap()).await.unwrap();
    }

    async fn beat(&mut self, id: i32) {
        let response = HeartbeatResponse { throttle_time_ms: id, ..HeartbeatResponse::default() };
        self.answer(id, 4, &response).await;
    }
}

fn versions(error_code: ErrorCode) -> ApiVersionsResponse {
    let apis = [(ApiKey::Heartbeat, 4), (ApiKey::Produce, 9)];
    let api_keys =
        apis.map(|(api, max_version)| ApiVersion { api_key: api as i16, min_version: 0, max_version });
    ApiVersionsResponse { error_code, api_keys: api_keys.to_vec(), ..ApiVersionsResponse::default() }
}

async fn start(connection: &Connection) -> Pending<HeartbeatRequest> {
    connection.start(&HeartbeatRequest::default(), i16::MAX, Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn requests_are_pipelined_and_each_gets_its_own_answer() {
    let (connection, mut broker) = Broker::connected(ConnectionOptions::default()).await;
    let (first, second) = (start(&connection).await, start(&connection).await);
    let ids = (broker.id().await, broker.id().await);
    broker.beat(ids.0).await;
    broker.beat(ids.1).await;
    assert_eq!(second.answer().await.unwrap().throttle_time_ms, ids.1);
    assert_eq!(first.answer().await.unwrap().throttle_time_ms, ids.0);
}

#[tokio::test]
async fn no_more_than_the_bound_are_in_flight() {
    let options = ConnectionOptions { max_in_flight: 1, ..ConnectionOptions::default() };
    let (connection, mut broker) = Broker::connected(options).await;
    let first = start(&connection).await;
    let mut second = Box::pin(start(&connection));
    assert!(futures_util::poll!(&mut second).is_pending());
    let id = broker.id().await;
    broker.beat(id).await;
    first.answer().await.unwrap();
    second.await;
}

#[tokio::test]
async fn a_late_answer_ends_the_connection_and_says_what_may_have_been_received() {
    let request_timeout = Duration::from_millis(20);
    let options = ConnectionOptions { request_timeout, ..ConnectionOptions::default() };
    let (connection, _broker) = Broker::connected(options).await;
    let error = start(&connection).await.answer().await.unwrap_err();
    assert!(matches!(error, CallError::NoAnswer { .. }), "{error}");
    assert!(error.to_string().contains("no answer within 20 ms"), "{error}");
    assert!(connection.is_closed());
    let error = connection.call(&HeartbeatRequest::default()).await.unwrap_err();
    assert!(error.surely_not_received() && error.to_string().contains("no answer within"), "{error}");
}

/// One that nobody answers, of a MiB.
fn unanswered() -> ProduceRequest {
    let records = Records::from(Bytes::from(vec![0; 1 << 20]));
    let partition_data = vec![PartitionProduceData { index: 0, records }];
    let topic = TopicProduceData { name: "t".to_owned(), partition_data, ..TopicProduceData::default() };
    ProduceRequest { topic_data: vec![topic], ..ProduceRequest::default() }
}

#[tokio::test]
async fn what_is_not_answered_ends_when_it_is_written() {
    let (connection, mut broker) = Broker::connected(ConnectionOptions::default()).await;
    let unanswered = connection.start_unanswered(&unanswered(), i16::MAX).await.unwrap();
    let (written, frame) = tokio::join!(unanswered.written(), broker.frame());
    written.unwrap();
    assert!(frame.len() > 1 << 20);
    // Nothing waits for an answer to it.
    let pending = start(&connection).await;
    let id = broker.id().await;
    broker.beat(id).await;
    pending.answer().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_takes_nothing_in_holds_nobody_up() {
    let request_timeout = Duration::from_millis(50);
    let options = ConnectionOptions { request_timeout, max_in_flight: 2, ..ConnectionOptions::default() };
    let (connection, _broker) = Broker::connected(options).await;
    let request = unanswered();
    let (mut errors, mut under_way) = (Vec::new(), Vec::new());
    // Until the buffers between the two are full.
    while errors.len() < 3 {
        match connection.start_unanswered(&request, i16::MAX).await {
            Ok(one) => under_way.push(one),
            Err(error) => errors.push(error),
        }
    }
    for one in under_way {
        errors.extend(one.written().await.err());
    }
    let text = "it takes nothing in within 50 ms";
    assert!(errors.iter().all(|error| error.to_string().contains(text)), "{errors:?}");
    let is_certain = |error: &&CallError| error.surely_not_received();
    let (certain, in_doubt): (Vec<_>, Vec<_>) = errors.iter().partition(is_certain);
    assert!(certain.len() >= 3 && !in_doubt.is_empty(), "{errors:?}");
    assert!(connection.is_closed());
}

#[tokio::test]
async fn a_closed_connection_leaves_what_was_sent_in_doubt() {
    let (connection, mut broker) = Broker::connected(ConnectionOptions::default()).await;
    let pending = start(&connection).await;
    broker.id().await;
    drop(broker);
    assert!(!pending.answer().await.unwrap_err().surely_not_received());
}

#[tokio::test]
async fn an_answer_out_of_turn_ends_the_connection() {
    let (connection, mut broker) = Broker::connected(ConnectionOptions::default()).await;
    let pending = start(&connection).await;
    let id = broker.id().await;
    broker.beat(id + 1).await;
    let error = pending.answer().await.unwrap_err();
    assert!(error.to_string().contains("was due"), "{error}");
}

#[tokio::test]
async fn an_answer_longer_than_allowed_ends_the_connection() {
    let options = ConnectionOptions { answer_bytes_max: 100, ..ConnectionOptions::default() };
    let (connection, mut broker) = Broker::connected(options).await;
    let pending = start(&connection).await;
    broker.0.write_all(&101_u32.to_be_bytes()).await.unwrap();
    let error = pending.answer().await.unwrap_err();
    assert!(error.to_string().contains("101"), "{error}");
}

#[tokio::test]
async fn what_the_broker_does_not_have_is_not_sent() {
    let (connection, _broker) = Broker::connected(ConnectionOptions::default()).await;
    let error = connection.call(&MetadataRequest::default()).await.unwrap_err();
    assert!(matches!(error, CallError::Version { api: ApiKey::Metadata, .. }), "{error}");
}

#[tokio::test]
async fn an_older_broker_names_its_versions_in_version_0() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    let serve = async {
        let mut broker = Broker(listener.accept().await.unwrap().0);
        let id = broker.id().await;
        broker.answer(id, 0, &versions(ErrorCode::UNSUPPORTED_VERSION)).await;
        broker
    };
    let options = ConnectionOptions::default();
    let (connection, _broker) = tokio::join!(Connection::open(&address, &options), serve);
    let connection = connection.unwrap();
    assert_eq!(connection.versions().get(ApiKey::Heartbeat), Some(&(0..=4)));
}

#[tokio::test]
async fn nobody_there_is_certain_not_to_have_received_anything() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let address = Address::new("127.0.0.1", port);
    let error = Connection::open(&address, &ConnectionOptions::default()).await.unwrap_err();
    assert!(error.surely_not_received());
}
