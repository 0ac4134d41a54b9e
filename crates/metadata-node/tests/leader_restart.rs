//! The regression test of the most dangerous default of openraft 0.10.0-alpha.37: a leader that is restarted at once
//! must not lead on in its old term. Followers persist and commit entries that the leader has not flushed itself, so
//! after a crash it may lack its own tail, and would give the same log ids to other entries: logs diverge, and
//! acknowledged writes are gone. With the default, eight of eight such runs failed.

mod support;

use support::{Quorum, Workload};

/// Long enough for several kills in the midst of commits; `DMQ_LEADER_KILLS` makes it longer.
const KILLS: u32 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_killed_and_restarted_at_once_under_load_loses_nothing() {
    let kills = std::env::var("DMQ_LEADER_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(KILLS);
    let mut quorum = Quorum::start(3).await.with_broker().await;
    let workload = Workload::start(&quorum, 32);
    for _ in 0..kills {
        workload.progress(200).await;
        let leader = quorum.leader().await;
        quorum.kill(leader.id.0).await;
        quorum.start_node(leader.id.0).await;
        let next = quorum.leader().await;
        assert!(
            next.term > leader.term,
            "node {} leads on in term {} without an election",
            next.id,
            next.term
        );
    }
    workload.progress(100).await;
    workload.stop().await;
    quorum.check(&workload).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_quorum_killed_at_once_under_load_loses_nothing() {
    let mut quorum = Quorum::start(3).await.with_broker().await;
    let workload = Workload::start(&quorum, 32);
    for _ in 0..2 {
        workload.progress(200).await;
        for id in 1..=3 {
            quorum.kill(id).await;
        }
        for id in 1..=3 {
            quorum.start_node(id).await;
        }
    }
    workload.progress(100).await;
    workload.stop().await;
    quorum.check(&workload).await;
}
