//! `GET /api/v1/metadata/cluster`: the full image, or what changed since a version.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::MetadataVersion;
use http_api::{ClusterMetadata, Delta, DeltaSet, paths, query::ClusterQuery};

use super::{api::Api, image, params::Params, refusal::Answer, responses::ReadProblems};

/// A broker that missed more changes than this gets the full image, which is then not larger than the changes.
const DELTAS_MAX: usize = 10_000;

/// The cluster's metadata
///
/// The full image; with `?since=V` the changes after version V, if the node still holds them, else the full image
/// with `full: true`. `ETag` is the version: with `If-None-Match` an image that did not change is answered 304.
#[utoipa::path(
    get, operation_id = "getCluster", path = paths::CLUSTER, tag = "cluster",
    params(ClusterQuery, ("If-None-Match" = Option<String>, Header, description = "ETag of the image at hand")),
    responses(
        (status = 200, body = ClusterMetadata, headers(("ETag" = String, description = "The version, quoted"))),
        (status = 304, description = "The image has not changed"),
        ReadProblems,
    )
)]
pub(super) async fn get(
    State(api): State<Arc<Api>>,
    Params(query): Params<ClusterQuery>,
    headers: HeaderMap,
) -> Answer<Response> {
    api.settle(query.consistency).await?;
    if let Some(since) = query.since
        && let Some(changes) = api.consensus.deltas_since(since)
        && changes.len() <= DELTAS_MAX
    {
        let deltas: Vec<_> = changes.into_iter().map(|(version, event)| Delta { version, event }).collect();
        // Taken from the deltas themselves: the state may be further on by now.
        let version = deltas.last().map_or(since, |delta| delta.version);
        let answer = Json(DeltaSet { from_version: since, version, deltas });
        return Ok(([(header::ETAG, etag(version))], answer).into_response());
    }
    let (json, version) = match if_none_match(&headers, api.consensus.read(metadata_core::State::version)) {
        Some(version) if query.since.is_none() => {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag(version))]).into_response());
        }
        _ => image::current(&api).await?,
    };
    let json_type = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json_type), (header::ETAG, etag(version))], Body::from(json)).into_response())
}

fn etag(version: MetadataVersion) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes are a valid header")
}

/// `version`, if the client says that it has the image of it.
fn if_none_match(headers: &HeaderMap, version: MetadataVersion) -> Option<MetadataVersion> {
    let mine = format!("\"{version}\"");
    let mut theirs = headers
        .get_all(header::IF_NONE_MATCH)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    theirs.any(|tag| tag == "*" || tag.trim_start_matches("W/") == mine).then_some(version)
}
