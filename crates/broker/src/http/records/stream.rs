//! `GET /api/v1/topics/{topic}/stream`: records as they come, as server-sent events.
//!
//! The id of each event is where the stream goes on: the next offset of every partition, as in `0:17,1:4`. A client that
//! sends the last id it saw as `Last-Event-ID`, to any broker, gets exactly what follows. Browsers do so by themselves.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use common::{Offset, PartitionId, Topic};
use futures_util::stream;
use http_api::{
    ErrorCode, Problem, headers,
    records::{Isolation, StartOffset, StreamQuery, WantedFormat},
};
use kafka_client::{
    ConsumeError, Consumer, ConsumerOptions, Fetched, IsolationLevel, OffsetSpec, StartAt, TopicPartition,
};
use runtime::http::{Params, Refusal, Segments};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{gateway::Gateway, problems, show};
use crate::http::router::Context;

/// After so much silence a comment is sent, so that nobody in between takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often a stream looks whether the topic has got more partitions.
const LOOK: Duration = Duration::from_secs(1);

/// Bytes of an answer of one leader. A stream holds two of them per leader at most.
const FETCH_BYTES_MAX: usize = 512 << 10;

/// Bytes of events after which they are sent, before more are made. The id of each names every partition: of a topic with many,
/// the events of an answer are much longer than it.
const EVENTS_BYTES: usize = 1 << 20;

