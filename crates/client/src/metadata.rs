//! A client of the metadata REST API that follows the leader.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_api::Retry;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{
    call::{Call, CallError, Target},
    discovery::ControllerDiscovery,
    http::{HttpClient, HttpError},
};

/// How patient a [`MetadataClient`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataClientOptions {
    /// How long a call is repeated while the cluster has no leader or nodes do not answer.
    pub retry_for: Duration,
    /// How long one attempt may take, if the call has no timeout of its own.
    pub attempt_timeout: Duration,
}

impl Default for MetadataClientOptions {
    fn default() -> Self {
        Self { retry_for: Duration::from_secs(10), attempt_timeout: Duration::from_secs(5) }
    }
}

/// Pauses between attempts while nobody leads: short, since a failover takes a fraction of a second.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// How often in a row a hint to another leader is followed without a pause.
const HINTS_IN_A_ROW_MAX: u32 = 3;

/// When the leader has not answered for so long, the others are asked whether it still leads: a paused process
/// or a lost host would otherwise hold a call until its timeout, long after a new leader was elected.
const SECOND_OPINION_AFTER: Duration = Duration::from_millis(400);

/// Makes [`Call`]s at whichever node can answer. Cheap to clone; clones share connections and what they learn.
#[derive(Debug, Clone)]
pub struct MetadataClient {
    http: HttpClient,
    discovery: ControllerDiscovery,
    options: MetadataClientOptions,
    learnt: Arc<Learnt>,
}

/// What earlier calls taught.
#[derive(Debug, Default)]
struct Learnt {
    /// The node that leads, as far as is known.
    leader: Mutex<Option<String>>,
    /// The node that answers reads, as a position in the list of nodes.
    reader: AtomicUsize,
}

/// What to do after a failed attempt.
enum Next {
    /// It is the result.
    Fail,
    /// Another attempt now: somebody named the leader, or another node can answer.
    AtOnce,
    /// Another attempt after a pause.
    Later,
}

