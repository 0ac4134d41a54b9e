//! What a write needs before its body is looked at: this node leads, and who asks under which key.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use common::{BrokerId, MetadataVersion, Term};
use http_api::{ControllerInfo, ErrorCode, query::WriteQuery};
use metadata_core::{Command, Outcome, Proposal, RequestId};
use runtime::clock;

use super::{
    api::{Api, controller_info},
    params::{Author, idempotency_key, query_of},
    refusal::{Answer, Refusal},
};
use crate::raft::LeaderHint;

/// This node leads. Otherwise the request is answered with 503, or with 307 if it says `?redirect=true`.
#[derive(Debug)]
pub(crate) struct Leader(pub(crate) LeaderHint);

impl FromRequestParts<Arc<Api>> for Leader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        let WriteQuery { redirect } = query_of(parts)?;
        let hint = api.consensus.leader();
        if hint.is_self {
            return Ok(Self(hint));
        }
        let refusal = Refusal::not_controller(api.node_id, &hint);
        let elsewhere = hint.leader.filter(|leader| redirect && leader.id != api.node_id);
        Err(match elsewhere {
            Some(leader) => {
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                refusal.redirect_to(&format!("{}{path}", leader.url))
            }
            None => refusal,
        })
    }
}

/// A [`Leader`] that can propose on behalf of a request.
pub(crate) struct Writer {
    api: Arc<Api>,
    hint: LeaderHint,
    author: Author,
    request_id: Option<RequestId>,
}

impl FromRequestParts<Arc<Api>> for Writer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Refusal> {
        let Leader(hint) = Leader::from_request_parts(parts, api).await?;
        let request_id = idempotency_key(parts)?;
        Ok(Self { api: Arc::clone(api), hint, author: Author::of(parts), request_id })
    }
}

impl Writer {
    /// The term this node leads in.
    pub(crate) fn term(&self) -> Term {
        self.hint.term
    }

    /// The request comes from a broker, which history then names.
    #[must_use]
    pub(crate) fn for_broker(mut self, id: BrokerId) -> Self {
        self.author = Author::Broker(id);
        self
    }

    /// Commits and applies `command`; answers with its outcome and `metadataVersion` after it.
    pub(crate) async fn propose(self, command: Command) -> Answer<(Outcome, MetadataVersion)> {
        // The level only grows, so that what it allows here it allows where this is applied.
        self.api.consensus.read(|state| state.check_level(&command))?;
        let proposal = Proposal {
            time_ms: clock::unix_ms(),
            author: self.author.to_string(),
            request_id: self.request_id,
            command,
        };
        let decided = self
            .api
            .consensus
            .propose(proposal)
            .await
            .map_err(|error| Refusal::of_proposal(self.api.node_id, &error))?;
        Ok((decided.result?, decided.version))
    }

    /// This node as the controller.
    pub(crate) fn controller_info(&self) -> Answer<ControllerInfo> {
        controller_info(&self.hint).ok_or_else(|| Refusal::not_controller(self.api.node_id, &self.hint))
    }
}

/// A command had an outcome of another command's kind: a defect.
pub(crate) fn unexpected(outcome: &Outcome) -> Refusal {
    Refusal::because(ErrorCode::Internal, format!("unexpected outcome {outcome:?}"))
}
