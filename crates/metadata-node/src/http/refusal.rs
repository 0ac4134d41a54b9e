//! Answers other than success: a problem, and the headers that tell a client where to go.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use common::NodeId;
use http_api::{ErrorCode, Problem, headers};
use metadata_core::Rejection;

use crate::{
    raft::{LeaderAddress, LeaderHint, MembershipError, ProposeError, ReadError},
    store::StoreError,
};

/// What a handler answers with.
pub(crate) type Answer<T> = Result<T, Refusal>;

/// While an election is going on a client should come back soon; the header knows whole seconds only.
const RETRY_AFTER_SECONDS: &str = "1";

/// A request that is not carried out.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    problem: Problem,
    headers: HeaderMap,
    /// Send the client to this URL instead (307).
    location: Option<HeaderValue>,
}

impl Refusal {
    /// Refuses with nothing but a problem. One that may be over soon says when to come back.
    pub(crate) fn new(problem: Problem) -> Self {
        let mut headers = HeaderMap::new();
        if matches!(problem.status, 429 | 503) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        Self(Box::new(Parts { problem, headers, location: None }))
    }

    /// [`Refusal::new`] with a code and a sentence.
    pub(crate) fn because(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::new(Problem::new(code, detail))
    }

    /// `this` node does not lead: names the leader, or says when to ask again.
    pub(crate) fn not_controller(this: NodeId, hint: &LeaderHint) -> Self {
        let Some(leader) = &hint.leader else {
            let detail = "this node is not the controller, and no controller is known: an election is going on, \
                          or this node cannot reach a majority";
            return Self::because(ErrorCode::NotController, detail);
        };
        if leader.id == this {
            let detail = "this node is taking office, or has just lost it";
            return Self::because(ErrorCode::NotController, detail);
        }
        let detail = format!("this node is not the controller: node {} at {} is", leader.id, leader.url);
        let problem = Problem::new(ErrorCode::NotController, detail)
            .with("controllerId", leader.id.0)
            .with("controllerUrl", leader.url.as_ref())
            .with("controllerTerm", hint.term.0);
        let mut refusal = Self(Box::new(Parts { problem, headers: HeaderMap::new(), location: None }));
        refusal.name(leader);
        refusal
    }

    /// What became of a proposal that `this` node did not get an outcome for.
    pub(crate) fn of_proposal(this: NodeId, error: &ProposeError) -> Self {
        let detail = error.to_string();
        match error {
            ProposeError::NotController(hint) => Self::not_controller(this, hint),
            ProposeError::OutcomeUnknown { waited_ms } => commit_unknown(*waited_ms),
            ProposeError::TooLarge { bytes, bound } => Problem::new(ErrorCode::PayloadTooLarge, detail)
                .with("value", *bytes)
                .with("bound", *bound)
                .into(),
            ProposeError::Overloaded { waiting } => {
                Problem::new(ErrorCode::Overloaded, detail).with("waiting", *waiting).into()
            }
            ProposeError::ShuttingDown => Self::because(ErrorCode::ShuttingDown, detail),
        }
    }

    /// Why `this` node did not change the membership, or did not hand over.
    pub(crate) fn of_membership(this: NodeId, error: &MembershipError) -> Self {
        let detail = error.to_string();
        let code = match error {
            MembershipError::NotController(hint) => return Self::not_controller(this, hint),
            MembershipError::OutcomeUnknown { waited_ms } => return commit_unknown(*waited_ms),
            MembershipError::UnknownMember(_) => ErrorCode::UnknownNode,
            MembershipError::AlreadyMember(_)
            | MembershipError::IdUsed(_)
            | MembershipError::LastVoter(_)
            | MembershipError::CannotLead { .. }
            | MembershipError::Unusable { .. } => ErrorCode::InvalidMembership,
            MembershipError::InProgress => ErrorCode::MembershipChangeInProgress,
            MembershipError::ShuttingDown => ErrorCode::ShuttingDown,
        };
        Self::because(code, detail)
    }

    /// Answers 307 with this URL instead of the problem's status.
    #[must_use]
    pub(crate) fn redirect_to(mut self, url: &str) -> Self {
        self.0.location = HeaderValue::from_str(url).ok();
        self
    }

    /// Adds the headers that name the leader.
    fn name(&mut self, leader: &LeaderAddress) {
        let id = HeaderValue::from(leader.id.0);
        self.0.headers.insert(HeaderName::from_static(headers::CONTROLLER_LEADER), id);
        // A URL that no header can carry is refused when a member is added.
        if let Ok(url) = HeaderValue::from_str(&leader.url) {
            self.0.headers.insert(HeaderName::from_static(headers::CONTROLLER_URL), url);
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Parts { problem, headers, location } = *self.0;
        let status = match &location {
            Some(_) => StatusCode::TEMPORARY_REDIRECT,
            None => StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(event = "http.internal_error", problem = %problem, "request failed");
        }
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(headers::PROBLEM_JSON));
        if let Some(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.into())
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        let detail = error.to_string();
        match error {
            ReadError::NotCurrent { hint, waited_ms } => {
                let problem = Problem::new(ErrorCode::QuorumUnavailable, detail).with("waitedMs", waited_ms);
                let mut refusal = Self::new(problem);
                if let Some(leader) = &hint.leader {
                    refusal.name(leader);
                }
                refusal
            }
            ReadError::ShuttingDown => Self::because(ErrorCode::ShuttingDown, detail),
            ReadError::Storage(_) => Self::because(ErrorCode::StorageUnavailable, detail),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::because(ErrorCode::StorageUnavailable, error.to_string())
    }
}

fn commit_unknown(waited_ms: u64) -> Refusal {
    let detail = format!(
        "whether the change takes effect is unknown after {waited_ms} ms: repeat it with the same Idempotency-Key, \
         or read what came of it"
    );
    Problem::new(ErrorCode::CommitUnknown, detail).with("waitedMs", waited_ms).into()
}
