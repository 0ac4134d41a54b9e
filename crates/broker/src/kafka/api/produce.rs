//! Produce (0), versions 3 to 13: appends record batches.
//!
//! Records are appended when the request is read, in the order of the requests; only the acknowledgement is waited for in
//! turn. That makes pipelining fast, and keeps the order that idempotence needs.
//!
//! - acks=0 gets no answer; an error closes the connection, as that is all a client would notice.
//! - A batch that its topic wants under another codec is made anew off the connections' threads.
//! - A batch of a transaction is refused: nobody can have begun one. So is one for a topic of the system, as in Kafka: only
//!   coordinators write there.
//! - A client that came to the wrong broker is told the right one (KIP-951).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use commit_log::{Refused, batch::BatchHeader, batch::InvalidBatch};
use futures_util::FutureExt;
use kafka_wire::{
    ErrorCode, Message, Records,
    messages::{
        ProduceRequest, ProduceResponse,
        produce::{
            BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
            TopicProduceResponse,
        },
    },
};
use replica::Acks;
use tokio::time::{Instant, timeout_at};

use super::{
    Call, blocking,
    topics::{TopicRef, wants_leader},
};
use crate::{
    kafka::{
        errors,
        limits::Held,
        writer::{Outcome, Pending},
    },
    partition::{Ack, Partition, PartitionError, Produced},
};

/// Since this version topics are named by their ids.
const TOPIC_IDS_SINCE: i16 = 13;

/// Since this version clients are told who leads (KIP-951).
const LEADERS_SINCE: i16 = 10;

/// An acknowledgement that is to come, and the place of its answer.
struct Waiting {
    topic: usize,
    partition: usize,
    of: Arc<Partition>,
    ack: Ack,
}

pub(super) async fn start(mut call: Call, body: &Bytes) -> Result<Pending, String> {
    let request = ProduceRequest::from_body(body, call.version()).map_err(|error| error.to_string())?;
    let acks = match request.acks {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    };
    let deadline = call.arrived + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let mut response = ProduceResponse::default();
    let mut waiting = Vec::new();
    let by_id = call.version() >= TOPIC_IDS_SINCE;
    for topic in &request.topic_data {
        let name = TopicRef::new(by_id, &topic.name, topic.topic_id);
        let mut answers = Vec::with_capacity(topic.partition_data.len());
        for data in &topic.partition_data {
            let appended = match acks {
                Some(acks) => append(&call, name, data.index, &data.records, acks).await,
                None => Err((ErrorCode::INVALID_REQUIRED_ACKS, None)),
            };
            let (answer, ack) = match appended {
                Ok(appended) => appended,
                Err((code, error)) => (failed(data.index, code, error.as_ref()), None),
            };
            if let Some((of, ack)) = ack {
                waiting.push(Waiting { topic: response.responses.len(), partition: answers.len(), of, ack });
            }
            answers.push(answer);
        }
        response.responses.push(TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: answers,
        });
    }
    // What is in the log is not in memory on this request's account any more.
    drop(request);
    call.held = Held::default();
    Ok(finish(call, response, waiting, deadline, acks).boxed())
}

/// Waits for acknowledgements, and answers.
async fn finish(
    call: Call,
    mut response: ProduceResponse,
    waiting: Vec<Waiting>,
    deadline: Instant,
    acks: Option<Acks>,
) -> Outcome {
    for Waiting { topic, partition, of, ack } in waiting {
        let error = match timeout_at(deadline, ack).await {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(error))) => error,
            // The partition is gone, with all that waited.
            Ok(Err(_)) => PartitionError::Unknown,
            Err(_) => of.gave_up(),
        };
        let answers = response.responses.get_mut(topic).map(|topic| &mut topic.partition_responses);
        if let Some(answer) = answers.and_then(|answers| answers.get_mut(partition)) {
            *answer = failed(answer.index, errors::of_partition(&error), Some(&error));
        }
    }
    let answers = || response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let failures = answers().filter(|answer| !answer.error_code.is_none()).count();
    call.server.metrics.produce_requests.inc_by(answers().count() as u64);
    call.server.metrics.failed_produce.inc_by(failures as u64);
    if acks == Some(Acks::None) {
        call.server.metrics.request(call.header.key.name(), call.arrived.elapsed());
        return match answers().find(|answer| !answer.error_code.is_none()) {
            Some(failed) => Outcome::Close(format!("acks=0 and {}", failed.error_code)),
            None => Outcome::Silence,
        };
    }
    if failures > 0 && call.version() >= LEADERS_SINCE {
        add_leaders(&call, &mut response);
    }
    call.answer(&response, Vec::new(), Held::default())
}

type Appended = (PartitionProduceResponse, Option<(Arc<Partition>, Ack)>);

