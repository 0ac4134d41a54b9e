//! Drills on the quorum: most nodes are killed, and come back.

use std::time::{Duration, Instant};

use client::{HttpRequest, api};
use common::NodeId;
use http_api::paths;
use local_cluster::{Leadership, wait_for};

use crate::{
    drill::{
        stage::{DEADLINE, REFUSAL_DEADLINE, Stage},
        target::node_name,
    },
    exit::Failure,
};

/// A majority, without (`spare`) or with this node.
fn majority(stage: &Stage<'_>, leader: NodeId, spare: bool) -> Vec<NodeId> {
    let mut nodes: Vec<NodeId> = stage.observer.nodes().collect();
    let needed = nodes.len() / 2 + 1;
    nodes.sort_by_key(|node| (*node == leader) == spare);
    nodes.truncate(needed);
    nodes
}

async fn kill_all(stage: &mut Stage<'_>, nodes: &[NodeId]) -> Result<(), Failure> {
    for node in nodes {
        stage.target.kill(&node_name(*node)).await?;
    }
    Ok(())
}

async fn start_all(stage: &mut Stage<'_>, nodes: &[NodeId]) -> Result<Instant, Failure> {
    let begun = Instant::now();
    for node in nodes {
        stage.target.start(&node_name(*node)).await?;
    }
    Ok(begun)
}

/// A majority is killed and the leader is left alone: writes fail in bounded time and say why, reads go on.
pub(crate) async fn loss(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let leader = stage.leader().await?;
    let down = majority(stage, leader.id, true);
    kill_all(stage, &down).await?;
    survivor_behaves(stage, &leader).await?;
    let restored = start_all(stage, &down).await?;
    stage.outage("writes go on after the restart", restored, None).await?;
    stage.target.ready().await?;
    stage.leader().await.map(drop)
}

async fn survivor_behaves(stage: &mut Stage<'_>, leader: &Leadership) -> Result<(), Failure> {
    let begun = Instant::now();
    // The first may be taken on by a leader that does not know yet that it is alone; it must not be acknowledged.
    let first = stage.try_write(leader.id).await;
    stage.time("first write fails after", begun.elapsed());
    check_failure(stage, &first);
    let observer = stage.observer.without(&[]);
    let gives_up = wait_for("the leader that is left alone steps down", DEADLINE, async || {
        let status = observer.ask(leader.id, &api::raft_status()).await.map_err(|error| error.to_string())?;
        if status.is_leader { Err(format!("{status:?}")) } else { Ok(()) }
    });
    gives_up.await.map_err(Failure::failed)?;
    stage.time("leader steps down after", begun.elapsed());
    let begun = Instant::now();
    let second = stage.try_write(leader.id).await;
    stage.time("later writes fail after", begun.elapsed());
    check_failure(stage, &second);
    let read = observer.ask(leader.id, &api::topics()).await;
    stage.check("reads go on", read.is_ok(), || format!("{read:?}"));
    let url = format!("{}{}?consistency=linearizable", leader.url, paths::TOPICS);
    let current = observer.http().send(HttpRequest::get(url).timeout(REFUSAL_DEADLINE)).await;
    let refused = current.as_ref().is_ok_and(|reply| reply.status.as_u16() == 503);
    stage.check("linearizable reads are refused with 503", refused, || format!("{current:?}"));
    let ready = observer.http().send(HttpRequest::get(format!("{}{}", leader.url, paths::READYZ))).await;
    let honest = ready.as_ref().is_ok_and(|reply| reply.status.as_u16() == 503);
    stage.check("readyz says that it is not ready", honest, || format!("{ready:?}"));
    Ok(())
}

fn check_failure(stage: &mut Stage<'_>, answer: &Result<client::Reply, String>) {
    let clear = answer.as_ref().is_ok_and(|reply| {
        matches!(reply.status.as_u16(), 503 | 504) && reply.json::<http_api::Problem>().is_ok()
    });
    stage.check("writes without a quorum fail with 503 or 504 and a reason", clear, || format!("{answer:?}"));
}

/// A majority with the leader is killed, then started again.
pub(crate) async fn restore(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let leader = stage.leader().await?;
    let down = majority(stage, leader.id, false);
    kill_all(stage, &down).await?;
    let survivors: Vec<NodeId> = stage.observer.nodes().filter(|node| !down.contains(node)).collect();
    for node in survivors {
        let answer = stage.try_write(node).await;
        check_failure(stage, &answer);
    }
    let restored = start_all(stage, &down).await?;
    stage.outage("writes go on after the restart", restored, None).await?;
    let outage = stage.workload.history().longest_gap(restored).unwrap_or(Duration::ZERO);
    stage.check("writes go on within 5 s", outage < REFUSAL_DEADLINE, || format!("{outage:?}"));
    stage.target.ready().await?;
    stage.leader().await.map(drop)
}
