//! A broker that a test plays: it reads requests, and answers what the test says.

use std::sync::Arc;

use bytes::Bytes;
use kafka_wire::{
    ApiKey, FrameReader, Incoming, Request, RequestHeader, Response, encode_response,
    messages::{
        ApiVersionsResponse, MetadataResponse,
        api_versions::ApiVersion,
        metadata::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use uuid::Uuid;

use crate::Address;

/// A broker on a port of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct StandIn {
    pub(crate) address: Address,
    _tasks: JoinSet<()>,
}

/// A request that came.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) header: RequestHeader,
    body: Bytes,
    /// Where it came in.
    pub(crate) at: Address,
}

/// The frame that goes back; `None`: the connection breaks.
pub(crate) type Answer = Option<Bytes>;

impl StandIn {
    /// One that answers whatever it is asked. Requests of one connection wait for each other, those of others do not.
    pub(crate) async fn start<F>(answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let (answer, at) = (Arc::new(answer), address.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, at) = (Arc::clone(&answer), at.clone());
                connections
                    .spawn(serve(stream, move |header, body| answer(Asked { header, body, at: at.clone() })));
            }
        });
        Self { address, _tasks: tasks }
    }
}

async fn serve<F: Future<Output = Answer>>(
    mut stream: TcpStream,
    answer: impl Fn(RequestHeader, Bytes) -> F,
) {
    let mut frames = FrameReader::new(1 << 20);
    while let Ok(1..) = stream.read_buf(&mut frames.space()).await {
        while let Some(frame) = frames.next_frame().unwrap() {
            let Incoming::Request { header, body } = Incoming::read(&frame).unwrap() else { panic!() };
            let Some(answer) = answer(header, body).await else { return };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

impl Asked {
    /// As what it is.
    pub(crate) fn read<R: Request>(&self) -> R {
        R::from_body(&self.body, self.header.version).unwrap()
    }

    /// The answer to it.
    pub(crate) fn answer<R: Response>(&self, response: &R) -> Answer {
        let frame = encode_response(self.header.correlation_id, self.header.version, response);
        frame.unwrap().into_bytes()
    }

    /// The answer to ApiVersions: these, each from 0 up to a version.
    pub(crate) fn answer_versions(&self, apis: &[(ApiKey, i16)]) -> Answer {
        let apis = apis.iter().map(|&(api, max_version)| ApiVersion {
            api_key: api as i16,
            min_version: 0,
            max_version,
        });
        let api_keys =
            apis.chain([ApiVersion { api_key: ApiKey::ApiVersions as i16, min_version: 0, max_version: 4 }]);
        self.answer(&ApiVersionsResponse { api_keys: api_keys.collect(), ..ApiVersionsResponse::default() })
    }
}

/// Metadata of one topic. Brokers are numbered from 1 on; of each partition the leader and its epoch.
pub(crate) fn metadata(brokers: &[Address], topic: (&str, Uuid), leaders: &[(i32, i32)]) -> MetadataResponse {
    let partitions = (0..).zip(leaders).map(|(partition_index, &(leader_id, leader_epoch))| {
        MetadataResponsePartition { partition_index, leader_id, leader_epoch, ..Default::default() }
    });
    let (name, topic_id) = (Some(topic.0.to_owned()), topic.1);
    let topic =
        MetadataResponseTopic { name, topic_id, partitions: partitions.collect(), ..Default::default() };
    let brokers = (1..).zip(brokers).map(|(node_id, Address { host, port })| MetadataResponseBroker {
        node_id,
        host: host.clone(),
        port: i32::from(*port),
        ..Default::default()
    });
    MetadataResponse { brokers: brokers.collect(), topics: vec![topic], ..MetadataResponse::default() }
}
