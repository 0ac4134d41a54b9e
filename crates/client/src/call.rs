//! One call of the metadata REST API: what is sent, and what an answer means. Nothing is repeated here; see
//! [`crate::MetadataClient`] for a client that follows the leader.

use std::{marker::PhantomData, time::Duration};

use ::http::{HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use common::NodeId;
use http_api::{ErrorCode, Problem, headers};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use uuid::Uuid;

use crate::{
    discovery::DiscoveryError,
    http::{HttpClient, HttpError, HttpRequest, Reply, to_json},
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_KEY);

/// Which nodes can answer a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Only the leader: writes, registrations, heartbeats.
    Leader,
    /// Any metadata node, from its applied state.
    AnyNode,
}

/// A call that answers a `T`.
#[derive(Debug, Clone)]
pub struct Call<T> {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// JSON body.
    pub body: Option<Bytes>,
    /// Makes repeating this call safe: the cluster applies it once.
    pub idempotency_key: Option<Uuid>,
    /// Who can answer it.
    pub target: Target,
    /// Deadline of one attempt, if not the client's.
    pub timeout: Option<Duration>,
    answer: PhantomData<fn() -> T>,
}

/// Where the leader is, as a node that is not the leader says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderHint {
    /// Its id, if it was told.
    pub id: Option<NodeId>,
    /// Its base URL, without a slash at the end.
    pub url: String,
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CallError {
    /// No answer at all.
    #[error(transparent)]
    NoAnswer(#[from] HttpError),
    /// No node knows a leader.
    #[error(transparent)]
    NoLeader(#[from] DiscoveryError),
    /// The node is not the leader.
    #[error("{url} is not the controller{}", match .leader { Some(leader) => format!("; it names {}", leader.url), None => "; it knows none".to_owned() })]
    NotController {
        /// Who was asked.
        url: String,
        /// Whom it holds for the leader.
        leader: Option<LeaderHint>,
    },
    /// A write may or may not have been carried out, and could not be repeated safely or in time.
    #[error("outcome unknown: {detail}")]
    OutcomeUnknown {
        /// What happened.
        detail: String,
    },
    /// The API refused.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// Something answered that does not speak this API.
    #[error("{url} answered {status} with something unreadable: {detail}")]
    Unreadable {
        /// Who was asked.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Why it cannot be read.
        detail: String,
    },
}

impl<T> Call<T> {
    /// A read that any node answers.
    pub fn read(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Target::AnyNode)
    }

    /// A call of the leader.
    pub fn leader(method: Method, path: impl Into<String>) -> Self {
        Self::new(method, path, Target::Leader)
    }

    /// A write: a call of the leader that carries an idempotency key, freshly drawn.
    pub fn write(method: Method, path: impl Into<String>) -> Self {
        let mut call = Self::new(method, path, Target::Leader);
        call.idempotency_key = Some(Uuid::new_v4());
        call
    }

    fn new(method: Method, path: impl Into<String>, target: Target) -> Self {
        Self {
            method,
            path: path.into(),
            body: None,
            idempotency_key: None,
            target,
            timeout: None,
            answer: PhantomData,
        }
    }

    /// With query parameters.
    #[must_use]
    pub fn query(mut self, query: &impl Serialize) -> Self {
        let query = serde_urlencoded::to_string(query).expect("query types are flat structs of plain values");
        if !query.is_empty() {
            self.path = format!("{}?{query}", self.path);
        }
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(to_json(body));
        self
    }

    /// With a deadline of its own for each attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Under a key of the caller's, so that it is the same request as another one under this key.
    #[must_use]
    pub fn idempotency_key(mut self, key: Uuid) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// Whether carrying it out twice is the same as once.
    pub fn is_repeatable(&self) -> bool {
        self.idempotency_key.is_some() || self.method == Method::GET
    }
}

impl<T: DeserializeOwned> Call<T> {
    /// Makes this call at the node with this base URL, once.
    pub async fn send(&self, http: &HttpClient, base_url: &str) -> Result<T, CallError> {
        let timeout = self.timeout.unwrap_or_else(|| http.options().request_timeout);
        self.send_within(http, base_url, timeout).await
    }

    /// [`Call::send`] with this deadline, whatever the call's own.
    pub async fn send_within(
        &self,
        http: &HttpClient,
        base_url: &str,
        timeout: Duration,
    ) -> Result<T, CallError> {
        let mut request = HttpRequest::new(self.method.clone(), format!("{base_url}{}", self.path));
        request.body.clone_from(&self.body);
        request.timeout = Some(timeout);
        if let Some(key) = self.idempotency_key {
            let value = HeaderValue::from_str(&key.to_string()).expect("a uuid is visible ASCII");
            request.headers.push((IDEMPOTENCY_KEY, value));
        }
        let reply = http.send(request).await?;
        interpret(base_url, &reply)
    }
}

/// What an answer means.
fn interpret<T: DeserializeOwned>(url: &str, reply: &Reply) -> Result<T, CallError> {
    let status = reply.status.as_u16();
    let unreadable = |error: serde_json::Error| CallError::Unreadable {
        url: url.to_owned(),
        status,
        detail: error.to_string(),
    };
    if reply.status.is_success() {
        // 204 has no body: `null` is the JSON of `()`.
        let body: &[u8] = if reply.body.is_empty() { b"null" } else { &reply.body };
        return serde_json::from_slice(body).map_err(unreadable);
    }
    if reply.status == StatusCode::TEMPORARY_REDIRECT {
        let leader = reply.header("location").and_then(origin).map(|url| LeaderHint { id: None, url });
        return Err(CallError::NotController { url: url.to_owned(), leader });
    }
    let problem: Problem = reply.json().map_err(unreadable)?;
    Err(match problem.code {
        ErrorCode::NotController => {
            let id = reply.header(headers::CONTROLLER_LEADER).and_then(|id| id.parse().ok());
            let leader = reply
                .header(headers::CONTROLLER_URL)
                .map(|url| LeaderHint { id, url: url.trim_end_matches('/').to_owned() });
            CallError::NotController { url: url.to_owned(), leader }
        }
        ErrorCode::CommitUnknown => CallError::OutcomeUnknown { detail: problem.detail },
        _ => CallError::Problem(Box::new(problem)),
    })
}

impl CallError {
    /// The API's code, if it was the API that refused.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Problem(problem) => Some(problem.code),
            Self::NotController { .. } => Some(ErrorCode::NotController),
            Self::OutcomeUnknown { .. } => Some(ErrorCode::CommitUnknown),
            Self::NoAnswer(_) | Self::NoLeader(_) | Self::Unreadable { .. } => None,
        }
    }
}

/// Scheme, host and port of an absolute URL.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
    Some(format!("{scheme}://{authority}"))
}
