//! Against a broker made of bytes, which answers as each test wants.

use std::time::Duration;

use bytes::Bytes;
use kafka_wire::{
    ApiKey, ErrorCode, Incoming, encode_response,
    messages::{
        ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse, MetadataRequest, api_versions::ApiVersion,
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
    /// A connection whose broker has Heartbeat alone.
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
    let api = ApiVersion { api_key: ApiKey::Heartbeat as i16, min_version: 0, max_version: 4 };
    ApiVersionsResponse { error_code, api_keys: vec![api], ..ApiVersionsResponse::default() }
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
