//! Who answers a call about a group: its coordinator. Another broker hands the call on to it, and passes its answer back.

use std::{fmt, future::Future, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use client::{HttpError, HttpRequest, http::Reply};
use common::{BrokerId, PartitionId, topic_name::CONSUMER_OFFSETS_TOPIC};
use coordinator::{GroupError, api::Call};
use http_api::{ErrorCode, Problem, headers};
use serde::Serialize;
use tokio::time::Instant;

use crate::{coordinator::Unavailable, http::router::Context};

/// How long to try while coordinators change or load.
const PATIENCE: Duration = Duration::from_secs(5);

/// Marks the problem of a partition that cannot be loaded, which is not over soon.
const CANNOT_BE_LOADED: &str = "cannotBeLoaded";

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// A call that may have to be handed on.
pub(super) struct Routed<'a> {
    context: &'a Context,
    group_id: &'a str,
    method: Method,
    path: String,
    headers: &'a HeaderMap,
    body: Option<Box<dyn Fn() -> Option<Bytes> + Send + Sync + 'a>>,
    /// Until when the coordinator may wait before it answers.
    deadline: Instant,
    /// Whether doing it twice is something else than doing it once.
    is_change: bool,
}

impl<'a> Routed<'a> {
    /// A call without a body, which is answered at once.
    pub(super) fn new(
        context: &'a Context,
        group_id: &'a str,
        method: Method,
        path: String,
        headers: &'a HeaderMap,
    ) -> Self {
        let deadline = Instant::now();
        Self { context, group_id, method, path, headers, body: None, deadline, is_change: false }
    }

    /// With this, made anew each time that the call is handed on.
    pub(super) fn with_body<B: Serialize>(mut self, body: impl Fn() -> B + Send + Sync + 'a) -> Self {
        // Our own types are always written.
        self.body = Some(Box::new(move || serde_json::to_vec(&body()).ok().map(Bytes::from)));
        self
    }

    /// The coordinator may wait until then before it answers.
    pub(super) fn waiting(mut self, deadline: Instant) -> Self {
        self.deadline = deadline;
        self
    }

    /// Whether it may not be made twice: where it is not known whether it was made, that is the answer (see [`change`]).
    pub(super) fn changing(mut self, is_change: bool) -> Self {
        self.is_change = is_change;
        self
    }

    /// Answers with `local` where this broker coordinates the group, else with what the coordinator says.
    pub(super) async fn answer<F>(&self, local: impl Fn() -> F) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Response, Problem>>,
    {
        check_name(self.group_id)?;
        let deadline = self.deadline.max(Instant::now() + PATIENCE);
        loop {
            let tried = self.attempt(&local).await;
            match tried {
                Err(problem)
                    if problem.code == ErrorCode::CoordinatorNotAvailable
                        && !problem.fields.contains_key(CANNOT_BE_LOADED)
                        && Instant::now() < deadline =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                tried => return tried,
            }
        }
    }

    async fn attempt<F>(&self, local: &impl Fn() -> F) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Response, Problem>>,
    {
        let topic = self.context.groups.topic();
        if topic.partitions().is_none() {
            return Err(unknown_group(self.group_id));
        }
        match topic.coordinator_of(self.group_id) {
            Some(id) if id == self.context.broker_id => {
                let partition = topic.partition_of(self.group_id);
                local().await.map_err(|problem| explained(self.context, partition, problem))
            }
            Some(id) if !self.headers.contains_key(headers::FORWARDED_BY) => self.hand_on(id).await,
            Some(id) => Err(not_available(format!("broker {id} coordinates group `{}`", self.group_id))),
            None => Err(not_available(format!("the partition of group `{}` has no leader", self.group_id))),
        }
    }

    async fn hand_on(&self, coordinator: BrokerId) -> Result<Response, Problem> {
        let mut request = request(self.context, coordinator, self.method.clone(), &self.path)?;
        request.body = self.body.as_ref().and_then(|make| make());
        let request = request.timeout(PATIENCE + self.deadline.saturating_duration_since(Instant::now()));
        let reply = self.context.records.http.send(request).await.map_err(|error| {
            if self.is_change && !error.surely_not_received() {
                return outcome_unknown(self.group_id, &unreached(coordinator, &error));
            }
            not_available(unreached(coordinator, &error))
        })?;
        if reply.status == StatusCode::SERVICE_UNAVAILABLE
            && let Ok(problem) = reply.json::<Problem>()
        {
            return Err(problem);
        }
        let mut response = Response::new(Body::from(reply.body));
        *response.status_mut() = reply.status;
        if let Some(kind) = reply.headers.get(header::CONTENT_TYPE) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
        }
        Ok(response)
    }
}

/// That a group can be named in a path. A segment of dots is a step up or none, however it is written (RFC 3986, 5.2.4): what
/// one broker takes as a name, another would get as another path.
fn check_name(group_id: &str) -> Result<(), Problem> {
    if !matches!(group_id, "." | "..") {
        return Ok(());
    }
    let detail = format!("path: a group `{group_id}` cannot be named in a path; use a Kafka client");
    Err(Problem::new(ErrorCode::InvalidParameter, detail).with("parameter", "group").with("value", group_id))
}

