//! Finding the controller: every metadata node is asked at once, and the answer with the highest term wins.
//!
//! An answer may be old (a node that was cut off still names the former leader), so one answer alone is not
//! enough to be quick: discovery ends when a majority of the nodes agrees, when every node has answered, or a
//! short while after the first answer, so that nodes that are down or behind a black hole do not cost time.
//! A wrong answer does no harm: the node named there refuses with 503 and names its successor.

use std::time::Duration;

use common::{NodeId, Term};
use futures_util::{StreamExt, stream::FuturesUnordered};
use http_api::ControllerInfo;
use thiserror::Error;

use crate::{api, call::CallError, http::HttpClient};

/// How long one node may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long better answers are waited for after the first one.
const SETTLE_TIME: Duration = Duration::from_millis(50);

/// The leader of the metadata quorum, as somebody knew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// Its node id.
    pub id: NodeId,
    /// Base URL of its REST API, without a slash at the end.
    pub url: String,
    /// The Raft term it leads in.
    pub term: Term,
}

/// Nobody named a controller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no controller found: {}", .answers.join("; "))]
pub struct DiscoveryError {
    /// What became of each question, in words.
    pub answers: Vec<String>,
}

/// Asks the metadata nodes who leads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ControllerDiscovery {
    http: HttpClient,
    nodes: std::sync::Arc<[String]>,
}

impl ControllerDiscovery {
    /// `nodes` are the base URLs of all metadata nodes.
    pub fn new(http: HttpClient, nodes: impl IntoIterator<Item = String>) -> Self {
        Self { http, nodes: nodes.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect() }
    }

    /// The base URLs that are asked.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// One round of questions. Takes at most about a second, usually a millisecond.
    pub async fn find(&self) -> Result<Controller, DiscoveryError> {
        let majority = self.nodes.len() / 2 + 1;
        let mut questions: FuturesUnordered<_> = self.nodes.iter().map(|node| self.ask(node)).collect();
        let mut best: Option<Controller> = None;
        let mut agreeing = 0;
        let mut failures = Vec::new();
        // Armed by the first answer.
        let mut settled = std::pin::pin!(tokio::time::sleep(ASK_TIMEOUT));
        loop {
            let answer = tokio::select! {
                answer = questions.next() => answer,
                () = settled.as_mut(), if best.is_some() => None,
            };
            match answer {
                None => break,
                Some(Err(failure)) => failures.push(failure),
                Some(Ok(found)) => {
                    if best.is_none() {
                        settled.as_mut().reset(tokio::time::Instant::now() + SETTLE_TIME);
                    }
                    match &best {
                        Some(known) if known.term > found.term => {}
                        Some(known) if known.term == found.term => agreeing += 1,
                        _ => {
                            agreeing = 1;
                            best = Some(found);
                        }
                    }
                    if agreeing >= majority {
                        break;
                    }
                }
            }
        }
        best.ok_or(DiscoveryError { answers: failures })
    }

    /// Asks one node; a failure is told in words.
    async fn ask(&self, node: &str) -> Result<Controller, String> {
        let answer = api::controller().timeout(ASK_TIMEOUT).send(&self.http, node).await;
        answer.map(Controller::from).map_err(|error| match error {
            CallError::Problem(problem) => format!("{node} answers {problem}"),
            named => named.to_string(),
        })
    }
}

impl From<ControllerInfo> for Controller {
    fn from(info: ControllerInfo) -> Self {
        Self {
            id: info.controller_id,
            url: info.controller_url.trim_end_matches('/').to_owned(),
            term: info.controller_term,
        }
    }
}
