//! `GET /livez`: this process lives. With `?watch=true` the answer does not end while it does.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::RawQuery,
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::{StreamExt as _, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use uuid::Uuid;

use crate::tasks::{Stop, TaskKind, Tasks};

/// The route `GET /livez`, for a process that calls itself `identity` (drawn at its start, never persisted).
///
/// `GET /livez` answers `{"status":"alive","identity":"..."}`. `GET /livez?watch=true` answers a line with the
/// identity at once, then nothing, and as its last line `leaving` when the shutdown begins; a process that ends
/// in any other way breaks the connection. A watch costs one idle connection and no timer.
pub fn livez(tasks: &Tasks, identity: Uuid) -> Router {
    let stop = tasks.stop(TaskKind::Connection);
    let handler = move |RawQuery(query): RawQuery| async move {
        let wants_watch = query.is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
        if wants_watch { watch(identity, stop) } else { alive(identity) }
    };
    Router::new().route("/livez", get(handler))
}

fn alive(identity: Uuid) -> Response {
    let body = format!(r#"{{"status":"alive","identity":"{identity}"}}"#);
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body).into_response()
}

fn watch(identity: Uuid, stop: Stop) -> Response {
    let begin = stream::iter([format!("{identity}\n")]);
    let end = stream::once(async move {
        stop.requested().await;
        "leaving\n".to_owned()
    });
    let lines = begin.chain(end).map(Ok::<_, Infallible>);
    ([(CONTENT_TYPE, "text/plain"), (CACHE_CONTROL, "no-store")], Body::from_stream(lines)).into_response()
}
