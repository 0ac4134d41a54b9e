//! Path segments, query parameters, the idempotency key, and who asks.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::{
        ConnectInfo, FromRequestParts, Path, Query,
        path::{ErrorKind, FailedToDeserializePathParams},
        rejection::PathRejection,
    },
    http::request::Parts,
};
use common::BrokerId;
use http_api::{ErrorCode, Problem, headers};
use metadata_core::RequestId;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// The path's variable segments as a `T`.
#[derive(Debug)]
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(bad_segment(error)),
            Err(error) => Err(Refusal::because(ErrorCode::Internal, error.body_text())),
        }
    }
}

fn bad_segment(error: FailedToDeserializePathParams) -> Refusal {
    let problem = match error.kind() {
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => {
            invalid(format!("path: `{key}` is `{value}`, which is no {}", type_in_words(expected_type)))
                .with("parameter", key.as_str())
                .with("value", value.as_str())
        }
        ErrorKind::ParseError { value, expected_type } => {
            invalid(format!("path: `{value}` is no {}", type_in_words(expected_type)))
                .with("value", value.as_str())
        }
        ErrorKind::DeserializeError { key, value, message } => {
            invalid(format!("path: `{key}` is `{value}`: {message}"))
                .with("parameter", key.as_str())
                .with("value", value.as_str())
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            invalid(format!("path: `{key}` is no valid UTF-8")).with("parameter", key.as_str())
        }
        _ => invalid(error.body_text()),
    };
    problem.into()
}

/// Names what a number may be, in words.
fn type_in_words(rust_type: &str) -> String {
    match rust_type {
        "i32" => format!("whole number from {} to {}", i32::MIN, i32::MAX),
        "u64" => format!("whole number from 0 to {}", u64::MAX),
        other => other.to_owned(),
    }
}

/// The query as a `T`.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        query_of(parts).map(Self)
    }
}

/// The query of a request as a `T`.
pub(crate) fn query_of<T: DeserializeOwned>(parts: &Parts) -> Result<T, Refusal> {
    let rejection = match Query::try_from_uri(&parts.uri) {
        Ok(Query(value)) => return Ok(value),
        Err(rejection) => rejection.body_text(),
    };
    let error = rejection.strip_prefix("Failed to deserialize query string: ").unwrap_or(&rejection);
    let problem = invalid(format!("query: {error}"));
    // "name: what is wrong with its value"; without a name it is about the query as a whole.
    let name = error.split_once(": ").map(|(name, _)| name).filter(|name| !name.contains(' '));
    Err(match name {
        Some(name) => problem.with("parameter", name).into(),
        None => problem.into(),
    })
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidParameter, detail)
}

/// The `Idempotency-Key`, if there is one.
pub(crate) fn idempotency_key(parts: &Parts) -> Result<Option<RequestId>, Refusal> {
    let Some(value) = parts.headers.get(headers::IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    headers::parse_idempotency_key(&text).map(Some).ok_or_else(|| {
        let shown: String = text.chars().take(100).collect();
        invalid(format!("header Idempotency-Key is `{shown}`; a UUID is wanted"))
            .with("header", "Idempotency-Key")
            .with("value", shown)
            .into()
    })
}

/// Who asks, for the history.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Author {
    /// A client at this address; `None` where there is no connection.
    Rest(Option<IpAddr>),
    /// A broker.
    Broker(BrokerId),
}

impl Author {
    pub(crate) fn of(parts: &Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self::Rest(peer.map(|ConnectInfo(peer)| peer.ip().to_canonical()))
    }
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rest(Some(address)) => write!(f, "rest:{address}"),
            Self::Rest(None) => f.write_str("rest:unknown"),
            Self::Broker(id) => write!(f, "broker:{id}"),
        }
    }
}
