//! `GET /api/v1/topics/{topic}/partitions/{p}/records`: some records of one partition.
//!
//! The leader answers. Another broker hands the request on to it, once, and passes its answer back.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use client::{HttpRequest, http::Reply};
use common::{BrokerId, Offset, PartitionId, Topic};
use http_api::{
    ErrorCode, Problem, headers,
    records::{
        Isolation, MAX_WAIT_MS_MAX, PAGE_RECORDS, PAGE_RECORDS_MAX, ReadRecordsQuery, RecordPage, StartOffset,
    },
};
use runtime::http::{Params, Refusal, Segments};
use tokio::{sync::Notify, time::Instant};

use super::{gateway::Gateway, problems, show};
use crate::{
    http::router::Context,
    partition::{Marks, News, OffsetAnswer, OffsetSpec, Partition, PartitionError, ReadRecords, Reader},
};

/// Bytes of batches that are read for one page.
const READ_BYTES_MAX: usize = 1 << 20;

/// How long to try while leaders change.
const LEADER_PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts, unless the metadata change before.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Read records
///
/// Waits for records up to `maxWaitMs` if there are none yet. With `Accept: application/x-ndjson` each record is a line,
/// and the headers `X-Next-Offset` and `X-High-Watermark` say the rest.
#[utoipa::path(
    get,
    path = http_api::paths::PARTITION_RECORDS,
    tag = "records",
    operation_id = "readRecords",
    params(
        ("topic" = String, Path, description = "The topic"),
        ("partition" = i32, Path, description = "The partition"),
        ReadRecordsQuery,
    ),
    responses(
        (status = 200, description = "Records, and where to read on", body = RecordPage),
        (status = 404, description = "No such topic or partition, or no leader", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "No such offset; the answer says which there are", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The leader does not answer", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::http) async fn read(
    State(context): State<Arc<Context>>,
    Segments((topic, partition)): Segments<(String, PartitionId)>,
    Params(query): Params<ReadRecordsQuery>,
    uri: Uri,
    request_headers: HeaderMap,
) -> Result<Response, Refusal> {
    let gateway = &context.records;
    let query = checked(query)?;
    let deadline = Instant::now() + LEADER_PATIENCE;
    let handed_on = request_headers.contains_key(headers::FORWARDED_BY);
    loop {
        let topic = gateway.topic(&topic).await?;
        let tried = match Gateway::leader(&topic, partition) {
            Ok(leader) if leader == gateway.broker_id => {
                local(gateway, &topic, partition, &query).await.map(|page| shown(&page, &request_headers))
            }
            Ok(leader) if !handed_on => {
                hand_on(gateway, leader, &uri, &request_headers, query.max_wait_ms).await
            }
            Ok(leader) => {
                let detail = format!("broker {leader} leads the partition, not broker {}", gateway.broker_id);
                Err(Problem::new(ErrorCode::LeaderNotAvailable, detail).with("brokerId", leader.0))
            }
            Err(problem) => Err(problem),
        };
        match tried {
            Err(problem) if problem.code == ErrorCode::LeaderNotAvailable && Instant::now() < deadline => {
                // Leaders change: the metadata will say, or the leader itself gets ready.
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            tried => return tried.map_err(Refusal::from),
        }
    }
}

fn checked(query: ReadRecordsQuery) -> Result<ReadRecordsQuery, Problem> {
    let bound = |name: &str, value: u64, max: u64| {
        let detail = format!("query: `{name}` is {value}; at most {max} is allowed");
        Problem::new(ErrorCode::InvalidParameter, detail)
            .with("parameter", name)
            .with("value", value)
            .with("bound", max)
    };
    let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    match query.max_records {
        Some(records) if records > PAGE_RECORDS_MAX => {
            Err(bound("maxRecords", wide(records), wide(PAGE_RECORDS_MAX)))
        }
        _ if query.max_wait_ms > MAX_WAIT_MS_MAX => {
            Err(bound("maxWaitMs", query.max_wait_ms, MAX_WAIT_MS_MAX))
        }
        _ => Ok(query),
    }
}

/// Reads a partition that this broker leads.
async fn local(
    gateway: &Gateway,
    topic: &Topic,
    partition: PartitionId,
    query: &ReadRecordsQuery,
) -> Result<RecordPage, Problem> {
    let name = topic.topic_name.as_str();
    let problem = |error: PartitionError| problems::of_partition(&error, name, partition);
    let replica = gateway.partitions.get_by_id(topic.topic_id, partition);
    let replica = replica.ok_or_else(|| problem(PartitionError::Unknown))?;
    let isolation = match query.isolation {
        Isolation::ReadUncommitted => replica::Isolation::ReadUncommitted,
        Isolation::ReadCommitted => replica::Isolation::ReadCommitted,
    };
    let from = start(&replica, query.offset, isolation).await.map_err(problem)?;
    let mut wanted = show::Wanted {
        partition,
        from,
        records_max: query.max_records.unwrap_or(PAGE_RECORDS),
        format: query.format,
        aborted: Vec::new(),
    };
    let deadline = Instant::now() + Duration::from_millis(query.max_wait_ms);
    let notify = Arc::new(Notify::new());
    // Before the first look, so that nothing is missed between look and wait.
    let _watch = replica.watch(News::Committed, &notify);
    loop {
        let (marks, read) = read_batches(&replica, isolation, wanted.from).await.map_err(problem)?;
        wanted.aborted = read.aborted.unwrap_or_default();
        let shown = show::show(&read.pieces, &wanted)
            .map_err(|error| problem(PartitionError::Storage(error.to_string())))?;
        wanted.from = shown.next;
        let is_page = !shown.records.is_empty() || wanted.records_max == 0;
        if !is_page && !read.pieces.is_empty() {
            // Nothing but what consumers do not see: there may be more behind it.
            continue;
        }
        if is_page || tokio::time::timeout_at(deadline, notify.notified()).await.is_err() {
            return Ok(RecordPage {
                records: shown.records,
                high_watermark: marks.high_watermark,
                last_stable_offset: marks.last_stable,
                log_start_offset: marks.log_start,
                next_offset: shown.next,
            });
        }
    }
}

async fn read_batches(
    replica: &Arc<Partition>,
    isolation: replica::Isolation,
    from: Offset,
) -> Result<(Marks, ReadRecords), PartitionError> {
    let reader =
        Reader::Consumer { isolation, leader_epoch: None, last_fetched_epoch: None, from_follower: false };
    let planned = replica.plan_read(reader, from, READ_BYTES_MAX)?;
    let marks = planned.marks.clone();
    if planned.is_ready() {
        return Ok((marks, planned.read()?));
    }
    let read = tokio::task::spawn_blocking(move || planned.read()).await;
    Ok((marks, read.map_err(|error| PartitionError::Storage(error.to_string()))??))
}

async fn start(
    replica: &Partition,
    offset: StartOffset,
    isolation: replica::Isolation,
) -> Result<Offset, PartitionError> {
    let spec = match offset {
        StartOffset::At(offset) => return Ok(offset),
        StartOffset::Earliest => OffsetSpec::Earliest,
        StartOffset::Latest => OffsetSpec::Latest,
        StartOffset::Since(timestamp_ms) => OffsetSpec::Since(timestamp_ms),
    };
    let found = match replica.offset(spec, isolation, None)? {
        OffsetAnswer::Known(offset, _) => return Ok(offset),
        search => tokio::task::spawn_blocking(move || search.find()).await,
    };
    let found = found.map_err(|error| PartitionError::Storage(error.to_string()))??;
    match found {
        Some(found) => Ok(found.offset),
        // Nothing is that late yet: what comes next is.
        None => match replica.offset(OffsetSpec::Latest, isolation, None)? {
            OffsetAnswer::Known(offset, _) => Ok(offset),
            OffsetAnswer::Search(_) => Err(PartitionError::OffsetNotAvailable),
        },
    }
}

/// As one JSON object, or as lines.
fn shown(page: &RecordPage, headers: &HeaderMap) -> Response {
    const LINES: &str = "application/x-ndjson";
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if !accept.is_some_and(|accept| accept.contains(LINES)) {
        return Json(page).into_response();
    }
    let mut lines = Vec::new();
    for record in &page.records {
        // Our own types are always written.
        let _ = serde_json::to_writer(&mut lines, record);
        lines.push(b'\n');
    }
    let number = |offset: Offset| HeaderValue::from(offset.0);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(LINES)),
        (HeaderName::from_static(headers::NEXT_OFFSET), number(page.next_offset)),
        (HeaderName::from_static(headers::HIGH_WATERMARK), number(page.high_watermark)),
    ];
    (headers, lines).into_response()
}