/// Makes `__consumer_offsets` if it is not there: for groups that may begin with this call.
pub(super) async fn ensure_topic(context: &Context) -> Result<(), Problem> {
    context.groups.topic().ensure().await.map_err(|error| not_available(error.to_string()))
}

/// Reads something of another coordinator.
pub(super) async fn read(context: &Context, coordinator: BrokerId, path: &str) -> Result<Reply, Problem> {
    let request = request(context, coordinator, Method::GET, path)?.timeout(PATIENCE);
    let failed = |error| not_available(unreached(coordinator, &error));
    context.records.http.send(request).await.map_err(failed)
}

/// A request to another broker, which is not to hand it on.
fn request(context: &Context, broker: BrokerId, method: Method, path: &str) -> Result<HttpRequest, Problem> {
    let url = context.image.url_of(broker);
    let url = url.ok_or_else(|| not_available(format!("broker {broker} is not registered")))?;
    let mut request = HttpRequest::new(method, format!("{url}{path}"));
    let own = HeaderValue::from(context.broker_id.0);
    request.headers.push((HeaderName::from_static(headers::FORWARDED_BY), own));
    Ok(request)
}

fn unreached(coordinator: BrokerId, error: &HttpError) -> String {
    format!("broker {coordinator}, the coordinator: {error}")
}

/// Asks the group, which this broker coordinates.
pub(super) async fn ask<T, C>(context: &Context, group_id: &str, request: C) -> Result<T, Problem>
where
    C: Call<Reply = Result<T, GroupError>>,
{
    let replied = context.groups.ask(group_id, request).await;
    let replied = replied.map_err(|unavailable| not_available(of_group(group_id, unavailable)))?;
    replied.map_err(|error| refused(group_id, &error))
}

/// The same for a change that may not be made twice: if it is not known whether it was made, it is not tried again.
pub(super) async fn change<T, C>(context: &Context, group_id: &str, request: C) -> Result<T, Problem>
where
    C: Call<Reply = Result<T, GroupError>>,
{
    let replied = context.groups.ask(group_id, request).await;
    let replied = replied.map_err(|unavailable| match unavailable {
        Unavailable::InDoubt => outcome_unknown(group_id, &unavailable.to_string()),
        Unavailable::NotAvailable | Unavailable::Loading | Unavailable::NotCoordinator => {
            not_available(of_group(group_id, unavailable))
        }
    })?;
    replied.map_err(|error| refused(group_id, &error))
}

/// Of a problem whose cause is that this partition, or one of all, cannot be loaded here: says so, and why.
pub(super) fn explained(context: &Context, of: Option<PartitionId>, problem: Problem) -> Problem {
    let mut troubles = context.groups.troubles().into_iter();
    match troubles.find(|(partition, _)| of.is_none_or(|of| of == *partition)) {
        Some((partition, why)) if problem.code == ErrorCode::CoordinatorNotAvailable => {
            let detail = &problem.detail;
            let detail = format!("{detail}: {CONSUMER_OFFSETS_TOPIC}-{partition} cannot be loaded: {why}");
            not_available(detail).with(CANNOT_BE_LOADED, partition.0)
        }
        _ => problem,
    }
}

/// No such group.
pub(super) fn unknown_group(group_id: &str) -> Problem {
    Problem::new(ErrorCode::UnknownGroup, format!("there is no group `{group_id}`")).with("groupId", group_id)
}

fn of_group(group_id: &str, what: impl fmt::Display) -> String {
    format!("group `{group_id}`: {what}")
}

/// It may have been changed.
fn outcome_unknown(group_id: &str, why: &str) -> Problem {
    let detail = format!("whether group `{group_id}` was changed is not known: {why}");
    Problem::new(ErrorCode::CommitUnknown, detail).with("groupId", group_id)
}

/// What a group refuses.
pub(super) fn refused(group_id: &str, error: &GroupError) -> Problem {
    match error {
        GroupError::GroupIdNotFound => unknown_group(group_id),
        GroupError::NonEmptyGroup | GroupError::UnknownMemberId | GroupError::RebalanceInProgress => {
            not_empty(group_id)
        }
        GroupError::LeaseExpired => Problem::new(ErrorCode::LeaseExpired, of_group(group_id, error)),
        GroupError::TooManyLeases { max, .. } => {
            Problem::new(ErrorCode::Overloaded, of_group(group_id, error)).with("bound", *max)
        }
        other => Problem::new(ErrorCode::InvalidRequest, of_group(group_id, other)),
    }
}

/// It has members.
pub(super) fn not_empty(group_id: &str) -> Problem {
    let detail = format!("group `{group_id}` has members; stop them first");
    Problem::new(ErrorCode::GroupNotEmpty, detail).with("groupId", group_id)
}

fn not_available(detail: String) -> Problem {
    Problem::new(ErrorCode::CoordinatorNotAvailable, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_step_in_a_path_is_refused_by_every_broker() {
        for step in [".", ".."] {
            assert_eq!(check_name(step).unwrap_err().code, ErrorCode::InvalidParameter);
        }
        for name in ["...", "a", "a/..", "%2e", "\n"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
    }
}
