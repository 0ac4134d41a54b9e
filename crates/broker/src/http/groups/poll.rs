//! `POST /api/v1/groups/{group}/poll`: records for a reader that is no member of anything. They are leased to it: until it has
//! acknowledged them, or the lease ends, nobody else gets them.
//!
//! The group's coordinator keeps the leases, finds the leaders and reads there. While there is nothing, no record is held
//! back for those who wait: who is faster has it, and the others wait on.

use std::{collections::BTreeMap, future::pending, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use common::{Offset, PartitionId, TopicName};
use coordinator::api::{LeaseId, LeasePlace, LeasePositions, LeaseRecords, LeasedRead, Positions};
use http_api::{
    ErrorCode, Problem,
    group_reading::{
        LEASE_MS, POLL_PARTITIONS_MAX, POLL_RECORDS_MAX, POLL_TOPICS_MAX, PollRequest, PollResponse,
        PollStart, PolledRecord,
    },
    paths,
    records::{MAX_WAIT_MS_MAX, ReadRecord},
};
use kafka_client::{Consumer, ConsumerOptions, StartAt, TopicPartition};
use runtime::{
    clock,
    http::{JsonBody, Refusal},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    lag::{self, Bounds},
    route::{self, Routed},
};
use crate::http::{params::Segments, router::Context};

/// How long a leader may take to give what it has.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// From one look at what is free to the next, while there is nothing.
const LOOK: Duration = Duration::from_millis(500);

/// Bytes of records after which no further partition is read, as they are shown.
const POLL_BYTES: usize = 8 << 20;

/// Read records as a group
///
/// The records are leased for `leaseMs`: acknowledge them in that time, or they come again. The group must have no members.
#[utoipa::path(
    post,
    path = paths::GROUP_POLL,
    tag = "groups",
    operation_id = "pollGroup",
    params(("group" = String, Path, description = "The group's id")),
    request_body = PollRequest,
    responses(
        (status = 200, body = PollResponse, description = "Records, or none in the time"),
        (status = 404, description = "No such topic", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The group has members", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "The group is at an offset that does not exist: reset it", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its coordinator or a leader does not answer, or too many records are not acknowledged", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn poll(
    State(context): State<Arc<Context>>,
    Segments(group_id): Segments<String>,
    request_headers: HeaderMap,
    JsonBody(request): JsonBody<PollRequest>,
) -> Result<Response, Refusal> {
    check(&request)?;
    let made = context.groups.topic().ensure().await;
    made.map_err(|error| Problem::new(ErrorCode::CoordinatorNotAvailable, error.to_string()))?;
    let wait = Duration::from_millis(request.max_wait_ms);
    let routed =
        Routed::new(&context, &group_id, Method::POST, paths::group_poll(&group_id), &request_headers)
            .with_body(&request)
            .waiting(wait);
    let deadline = Instant::now() + wait;
    let local = || async {
        let polled =
            Reading { context: &context, group_id: &group_id, request: &request }.poll(deadline).await?;
        Ok(Json(polled).into_response())
    };
    Ok(routed.answer(local).await?)
}

fn check(request: &PollRequest) -> Result<(), Problem> {
    let outside = |field: &str, value: u64, bound: String| {
        let detail = format!("`{field}` is {value}; {bound}");
        Problem::new(ErrorCode::InvalidRequest, detail).with("field", field).with("value", value)
    };
    let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let (topics, records) = (request.topics.len(), request.max_records);
    if !(1..=POLL_TOPICS_MAX).contains(&topics) {
        let detail = format!("`topics` has {topics} names; 1 to {POLL_TOPICS_MAX} are allowed");
        return Err(Problem::new(ErrorCode::InvalidRequest, detail).with("field", "topics"));
    }
    if !(1..=POLL_RECORDS_MAX).contains(&records) {
        return Err(outside("maxRecords", wide(records), format!("1 to {POLL_RECORDS_MAX} are allowed")));
    }
    if request.max_wait_ms > MAX_WAIT_MS_MAX {
        let bound = format!("at most {MAX_WAIT_MS_MAX} is allowed");
        return Err(outside("maxWaitMs", request.max_wait_ms, bound));
    }
    check_lease_ms(request.lease_ms)
}

/// That a lease may last so long.
pub(super) fn check_lease_ms(lease_ms: i64) -> Result<(), Problem> {
    if LEASE_MS.contains(&lease_ms) {
        return Ok(());
    }
    let (min, max) = (LEASE_MS.start(), LEASE_MS.end());
    let detail = format!("`leaseMs` is {lease_ms}; {min} to {max} are allowed");
    Err(Problem::new(ErrorCode::InvalidRequest, detail).with("field", "leaseMs").with("value", lease_ms))
}

/// A poll at the group's coordinator.
struct Reading<'a> {
    context: &'a Context,
    group_id: &'a str,
    request: &'a PollRequest,
}

/// Where records are that nobody has.
struct Free {
    offsets: BTreeMap<TopicPartition, Offset>,
    /// When the next lease ends.
    next_expiry: Option<Duration>,
}

/// What was read of a partition.
struct Read {
    leased: LeasedRead,
    records: Vec<ReadRecord>,
}

impl Reading<'_> {
    async fn poll(&self, deadline: Instant) -> Result<PollResponse, Problem> {
        loop {
            let places = self.places()?;
            let bounds = lag::bounds(self.context, &places).await;
            let free = self.free(places, &bounds).await?;
            let reads = self.read(&free, &bounds).await?;
            if !reads.is_empty() {
                let polled = self.lease(reads).await?;
                if !polled.records.is_empty() {
                    return Ok(polled);
                }
            }
            if !self.wait(&free, &bounds, deadline).await {
                return Ok(PollResponse { lease: None, expires_at: None, records: Vec::new() });
            }
        }
    }

    /// The partitions that are to be read.
    fn places(&self) -> Result<Vec<TopicPartition>, Problem> {
        let mut places = Vec::new();
        for name in &self.request.topics {
            let count =
                self.context.image.read(|state| state.topic(name).map(|topic| topic.partitions.len()));
            let unknown = || {
                let shown: String = name.chars().take(249).collect();
                Problem::new(ErrorCode::UnknownTopic, format!("there is no topic `{shown}`"))
                    .with("topicName", shown)
            };
            let count = i32::try_from(count.ok_or_else(unknown)?).unwrap_or(i32::MAX);
            places.extend((0..count).map(|id| TopicPartition::new(name.clone(), PartitionId(id))));
        }
        places.sort();
        places.dedup();
        if places.len() > POLL_PARTITIONS_MAX {
            let detail = format!(
                "`topics` have {} partitions; at most {POLL_PARTITIONS_MAX} are allowed",
                places.len()
            );
            return Err(Problem::new(ErrorCode::InvalidRequest, detail).with("field", "topics"));
        }
        Ok(places)
    }

    /// Where each partition may be read on. A group that has not begun in one does so now, if it is known where.
    async fn free(&self, places: Vec<TopicPartition>, bounds: &Bounds) -> Result<Free, Problem> {
        let start = |place: &TopicPartition| {
            let (start, end) = bounds.get(place)?;
            Some(Offset(if self.request.start == PollStart::Earliest { *start } else { *end }))
        };
        let asked = places.iter().filter_map(|place| {
            let topic = TopicName::new(&place.topic).ok()?;
            Some(LeasePlace { topic, partition: place.partition.0, start: start(place) })
        });
        let asked = LeasePositions { group_id: self.group_id.into(), places: asked.collect() };
        let positions = self.context.groups.ask(self.group_id, asked).await;
        let Positions { free, next_expiry_ms } = positions
            .map_err(|unavailable| route::unavailable(self.group_id, unavailable))?
            .map_err(|error| route::refused(self.group_id, &error))?;
        let offsets = places.into_iter().zip(free).filter_map(|(place, free)| Some((place, free?)));
        let next_expiry_ms = next_expiry_ms.and_then(|ms| u64::try_from(ms).ok());
        Ok(Free { offsets: offsets.collect(), next_expiry: next_expiry_ms.map(Duration::from_millis) })
    }

    /// Reads what there is, beginning with another partition each time.
    async fn read(&self, free: &Free, bounds: &Bounds) -> Result<Vec<Read>, Problem> {
        let mut ready = self.ready(free, bounds).await?;
        let turn = usize::try_from(clock::unix_ms()).unwrap_or(0) % ready.len().max(1);
        ready.rotate_left(turn);
        let (mut reads, mut failed) = (Vec::new(), None);
        let (mut left, mut bytes) = (self.request.max_records, 0);
        for (place, from, at) in ready {
            if left == 0 || bytes >= POLL_BYTES {
                break;
            }
            let query =
                format!("offset={at}&maxRecords={left}&isolation=readCommitted&format={}", self.format());
            let (topic, partition) = (&place.topic, place.partition);
            let page = match lag::page(self.context, topic, partition, &query, READ_PATIENCE).await {
                Ok((page, page_bytes)) => {
                    bytes += page_bytes;
                    page
                }
                Err(problem) => {
                    failed = Some(problem);
                    continue;
                }
            };
            left = left.saturating_sub(page.records.len());
            let Ok(topic) = TopicName::new(topic) else { continue };
            let offsets = page.records.iter().map(|record| record.offset).collect();
            let leased = LeasedRead { topic, partition: partition.0, from, to: page.next_offset, offsets };
            reads.push(Read { leased, records: page.records });
        }
        match failed {
            Some(problem) if reads.is_empty() => Err(problem),
            _ => Ok(reads),
        }
    }

    /// The partitions that have something, from where it is free, and from where it is there.
    async fn ready<'a>(
        &self,
        free: &'a Free,
        bounds: &Bounds,
    ) -> Result<Vec<(&'a TopicPartition, Offset, Offset)>, Problem> {
        let mut ready = Vec::new();
        for (place, from) in &free.offsets {
            let Some((start, end)) = bounds.get(place) else { continue };
            if from.0 < *end {
                ready.push((place, *from, Offset(from.0.max(*start))));
            } else if from.0 > *end {
                // Others may have written and read since it was looked where the log ends.
                let now = lag::bounds(self.context, std::slice::from_ref(place)).await;
                if let Some((start, end)) = now.get(place).filter(|(_, end)| from.0 > *end) {
                    return Err(out_of_range(self.group_id, place, *from, *start..*end));
                }
            }
        }
        Ok(ready)
    }

    fn format(&self) -> &'static str {
        match self.request.format {
            http_api::records::WantedFormat::Auto => "auto",
            http_api::records::WantedFormat::Base64 => "base64",
        }
    }

    /// Leases what nobody was faster to get.
    async fn lease(&self, reads: Vec<Read>) -> Result<PollResponse, Problem> {
        let lease = Uuid::new_v4();
        let (leased, pages): (Vec<_>, Vec<_>) = reads.into_iter().map(|it| (it.leased, it.records)).unzip();
        let topics: Vec<String> = leased.iter().map(|read| read.topic.to_string()).collect();
        let lease_ms = self.request.lease_ms;
        let request =
            LeaseRecords { group_id: self.group_id.into(), lease: LeaseId(lease), lease_ms, reads: leased };
        let granted = self.context.groups.ask(self.group_id, request).await;
        let granted = granted
            .map_err(|unavailable| route::unavailable(self.group_id, unavailable))?
            .map_err(|error| route::refused(self.group_id, &error))?;
        let mut records = Vec::new();
        for ((topic, page), granted) in topics.into_iter().zip(pages).zip(granted) {
            let own = page.into_iter().filter(|record| granted.binary_search(&record.offset).is_ok());
            records.extend(own.map(|record| PolledRecord { topic: topic.clone(), record }));
        }
        let expires_at = i64::try_from(clock::unix_ms()).unwrap_or(i64::MAX).saturating_add(lease_ms);
        let has_some = !records.is_empty();
        Ok(PollResponse {
            lease: has_some.then_some(lease),
            expires_at: has_some.then_some(expires_at),
            records,
        })
    }

    /// Until there may be something to read: somebody wrote, or something else is free. Gives whether that is so.
    async fn wait(&self, free: &Free, bounds: &Bounds, deadline: Instant) -> bool {
        tokio::select! {
            () = self.news(free) => true,
            () = self.changes(free, bounds) => true,
            () = tokio::time::sleep_until(deadline) => false,
            () = self.context.records.stopping() => false,
        }
    }

    /// Until somebody writes to one of the partitions.
    async fn news(&self, free: &Free) {
        let Ok(cluster) = self.context.records.cluster() else { return pending().await };
        let options = ConsumerOptions { fetch_max_bytes: 1, ..ConsumerOptions::default() };
        let mut consumer = Consumer::new(cluster.clone(), options);
        let start = |(place, from): (&TopicPartition, &Offset)| (place.clone(), StartAt::Offset(*from));
        let starts: Vec<_> = free.offsets.iter().map(start).collect();
        if consumer.assign(starts).await.is_err() {
            return pending().await;
        }
        // What is wrong with a partition is told when it is read.
        while consumer.next().await.is_err() {}
    }

    /// Until other records are free: leases end, are given back, or moved on.
    async fn changes(&self, free: &Free, bounds: &Bounds) {
        let mut next_expiry = free.next_expiry;
        loop {
            tokio::time::sleep(next_expiry.map_or(LOOK, |expiry| LOOK.min(expiry))).await;
            let Ok(places) = self.places() else { return };
            match self.free(places, bounds).await {
                Ok(now) if now.offsets == free.offsets => next_expiry = now.next_expiry,
                _ => return,
            }
        }
    }
}

/// A log that ends before what the group has read: records were lost, or the group was put there.
fn out_of_range(group_id: &str, place: &TopicPartition, at: Offset, log: std::ops::Range<i64>) -> Problem {
    let detail = format!(
        "group `{group_id}` is at offset {at} of {}-{}, which has {} to {}: reset the group",
        place.topic, place.partition, log.start, log.end
    );
    Problem::new(ErrorCode::OffsetOutOfRange, detail)
        .with("topicName", place.topic.clone())
        .with("partition", place.partition.0)
        .with("value", at.0)
        .with("logStartOffset", log.start)
        .with("logEndOffset", log.end)
}
