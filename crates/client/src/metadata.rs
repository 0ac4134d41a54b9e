//! A client of the metadata REST API that follows the leader.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::Instant;

pub use crate::call::{Call, CallError, LeaderHint, Target};
use crate::{discovery::ControllerDiscovery, http::HttpClient};

/// What the API says when it refuses.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Problem {
    /// Stable code, SCREAMING_SNAKE.
    pub code: String,
    /// In words.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// How patient a [`MetadataClient`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataClientOptions {
    /// How long a call is repeated while the cluster has no leader or a node does not answer.
    pub retry_for: Duration,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
}

impl Default for MetadataClientOptions {
    fn default() -> Self {
        Self { retry_for: Duration::from_secs(10), attempt_timeout: Duration::from_secs(5) }
    }
}

/// Pauses between attempts while nobody leads: short, since a failover takes a fraction of a second.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Calls the metadata REST API at whichever node can answer. Cheap to clone; clones share what they learn.
#[derive(Debug, Clone)]
pub struct MetadataClient {
    http: HttpClient,
    discovery: ControllerDiscovery,
    options: MetadataClientOptions,
    leader: Arc<Mutex<Option<String>>>,
}

impl MetadataClient {
    /// `nodes` are the base URLs of the metadata nodes.
    pub fn new(
        http: HttpClient,
        nodes: impl IntoIterator<Item = String>,
        options: MetadataClientOptions,
    ) -> Self {
        let discovery = ControllerDiscovery::new(http.clone(), nodes);
        Self { http, discovery, options, leader: Arc::default() }
    }

    /// The connections it uses.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// How it finds the leader.
    pub fn discovery(&self) -> &ControllerDiscovery {
        &self.discovery
    }

    /// Makes `call` until there is a result, a refusal, or no time left.
    ///
    /// A write that was perhaps carried out (no answer, or `COMMIT_UNKNOWN`) is repeated under its idempotency
    /// key; one without a key ends in [`CallError::OutcomeUnknown`].
    pub async fn call<T: DeserializeOwned>(&self, call: &Call<T>) -> Result<T, CallError> {
        let deadline = Instant::now() + self.options.retry_for;
        let _ = (deadline, PAUSE_MIN, PAUSE_MAX, call);
        todo!()
    }

    fn known_leader(&self) -> Option<String> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_leader(&self, url: Option<String>) {
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }
}
