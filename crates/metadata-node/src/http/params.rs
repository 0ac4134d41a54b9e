//! Path segments, query parameters, the idempotency key, and who asks.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use axum::{extract::ConnectInfo, http::request::Parts};
use common::BrokerId;
use http_api::{ErrorCode, Problem, headers};
use metadata_core::RequestId;

pub(crate) use runtime::http::{Params, Segments, query_of};

use super::refusal::Refusal;

/// The `Idempotency-Key`, if there is one.
pub(crate) fn idempotency_key(parts: &Parts) -> Result<Option<RequestId>, Refusal> {
    let Some(value) = parts.headers.get(headers::IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    headers::parse_idempotency_key(&text).map(Some).ok_or_else(|| {
        let shown: String = text.chars().take(100).collect();
        let detail = format!("header Idempotency-Key is `{shown}`; a UUID is wanted");
        Problem::new(ErrorCode::InvalidParameter, detail)
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
