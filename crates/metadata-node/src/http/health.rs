//! `/readyz` and `/metrics`. `/livez` is [`runtime::http::livez`], the same in every process.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use http_api::{Check, Readiness, paths};
use serde::{Deserialize, Deserializer, de};
use utoipa::IntoParams;

use super::{api::Api, params::Params, refusal::Answer};

/// A node further behind than this many committed entries is not ready: its answers are old.
const APPLY_LAG_MAX: u64 = 1_000;

/// A node whose database has so many operations waiting is not ready: it does not keep up, or hangs.
const STORE_QUEUE_MAX: u64 = 10_000;

/// Parameters of `GET /readyz`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadyQuery {
    /// Say what was checked and how it is. `?verbose` is enough.
    #[serde(default, deserialize_with = "flag")]
    #[param(required = false, allow_reserved)]
    verbose: bool,
}

/// A flag that is on if it is there: `?verbose`, `?verbose=true`.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(de::Error::custom(format!("`{}` is neither true nor false", other.escape_debug()))),
    }
}

/// Is the node ready?
///
/// It is if a leader is known, its applied state keeps up with what is committed, and its database takes writes.
#[utoipa::path(
    get, operation_id = "getReadyz", path = paths::READYZ, tag = "health", params(ReadyQuery),
    responses(
        (status = 200, body = Readiness),
        (status = 400, body = http_api::Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not ready: the checks say why", body = Readiness),
    )
)]
pub(super) async fn readyz(
    State(api): State<Arc<Api>>,
    Params(query): Params<ReadyQuery>,
) -> Answer<(StatusCode, Json<Readiness>)> {
    let mut readiness = Readiness::of(vec![leader(&api), recovered(&api), applied(&api), storage(&api)]);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if readiness.ready && !query.verbose {
        readiness.checks.clear();
    }
    Ok((status, Json(readiness)))
}

fn check(name: &str, ok: bool, detail: String) -> Check {
    Check { name: name.to_owned(), ok, detail }
}

fn leader(api: &Api) -> Check {
    let hint = api.consensus.leader();
    let detail = match &hint.leader {
        Some(_) if hint.is_self => format!("this node leads in term {}", hint.term),
        Some(leader) => format!("node {} at {} leads in term {}", leader.id, leader.url, hint.term),
        None => format!(
            "no leader is known in term {}: an election is going on, or a majority is out of reach",
            hint.term
        ),
    };
    check("leader", hint.leader.is_some(), detail)
}

fn recovered(api: &Api) -> Check {
    let ok = api.consensus.is_recovered();
    let detail = if ok {
        "everything shown before the last start is applied"
    } else {
        "started just now; catching up"
    };
    check("recovered", ok, detail.to_owned())
}

fn applied(api: &Api) -> Check {
    let status = api.consensus.status();
    let lag = status.commit_index.saturating_sub(status.last_applied);
    let detail = format!(
        "applied index {} is {lag} behind commit index {}; at most {APPLY_LAG_MAX} are tolerated",
        status.last_applied, status.commit_index
    );
    check("applied", lag <= APPLY_LAG_MAX, detail)
}

fn storage(api: &Api) -> Check {
    if !api.consensus.is_running() {
        return check("storage", false, "the Raft core has stopped: the database failed".to_owned());
    }
    let queued = api.store.gauges().queue_length();
    let backend = api.consensus.status().storage;
    let detail = format!("{queued} operations wait for {backend}; at most {STORE_QUEUE_MAX} are tolerated");
    check("storage", queued <= STORE_QUEUE_MAX, detail)
}

/// Figures for Prometheus
#[utoipa::path(
    get, operation_id = "getMetrics", path = paths::METRICS, tag = "health",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"))
)]
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, runtime::metrics::CONTENT_TYPE)], api.metrics.encode(&api))
}
