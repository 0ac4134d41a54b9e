//! The RPCs between metadata nodes: `POST /api/v1/raft/...`. Not for users: the answers carry no stable format, and
//! every request must name its cluster, its sender and whom it means (see `raft::wire`).

use std::future::Future;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_api::{ErrorCode, Problem, headers};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::raft::Consensus;
use crate::raft::inbound::Refusal;
use crate::raft::net::{REQUEST_HEADER, STORAGE_ID_HEADER, path};
use crate::raft::settings::RPC_BODY_BYTES_MAX;
use crate::raft::wire::{Header, InstallSnapshot, Request};

/// The routes between nodes, each with its own body limit.
pub(crate) fn router(consensus: Consensus) -> Router {
    let snapshot = post(install_snapshot).layer(DefaultBodyLimit::disable());
    Router::new()
        .route(path::APPEND_ENTRIES, post(append_entries))
        .route(path::REQUEST_VOTE, post(request_vote))
        .route(path::PRE_VOTE, post(pre_vote))
        .route(path::TIMEOUT_NOW, post(timeout_now))
        .route(path::READ_INDEX, post(read_index))
        .route(path::HELLO, post(hello))
        .layer(DefaultBodyLimit::max(RPC_BODY_BYTES_MAX))
        .route(path::INSTALL_SNAPSHOT, snapshot)
        .with_state(consensus)
}

async fn append_entries(State(consensus): State<Consensus>, body: Bytes) -> Response {
    answer(&consensus, &body, async |header, body| consensus.append_entries(&header, body).await).await
}

async fn request_vote(State(consensus): State<Consensus>, body: Bytes) -> Response {
    answer(&consensus, &body, async |header, body| consensus.request_vote(&header, body).await).await
}

async fn pre_vote(State(consensus): State<Consensus>, body: Bytes) -> Response {
    answer(&consensus, &body, async |header, body| consensus.pre_vote(&header, body).await).await
}

async fn timeout_now(State(consensus): State<Consensus>, body: Bytes) -> Response {
    answer(&consensus, &body, async |header, body| consensus.timeout_now(&header, body).await).await
}

async fn read_index(State(consensus): State<Consensus>, body: Bytes) -> Response {
    answer(&consensus, &body, async |header, ()| consensus.read_index(&header).await).await
}

async fn hello(State(consensus): State<Consensus>, body: Bytes) -> Response {
    answer(&consensus, &body, async |header, ()| consensus.hello(&header)).await
}

/// The body is the snapshot, so the request stands in a header.
async fn install_snapshot(State(consensus): State<Consensus>, headers: HeaderMap, body: Body) -> Response {
    let head = headers.get(REQUEST_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
    answer(&consensus, head, async |header, head: InstallSnapshot| {
        consensus.install_snapshot(&header, &head, body.into_data_stream()).await
    })
    .await
}

/// Reads a request, has it carried out, and writes the answer with this node's storage id.
async fn answer<T, A, F>(
    consensus: &Consensus,
    request: &[u8],
    carry_out: impl FnOnce(Header, T) -> F,
) -> Response
where
    T: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<A, Refusal>>,
{
    let Request { header, body } = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(error) => return problem(ErrorCode::InvalidRequest, error.to_string()),
    };
    let mut response = match carry_out(header, body).await {
        Ok(answer) => match serde_json::to_vec(&answer) {
            Ok(json) => {
                let media_type = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, media_type)], json).into_response()
            }
            Err(error) => problem(ErrorCode::Internal, error.to_string()),
        },
        Err(refusal) => {
            let code = match &refusal {
                Refusal::Misdirected(_) => ErrorCode::WrongCluster,
                Refusal::Removed(_) | Refusal::ForeignStorage { .. } => ErrorCode::InvalidMembership,
                Refusal::NotAdmitted => ErrorCode::QuorumUnavailable,
                Refusal::Stopped => ErrorCode::ShuttingDown,
                Refusal::Nonsense(_) | Refusal::Snapshot(_) => ErrorCode::InvalidRequest,
            };
            problem(code, refusal.to_string())
        }
    };
    if let Ok(storage_id) = HeaderValue::from_str(&consensus.storage_id().to_string()) {
        response.headers_mut().insert(STORAGE_ID_HEADER, storage_id);
    }
    response
}

fn problem(code: ErrorCode, detail: String) -> Response {
    let problem = Problem::new(code, detail);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let media_type = HeaderValue::from_static(headers::PROBLEM_JSON);
    (status, [(header::CONTENT_TYPE, media_type)], body).into_response()
}