async fn append(
    call: &Call,
    topic: TopicRef<'_>,
    index: i32,
    records: &Records,
    acks: Acks,
) -> Result<Appended, (ErrorCode, Option<PartitionError>)> {
    let partition = call.server.led_partition(topic, index).await.map_err(|code| (code, None))?;
    if partition.name().topic.is_internal() {
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, None));
    }
    let batch = records.bytes().cloned().unwrap_or_default();
    if batch.is_empty() {
        return Err((ErrorCode::INVALID_RECORD, None));
    }
    if BatchHeader::parse(&batch).is_ok_and(|header| header.attributes.is_transactional()) {
        return Err((ErrorCode::INVALID_TXN_STATE, None));
    }
    let size_bytes = batch.len() as u64;
    let produced = produce(call, &partition, batch, acks).await;
    let produced = produced.map_err(|error| (errors::of_partition(&error), Some(error)))?;
    let appended = produced.appended;
    if !appended.duplicate {
        let records = appended.last_offset - appended.base_offset + 1;
        let topic = partition.name().topic.as_str();
        call.server.metrics.messages_in.add(topic, records.unsigned_abs());
        call.server.metrics.bytes_in.add(topic, size_bytes);
    }
    let answer = PartitionProduceResponse {
        index,
        base_offset: appended.base_offset.0,
        log_append_time_ms: appended.log_append_time_ms,
        log_start_offset: produced.log_start.0,
        ..PartitionProduceResponse::default()
    };
    Ok((answer, produced.ack.map(|ack| (partition, ack))))
}

/// Appends a batch: at once, or, if it is packed anew before, on a thread that may take its time for that.
async fn produce(
    call: &Call,
    partition: &Arc<Partition>,
    batch: Bytes,
    acks: Acks,
) -> Result<Produced, PartitionError> {
    if partition.is_untouched() {
        let of = Arc::clone(partition);
        blocking(move || of.touch()).await;
    }
    if !partition.recompresses(&batch) {
        return partition.produce(batch, acks);
    }
    // The bound of what is unpacked at the same time; the requests behind this one wait for their turn.
    let _permit = call.server.recompressing.acquire().await;
    let of = Arc::clone(partition);
    blocking(move || of.produce(batch, acks)).await.unwrap_or(Err(PartitionError::NotLeader))
}

fn failed(index: i32, code: ErrorCode, error: Option<&PartitionError>) -> PartitionProduceResponse {
    let record_errors = match error {
        Some(PartitionError::Refused(Refused::Invalid(InvalidBatch::NullKeys(records)))) => {
            let record = |index: &usize| BatchIndexAndErrorMessage {
                batch_index: i32::try_from(*index).unwrap_or(i32::MAX),
                batch_index_error_message: Some("a compacted topic takes no record without a key".to_owned()),
            };
            records.iter().map(record).collect()
        }
        _ => Vec::new(),
    };
    PartitionProduceResponse {
        index,
        error_code: code,
        base_offset: -1,
        log_append_time_ms: -1,
        log_start_offset: -1,
        record_errors,
        error_message: error.map(ToString::to_string),
        nothing_appended: matches!(error, Some(PartitionError::NothingAppended(_))),
        ..PartitionProduceResponse::default()
    }
}

/// Tells clients that came to the wrong broker where to go.
fn add_leaders(call: &Call, response: &mut ProduceResponse) {
    let by_id = call.version() >= TOPIC_IDS_SINCE;
    let mut nodes = BTreeMap::new();
    for topic in &mut response.responses {
        let name = TopicRef::new(by_id, &topic.name, topic.topic_id);
        for answer in topic.partition_responses.iter_mut().filter(|answer| wants_leader(answer.error_code)) {
            let Some(hint) = call.server.leader_elsewhere(name, answer.index) else { continue };
            let Some(node) = hint.node else { continue };
            answer.current_leader =
                LeaderIdAndEpoch { leader_id: hint.leader_id, leader_epoch: hint.leader_epoch };
            nodes.insert(node.id, node);
        }
    }
    let endpoint = |node: super::topics::Node| NodeEndpoint {
        node_id: node.id,
        host: node.host,
        port: node.port,
        rack: node.rack,
    };
    response.node_endpoints = nodes.into_values().map(endpoint).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_is_certainly_not_in_the_log_is_told_apart() {
        let told = |error: PartitionError| {
            let answer = failed(0, errors::of_partition(&error), Some(&error));
            (answer.error_code, answer.nothing_appended)
        };
        let full = PartitionError::NothingAppended("no space left".to_owned());
        assert_eq!(told(full), (ErrorCode::KAFKA_STORAGE_ERROR, true));
        // Whatever the disk's own words are.
        let failed = PartitionError::Storage("nothing was appended".to_owned());
        assert_eq!(told(failed), (ErrorCode::KAFKA_STORAGE_ERROR, false));
    }
}
