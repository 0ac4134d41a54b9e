//! Following who leads.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{NodeId, Term};
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use runtime::Stop;
use tokio::sync::watch;

use super::figures::RaftFigures;
use super::machine::{Machine, Published};
use super::types::TypeConfig;
use super::{LeaderAddress, LeaderHint};

/// What hints are made of.
pub(super) struct View {
    /// This node.
    pub(super) id: NodeId,
    pub(super) raft: openraft::Raft<TypeConfig, Machine>,
    pub(super) published: Arc<Published>,
    /// Where `services.json` says that nodes are; it wins over the membership.
    pub(super) founders: BTreeMap<NodeId, String>,
    pub(super) figures: Arc<RaftFigures>,
}

/// Turns openraft's view into hints, until it is time to stop.
pub(super) async fn follow(view: View, hints: watch::Sender<LeaderHint>, stop: Stop) {
    let View { id, raft, published, founders, figures } = view;
    let mut server = raft.server_metrics();
    let mut applied_term = published.watch_term();
    loop {
        let hint = {
            let applied_term = *applied_term.borrow_and_update();
            let metrics = server.borrow_and_update();
            let term = metrics.vote.leader_id.term;
            let leads = metrics.state == ServerState::Leader;
            // Established once an entry of its own term is applied: then everything acknowledged before is, too.
            let is_self = leads && applied_term == term;
            let leader = metrics.current_leader.filter(|leader| *leader != id || is_self);
            let address = leader.and_then(|leader| {
                let recorded = || Some(&metrics.membership_config.membership().get_node(&leader)?.url);
                let url = founders.get(&leader).or_else(recorded)?;
                Some(LeaderAddress { id: leader, url: url.as_str().into() })
            });
            LeaderHint { leader: address, term: Term(term), is_self }
        };
        let changed = hints.send_if_modified(|known| {
            let changed = *known != hint;
            if changed {
                *known = hint.clone();
            }
            changed
        });
        if changed && let Some(leader) = &hint.leader {
            figures.add_leader_changes(1);
            tracing::info!(
                event = "raft.leader",
                leader = %leader.id,
                term = %hint.term,
                is_self = hint.is_self,
                "the quorum has a leader"
            );
        }
        let alive = tokio::select! {
            changed = server.changed() => changed.is_ok(),
            changed = applied_term.changed() => changed.is_ok(),
            () = stop.requested() => return,
        };
        if !alive {
            // The core has ended: nobody leads here, and the task that watches the core says why.
            hints.send_modify(|hint| {
                hint.leader = None;
                hint.is_self = false;
            });
            return stop.requested().await;
        }
    }
}
