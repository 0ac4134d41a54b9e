//! [`Api`]: what every handler works with.

use std::sync::Arc;

use common::NodeId;
use http_api::{ControllerInfo, ErrorCode, query::Consistency};
use runtime::clock;

use super::{
    image::ImageCache,
    refusal::{Answer, Refusal},
};
use crate::{
    controller::Controller,
    metrics::Metrics,
    raft::{Consensus, LeaderHint},
    store::Store,
};

/// What every handler works with.
pub struct Api {
    pub(crate) node_id: NodeId,
    pub(crate) consensus: Consensus,
    pub(crate) store: Store,
    pub(crate) controller: Controller,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) images: ImageCache,
}

impl Api {
    /// The API of the node whose parts these are.
    pub fn new(
        consensus: Consensus,
        store: Store,
        controller: Controller,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let node_id = consensus.node_id();
        Arc::new(Self { node_id, consensus, store, controller, metrics, images: ImageCache::default() })
    }

    /// Waits until reads are as current as wanted.
    pub(crate) async fn settle(&self, consistency: Consistency) -> Answer<()> {
        if !self.consensus.is_recovered() {
            let detail =
                "this node has just started: what it shows may be older than what it has shown before";
            return Err(Refusal::because(ErrorCode::NotReady, detail));
        }
        match consistency {
            Consistency::Local => Ok(()),
            Consistency::Linearizable => Ok(self.consensus.linearizable().await?),
        }
    }

    /// The controller, if one is known.
    pub(crate) fn controller_info(&self) -> Option<ControllerInfo> {
        controller_info(&self.consensus.leader())
    }
}

/// The leader as the API shows it.
pub(crate) fn controller_info(hint: &LeaderHint) -> Option<ControllerInfo> {
    let leader = hint.leader.as_ref()?;
    Some(ControllerInfo {
        controller_id: leader.id,
        controller_url: leader.url.to_string(),
        controller_term: hint.term,
        timestamp: clock::unix_ms(),
    })
}
