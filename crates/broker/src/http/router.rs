//! The table of routes.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    http::Uri,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use common::{BrokerId, ClusterId, IncarnationId};
use http_api::{ErrorCode, Problem, headers, paths};
use runtime::{
    http::{JsonBytesMax, Refusal, no_such_path, wrong_method},
    metrics::Metrics,
};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    figures::{self, Figures},
    groups::{self, Lines},
    health, push,
    records::{self, Gateway},
    status,
};
use crate::{
    coordinator::Groups, follower::Follower, image::SharedImage, partition::Partitions, replicas::Replicas,
};

/// The largest JSON body, in bytes. A push has a few hundred.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Paths that are asked of the wrong process.
const ELSEWHERE: (&[&str], &str) = (
    &["/api/v1/metadata", "/api/v1/raft"],
    "this is a broker; metadata nodes answer it, on ports 9091 to 9093 by default",
);

/// What the handlers look at.
#[derive(Debug)]
pub struct Context {
    /// Who answers.
    pub broker_id: BrokerId,
    /// This life of the process.
    pub incarnation_id: IncarnationId,
    /// Where it belongs.
    pub cluster_id: ClusterId,
    /// After so much silence the controller takes this broker for dead.
    pub session_timeout: Duration,
    /// The link to the controller.
    pub follower: Follower,
    /// The metadata.
    pub image: SharedImage,
    /// The replica directories.
    pub replicas: Replicas,
    /// The replicas at work.
    pub partitions: Partitions,
    /// The figures.
    pub metrics: Metrics,
    /// The groups that are coordinated here.
    pub groups: Groups,
    /// What metrics tell of requests and groups.
    pub figures: Figures,
    /// What writes and reads records.
    pub(crate) records: Gateway,
    /// Polls of groups that wait here.
    pub(crate) lines: Lines,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "DistributedMQ broker",
    description = "The REST API of a broker. Errors are `application/problem+json` with a stable `code`.",
    license(name = "Apache-2.0", identifier = "Apache-2.0"),
))]
struct Description;

/// All routes; `livez` is the one that `runtime::http` makes.
pub fn router(context: Context, livez: Router) -> Router {
    let context = Arc::new(context);
    let (routes, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(push::push))
        .routes(routes!(status::status))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics_text))
        .routes(routes!(records::read))
        .routes(routes!(records::stream))
        .routes(routes!(records::produce))
        .routes(routes!(groups::list))
        .routes(routes!(groups::describe, groups::delete))
        .routes(routes!(groups::reset))
        .routes(routes!(groups::poll))
        .routes(routes!(groups::ack))
        .split_for_parts();
    let description = Arc::new(description);
    let requests = context.figures.requests.clone();
    routes
        .route(paths::OPENAPI, get(move || async move { Json(Arc::clone(&description)).into_response() }))
        .with_state(Arc::clone(&context))
        .merge(livez)
        .fallback(async |uri: Uri| no_such_path(&uri, ELSEWHERE))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(context, check_cluster))
        .layer(middleware::from_fn_with_state(requests, figures::observe))
        .layer(Extension(JsonBytesMax(BODY_BYTES_MAX)))
}

/// A request that says which cluster it is meant for is not answered by another one.
async fn check_cluster(
    State(context): State<Arc<Context>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let own = context.cluster_id.0.as_str();
    match request.headers().get(headers::CLUSTER_ID) {
        Some(meant) if meant.as_bytes() != own.as_bytes() => {
            let meant = String::from_utf8_lossy(meant.as_bytes()).into_owned();
            let detail = format!("this broker belongs to cluster `{own}`, not to `{meant}`");
            Err(Problem::new(ErrorCode::WrongCluster, detail)
                .with("clusterId", own)
                .with("value", meant)
                .into())
        }
        _ => Ok(next.run(request).await),
    }
}
