//! The routes, each with its description: one table makes both the router and the OpenAPI document, so that neither
//! can have what the other lacks.

use std::{
    convert::Infallible,
    future::ready,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::Request,
    http::{Uri, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use common::ClusterId;
use futures_util::future::BoxFuture;
use http_api::{ErrorCode, Livez, Problem, headers, paths};
use runtime::http::{JsonBytesMax, no_such_path, wrong_method};
use tower::{Layer, Service};
use utoipa::{
    OpenApi,
    openapi::{self, RefOr, path::Paths, schema::Schema},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    api::Api, broker_configs, brokers, cluster, controller, elections, features, group_configs, health,
    heartbeat, history, internal_topics, isr, members, producer_ids, raft, raft_rpc, reassignments,
    refusal::Refusal, suspicions, topics,
};
use crate::metrics::{Metrics, RouteMetrics};

/// The largest JSON body of a request by users and brokers, in bytes. A full batch of ISR changes has about 2 MB.
pub(super) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Paths that are asked of the wrong process.
const ELSEWHERE: (&[&str], &str) = (
    &["/api/v1/topics", "/api/v1/groups", "/api/v1/storage"],
    "this is a metadata node; brokers answer it, on ports 8081 to 8083 by default",
);

/// What [`routes!`] makes of one path.
type Routes = (Vec<(String, RefOr<Schema>)>, Paths, MethodRouter<Arc<Api>>);

/// What the document says besides its paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "DistributedMQ metadata node",
        description = "The control plane. Reads are answered by any node from its applied state; writes, registrations \
                       and heartbeats by the controller only: other nodes answer 503 and name it in `X-Controller-Leader` \
                       and `X-Controller-Url`, or 307 with `?redirect=true`. A write is answered once it is committed by \
                       a majority and applied; `Idempotency-Key: <uuid>` makes repeating one safe. The RPCs between nodes are \
                       no part of this API."
    ),
    components(schemas(Livez)),
    tags(
        (name = "cluster", description = "Controller, metadata as a whole, history"),
        (name = "topics", description = "Topics and their partitions"),
        (name = "brokers", description = "Registration, heartbeats, and what brokers ask of the controller"),
        (name = "groups", description = "Settings of consumer groups; brokers answer for everything else about them"),
        (name = "raft", description = "The quorum"),
        (name = "health", description = "Probes and figures"),
    )
)]
struct Document;

/// Is the process alive?
///
/// With `?watch=true` the answer does not end while the process lives.
#[utoipa::path(
    get, operation_id = "getLivez", path = paths::LIVEZ, tag = "health",
    params(("watch" = Option<bool>, Query, description = "Keep the answer open for as long as the process lives")),
    responses((status = 200, body = Livez))
)]
async fn livez() {}

/// This description
#[utoipa::path(
    get, operation_id = "getOpenapi", path = paths::OPENAPI, tag = "health",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
async fn openapi() {}

/// The router of a metadata node, but for `/livez`, which the runtime serves.
pub fn router(api: Arc<Api>) -> Router {
    let cluster_id = api.consensus.read(|state| state.cluster_id().clone());
    let (router, document) = table(&api.metrics, cluster_id).split_for_parts();
    let document = Bytes::from(document.to_json().expect("the document has a JSON form"));
    let between_nodes = raft_rpc::router(api.consensus.clone());
    let openapi = get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document) });
    router
        .route(paths::OPENAPI, openapi)
        .with_state(api)
        .layer(Extension(JsonBytesMax(BODY_BYTES_MAX)))
        .merge(between_nodes)
        .fallback(async |uri: Uri| no_such_path(&uri, ELSEWHERE))
        .method_not_allowed_fallback(wrong_method)
}

/// The OpenAPI document.
pub fn document() -> openapi::OpenApi {
    table(&Metrics::default(), ClusterId(String::new())).into_openapi()
}

fn table(metrics: &Metrics, cluster_id: ClusterId) -> OpenApiRouter<Arc<Api>> {
    let cluster_id = Arc::new(cluster_id);
    // Every operation of a path, guarded, and measured under the path's template.
    let guarded = |(schemas, paths, router): Routes| {
        let template = paths.paths.keys().next().map_or("", String::as_str);
        let guard = Guard { cluster_id: Arc::clone(&cluster_id), metrics: metrics.route(template) };
        (schemas, paths, router.layer(guard))
    };
    let mut router = OpenApiRouter::with_openapi(Document::openapi())
        .routes(guarded(routes!(controller::get)))
        .routes(guarded(routes!(cluster::get)))
        .routes(guarded(routes!(topics::create, topics::list)))
        .routes(guarded(routes!(topics::get, topics::alter, topics::delete)))
        .routes(guarded(routes!(topics::leader)))
        .routes(guarded(routes!(brokers::register, brokers::list)))
        .routes(guarded(routes!(brokers::get, brokers::remove)))
        .routes(guarded(routes!(broker_configs::get_of_all, broker_configs::alter_of_all)))
        .routes(guarded(routes!(broker_configs::get_of_one, broker_configs::alter_of_one)))
        .routes(guarded(routes!(group_configs::list)))
        .routes(guarded(routes!(group_configs::get, group_configs::alter)))
        .routes(guarded(routes!(heartbeat::post)))
        .routes(guarded(routes!(isr::alter)))
        .routes(guarded(routes!(suspicions::post)))
        .routes(guarded(routes!(elections::post)))
        .routes(guarded(routes!(reassignments::post, reassignments::list)))
        .routes(guarded(routes!(producer_ids::allocate)))
        .routes(guarded(routes!(internal_topics::create)))
        .routes(guarded(routes!(features::get, features::set)))
        .routes(guarded(routes!(history::get)))
        .routes(guarded(routes!(raft::status)))
        .routes(guarded(routes!(raft::log)))
        .routes(guarded(routes!(members::list, members::add)))
        .routes(guarded(routes!(members::remove)))
        .routes(guarded(routes!(members::transfer)))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics));
    let (_, livez, _): Routes = routes!(livez);
    let (_, openapi, _): Routes = routes!(openapi);
    let described = &mut router.get_openapi_mut().paths.paths;
    described.extend(livez.paths);
    described.extend(openapi.paths);
    router
}

/// What goes before every operation: requests that say they are meant for another cluster are refused (F8:
/// KAFKA-13528), all others are measured.
#[derive(Clone)]
struct Guard {
    cluster_id: Arc<ClusterId>,
    metrics: Arc<RouteMetrics>,
}

#[derive(Clone)]
struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded { inner, guard: self.clone() }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if let Some(refusal) = self.guard.other_cluster(&request) {
            return Box::pin(ready(Ok(refusal.into_response())));
        }
        let metrics = Arc::clone(&self.guard.metrics);
        let begun = Instant::now();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            metrics.observe(response.status(), begun.elapsed());
            Ok(response)
        })
    }
}

impl Guard {
    fn other_cluster(&self, request: &Request) -> Option<Refusal> {
        let meant_for = request.headers().get(headers::CLUSTER_ID)?;
        let ClusterId(mine) = self.cluster_id.as_ref();
        if meant_for.as_bytes() == mine.as_bytes() {
            return None;
        }
        let theirs = String::from_utf8_lossy(meant_for.as_bytes());
        let detail = format!("the request is meant for cluster `{theirs}`, this node belongs to `{mine}`");
        Some(
            Problem::new(ErrorCode::WrongCluster, detail)
                .with("value", theirs)
                .with("clusterId", mine.as_str())
                .into(),
        )
    }
}
