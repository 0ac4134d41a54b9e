//! `GET /livez`: this process lives. With `?watch=true` the answer does not end while it does.

use std::convert::Infallible;

use axum::{
    Json, Router,
    body::Body,
    extract::RawQuery,
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::{StreamExt as _, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http_api::{Livez, paths};

use crate::tasks::{Stop, TaskKind, Tasks};

/// The route `GET /livez`, for a process that calls itself `livez` (its incarnation is drawn at its start).
///
/// `GET /livez` answers [`Livez`]. `GET /livez?watch=true` answers it as a line at once, then nothing, and as its
/// last line `leaving` when the shutdown begins; a process that ends in any other way breaks the connection. A
/// watch costs one idle connection and no timer.
pub fn livez(tasks: &Tasks, livez: Livez) -> Router {
    let stop = tasks.stop(TaskKind::Connection);
    let handler = move |RawQuery(query): RawQuery| async move {
        let wants_watch = query.is_some_and(|query| query.split('&').any(|part| part == "watch=true"));
        if wants_watch {
            watch(&livez, stop)
        } else {
            ([(CACHE_CONTROL, "no-store")], Json(livez)).into_response()
        }
    };
    Router::new().route(paths::LIVEZ, get(handler))
}

fn watch(livez: &Livez, stop: Stop) -> Response {
    let line = serde_json::to_string(livez).expect("a struct of plain values has a JSON form");
    let begin = stream::iter([format!("{line}\n")]);
    let end = stream::once(async move {
        stop.requested().await;
        "leaving\n".to_owned()
    });
    let lines = begin.chain(end).map(Ok::<_, Infallible>);
    ([(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")], Body::from_stream(lines))
        .into_response()
}
