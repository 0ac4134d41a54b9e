//! `GET /readyz`, `GET /metrics`, `GET /openapi.json`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use common::{BrokerStatus, topic_name::CONSUMER_OFFSETS_TOPIC};
use http_api::{Check, Readiness};
use runtime::{clock, metrics};

use super::router::Context;
use crate::{
    coordinator::Groups,
    link::LinkStatus,
    partition::{Partition, Partitions},
    replicas::ReplicaFigures,
};

/// Whether this broker can do its work
///
/// With `?verbose` the answer says in words how each thing is.
#[utoipa::path(
    get,
    path = http_api::paths::READYZ,
    tag = "health",
    operation_id = "readyz",
    params(("verbose" = inline(Option<String>), Query, description = "Say how each check went")),
    responses(
        (status = 200, description = "Ready", body = Readiness),
        (status = 503, description = "Not ready", body = Readiness),
    ),
)]
pub(super) async fn readyz(State(context): State<Arc<Context>>, RawQuery(query): RawQuery) -> Response {
    let verbose =
        query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part == "verbose=true"));
    let link = context.follower.status();
    let mut readiness = Readiness::of(vec![
        controller(&link),
        registration(&link),
        heartbeat(&context, &link),
        metadata(&link),
        replicas(&context.replicas.figures()),
        logs(&context.partitions),
        groups(&context.groups),
        shutdown(&link),
    ]);
    if !verbose {
        readiness.checks.clear();
    }
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(readiness)).into_response()
}

/// Figures for Prometheus
#[utoipa::path(
    get,
    path = http_api::paths::METRICS,
    tag = "health",
    operation_id = "metrics",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = metrics::CONTENT_TYPE)),
)]
pub(super) async fn metrics_text(State(context): State<Arc<Context>>) -> Response {
    context.figures.groups.refresh(&context).await;
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], context.metrics.encode()).into_response()
}

fn check(name: &str, ok: bool, detail: impl Into<String>) -> Check {
    Check { name: name.to_owned(), ok, detail: detail.into() }
}

fn controller(link: &LinkStatus) -> Check {
    let trouble = link.trouble.as_deref().unwrap_or("none was found yet");
    match &link.controller {
        Some(controller) => {
            let (id, url, term) = (controller.id, &controller.url, link.term);
            check("controller", true, format!("node {id} at {url}, term {term}"))
        }
        None => check("controller", false, format!("looking for the controller: {trouble}")),
    }
}

fn registration(link: &LinkStatus) -> Check {
    match (link.broker_epoch, link.broker_status) {
        (Some(epoch), Some(BrokerStatus::Online)) => {
            check("registration", true, format!("ONLINE under epoch {epoch}"))
        }
        (Some(epoch), Some(status)) => {
            let status = match status {
                BrokerStatus::Online => "ONLINE",
                BrokerStatus::Offline => "OFFLINE",
                BrokerStatus::Draining => "DRAINING",
            };
            check("registration", false, format!("the controller has this broker as {status}, epoch {epoch}"))
        }
        _ => {
            let trouble = link.trouble.as_deref().unwrap_or("no answer yet");
            check("registration", false, format!("not registered: {trouble}"))
        }
    }
}

fn heartbeat(context: &Context, link: &LinkStatus) -> Check {
    let session_ms = clock::as_ms(context.session_timeout);
    let Some(last_success) = link.last_success else {
        return check("heartbeat", false, "none succeeded yet");
    };
    let ago_ms = clock::as_ms(context.follower.ago(last_success));
    let mut detail = format!("the last one succeeded {ago_ms} ms ago; the session is {session_ms} ms");
    if let Some(trouble) = &link.trouble {
        detail = format!("{detail}; {} failed since: {trouble}", link.consecutive_failures);
    }
    check("heartbeat", ago_ms <= session_ms, detail)
}

fn metadata(link: &LinkStatus) -> Check {
    let have = match link.metadata_version {
        None => "none pulled yet".to_owned(),
        Some(version) if version < link.known_version => {
            format!("version {version}, catching up with {}", link.known_version)
        }
        Some(version) => format!("version {version}, the newest known"),
    };
    match &link.pull_trouble {
        Some(trouble) => check("metadata", false, format!("{have}; the last pull failed: {trouble}")),
        None => check("metadata", link.metadata_version.is_some(), have),
    }
}

fn replicas(figures: &ReplicaFigures) -> Check {
    let on_disk = format!("{} replicas on disk", figures.replicas);
    match &figures.trouble {
        Some(trouble) => check("replicas", false, format!("the disk refuses: {trouble}")),
        None if !figures.in_step => check("replicas", false, "not yet in step with the metadata"),
        None if figures.strays > 0 => {
            check("replicas", true, format!("{on_disk}; {} that the metadata does not know", figures.strays))
        }
        None => check("replicas", true, on_disk),
    }
}

/// One log is named: a disk that fails takes all of them.
fn logs(partitions: &Partitions) -> Check {
    let failed =
        |partition: &Arc<Partition>| Some((partition.name().to_string(), partition.storage_trouble()?));
    let failed: Vec<_> = partitions.all().iter().filter_map(failed).collect();
    match failed.iter().min() {
        Some((name, why)) => {
            check("logs", false, format!("{} do not take records: {name}: {why}", failed.len()))
        }
        None => check("logs", true, damage(partitions)),
    }
}

/// Rot is told of, and mended, but no reason to send nobody here.
fn damage(partitions: &Partitions) -> String {
    let damaged = |partition: &Arc<Partition>| Some((partition.name().to_string(), partition.damage()?));
    let damaged: Vec<_> = partitions.all().iter().filter_map(damaged).collect();
    match damaged.iter().min() {
        Some((name, what)) => {
            format!("all that are open take records; {} lack some: {name}: {what}", damaged.len())
        }
        None => "all that are open take records".to_owned(),
    }
}

/// That the groups of one partition are not served is no reason to send nobody here.
fn groups(groups: &Groups) -> Check {
    let (coordinated, troubles) = (groups.coordinated(), groups.troubles());
    let coordinates = format!("coordinates {coordinated} partitions of {CONSUMER_OFFSETS_TOPIC}");
    match troubles.iter().next() {
        Some((partition, why)) => {
            let detail = format!("{coordinates}; {} cannot be loaded: {partition}: {why}", troubles.len());
            check("groups", true, detail)
        }
        None => check("groups", true, coordinates),
    }
}

fn shutdown(link: &LinkStatus) -> Check {
    let detail = if link.leaving { "under way" } else { "not asked for" };
    check("shutdown", !link.leaving, detail)
}
