//! What reading and writing messages costs: `cargo bench -p kafka-wire`.

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use kafka_wire::{
    FrameReader, Incoming, Message as _, Request, Response, encode_request, encode_response,
    messages::{
        FetchRequest, FetchResponse, MetadataResponse, ProduceRequest, ProduceResponse, fetch, metadata,
        produce,
    },
};

const MIB: usize = 1 << 20;

/// How long each row is measured, roughly.
const ROW_SECONDS: f64 = 0.3;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    produce(1)?;
    produce(100)?;
    fetch(1)?;
    fetch(100)?;
    fetch_request(1_000)?;
    metadata()
}

/// Prints the median of many runs.
fn row<T>(name: &str, mut run: impl FnMut() -> T) {
    let once = Instant::now();
    black_box(run());
    let runs = (ROW_SECONDS / once.elapsed().as_secs_f64().max(1e-7)).clamp(10.0, 2e5) as usize;
    let mut times: Vec<f64> = Vec::with_capacity(runs);
    for _ in 0..runs {
        let start = Instant::now();
        black_box(run());
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    println!("{name:60} {:10.2} us", median * 1e6);
}

/// A request of 1 MiB of records in all, from the socket's bytes to the typed message, and its answer.
fn produce(partitions: i32) -> Outcome {
    let records = Bytes::from(vec![7; MIB / partitions as usize]);
    let data = |index| produce::PartitionProduceData { index, records: records.clone().into() };
    let topic = produce::TopicProduceData {
        partition_data: (0..partitions).map(data).collect(),
        ..produce::TopicProduceData::default()
    };
    let request = ProduceRequest { acks: -1, topic_data: vec![topic], ..ProduceRequest::default() };
    row(&format!("produce, {partitions} partitions, 1 MiB: write the request"), || {
        encode_request(1, Some("bench"), 12, &request)
    });
    let sent = encode_request(1, Some("bench"), 12, &request)?.into_bytes().ok_or("nothing is deferred")?;
    let mut frames = FrameReader::new(2 * MIB);
    row(&format!("produce, {partitions} partitions, 1 MiB: cut the frame (copies it)"), || {
        frames.push(&sent)
    });
    let frame = sent.slice(4..);
    row(&format!("produce, {partitions} partitions, 1 MiB: read header and body"), || {
        read::<ProduceRequest>(&frame)
    });
    let answer = |index| produce::PartitionProduceResponse { index, ..Default::default() };
    let topic = produce::TopicProduceResponse {
        partition_responses: (0..partitions).map(answer).collect(),
        ..produce::TopicProduceResponse::default()
    };
    let response = ProduceResponse { responses: vec![topic], ..ProduceResponse::default() };
    row(&format!("produce, {partitions} partitions: write the response"), || {
        encode_response(1, 12, &response)
    });
    Ok(())
}

/// A response of 1 MiB of records in all.
fn fetch(partitions: i32) -> Outcome {
    let records = Bytes::from(vec![7; MIB / partitions as usize]);
    let data = |index| fetch::PartitionData {
        partition_index: index,
        records: records.clone().into(),
        ..fetch::PartitionData::default()
    };
    let topic = fetch::FetchableTopicResponse {
        partitions: (0..partitions).map(data).collect(),
        ..fetch::FetchableTopicResponse::default()
    };
    let response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
    row(&format!("fetch, {partitions} partitions, 1 MiB: write the response in pieces"), || {
        encode_response(1, 17, &response)
    });
    row(&format!("fetch, {partitions} partitions, 1 MiB: write the response into one buffer"), || {
        encode_response(1, 17, &response).map(kafka_wire::Frame::into_bytes)
    });
    let body = body(&response, 17)?;
    row(&format!("fetch, {partitions} partitions, 1 MiB: read the response"), || {
        FetchResponse::from_body(&body, 17)
    });
    Ok(())
}

fn fetch_request(partitions: i32) -> Outcome {
    let partition = |partition| fetch::FetchPartition { partition, ..fetch::FetchPartition::default() };
    let topic = fetch::FetchTopic {
        partitions: (0..partitions).map(partition).collect(),
        ..fetch::FetchTopic::default()
    };
    let request = FetchRequest { topics: vec![topic], ..FetchRequest::default() };
    row(&format!("fetch, {partitions} partitions: write the request"), || {
        encode_request(1, None, 17, &request)
    });
    let frame = encode_request(1, None, 17, &request)?.into_bytes().ok_or("nothing is deferred")?.slice(4..);
    row(&format!("fetch, {partitions} partitions: read the request"), || read::<FetchRequest>(&frame));
    Ok(())
}

/// 100 topics of 100 partitions with three replicas.
fn metadata() -> Outcome {
    let partition = |partition_index| metadata::MetadataResponsePartition {
        partition_index,
        leader_id: 1,
        replica_nodes: vec![1, 2, 3],
        isr_nodes: vec![1, 2, 3],
        ..metadata::MetadataResponsePartition::default()
    };
    let topic = |number| metadata::MetadataResponseTopic {
        name: Some(format!("topic-{number}")),
        partitions: (0..100).map(partition).collect(),
        ..metadata::MetadataResponseTopic::default()
    };
    let response = MetadataResponse { topics: (0..100).map(topic).collect(), ..MetadataResponse::default() };
    row("metadata, 10,000 partitions: write the response", || encode_response(1, 12, &response));
    let body = body(&response, 12)?;
    row("metadata, 10,000 partitions: read the response", || MetadataResponse::from_body(&body, 12));
    Ok(())
}

/// Header and body of a request.
fn read<R: Request>(frame: &Bytes) -> Option<R> {
    match Incoming::read(frame) {
        Ok(Incoming::Request { header, body }) => R::from_body(&body, header.version).ok(),
        _ => None,
    }
}

/// The body of a flexible response, in one.
fn body<R: Response>(response: &R, version: i16) -> Result<Bytes, Box<dyn std::error::Error>> {
    let frame = encode_response(1, version, response)?.into_bytes().ok_or("nothing is deferred")?;
    // Length, correlation id, and no tagged fields.
    Ok(frame.slice(4 + 4 + 1..))
}