impl MetadataClient {
    /// `nodes` are the base URLs of the metadata nodes; at least one.
    pub fn new(
        http: HttpClient,
        nodes: impl IntoIterator<Item = String>,
        options: MetadataClientOptions,
    ) -> Self {
        let discovery = ControllerDiscovery::new(http.clone(), nodes);
        Self { http, discovery, options, learnt: Arc::default() }
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
    /// key. Without a key, or when time is up, it ends in [`CallError::OutcomeUnknown`].
    pub async fn call<T: DeserializeOwned>(&self, call: &Call<T>) -> Result<T, CallError> {
        let deadline = Instant::now() + self.options.retry_for;
        let mut pause = PAUSE_MIN;
        let mut at_once = 0;
        let mut perhaps_done = false;
        loop {
            let error = match self.attempt(call, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            perhaps_done |= is_outcome_unknown(call, &error);
            let next = match self.learn(call, &error) {
                _ if perhaps_done && !call.is_repeatable() => Next::Fail,
                Next::AtOnce if at_once == HINTS_IN_A_ROW_MAX => Next::Later,
                next => next,
            };
            match next {
                Next::AtOnce => at_once += 1,
                Next::Later if Instant::now() + pause < deadline => {
                    at_once = 0;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Next::Fail if is_refusal(&error) => return Err(error),
                Next::Fail | Next::Later if perhaps_done => {
                    return Err(CallError::OutcomeUnknown { detail: error.to_string() });
                }
                Next::Fail | Next::Later => return Err(error),
            }
        }
    }

    /// One attempt at the node that should be able to answer.
    async fn attempt<T: DeserializeOwned>(&self, call: &Call<T>, deadline: Instant) -> Result<T, CallError> {
        let node = match call.target {
            Target::AnyNode => self.reader(),
            Target::Leader => self.leader().await?,
        };
        let left = deadline.saturating_duration_since(Instant::now()).max(PAUSE_MIN);
        let timeout = call.timeout.unwrap_or(self.options.attempt_timeout).min(left);
        let attempt = call.send_within(&self.http, &node, timeout);
        if call.target == Target::AnyNode || !call.is_repeatable() {
            return attempt.await;
        }
        tokio::select! {
            result = attempt => result,
            () = self.deposed(&node) => {
                let waited_ms = u64::try_from(SECOND_OPINION_AFTER.as_millis()).unwrap_or(u64::MAX);
                Err(HttpError::Timeout { url: node, timeout_ms: waited_ms }.into())
            }
        }
    }

    /// Resolves when the others follow another leader than `node`, which is then known as the leader.
    async fn deposed(&self, node: &str) {
        loop {
            tokio::time::sleep(SECOND_OPINION_AFTER).await;
            match self.discovery.find().await {
                Ok(controller) if controller.url != node => {
                    self.set_leader(Some(controller.url));
                    return;
                }
                _ => {}
            }
        }
    }

    /// Draws what can be drawn from a failed attempt.
    fn learn<T>(&self, call: &Call<T>, error: &CallError) -> Next {
        match error {
            CallError::NoAnswer(HttpError::InvalidUrl { .. } | HttpError::BodyTooLarge { .. })
            | CallError::Unreadable { .. } => Next::Fail,
            CallError::NotController { url, leader: Some(leader) } if leader.url != *url => {
                self.set_leader(Some(leader.url.clone()));
                Next::AtOnce
            }
            CallError::NoAnswer(_) | CallError::NotController { .. } | CallError::NoLeader(_) => {
                self.try_another_node(call.target)
            }
            CallError::OutcomeUnknown { .. } => Next::Later,
            CallError::Problem(problem) if matches!(problem.status, 429 | 503) => {
                match problem.code.retry() {
                    Retry::OtherNode => self.try_another_node(call.target),
                    Retry::Later | Retry::OnlyWithIdempotencyKey if call.target == Target::AnyNode => {
                        self.try_another_node(call.target)
                    }
                    Retry::Later | Retry::OnlyWithIdempotencyKey => Next::Later,
                    Retry::Never => Next::Fail,
                }
            }
            CallError::Problem(_) => Next::Fail,
        }
    }

    /// Gives up the node that was asked.
    fn try_another_node(&self, target: Target) -> Next {
        match target {
            Target::Leader => {
                self.set_leader(None);
                Next::Later
            }
            Target::AnyNode => {
                self.learnt.reader.fetch_add(1, Ordering::Relaxed);
                Next::AtOnce
            }
        }
    }

    fn reader(&self) -> String {
        let nodes = self.discovery.nodes();
        let position = self.learnt.reader.load(Ordering::Relaxed) % nodes.len().max(1);
        nodes.get(position).cloned().unwrap_or_default()
    }

    /// The leader that is known, or a freshly discovered one.
    async fn leader(&self) -> Result<String, CallError> {
        let known = self.learnt.leader.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(url) = known {
            return Ok(url);
        }
        let controller = self.discovery.find().await?;
        self.set_leader(Some(controller.url.clone()));
        Ok(controller.url)
    }

    fn set_leader(&self, url: Option<String>) {
        *self.learnt.leader.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }
}

/// Whether the call may have been carried out although it failed.
fn is_outcome_unknown<T>(call: &Call<T>, error: &CallError) -> bool {
    if call.method == http::Method::GET {
        return false;
    }
    match error {
        CallError::NoAnswer(error) => !error.surely_not_received(),
        CallError::OutcomeUnknown { .. } | CallError::Unreadable { .. } => true,
        CallError::NotController { .. } | CallError::NoLeader(_) | CallError::Problem(_) => false,
    }
}

/// Whether the API has decided: under one idempotency key that settles what came of all attempts.
fn is_refusal(error: &CallError) -> bool {
    matches!(error, CallError::Problem(problem) if problem.code.retry() == Retry::Never)
}
