//! Metadata nodes that say what a test tells them to: peers, seen from the client.

#![allow(dead_code, reason = "each test file uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like the tests")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use common::{NodeId, Term};
use http_api::{ControllerInfo, ErrorCode, Problem, headers};
use runtime::{Tasks, http::HttpLimits};
use tokio::{net::TcpListener, sync::Notify, time::timeout};

/// Whatever does not happen in this time never does.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a node answers to one request.
pub(crate) enum Say {
    /// 200 with this.
    Json(serde_json::Value),
    /// A problem.
    Problem(ErrorCode),
    /// 503 that names this leader.
    LeaderIs(String),
    /// 307 to the same path there.
    RedirectTo(String),
    /// Nothing, ever.
    Silence,
    /// The connection breaks.
    Break,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

#[derive(Default)]
struct Script {
    controller: Mutex<Option<ControllerInfo>>,
    /// Answers to all but `/controller`, in order; then 200 `null`.
    answers: Mutex<VecDeque<Say>>,
    asked: Mutex<Vec<Asked>>,
    /// Told of each request that is not for `/controller`.
    was_asked: Notify,
    /// Told of each one that is.
    was_asked_for_controller: Notify,
}

/// A node.
pub(crate) struct Node {
    pub(crate) url: String,
    script: Arc<Script>,
    tasks: Tasks,
}

impl Node {
    pub(crate) async fn start() -> Self {
        let listener = runtime::http::bind("127.0.0.1", 0).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Script::default());
        let tasks = Tasks::new();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        runtime::http::serve(&tasks, listener, router, HttpLimits::default());
        Self { url, script, tasks }
    }

    /// From now on the node holds that one for the controller.
    pub(crate) fn names(&self, url: &str, id: u64, term: u64) {
        *self.script.controller.lock().unwrap() = Some(ControllerInfo {
            controller_id: NodeId(id),
            controller_url: url.to_owned(),
            controller_term: Term(term),
            timestamp: 0,
        });
    }

    pub(crate) fn will_say(&self, answers: impl IntoIterator<Item = Say>) {
        self.script.answers.lock().unwrap().extend(answers);
    }

    /// What was asked of it, `/controller` left out.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }

    /// Waits until something but `/controller` was asked of it.
    pub(crate) async fn is_asked(&self) {
        timeout(DEADLINE, self.script.was_asked.notified()).await.unwrap();
    }

    /// Waits until it was asked who the controller is.
    pub(crate) async fn is_asked_for_controller(&self) {
        timeout(DEADLINE, self.script.was_asked_for_controller.notified()).await.unwrap();
    }

    pub(crate) async fn stop(self) -> String {
        self.tasks.drain(Duration::from_secs(5)).await;
        self.url
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    if request.uri().path() == http_api::paths::CONTROLLER {
        let known = script.controller.lock().unwrap().clone();
        script.was_asked_for_controller.notify_one();
        return match known {
            Some(info) => Json(info).into_response(),
            None => problem(ErrorCode::NotController).into_response(),
        };
    }
    script.asked.lock().unwrap().push(Asked {
        method: request.method().clone(),
        path: request.uri().to_string(),
        headers: request.headers().clone(),
    });
    script.was_asked.notify_one();
    let say = script.answers.lock().unwrap().pop_front().unwrap_or(Say::Json(serde_json::Value::Null));
    match say {
        Say::Json(value) => Json(value).into_response(),
        Say::Problem(code) => problem(code).into_response(),
        Say::LeaderIs(url) => {
            let headers = [(headers::CONTROLLER_LEADER, "9".to_owned()), (headers::CONTROLLER_URL, url)];
            (headers, problem(ErrorCode::NotController)).into_response()
        }
        Say::RedirectTo(url) => {
            let location = format!("{url}{}", request.uri());
            (StatusCode::TEMPORARY_REDIRECT, [("location", location)]).into_response()
        }
        Say::Silence => std::future::pending().await,
        Say::Break => {
            let broken =
                futures_util::stream::once(async { Err::<String, _>(std::io::Error::other("broken")) });
            ([("content-length", "10")], Body::from_stream(broken)).into_response()
        }
    }
}

fn problem(code: ErrorCode) -> (StatusCode, Json<Problem>) {
    (StatusCode::from_u16(code.status()).unwrap(), Json(Problem::new(code, "said the node")))
}

/// A host that takes connections and never says anything: what a black hole looks like once it is connected to.
pub(crate) async fn black_hole() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// A URL where nobody listens.
pub(crate) async fn nobody() -> String {
    let (listener, url) = black_hole().await;
    drop(listener);
    url
}
