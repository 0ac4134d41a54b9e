//! `POST /api/v1/topics/{topic}/records`: writing some records.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use common::{BrokerId, PartitionId, Topic};
use http_api::{
    ErrorCode, Problem, headers,
    records::{Acks, BulkOutcome, Data, NewRecord, ProduceRequest, RecordOutcome, WrittenRecord},
};
use kafka_client::{Delivery, ProduceError, producer::partition_of_key};
use runtime::{
    clock,
    http::{JsonBody, JsonBytesMax, NoParams, Refusal, Segments},
};

use uuid::Uuid;

use super::{
    bulk,
    gateway::{Admissions, Gateway},
    keyed, problems,
};
use crate::http::router::Context;

/// The largest body of JSON. A bulk in lines has no such bound.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Write records
///
/// With `Content-Type: application/x-ndjson` each line is a record, and the answer sums up what came of them.
#[utoipa::path(
    post,
    path = http_api::paths::RECORDS,
    tag = "records",
    operation_id = "produce",
    params(
        ("topic" = String, Path, description = "The topic"),
        ("Idempotency-Key" = Option<String>, Header, description = "A UUID: the same request under it is written once, however often it is sent"),
    ),
    request_body(content(
        (ProduceRequest = "application/json"),
        (NewRecord = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "What came of each record, in their order", content(
            (Vec<RecordOutcome> = "application/json"),
            (BulkOutcome = "application/json"),
        )),
        (status = 400, description = "Not records", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such topic", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Body or record too large", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Nothing was written", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "Nobody knows whether any was", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn produce(
    State(context): State<Arc<Context>>,
    Segments(topic): Segments<String>,
    _: NoParams,
    mut request: Request,
) -> Result<Response, Refusal> {
    let gateway = &context.records;
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_lines = content_type.is_some_and(|kind| kind.starts_with("application/x-ndjson"));
    let topic = gateway.topic(&topic).await?;
    let idempotency_key = idempotency_key(request.headers())?;
    if is_lines {
        if idempotency_key.is_some() {
            return Err(not_idempotent("a bulk in lines").into());
        }
        let outcome = bulk::write(gateway, &topic, request.into_body()).await?;
        return Ok(Json(outcome).into_response());
    }
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(BODY_BYTES_MAX);
    let _room = gateway.room_for(announced.min(BODY_BYTES_MAX))?;
    request.extensions_mut().insert(JsonBytesMax(BODY_BYTES_MAX));
    let JsonBody(ProduceRequest { records, acks }) = JsonBody::from_request(request, &()).await?;
    if records.is_empty() {
        let problem = Problem::new(ErrorCode::InvalidRequest, "`records`: at least one is wanted");
        return Err(problem.with("field", "records").into());
    }
    match idempotency_key {
        Some(_) if acks != Acks::All => Err(not_idempotent("a request without `acks: all`").into()),
        Some(key) => answer(keyed::write(gateway, &topic, &records, key).await),
        None => answer(write(gateway, &topic, &records, acks).await),
    }
}

fn not_idempotent(what: &str) -> Problem {
    let detail = format!("{what} takes no Idempotency-Key: a repetition would not be known again");
    Problem::new(ErrorCode::InvalidRequest, detail).with("header", "Idempotency-Key")
}

fn idempotency_key(request_headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let Some(value) = request_headers.get(headers::IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    headers::parse_idempotency_key(&text).map(Some).ok_or_else(|| {
        let shown: String = text.chars().take(100).collect();
        let detail = format!("header Idempotency-Key is `{shown}`; a UUID is wanted");
        Problem::new(ErrorCode::InvalidParameter, detail)
            .with("header", "Idempotency-Key")
            .with("value", shown)
    })
}

/// If nothing was written, the answer is a problem as a whole.
fn answer(outcomes: Vec<RecordOutcome>) -> Result<Response, Refusal> {
    let written = |outcome: &RecordOutcome| matches!(outcome, RecordOutcome::Written(_));
    match outcomes.first() {
        Some(RecordOutcome::Problem { problem }) if !outcomes.iter().any(written) => {
            let outcomes = serde_json::to_value(&outcomes).unwrap_or_default();
            Err((**problem).clone().with("records", outcomes).into())
        }
        _ => Ok(Json(outcomes).into_response()),
    }
}

/// Writes records; those of one partition in their order.
async fn write(gateway: &Gateway, topic: &Topic, records: &[NewRecord], acks: Acks) -> Vec<RecordOutcome> {
    let sticky = gateway.next_partition(topic);
    let mut admissions = gateway.admissions();
    let mut sent = Vec::with_capacity(records.len());
    for record in records {
        sent.push(Sent::begin(gateway, &mut admissions, topic, record, sticky, acks).await);
    }
    let mut outcomes = Vec::with_capacity(sent.len());
    for sent in sent {
        outcomes.push(match sent {
            Ok(sent) => sent.outcome(gateway).await,
            Err(problem) => RecordOutcome::Problem { problem: Box::new(problem) },
        });
    }
    outcomes
}

/// A record as bytes.
pub(super) struct Decoded<'a> {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    headers: Vec<(&'a str, Option<Vec<u8>>)>,
    pub(super) timestamp_ms: i64,
}

impl<'a> Decoded<'a> {
    pub(super) fn of(record: &'a NewRecord) -> Result<Self, Problem> {
        let mut headers = Vec::with_capacity(record.headers.len());
        for header in &record.headers {
            headers.push((header.key.as_str(), bytes_of("headers", header.value.as_ref())?));
        }
        let now = || i64::try_from(clock::unix_ms()).unwrap_or(i64::MAX);
        Ok(Self {
            key: bytes_of("key", record.key.as_ref())?,
            value: bytes_of("value", record.value.as_ref())?,
            headers,
            timestamp_ms: record.timestamp.unwrap_or_else(now),
        })
    }

    pub(super) fn headers(&self) -> Vec<kafka_client::RecordHeader<'_>> {
        let headers = self.headers.iter().map(|(key, value)| (key.as_bytes(), value.as_deref()));
        headers.map(|(key, value)| kafka_client::RecordHeader { key, value }).collect()
    }
}

