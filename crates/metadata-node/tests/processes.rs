//! One node's life as a process: stopping in order, being refused, and finding out that it leads no more.

mod support;

use std::time::{Duration, Instant};

use client::{CallError, api};
use common::NodeId;
use http_api::ErrorCode;
use support::{DEADLINE, Quorum, create_topic};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_terminated_hands_over_and_ends_cleanly() {
    let mut quorum = Quorum::start(3).await.with_broker().await;
    for round in 0..3 {
        let leader = quorum.leader().await;
        let status = quorum.terminate(leader.id.0).await;
        assert!(status.success(), "{status}: {}", quorum.logged(leader.id.0));
        assert!(quorum.logged(leader.id.0).contains("raft.handed_over"), "{}", quorum.logged(leader.id.0));
        create_topic(&quorum.client, &format!("after-{round}")).await.unwrap();
        quorum.start_node(leader.id.0).await;
        quorum.converged().await;
    }
}

/// Scenario 10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_disk_refuses_to_start_and_says_what_to_do() {
    let mut quorum = Quorum::start(3).await;
    let leader = quorum.leader().await;
    quorum.converged().await;
    let recorded = testkit::eventually("every database is recorded", DEADLINE, async || {
        let recorded = (1..=3).any(|id| quorum.logged(id).contains("raft.members_recorded"));
        if recorded { Ok(()) } else { Err("not yet") }
    });
    recorded.await;
    let wiped = (1..=3).find(|id| *id != leader.id.0).unwrap();
    quorum.kill(wiped).await;
    std::fs::remove_dir_all(quorum.database(wiped).parent().unwrap()).unwrap();
    quorum.start_node(wiped).await;
    let status = tokio::time::timeout(DEADLINE, quorum.process(wiped).exited()).await.unwrap().unwrap();
    let log = quorum.logged(wiped);
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("has lost its disk") && log.contains("POST /api/v1/raft/members"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_and_a_wrong_configuration_are_refused_by_name() {
    let quorum = Quorum::start(1).await;
    let second = std::process::Command::new(support::binary())
        .args(["--id", "1", "--services"])
        .arg(quorum.services())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(3), "{text}");
    assert!(text.contains("in use"), "{text}");
    let unknown = std::process::Command::new(support::binary())
        .args(["--id", "9", "--services"])
        .arg(quorum.services())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(2), "{text}");
    assert!(text.contains("describes no metadata node 9"), "{text}");
}

/// Scenario 5, the paused one: while it was stopped, another was elected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_paused_refuses_at_once() {
    let mut quorum = Quorum::start(3).await.with_broker().await;
    let old = quorum.leader().await;
    quorum.process(old.id.0).pause().unwrap();
    let others = quorum.observer.without(&[old.id]);
    let new = testkit::eventually("the others elect one of them", DEADLINE, async || {
        match others.agreed_leader(DEADLINE).await {
            Ok(new) if new.id != old.id => Ok(new),
            Ok(_) => Err("they still follow the paused one".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    create_topic(&quorum.client, "while-away").await.unwrap();
    quorum.process(old.id.0).resume().unwrap();
    // Whatever it is asked first, it does not act as the leader it was.
    let mut request = api::delete_topic("while-away");
    request.timeout = Some(DEADLINE);
    match quorum.observer.ask(old.id, &request).await {
        Err(CallError::NotController { .. }) => {}
        Err(CallError::Problem(problem)) if problem.code == ErrorCode::NotController => {}
        other => panic!("{other:?}"),
    }
    quorum.converged().await;
    assert!(quorum.leader().await.term >= new.term);
    quorum.observer.ask(NodeId(old.id.0), &api::topic("while-away")).await.unwrap();
}

/// A connection that breaks is no sign of death: the leader stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_paused_or_killed_does_not_disturb_the_leader() {
    let mut quorum = Quorum::start_patient(3).await.with_broker().await;
    let leader = quorum.leader().await;
    let follower = (1..=3).find(|id| *id != leader.id.0).unwrap();
    for round in 0..2 {
        quorum.process(follower).pause().unwrap();
        // Longer than any election timeout: while it sleeps, writes go on.
        let begun = Instant::now();
        let mut number = 0;
        while begun.elapsed() < Duration::from_millis(2200) {
            create_topic(&quorum.client, &format!("p-{round}-{number}")).await.unwrap();
            number += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        quorum.process(follower).resume().unwrap();
        quorum.converged().await;
        quorum.kill(follower).await;
        create_topic(&quorum.client, &format!("k-{round}")).await.unwrap();
        quorum.start_node(follower).await;
        quorum.converged().await;
    }
    let still = quorum.leader().await;
    assert_eq!((still.id, still.term), (leader.id, leader.term));
}