/// Stream records
///
/// Server-sent events: the data of each is a record, its id is where the stream goes on.
#[utoipa::path(
    get,
    path = http_api::paths::STREAM,
    tag = "records",
    operation_id = "streamRecords",
    params(
        ("topic" = String, Path, description = "The topic"),
        ("Last-Event-ID" = Option<String>, Header, description = "Where the stream goes on"),
        StreamQuery,
    ),
    responses(
        (status = 200, description = "Records as they come", body = http_api::records::ReadRecord, content_type = "text/event-stream"),
        (status = 400, description = "Not a place to go on from", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such topic or partition", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many streams, or no leader answers", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn stream(
    State(context): State<Arc<Context>>,
    Segments(topic): Segments<String>,
    Params(query): Params<StreamQuery>,
    request_headers: HeaderMap,
) -> Result<Response, Refusal> {
    let room = context.records.room_for_stream()?;
    let topic = context.records.topic(&topic).await?;
    if let Some(partition) = query.partition {
        Gateway::leader(&topic, partition)?;
    }
    let after = match request_headers.get(headers::LAST_EVENT_ID) {
        Some(id) if !id.is_empty() => Some(parse_id(&String::from_utf8_lossy(id.as_bytes()))?),
        _ => None,
    };
    let running = Running::begin(context, &topic, &query, after, room).await?;
    let events = stream::unfold(Some(running), async |running| {
        let (events, running) = running?.next().await;
        Some((Ok::<_, std::convert::Infallible>(events), running))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, Body::from_stream(events)).into_response())
}

/// A stream that is being sent.
struct Running {
    context: Arc<Context>,
    topic: String,
    /// Only this one, if any.
    partition: Option<PartitionId>,
    format: WantedFormat,
    isolation: IsolationLevel,
    consumer: Consumer,
    /// What was fetched and is not sent to its end.
    rest: Option<Fetched>,
    /// Where each partition goes on: what the ids say.
    next: BTreeMap<PartitionId, Offset>,
    sent_at: Instant,
    /// When it was looked whether there are more partitions.
    looked_at: Instant,
    /// The first event was sent: the id alone, so that also a client that has seen no record yet can go on.
    begun: bool,
    _room: OwnedSemaphorePermit,
}

impl Running {
    async fn begin(
        context: Arc<Context>,
        topic: &Topic,
        query: &StreamQuery,
        after: Option<BTreeMap<PartitionId, Offset>>,
        room: OwnedSemaphorePermit,
    ) -> Result<Self, Problem> {
        let isolation = match query.isolation {
            Isolation::ReadUncommitted => IsolationLevel::ReadUncommitted,
            Isolation::ReadCommitted => IsolationLevel::ReadCommitted,
        };
        let options = ConsumerOptions {
            fetch_max_bytes: FETCH_BYTES_MAX,
            partition_fetch_max_bytes: FETCH_BYTES_MAX,
            isolation_level: isolation,
            ..ConsumerOptions::default()
        };
        let cluster = context.records.cluster()?.clone();
        let mut running = Self {
            consumer: Consumer::new(cluster, options),
            rest: None,
            context,
            topic: topic.topic_name.to_string(),
            partition: query.partition,
            format: query.format,
            isolation,
            next: BTreeMap::new(),
            sent_at: Instant::now(),
            looked_at: Instant::now(),
            begun: false,
            _room: room,
        };
        let start = match query.offset {
            StartOffset::Earliest => StartAt::Listed(OffsetSpec::Earliest),
            StartOffset::Latest => StartAt::Listed(OffsetSpec::Latest),
            StartOffset::At(offset) => StartAt::Offset(offset),
            StartOffset::Since(timestamp_ms) => StartAt::Listed(OffsetSpec::Timestamp(timestamp_ms)),
        };
        let ids = topic.partitions.iter().map(|partition| partition.id).filter(|id| running.wants(*id));
        let starts: Vec<_> = ids
            .map(|id| match &after {
                // A partition that the client does not know of came later.
                Some(after) => (id, StartAt::Offset(after.get(&id).copied().unwrap_or_default())),
                None => (id, start),
            })
            .collect();
        running.assign(starts).await?;
        Ok(running)
    }

    fn wants(&self, id: PartitionId) -> bool {
        self.partition.is_none_or(|only| only == id)
    }

    async fn assign(&mut self, starts: Vec<(PartitionId, StartAt)>) -> Result<(), Problem> {
        let ids: Vec<PartitionId> = starts.iter().map(|(id, _)| *id).collect();
        let starts = starts.into_iter().map(|(id, start)| (TopicPartition::new(&self.topic, id), start));
        self.consumer.assign(starts).await.map_err(|error| of_consume(&error))?;
        for id in ids {
            self.next.insert(id, self.consumer.position(&self.topic, id).unwrap_or_default());
        }
        Ok(())
    }

    /// The next bytes to send, and the stream behind them if it goes on.
    async fn next(mut self) -> (Bytes, Option<Self>) {
        if !self.begun {
            self.begun = true;
            let id = format!("id: {}\n\n", self.id());
            return (id.into(), Some(self));
        }
        loop {
            let context = Arc::clone(&self.context);
            let fetched = tokio::select! {
                biased;
                _ = context.records.shutdown.requested() => return ("event: leaving\ndata: {}\n\n".into(), None),
                fetched = tokio::time::timeout(LOOK, self.fetched()) => fetched,
            };
            let events = match fetched {
                Ok(Ok(fetched)) => self.show(fetched),
                Ok(Err(ConsumeError::OffsetOutOfRange { partition, offset, .. })) => {
                    self.step_over(partition, offset).await
                }
                Ok(Err(error)) => Err(of_consume(&error)),
                Err(_) => Ok(String::new()),
            };
            // Also while there are records all the time.
            let looked =
                if self.looked_at.elapsed() >= LOOK { self.look_for_partitions().await } else { Ok(()) };
            match events.and_then(|events| looked.map(|()| events)) {
                Ok(events) if events.is_empty() && self.sent_at.elapsed() < KEEP_ALIVE => {}
                Ok(events) => {
                    self.sent_at = Instant::now();
                    let events = if events.is_empty() { ": still here\n\n".to_owned() } else { events };
                    return (events.into(), Some(self));
                }
                Err(problem) => return (problem_event(&problem).into(), None),
            }
        }
    }

    /// What is to be sent next. Cancel safe.
    async fn fetched(&mut self) -> Result<Fetched, ConsumeError> {
        match self.rest.take() {
            Some(rest) => Ok(rest),
            None => self.consumer.next().await,
        }
    }

    /// An event for each record, as far as there is room.
    fn show(&mut self, mut fetched: Fetched) -> Result<String, Problem> {
        let (partition, format) = (fetched.partition, self.format);
        let mut events = String::new();
        let mut full_at = None;
        let ended = fetched.each(|record| {
            if events.len() >= EVENTS_BYTES {
                full_at = Some(record.offset);
                return false;
            }
            self.next.insert(partition, record.offset + 1);
            let record = show::one(&record, partition, format);
            // Our own types are always written, and JSON in one line holds no line feed.
            let data = serde_json::to_string(&record).unwrap_or_default();
            let _ = write!(events, "id: {}\ndata: {data}\n\n", self.id());
            true
        });
        ended.map_err(|error| {
            let detail = format!("partition {}-{partition} cannot be read: {error}", self.topic);
            Problem::new(ErrorCode::StorageUnavailable, detail)
        })?;
        match full_at {
            Some(from) => {
                fetched.from = from;
                self.rest = Some(fetched);
            }
            None => {
                self.next.insert(partition, fetched.next);
            }
        }
        Ok(events)
    }

    /// There is no such offset: that is told, and the stream goes on with the nearest one that there is. Records were deleted before
    /// they could be sent; or the partition ends before.
    async fn step_over(&mut self, partition: PartitionId, offset: Offset) -> Result<String, Problem> {
        let start = self.bound(partition, OffsetSpec::Earliest).await?;
        let end = self.bound(partition, OffsetSpec::Latest).await?;
        let next = if offset < start { start } else { offset.min(end) };
        self.consumer.seek(&self.topic, partition, next);
        self.next.insert(partition, next);
        let place = format!("partition {}-{partition}", self.topic);
        let detail = if offset < start {
            format!("offsets {offset} to {start} of {place} are not there any more")
        } else {
            format!("{place} has no offset {offset}: it ends at {end}")
        };
        let problem = Problem::new(ErrorCode::OffsetOutOfRange, detail)
            .with("partition", partition.0)
            .with("value", offset.0)
            .with("logStartOffset", start.0)
            .with("logEndOffset", end.0);
        Ok(format!("id: {}\n{}", self.id(), problem_event(&problem)))
    }

    /// Where a partition begins or ends, for this stream.
    async fn bound(&mut self, partition: PartitionId, spec: OffsetSpec) -> Result<Offset, Problem> {
        let place = TopicPartition::new(&self.topic, partition);
        let found = self.context.records.cluster()?.offsets_as(self.isolation, [(place, spec)]).await;
        let found = found.map_err(|error| problems::of_cluster(&error))?;
        Ok(found.into_values().flatten().next().unwrap_or_default())
    }

    /// Takes in partitions that were added.
    async fn look_for_partitions(&mut self) -> Result<(), Problem> {
        self.looked_at = Instant::now();
        let ids = self.context.records.image.read(|state| {
            let topic = state.topic(&self.topic)?;
            Some(topic.partitions.iter().map(|partition| partition.id).collect::<Vec<_>>())
        });
        let ids = ids.ok_or_else(|| problems::unknown_topic(&self.topic))?;
        let new = ids.into_iter().filter(|id| self.wants(*id) && !self.next.contains_key(id));
        let new: Vec<_> = new.map(|id| (id, StartAt::Offset(Offset(0)))).collect();
        if new.is_empty() { Ok(()) } else { self.assign(new).await }
    }

    fn id(&self) -> String {
        let mut id = String::new();
        for (partition, next) in &self.next {
            let separator = if id.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(id, "{separator}{partition}:{next}");
        }
        id
    }
}

fn problem_event(problem: &Problem) -> String {
    let data = serde_json::to_string(problem).unwrap_or_default();
    format!("event: problem\ndata: {data}\n\n")
}

fn of_consume(error: &ConsumeError) -> Problem {
    match error {
        ConsumeError::Cluster(error) => problems::of_cluster(error),
        ConsumeError::Refused { code, .. } => problems::of_code(*code, error.to_string()),
        ConsumeError::OffsetOutOfRange { .. } => Problem::new(ErrorCode::OffsetOutOfRange, error.to_string()),
        ConsumeError::Unreadable { .. } | ConsumeError::TooLong { .. } => {
            Problem::new(ErrorCode::StorageUnavailable, error.to_string())
        }
    }
}

/// The places that an event's id says.
fn parse_id(id: &str) -> Result<BTreeMap<PartitionId, Offset>, Problem> {
    let place = |part: &str| {
        let (partition, offset) = part.split_once(':')?;
        let (partition, offset): (i32, i64) = (partition.parse().ok()?, offset.parse().ok()?);
        (partition >= 0 && offset >= 0).then_some((PartitionId(partition), Offset(offset)))
    };
    id.split(',').map(place).collect::<Option<_>>().ok_or_else(|| {
        let shown: String = id.chars().take(100).collect();
        let detail =
            format!("header Last-Event-ID is `{shown}`; partitions and offsets are wanted, as in 0:17,1:4");
        Problem::new(ErrorCode::InvalidParameter, detail).with("header", "Last-Event-ID").with("value", shown)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_where_each_partition_goes_on() {
        let places = parse_id("0:17,12:4").unwrap();
        assert_eq!(places, BTreeMap::from([(PartitionId(0), Offset(17)), (PartitionId(12), Offset(4))]));
        for id in ["", "0", "0:", "0:x", "-1:4", "0:-4", "0:1;1:2"] {
            assert_eq!(parse_id(id).unwrap_err().code, ErrorCode::InvalidParameter, "{id}");
        }
    }
}