/// Asks the leader, and passes on what it says.
async fn hand_on(
    gateway: &Gateway,
    leader: BrokerId,
    uri: &Uri,
    request_headers: &HeaderMap,
    max_wait_ms: u64,
) -> Result<Response, Problem> {
    let unreachable =
        |detail: String| Problem::new(ErrorCode::LeaderUnreachable, detail).with("brokerId", leader.0);
    let url = gateway.image.url_of(leader);
    let url = url.ok_or_else(|| unreachable(format!("broker {leader}, the leader, is not registered")))?;
    gateway.admit(leader)?;
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    let mut asked = HttpRequest::new(Method::GET, format!("{url}{path}"))
        .timeout(LEADER_PATIENCE + Duration::from_millis(max_wait_ms));
    asked
        .headers
        .push((HeaderName::from_static(headers::FORWARDED_BY), HeaderValue::from(gateway.broker_id.0)));
    if let Some(accept) = request_headers.get(header::ACCEPT) {
        asked.headers.push((header::ACCEPT, accept.clone()));
    }
    match gateway.http.send(asked).await {
        Ok(Reply { status: StatusCode::NOT_FOUND, body, .. })
            if serde_json::from_slice::<Problem>(&body)
                .is_ok_and(|it| it.code == ErrorCode::LeaderNotAvailable) =>
        {
            gateway.answered(leader);
            Err(Problem::new(
                ErrorCode::LeaderNotAvailable,
                format!("broker {leader} does not lead any more"),
            ))
        }
        Ok(reply) => {
            gateway.answered(leader);
            let mut response = Response::new(Body::from(reply.body));
            *response.status_mut() = reply.status;
            for name in [header::CONTENT_TYPE.as_str(), headers::NEXT_OFFSET, headers::HIGH_WATERMARK] {
                if let (Ok(name), Some(value)) = (HeaderName::try_from(name), reply.headers.get(name)) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            Ok(response)
        }
        Err(error) => {
            gateway.failed(leader);
            Err(unreachable(format!("broker {leader}, the leader: {error}")))
        }
    }
}
