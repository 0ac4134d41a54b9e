//! Looking at a cluster from outside, through its REST API: who leads, do all nodes hold the same?

use std::{collections::BTreeMap, time::Duration};

use client::{Call, CallError, HttpClient, HttpOptions, api};
use common::{NodeId, Term};
use futures_util::future::join_all;
use http_api::{ClusterImage, RaftStatus};
use serde::de::DeserializeOwned;

use crate::wait::{WaitError, wait_for};

/// How long one answer may take: a node that is paused or starved must not hold the others up for long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The leader that all answering nodes agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Its id.
    pub id: NodeId,
    /// Base URL of its REST API.
    pub url: String,
    /// Its term.
    pub term: Term,
}

/// An outside view of the metadata nodes.
#[derive(Debug, Clone)]
pub struct Observer {
    http: HttpClient,
    /// Base URLs by id.
    nodes: BTreeMap<NodeId, String>,
}

impl Observer {
    /// `nodes` are the base URLs of the metadata nodes by their ids.
    pub fn new(nodes: BTreeMap<NodeId, String>) -> Self {
        let http = HttpClient::new(HttpOptions { request_timeout: ANSWER_TIMEOUT, ..HttpOptions::default() });
        Self { http, nodes }
    }

    /// Its connections.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Base URLs of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.values().cloned().collect()
    }

    /// The base URL of a node; empty for one that is not known.
    pub fn url(&self, node: NodeId) -> &str {
        self.nodes.get(&node).map_or("", String::as_str)
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.keys().copied()
    }

    /// This view without some nodes: those that are down.
    #[must_use]
    pub fn without(&self, down: &[NodeId]) -> Self {
        let mut view = self.clone();
        view.nodes.retain(|node, _| !down.contains(node));
        view
    }

    /// Makes a call once at one node.
    ///
    /// # Errors
    /// As [`Call::send`].
    pub async fn ask<T: DeserializeOwned>(&self, node: NodeId, call: &Call<T>) -> Result<T, CallError> {
        call.send(&self.http, self.url(node)).await
    }

    /// What every node says of its Raft.
    pub async fn statuses(&self) -> BTreeMap<NodeId, Result<RaftStatus, CallError>> {
        let ask = |node: NodeId| async move { (node, self.ask(node, &api::raft_status()).await) };
        join_all(self.nodes().map(ask)).await.into_iter().collect()
    }

    /// Waits until all nodes of this view answer, and agree on one of them as the leader, which agrees itself.
    ///
    /// # Errors
    /// If they do not within `deadline`.
    pub async fn agreed_leader(&self, deadline: Duration) -> Result<Leadership, WaitError> {
        wait_for("all nodes agree on a leader", deadline, async || {
            let mut leaders = Vec::new();
            for (node, status) in self.statuses().await {
                let status = status.map_err(|error| format!("node {node}: {error}"))?;
                let leader =
                    status.leader_id.ok_or_else(|| format!("node {node} knows no leader: {status:?}"))?;
                if !self.nodes.contains_key(&leader) {
                    return Err(format!("node {node} still names node {leader}, which is not asked"));
                }
                if leader == node && !status.is_leader {
                    return Err(format!("node {node} names itself and does not lead yet"));
                }
                leaders.push((leader, status.current_term));
            }
            leaders.dedup();
            match leaders.as_slice() {
                [(id, term)] => Ok(Leadership { id: *id, url: self.url(*id).to_owned(), term: *term }),
                several => Err(format!("leaders and terms named: {several:?}")),
            }
        })
        .await
    }

    /// Waits until all nodes of this view have applied `index`.
    ///
    /// # Errors
    /// If they have not within `deadline`.
    pub async fn applied(&self, index: u64, deadline: Duration) -> Result<(), WaitError> {
        wait_for(&format!("all nodes apply index {index}"), deadline, async || {
            for (node, status) in self.statuses().await {
                let applied = status.map_err(|error| format!("node {node}: {error}"))?.last_applied;
                if applied < index {
                    return Err(format!("node {node} has applied {applied}"));
                }
            }
            Ok(())
        })
        .await
    }

    /// Waits until all nodes of this view have applied all that is committed, and gives the metadata that each holds,
    /// all at one version.
    ///
    /// # Errors
    /// If they are not at one version within `deadline`.
    pub async fn images(&self, deadline: Duration) -> Result<BTreeMap<NodeId, ClusterImage>, WaitError> {
        wait_for("all nodes show one version", deadline, async || {
            let leader = self.agreed_leader(deadline).await.map_err(|error| error.to_string())?;
            let status = self.ask(leader.id, &api::raft_status()).await.map_err(|error| error.to_string())?;
            self.applied(status.commit_index, deadline).await.map_err(|error| error.to_string())?;
            let mut images = BTreeMap::new();
            for node in self.nodes() {
                let image = self.ask(node, &api::cluster()).await;
                images.insert(node, image.map_err(|error| format!("node {node}: {error}"))?);
            }
            let versions: Vec<_> = images.values().map(|image| image.version).collect();
            match versions.iter().min() == versions.iter().max() {
                true => Ok(images),
                false => Err(format!("versions {versions:?}")),
            }
        })
        .await
    }
}
