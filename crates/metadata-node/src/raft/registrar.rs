//! The leader records which database each member keeps its log in (see [`super::admission`]), and where `services.json`
//! says that it is now.

use std::collections::BTreeMap;
use std::time::Duration;

use common::NodeId;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::{ChangeMembers, Precondition};
use runtime::Stop;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::consensus::Consensus;
use super::net::PeerNews;
use super::types::Member;

/// News of several members that come together are recorded by one entry.
const SETTLE: Duration = Duration::from_millis(30);

/// Listens to what peers say of themselves, until it is time to stop.
pub(super) async fn run(consensus: Consensus, mut news: mpsc::Receiver<PeerNews>, stop: Stop) {
    let mut heard: BTreeMap<NodeId, Uuid> = BTreeMap::new();
    heard.insert(consensus.node_id(), consensus.storage_id());
    let mut hints = consensus.watch_leader();
    loop {
        let next = async {
            tokio::select! {
                Some(PeerNews { id, storage_id }) = news.recv() => Some((id, storage_id)),
                _ = hints.changed() => None,
            }
        };
        let Some(next) = stop.or(next).await else { return };
        heard.extend(next);
        if unrecorded(&consensus, &heard).is_empty() {
            continue;
        }
        if stop.or(tokio::time::sleep(SETTLE)).await.is_none() {
            return;
        }
        while let Ok(PeerNews { id, storage_id }) = news.try_recv() {
            heard.insert(id, storage_id);
        }
        let _one_by_one = consensus.inner.changing_members.lock().await;
        // A member that was removed meanwhile must not come back with this.
        let based_on = *consensus.inner.raft.server_metrics().borrow_watched().membership_config.log_id();
        let members = unrecorded(&consensus, &heard);
        if members.is_empty() {
            continue;
        }
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: based_on };
        let ids: Vec<u64> = members.keys().map(|id| id.0).collect();
        // If it fails (leadership is gone, another change is under way), the next RPC brings the news again.
        let change = ChangeMembers::SetNodes(members);
        match consensus.inner.raft.change_membership_if(change, true, [unchanged]).await {
            Ok(_) => {
                tracing::info!(event = "raft.members_recorded", nodes = ?ids, "recorded members' databases and addresses")
            }
            Err(error) => tracing::debug!(event = "raft.members_not_recorded", nodes = ?ids, %error),
        }
    }
}

/// If this node leads: the members of whom more is known than the membership records.
fn unrecorded(consensus: &Consensus, heard: &BTreeMap<NodeId, Uuid>) -> BTreeMap<NodeId, Member> {
    if !consensus.leader().is_self {
        return BTreeMap::new();
    }
    let metrics = consensus.inner.raft.server_metrics();
    let metrics = metrics.borrow_watched();
    let members = metrics.membership_config.membership().nodes();
    members
        .filter_map(|(id, recorded)| {
            let url = consensus.inner.founders.get(id).unwrap_or(&recorded.url).clone();
            let storage_id = recorded.storage_id.or_else(|| heard.get(id).copied());
            let known = Member { url, storage_id };
            (known != *recorded).then_some((*id, known))
        })
        .collect()
}
