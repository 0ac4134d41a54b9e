//! What `/metrics` tells of this API: times of REST requests, by path and class of status; and groups.

use std::time::Instant;

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::groups::{GroupFigures, Lines};

/// Upper bounds, in seconds: from a look at the metadata to a long poll.
const LATENCY_BUCKETS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Paths that nothing is at.
const NO_PATH: &str = "none";

type Labels = [(&'static str, String); 3];

/// All of them. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Times of requests.
    pub(super) requests: RequestFigures,
    /// Groups that are coordinated here.
    pub(super) groups: GroupFigures,
    /// Polls of groups that wait for records here.
    polls_waiting: Gauge,
}

impl Figures {
    /// Makes them part of `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        self.requests.register(registry);
        self.groups.register(registry);
        registry.register(
            "dmq_group_polls_waiting",
            "Polls of groups over REST that wait for records at this broker, their coordinator",
            self.polls_waiting.clone(),
        );
    }

    /// The lines of polls that are counted here.
    pub(crate) fn lines(&self) -> Lines {
        Lines::new(self.polls_waiting.clone())
    }
}

/// Counted as it happens. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct RequestFigures {
    requests: Family<Labels, Histogram>,
}

impl Default for RequestFigures {
    fn default() -> Self {
        Self { requests: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)) }
    }
}

impl RequestFigures {
    fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "dmq_http_request_duration",
            "Time from a REST request to the head of its answer, by path and class of status",
            Unit::Seconds,
            self.requests.clone(),
        );
    }
}

/// Takes the time of a request. Around each route, so that the label is the path's template and not what it was filled with.
pub(super) async fn observe(State(figures): State<RequestFigures>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = request.extensions().get::<MatchedPath>().map_or(NO_PATH, MatchedPath::as_str).to_owned();
    let method = method(request.method()).to_owned();
    let response = next.run(request).await;
    let status = format!("{}xx", response.status().as_u16() / 100);
    let labels = [("method", method), ("path", path), ("status", status)];
    figures.requests.get_or_create(&labels).observe(begun.elapsed().as_secs_f64());
    response
}

/// A method as a label: clients may invent any.
fn method(method: &axum::http::Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "other",
    }
}