/// A record that is on its way.
pub(super) struct Sent {
    delivery: Delivery,
    leader: BrokerId,
    /// What its reader will see, if that is known.
    timestamp: Option<i64>,
}

impl Sent {
    /// Hands a record over. `sticky` is the partition for records that do not say where they belong.
    pub(super) async fn begin(
        gateway: &Gateway,
        admissions: &mut Admissions<'_>,
        topic: &Topic,
        record: &NewRecord,
        sticky: PartitionId,
        acks: Acks,
    ) -> Result<Self, Problem> {
        let decoded = Decoded::of(record)?;
        let of_key = decoded.key.as_deref().and_then(|key| partition_of_key(key, topic.partitions.len()));
        let partition = record.partition.or(of_key).unwrap_or(sticky);
        let leader = Gateway::leader(topic, partition)?;
        admissions.admit(leader)?;
        let timestamp_ms = decoded.timestamp_ms;
        let record = kafka_client::NewRecord {
            timestamp_ms,
            key: decoded.key.as_deref(),
            value: decoded.value.as_deref(),
            headers: &decoded.headers(),
        };
        let name = topic.topic_name.as_str();
        let sent = gateway.producer(acks)?.send(name, Some(partition), &record).await;
        let delivery = sent.map_err(|error| problems::of_produce(&error))?;
        let by_broker = topic.configs.get("message.timestamp.type").is_some_and(|it| it == "LogAppendTime");
        Ok(Self { delivery, leader, timestamp: (!by_broker).then_some(timestamp_ms) })
    }

    /// Waits for what comes of it.
    pub(super) async fn outcome(self, gateway: &Gateway) -> RecordOutcome {
        match self.delivery.acked().await {
            Ok(ack) => {
                gateway.answered(self.leader);
                RecordOutcome::Written(WrittenRecord {
                    partition: ack.partition,
                    offset: ack.offset,
                    timestamp: self.timestamp,
                })
            }
            Err(error) => {
                match &error {
                    ProduceError::NotWritten { code: None, .. } | ProduceError::Unknown { .. } => {
                        gateway.failed(self.leader)
                    }
                    ProduceError::NotWritten { code: Some(_), .. } | ProduceError::Refused { .. } => {
                        gateway.answered(self.leader)
                    }
                    ProduceError::TooLarge { .. } | ProduceError::Cluster(_) => {}
                }
                RecordOutcome::Problem { problem: Box::new(problems::of_produce(&error)) }
            }
        }
    }
}

fn bytes_of(field: &'static str, data: Option<&Data>) -> Result<Option<Vec<u8>>, Problem> {
    let Some(data) = data else { return Ok(None) };
    data.bytes().map_err(|error| {
        Problem::new(ErrorCode::InvalidRecord, format!("`{field}`: {error}")).with("field", field)
    })
}
