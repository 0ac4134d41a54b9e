//! `POST /api/v1/groups/{group}/poll`: records for a reader that is no member of anything. They are leased to it: until it has
//! acknowledged them, or the lease ends, nobody else gets them.
//!
//! The group's coordinator keeps the leases, finds the leaders and reads there. While there is nothing, no record is held
//! back for those who wait: who is faster has it, and the others wait on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

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

/// How long to wait for records before it is looked again what is free: leases are given back, and partitions are added.
const LOOK: Duration = Duration::from_secs(1);

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
            let (positions, free) = self.positions(places, &bounds).await?;
            let reads = self.read(&free, &bounds).await?;
            if !reads.is_empty() {
                let polled = self.lease(reads).await?;
                if !polled.records.is_empty() {
                    return Ok(polled);
                }
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(PollResponse { lease: None, expires_at: None, records: Vec::new() });
            }
            let next_expiry = positions.next_expiry_ms.and_then(|ms| u64::try_from(ms).ok());
            let look = next_expiry.map_or(LOOK, |ms| LOOK.min(Duration::from_millis(ms)));
            self.wait(free, deadline.min(now + look)).await;
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
    async fn positions(
        &self,
        places: Vec<TopicPartition>,
        bounds: &Bounds,
    ) -> Result<(Positions, BTreeMap<TopicPartition, Offset>), Problem> {
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
        let positions = positions
            .map_err(|unavailable| route::unavailable(self.group_id, unavailable))?
            .map_err(|error| route::refused(self.group_id, &error))?;
        let free = places.into_iter().zip(&positions.free);
        let free = free.filter_map(|(place, free)| Some((place, (*free)?))).collect();
        Ok((positions, free))
    }

    /// Reads what there is, beginning with another partition each time.
    async fn read(
        &self,
        free: &BTreeMap<TopicPartition, Offset>,
        bounds: &Bounds,
    ) -> Result<Vec<Read>, Problem> {
        let mut ready = Vec::new();
        for (place, from) in free {
            let Some((start, end)) = bounds.get(place) else { continue };
            if from.0 > *end {
                return Err(out_of_range(self.group_id, place, *from, *start..*end));
            }
            if from.0 < *end {
                ready.push((place, *from, Offset(from.0.max(*start))));
            }
        }
        let turn = usize::try_from(clock::unix_ms()).unwrap_or(0) % ready.len().max(1);
        ready.rotate_left(turn);
        let (mut reads, mut left, mut failed) = (Vec::new(), self.request.max_records, None);
        for (place, from, at) in ready {
            if left == 0 {
                break;
            }
            let query =
                format!("offset={at}&maxRecords={left}&isolation=readCommitted&format={}", self.format());
            let page =
                match lag::page(self.context, &place.topic, place.partition, &query, READ_PATIENCE).await {
                    Ok(page) => page,
                    Err(problem) => {
                        failed = Some(problem);
                        continue;
                    }
                };
            left = left.saturating_sub(page.records.len());
            let Ok(topic) = TopicName::new(&place.topic) else { continue };
            let offsets = page.records.iter().map(|record| record.offset).collect();
            let leased =
                LeasedRead { topic, partition: place.partition.0, from, to: page.next_offset, offsets };
            reads.push(Read { leased, records: page.records });
        }
        match failed {
            Some(problem) if reads.is_empty() => Err(problem),
            _ => Ok(reads),
        }
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

    /// Until somebody writes to one of the partitions; not longer than until then.
    async fn wait(&self, free: BTreeMap<TopicPartition, Offset>, until: Instant) {
        let Ok(cluster) = self.context.records.cluster() else {
            return tokio::time::sleep_until(until).await;
        };
        let mut consumer = Consumer::new(
            cluster.clone(),
            ConsumerOptions { fetch_max_bytes: 1, ..ConsumerOptions::default() },
        );
        let starts = free.into_iter().map(|(place, from)| (place, StartAt::Offset(from)));
        let news = async {
            // What is wrong with a partition is told when it is read.
            match consumer.assign(starts).await {
                Ok(()) => while consumer.next().await.is_err() {},
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = news => {}
            () = tokio::time::sleep_until(until) => {}
            _ = self.context.records.stopping() => {}
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
