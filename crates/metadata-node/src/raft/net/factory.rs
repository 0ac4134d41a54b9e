//! Connections to peers: kept between uses, because every election asks for new clients and must not pay for
//! connecting.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use common::NodeId;
use openraft::RaftNetworkFactory;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::connection::CallError;
use super::{Connection, PeerClient};
use crate::raft::identity::Identity;
use crate::raft::machine::Published;
use crate::raft::types::{Member, TypeConfig};

/// Idle connections kept per peer: replication, heartbeats, votes.
const IDLE_MAX: usize = 3;

/// A peer told its storage id, and the membership does not record one yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerNews {
    pub(crate) id: NodeId,
    pub(crate) storage_id: Uuid,
}

/// Makes clients of peers. Cheap to clone; clones share the idle connections.
#[derive(Clone)]
pub(crate) struct Peers {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) identity: Identity,
    /// How long an AppendEntries may take before the connection is given up.
    pub(super) append_timeout: Duration,
    pub(super) news: mpsc::Sender<PeerNews>,
    /// Where `services.json` says that nodes are. It wins over the membership, which may hold an address from before
    /// a move: an address is no identity, every request and every answer carries those.
    founders: BTreeMap<NodeId, String>,
    /// Where it is looked up which database a member is known by.
    pub(super) published: Arc<Published>,
    idle: Mutex<HashMap<String, Vec<Connection>>>,
    /// Peers that could not be reached the last time.
    lost: Mutex<BTreeSet<NodeId>>,
}

impl Peers {
    pub(crate) fn new(
        identity: Identity,
        append_timeout: Duration,
        news: mpsc::Sender<PeerNews>,
        founders: BTreeMap<NodeId, String>,
        published: Arc<Published>,
    ) -> Self {
        let (idle, lost) = Default::default();
        let shared = Shared { identity, append_timeout, news, founders, published, idle, lost };
        Self { shared: Arc::new(shared) }
    }

    /// A client of one peer.
    pub(crate) fn client(&self, id: NodeId, mut member: Member) -> PeerClient {
        if let Some(url) = self.shared.founders.get(&id) {
            member.url.clone_from(url);
        }
        PeerClient::new(Arc::clone(&self.shared), id, member)
    }
}

impl Shared {
    /// Which database `id` is known by, once the leader has recorded it.
    pub(super) fn recorded(&self, id: NodeId) -> Option<Uuid> {
        self.published.read(|applied| applied.membership.get_node(&id)?.storage_id)
    }

    /// Logs when a peer is lost and when it is back, once each: openraft would repeat it with every heartbeat.
    pub(super) fn note_reached(&self, id: NodeId, outcome: Result<(), &CallError>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) if lost.is_empty() => {}
            Ok(()) => {
                if lost.remove(&id) {
                    tracing::info!(event = "raft.peer_back", node = %id, "peer answers again");
                }
            }
            Err(error) => {
                if lost.insert(id) {
                    tracing::warn!(event = "raft.peer_lost", node = %id, %error, "peer does not answer");
                }
            }
        }
    }

    pub(super) fn take_idle(&self, url: &str) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(url)?.pop()
    }

    pub(super) fn give_back(&self, url: &str, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = match idle.get_mut(url) {
            Some(kept) => kept,
            None => idle.entry(url.to_owned()).or_default(),
        };
        if kept.len() < IDLE_MAX {
            kept.push(connection);
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = PeerClient;

    // Heartbeats and snapshots get clients, and so connections, of their own by openraft's defaults: neither waits
    // behind a large AppendEntries.
    async fn new_client(&mut self, target: NodeId, node: &Member) -> PeerClient {
        self.client(target, node.clone())
    }
}
