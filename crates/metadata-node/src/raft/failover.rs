//! Electing at once when the leader's process is gone.
//!
//! A follower normally waits for the leader's lease and then for an election timeout: half a second. But when a
//! process dies, its system closes its connections within milliseconds. So each follower holds a connection to the
//! leader that only breaks when the leader does ([`client::PeerWatch`]), and when it breaks and the leader's port
//! refuses connections, or another process answers there, the follower stops waiting: it disregards the lease of that
//! leader and asks for a pre-vote.
//!
//! Why this is safe: nothing here touches a safety rule. What is given up is the *wait*. Votes, terms and logs are
//! compared as always, so at most one leader is elected per term, with every committed entry. The lease has one
//! purpose here, to keep a working leader from being disturbed; no read relies on it (they use ReadIndex), and a
//! deposed leader's writes fail for lack of a quorum whatever it believes. Were the sign wrong (the leader lives), the
//! worst is one needless election, and that only if a majority saw the same wrong sign: the pre-vote needs a
//! majority that has also given the leader up or not heard of it for its lease. A connection that merely broke, a
//! paused process, a cut cable: the leader's port then does not refuse, and nothing is done.

use std::time::Duration;

use client::{PeerLost, PeerWatch, PeerWatchOptions};
use common::NodeId;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::raft::TransferLeaderRequest;
use runtime::Stop;

use super::consensus::Consensus;
use super::types::TypeConfig;
use super::{LeaderAddress, LeaderHint};

/// Followers try one after another in the order of their ids, so that they do not split the vote. Long enough for a
/// pre-vote, a vote and its commit to disk on a busy machine; the first one does not wait.
const STAGGER: Duration = Duration::from_millis(60);
/// Between two tries: the others may notice a little later.
const RETRY: Duration = Duration::from_millis(20);
/// How often; after that the ordinary timeouts take over.
const TRIES: u32 = 12;
/// Pause before a leader that could not be watched is watched again.
const REWATCH: Duration = Duration::from_millis(500);
/// The same for one that said that it leaves: it is gone soon.
const REWATCH_LEAVING: Duration = Duration::from_millis(5);

/// Watches whoever leads, until it is time to stop.
pub(super) async fn run(consensus: Consensus, stop: Stop) {
    let watch = PeerWatch::new(PeerWatchOptions::default());
    let mut hints = consensus.watch_leader();
    let id = consensus.node_id();
    loop {
        let hint = hints.borrow_and_update().clone();
        let leader = hint.leader.clone().filter(|leader| leader.id != id);
        let watched = async {
            match &leader {
                None => std::future::pending().await,
                Some(leader) => watch.lost(&leader.url, None).await,
            }
        };
        let lost = tokio::select! {
            lost = watched => lost,
            changed = hints.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = stop.requested() => return,
        };
        let Some(leader) = leader else { continue };
        let pause = match lost {
            lost if lost.process_is_gone() => {
                let early = elect_early(&consensus, &hint, &leader, &lost);
                if stop.or(early).await.is_none() {
                    return;
                }
                REWATCH
            }
            PeerLost::Left { .. } => REWATCH_LEAVING,
            lost => {
                tracing::debug!(event = "raft.leader_unwatched", leader = %leader.id, %lost);
                REWATCH
            }
        };
        tokio::select! {
            changed = hints.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => hints.mark_unchanged(),
            () = stop.requested() => return,
        }
    }
}

/// Disregards the lease of a leader that is gone, and asks for pre-votes until there is a new one.
async fn elect_early(consensus: &Consensus, hint: &LeaderHint, leader: &LeaderAddress, lost: &PeerLost) {
    let raft = &consensus.inner.raft;
    let mut hints = consensus.watch_leader();
    let (vote, rank) = {
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let voters: Vec<NodeId> = membership.voter_ids().filter(|voter| *voter != leader.id).collect();
        let rank = voters.iter().position(|voter| *voter == consensus.node_id());
        (metrics.vote, rank)
    };
    if !vote.committed || vote.leader_id.voted_for != leader.id || vote.leader_id.term != hint.term.0 {
        return;
    }
    // Addressed to the leader that is gone, so that here it only ends the lease.
    let give_up = TransferLeaderRequest::<TypeConfig>::new(vote, leader.id, None);
    if raft.handle_transfer_leader(give_up).await.is_err() {
        return;
    }
    let Some(rank) = rank else { return };
    tracing::info!(event = "raft.early_election", leader = %leader.id, %lost, "the leader is gone: electing at once");
    consensus.inner.figures.add_early_elections(1);
    let elected =
        |now: &LeaderHint| now.leader.is_some() && (now.term, &now.leader) != (hint.term, &hint.leader);
    let turn = STAGGER * u32::try_from(rank).unwrap_or(u32::MAX).min(8);
    let (mut term, mut pause) = (hint.term, turn);
    for _ in 0..TRIES {
        if tokio::time::timeout(pause, hints.wait_for(elected)).await.is_ok() {
            return;
        }
        let now = hints.borrow().term;
        if now == term {
            if raft.trigger().elect(true).await.is_err() {
                return;
            }
            pause = RETRY;
        } else {
            // An election is under way, of this node or of another. It gets its time; should the votes be split, the
            // ranks keep the next ones apart.
            term = now;
            pause = STAGGER + turn;
        }
    }
}
