//! Putting the pieces together.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use common::{ClusterId, NodeId};
use openraft::async_runtime::watch::WatchReceiver as _;
use runtime::{TaskKind, Tasks};
use tokio::sync::{mpsc, watch};

use super::consensus::{Consensus, Inner};
use super::figures::RaftFigures;
use super::identity::Identity;
use super::log_store::LogStore;
use super::machine::Machine;
use super::net::Peers;
use super::progress::CaughtUp;
use super::settings::{SettingsError, Timings};
use super::{LeaderHint, failover, leader, registrar};
use crate::store::{Opened, Store};

/// How much news of peers may wait.
const NEWS_MAX: usize = 64;

/// What a node of the quorum is made of.
#[derive(Debug, Clone)]
pub struct ConsensusOptions {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// This node.
    pub node_id: NodeId,
    /// The voters of a new cluster, this node among them, with their URLs.
    pub founders: BTreeMap<NodeId, String>,
    /// Timings.
    pub timings: Timings,
}

/// Why the quorum's part of a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum ConsensusError {
    /// Timings that do not fit together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The snapshot could not be read.
    #[error("state: {0}")]
    State(#[from] io::Error),
    /// openraft could not load what is in the store.
    #[error("raft: {0}")]
    Raft(String),
}

impl Consensus {
    /// Starts the Raft core on an open store, and the tasks around it. It does not take part before
    /// [`Self::admit`](Consensus::admit) says so.
    pub async fn start(
        options: ConsensusOptions,
        store: Store,
        opened: &Opened,
        tasks: &Tasks,
    ) -> Result<Self, ConsensusError> {
        let identity = Identity::new(options.cluster_id.clone(), options.node_id, opened.storage_id);
        let config = options.timings.openraft(&options.cluster_id.0)?;
        let (news_sender, news) = mpsc::channel(NEWS_MAX);
        // Twice the longest stall that does not depose a leader anyway.
        let append_timeout = (options.timings.election_max * 2).max(Duration::from_secs(1));
        let log = LogStore::new(store.clone(), opened);
        let figures = Arc::new(RaftFigures::default());
        let machine = Machine::open(store.clone(), options.cluster_id, Arc::clone(&figures)).await?;
        let published = machine.published();
        let founders = options.founders.clone();
        let peers =
            Peers::new(identity.clone(), append_timeout, news_sender, founders, Arc::clone(&published));
        let raft = openraft::Raft::new(options.node_id, config, peers.clone(), log, machine)
            .await
            .map_err(|error| ConsensusError::Raft(error.to_string()))?;

        let progress = Arc::new(CaughtUp::default());
        let (hint_sender, hint) = watch::channel(LeaderHint::default());
        let view = leader::View {
            id: options.node_id,
            raft: raft.clone(),
            published: Arc::clone(&published),
            founders: options.founders.clone(),
            figures: Arc::clone(&figures),
            progress: Arc::clone(&progress),
            // Twice the lease, so that a moment of starvation is no abdication.
            patience: 2 * options.timings.election_max,
        };
        tasks.spawn(TaskKind::Raft, "raft.leader", |stop| leader::follow(view, hint_sender, stop));
        let consensus = Self {
            inner: Arc::new(Inner {
                identity,
                raft,
                published,
                store,
                backend: opened.backend,
                peers,
                timings: options.timings,
                founders: options.founders,
                server_id: opened.server_id,
                has_founded: AtomicBool::new(false),
                has_history: opened.vote.is_some() || opened.last_log.is_some() || opened.purged.is_some(),
                hint,
                admitted: watch::Sender::new(false),
                recovered: watch::Sender::new(false),
                waiting: AtomicUsize::new(0),
                leader_heard: watch::Sender::new(None),
                figures,
                progress,
                changing_members: tokio::sync::Mutex::default(),
            }),
        };
        consensus.start_tasks(news, tasks);
        Ok(consensus)
    }

    fn start_tasks(&self, news: mpsc::Receiver<super::net::PeerNews>, tasks: &Tasks) {
        let this = self.clone();
        tasks.spawn(TaskKind::Raft, "raft.registrar", |stop| registrar::run(this, news, stop));
        let this = self.clone();
        tasks.spawn(TaskKind::Raft, "raft.failover", |stop| failover::run(this, stop));
        let this = self.clone();
        tasks.spawn(TaskKind::Background, "raft.recovery", |_| async move {
            this.inner.wait_for_recovery().await;
        });
        let this = self.clone();
        tasks.spawn(TaskKind::Raft, "raft.core", |stop| async move {
            match stop.or(this.core_stopped()).await {
                Some(stopped) => Err(stopped),
                None => {
                    this.shutdown().await;
                    Ok(())
                }
            }
        });
    }

    /// Resolves, with the reason, when the Raft core has stopped by itself. It does not come back: a database error is
    /// final, and a node that answers HTTP without Raft behind it looks alive and is not.
    async fn core_stopped(&self) -> CoreStopped {
        let mut server = self.inner.raft.server_metrics();
        // The channel ends with the core; it moves seldom, unlike the one that tells why the core ended.
        while server.changed().await.is_ok() {}
        match &self.inner.raft.metrics().borrow_watched().running_state {
            Ok(()) => CoreStopped("it ended without a reason".to_owned()),
            Err(error) => CoreStopped(error.to_string()),
        }
    }
}

/// The Raft core stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("the Raft core has stopped: {0}")]
struct CoreStopped(String);
