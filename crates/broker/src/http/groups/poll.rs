//! `POST /api/v1/groups/{group}/poll`: records for a reader that is no member of anything. They are leased to it: until it has
//! acknowledged them, or the lease ends, nobody else gets them. The group's coordinator does it: [`reading`](super::reading).

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use http_api::{
    ErrorCode, Problem,
    group_reading::{LEASE_MS, POLL_RECORDS_MAX, POLL_TOPICS_MAX, PollRequest, PollResponse},
    paths,
    records::MAX_WAIT_MS_MAX,
};
use runtime::{
    clock,
    http::{JsonBody, NoParams, Refusal, Segments},
};
use tokio::time::Instant;

use super::{
    reading::Reading,
    route::{self, Routed},
};
use crate::http::router::Context;

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
    _: NoParams,
    request_headers: HeaderMap,
    JsonBody(request): JsonBody<PollRequest>,
) -> Result<Response, Refusal> {
    check(&request)?;
    route::ensure_topic(&context).await?;
    let deadline = Instant::now() + Duration::from_millis(request.max_wait_ms);
    // Whoever is asked instead waits for what is left of the time.
    let left = || clock::as_ms(deadline.saturating_duration_since(Instant::now()));
    let handed_on = || PollRequest { max_wait_ms: left(), ..request.clone() };
    let routed =
        Routed::new(&context, &group_id, Method::POST, paths::group_poll(&group_id), &request_headers)
            .with_body(handed_on)
            .waiting(deadline);
    let local = || async {
        let reading = Reading { context: &context, group_id: &group_id, request: &request };
        Ok(Json(reading.poll(deadline).await?).into_response())
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
