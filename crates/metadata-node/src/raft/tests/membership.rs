//! Adding, removing, handing over; and who must stay out.

use common::NodeId;
use uuid::Uuid;

use super::harness::{Quorum, fresh_addresses, within};
use crate::raft::{AdmissionError, MembershipError};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_added_and_its_predecessor_removed_for_ever() {
    let mut quorum = Quorum::started(3).await;
    let leader = quorum.leader().await;
    quorum.write_many(10).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{port}");
    quorum.start_at(4, &url).await;
    let status =
        within("the change", quorum.node(leader).add_member(NodeId(4), url.clone(), true)).await.unwrap();
    assert!(status.members.iter().any(|member| member.node_id == NodeId(4) && member.voter));
    quorum.write_many(10).await;
    quorum.converged().await;

    let gone = (1..=3).find(|id| *id != leader).unwrap();
    within("the change", quorum.node(leader).remove_member(NodeId(gone))).await.unwrap();
    quorum.stop(gone).await;
    quorum.write_many(10).await;
    quorum.converged().await;
    let again = quorum.node(leader).add_member(NodeId(gone), url, true).await;
    assert!(matches!(again, Err(MembershipError::IdUsed(id)) if id.0 == gone), "{again:?}");

    // Also with an empty database it is told so, and not let in.
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", quorum.database(gone).display());
        let _ = std::fs::remove_file(path);
    }
    quorum.start(gone).await;
    let node = quorum.nodes.get_mut(&gone).unwrap();
    let refused = within("a refusal", &mut node.admitted).await.unwrap();
    assert!(matches!(refused, Err(AdmissionError::Removed { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_waits_for_another_one_of_the_same_node() {
    let quorum = Quorum::started(3).await;
    let leader = quorum.leader().await;
    quorum.write_many(10).await;
    let node = quorum.node(leader);
    let gone = (1..=3).find(|id| *id != leader).unwrap();
    // As the registrar does while it notes down which databases the members have.
    let registrar = node.inner.changing_members.lock().await;
    let mut removal = std::pin::pin!(node.remove_member(NodeId(gone)));
    assert!(futures_util::poll!(&mut removal).is_pending());
    drop(registrar);
    within("the change", removal).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_removed_hands_over() {
    let mut quorum = Quorum::started(3).await;
    let leader = quorum.leader().await;
    within("the change", quorum.node(leader).remove_member(NodeId(leader))).await.unwrap();
    quorum.stop(leader).await;
    assert_ne!(quorum.leader().await, leader);
    quorum.write(Uuid::new_v4()).await.result.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over() {
    let quorum = Quorum::started(3).await;
    for _ in 0..5 {
        let leader = quorum.leader().await;
        quorum.write_many(20).await;
        let hint = within("the transfer", quorum.node(leader).transfer_leader(None)).await.unwrap();
        assert!(!hint.is(NodeId(leader)));
        quorum.write(Uuid::new_v4()).await.result.unwrap();
    }
    let leader = quorum.leader().await;
    let unknown = quorum.node(leader).transfer_leader(Some(NodeId(9))).await;
    assert!(matches!(unknown, Err(MembershipError::UnknownMember(NodeId(9)))));
    let other = (1..=3).find(|id| *id != leader).unwrap();
    let refused = quorum.node(other).transfer_leader(None).await;
    assert!(matches!(refused, Err(MembershipError::NotController(_))));
}

/// Scenario 10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_disk_is_refused() {
    let mut quorum = Quorum::started(3).await;
    quorum.write_many(10).await;
    let leader = quorum.leader().await;
    let recorded = |quorum: &Quorum| {
        let all = |id| {
            quorum.node(id).inner.published.read(|applied| {
                applied.membership.nodes().count() == 3
                    && applied.membership.nodes().all(|(_, member)| member.storage_id.is_some())
            })
        };
        (1..=3).all(all).then_some(())
    };
    quorum.eventually("all databases recorded", || recorded(&quorum)).await;
    let wiped = (1..=3).find(|id| *id != leader).unwrap();
    quorum.stop(wiped).await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", quorum.database(wiped).display()));
    }
    quorum.start(wiped).await;
    let node = quorum.nodes.get_mut(&wiped).unwrap();
    let refused = within("a refusal", &mut node.admitted).await.unwrap();
    assert!(matches!(refused, Err(AdmissionError::LostDisk { .. })), "{refused:?}");
    assert_eq!(quorum.node(wiped).status().last_log_index, 0, "it acknowledged nothing");
    quorum.stop(wiped).await;
    quorum.write(Uuid::new_v4()).await.result.unwrap();
}

/// Other ports, the same databases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_that_moved_finds_itself_again() {
    let mut quorum = Quorum::started(3).await;
    quorum.write_many(10).await;
    quorum.converged().await;
    for id in 1..=3 {
        quorum.stop(id).await;
    }
    quorum.founders = fresh_addresses(3).await;
    for id in 1..=3 {
        quorum.start(id).await;
    }
    let leader = quorum.leader().await;
    quorum.write(Uuid::new_v4()).await.result.unwrap();
    let recorded = || {
        let members = quorum.node(leader).status().members;
        members.iter().all(|member| quorum.founders[&member.node_id] == member.url).then_some(())
    };
    quorum.eventually("the new addresses recorded", recorded).await;
    quorum.converged().await;
}
