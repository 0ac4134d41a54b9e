//! `GET /api/v1/metadata/history`.

use std::sync::Arc;

use axum::{Json, extract::State};
use common::{MetadataVersion, TopicName};
use http_api::{
    ErrorCode, HistoryEntry, Problem, paths,
    query::{HISTORY_LIMIT_MAX, HistoryQuery},
};
use serde_json::{Value, value::RawValue};

use super::{
    api::Api,
    params::Params,
    refusal::{Answer, Refusal},
    responses::ReadProblems,
};
use crate::store;

/// How many events and log entries are given if the request does not say.
pub(super) const LIMIT_DEFAULT: u32 = 100;

/// The metadata events
///
/// Who changed what, when, from what to what. Every node keeps them in SQL, in table `metadata_events`.
#[utoipa::path(
    get, operation_id = "getHistory", path = paths::HISTORY, tag = "cluster", params(HistoryQuery),
    responses((status = 200, body = Vec<HistoryEntry>), ReadProblems)
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Params(query): Params<HistoryQuery>,
) -> Answer<Json<Vec<HistoryEntry>>> {
    let limit = limit(query.limit, HISTORY_LIMIT_MAX)?;
    if let Some(name) = &query.topic {
        TopicName::new(name).map_err(|error| {
            let problem = Problem::new(ErrorCode::InvalidParameter, format!("query: topic: {error}"));
            Refusal::new(problem.with("parameter", "topic"))
        })?;
    }
    let since = query.since.map(|since| since.min(MetadataVersion(INDEX_MAX)));
    let query = store::HistoryQuery { topic: query.topic, broker: query.broker, since, limit };
    let entries = api.consensus.history(query).await?;
    entries.into_iter().map(shown).collect::<Answer<_>>().map(Json)
}

/// The largest index that SQL can hold. Beyond it there is nothing, as beyond any other index not yet reached.
pub(super) const INDEX_MAX: u64 = i64::MAX.unsigned_abs();

/// Checks a `limit` parameter.
pub(super) fn limit(limit: Option<u32>, bound: u32) -> Answer<usize> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if (1..=bound).contains(&limit) {
        return Ok(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let detail = format!("query: limit is {limit}; 1 to {bound} are allowed");
    Err(Problem::new(ErrorCode::InvalidParameter, detail)
        .with("parameter", "limit")
        .with("value", limit)
        .with("bound", bound)
        .into())
}

fn shown(entry: store::HistoryEntry) -> Answer<HistoryEntry> {
    Ok(HistoryEntry {
        version: entry.version,
        time: entry.time_ms,
        author: entry.author,
        request_id: entry.request_id,
        kind: entry.kind,
        subject: entry.subject,
        before: parsed(entry.before.as_deref())?,
        after: parsed(entry.after.as_deref())?,
    })
}

/// Stored JSON as a value.
pub(super) fn parsed(json: Option<&RawValue>) -> Answer<Value> {
    let Some(json) = json else {
        return Ok(Value::Null);
    };
    serde_json::from_str(json.get()).map_err(|error| {
        Refusal::because(ErrorCode::StorageUnavailable, format!("stored JSON cannot be read: {error}"))
    })
}
