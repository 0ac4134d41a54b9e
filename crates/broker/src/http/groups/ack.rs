//! `POST /api/v1/groups/{group}/ack`: records that a poll gave are done, and do not come again.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequest, Request, State},
    http::Method,
    response::{IntoResponse, Response},
};
use common::{PartitionId, TopicName};
use coordinator::api::{LeaseAck, LeaseAcked, LeaseId, LeaseRest, LeasedOffset};
use http_api::{
    ErrorCode, Problem,
    group_reading::{AckRequest, AckResponse, POLL_RECORDS_MAX, RecordPlace},
    paths,
};
use runtime::http::{JsonBody, JsonBytesMax, NoParams, Refusal, Segments};

use super::{
    poll::check_lease_ms,
    route::{self, Routed},
};
use crate::http::router::Context;

/// The largest request, in bytes: it may name 1,000 records of topics with long names.
const BODY_BYTES_MAX: usize = 512 * 1024;

/// Acknowledge records
///
/// When this is answered, the records are done for good: the group's committed offset has moved over all that is done without
/// a gap. In any order, as often as you like, until the lease ends.
#[utoipa::path(
    post,
    path = paths::GROUP_ACK,
    tag = "groups",
    operation_id = "ackGroup",
    params(("group" = String, Path, description = "The group's id")),
    request_body = AckRequest,
    responses(
        (status = 200, body = AckResponse),
        (status = 409, description = "The lease has ended and its records come again, or the group has members", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its coordinator does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn ack(
    State(context): State<Arc<Context>>,
    Segments(group_id): Segments<String>,
    _: NoParams,
    mut request: Request,
) -> Result<Response, Refusal> {
    request.extensions_mut().insert(JsonBytesMax(BODY_BYTES_MAX));
    let request_headers = request.headers().clone();
    let JsonBody(request): JsonBody<AckRequest> = JsonBody::from_request(request, &()).await?;
    let asked = to_ask(&group_id, &request)?;
    let routed =
        Routed::new(&context, &group_id, Method::POST, paths::group_ack(&group_id), &request_headers)
            .with_body(|| &request);
    let local = || async {
        let acked = route::ask(&context, &group_id, asked.clone()).await?;
        if asked.rest == LeaseRest::Release {
            context.lines.stir(&group_id);
        }
        Ok(Json(response(acked)).into_response())
    };
    Ok(routed.answer(local).await?)
}

fn to_ask(group_id: &str, request: &AckRequest) -> Result<LeaseAck, Problem> {
    let invalid =
        |field: &str, detail: String| Problem::new(ErrorCode::InvalidRequest, detail).with("field", field);
    let rest = match (request.release, request.lease_ms) {
        (true, Some(_)) => {
            let detail = "`release` gives records back and `leaseMs` keeps them: only one can be".to_owned();
            return Err(invalid("release", detail));
        }
        (true, None) => LeaseRest::Release,
        (false, Some(ms)) => {
            check_lease_ms(ms)?;
            LeaseRest::Extend(ms)
        }
        (false, None) => LeaseRest::Stay,
    };
    let count = request.records.as_ref().map_or(0, Vec::len);
    if count > POLL_RECORDS_MAX {
        let detail = format!("`records` has {count}; at most {POLL_RECORDS_MAX} are allowed");
        return Err(invalid("records", detail));
    }
    let record = |place: &RecordPlace| -> Result<LeasedOffset, Problem> {
        let topic = TopicName::new(&place.topic);
        let topic = topic.map_err(|error| invalid("records", format!("`records`: {error}")))?;
        Ok(LeasedOffset { topic, partition: place.partition.0, offset: place.offset })
    };
    let records = request.records.as_ref().map(|all| all.iter().map(record).collect()).transpose()?;
    Ok(LeaseAck { group_id: group_id.into(), lease: LeaseId(request.lease), records, rest })
}

fn response(acked: LeaseAcked) -> AckResponse {
    let place = |at: LeasedOffset| RecordPlace {
        topic: at.topic.to_string(),
        partition: PartitionId(at.partition),
        offset: at.offset,
    };
    AckResponse {
        acknowledged: acked.acknowledged,
        left: acked.left,
        committed: acked.committed.into_iter().map(place).collect(),
    }
}
