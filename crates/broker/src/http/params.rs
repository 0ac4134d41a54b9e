//! Path segments and query parameters; what is wrong with one is told with its name.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use http_api::{ErrorCode, Problem};
use serde::de::DeserializeOwned;

use runtime::http::Refusal;

/// The path's variable segments as a `T`.
#[derive(Debug)]
pub(super) struct Segments<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(error) => {
                Err(Refusal::because(ErrorCode::InvalidParameter, format!("path: {}", error.body_text())))
            }
        }
    }
}

/// The query as a `T`.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let rejection = match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => return Ok(Self(value)),
            Err(rejection) => rejection.body_text(),
        };
        let error = rejection.strip_prefix("Failed to deserialize query string: ").unwrap_or(&rejection);
        let problem = Problem::new(ErrorCode::InvalidParameter, format!("query: {error}"));
        // "name: what is wrong with its value"; without a name it is about the query as a whole.
        let name = error.split_once(": ").map(|(name, _)| name).filter(|name| !name.contains(' '));
        Err(match name {
            Some(name) => problem.with("parameter", name).into(),
            None => problem.into(),
        })
    }
}
