//! Following who leads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use common::{NodeId, Term};
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::{Instant as _, ServerState};
use runtime::{Stop, clock};
use tokio::sync::watch;

use super::figures::RaftFigures;
use super::machine::{Machine, Published};
use super::progress::{CaughtUp, Seen};
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
    pub(super) progress: Arc<CaughtUp>,
    /// A leader that has heard of no majority for so long counts as none.
    pub(super) patience: Duration,
}

/// Turns openraft's view into hints, until it is time to stop.
pub(super) async fn follow(view: View, hints: watch::Sender<LeaderHint>, stop: Stop) {
    let View { id, raft, published, founders, figures, progress, patience } = view;
    let mut server = raft.server_metrics();
    let mut applied_term = published.watch_term();
    loop {
        let silence = silence_of_quorum(&raft);
        let (hint, leads) = {
            let applied_term = *applied_term.borrow_and_update();
            let metrics = server.borrow_and_update();
            let term = metrics.vote.leader_id.term;
            let leads = metrics.state == ServerState::Leader;
            // Established once an entry of its own term is applied: then everything acknowledged before is, too.
            let is_self = leads && applied_term == term && silence <= patience;
            let leader = metrics.current_leader.filter(|leader| *leader != id || is_self);
            let address = leader.and_then(|leader| {
                let recorded = || Some(&metrics.membership_config.membership().get_node(&leader)?.url);
                let url = founders.get(&leader).or_else(recorded)?;
                Some(LeaderAddress { id: leader, url: url.as_str().into() })
            });
            (LeaderHint { leader: address, term: Term(term), is_self }, leads)
        };
        let changed = hints.send_if_modified(|known| {
            let changed = *known != hint;
            if changed {
                *known = hint.clone();
            }
            changed
        });
        if leads {
            look(&raft, &progress);
        } else {
            progress.forget();
        }
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
            () = tokio::time::sleep(patience / 4), if leads => true,
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

/// How far each member is that answered this leader, and when each last held everything, in Unix milliseconds.
pub(super) fn look(
    raft: &openraft::Raft<TypeConfig, Machine>,
    progress: &CaughtUp,
) -> BTreeMap<NodeId, (Seen, Option<u64>)> {
    let now_ms = clock::unix_ms();
    let data = raft.data_metrics();
    let data = data.borrow_watched();
    let last_index = data.last_log.as_ref().map_or(0, |last| last.index);
    let matched = |id: &NodeId| {
        let matched = data.replication.as_ref().and_then(|replication| replication.get(id));
        matched.and_then(Option::as_ref).map_or(0, |matched| matched.index)
    };
    let answered = data.heartbeat.iter().flatten().filter_map(|(id, at)| Some((id, at.as_ref()?)));
    let seen: BTreeMap<NodeId, Seen> = answered
        .map(|(id, at)| {
            let answered_ms = now_ms.saturating_sub(clock::as_ms(at.elapsed()));
            (*id, Seen { matched: matched(id), answered_ms })
        })
        .collect();
    let caught_up = progress.look(now_ms, last_index, &seen);
    seen.into_iter().map(|(id, seen)| (id, (seen, caught_up.get(&id).copied()))).collect()
}

/// Check Quorum (Raft thesis, 6.2): for how long this leader has heard of no majority. openraft lets it keep its role,
/// but it must not act in it: it cannot take heartbeats, and would judge brokers by its own deafness. Nothing for the
/// only voter, which is its own majority.
pub(super) fn silence_of_quorum(raft: &openraft::Raft<TypeConfig, Machine>) -> Duration {
    let is_only_voter =
        raft.server_metrics().borrow_watched().membership_config.membership().voter_ids().nth(1).is_none();
    let acked = raft.data_metrics().borrow_watched().last_quorum_acked;
    match acked {
        Some(at) if !is_only_voter => at.elapsed(),
        _ => Duration::ZERO,
    }
}
