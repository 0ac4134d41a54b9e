//! Drills on the controller: the leader of the quorum is killed, paused, stopped, restarted at once, or cut off.

use std::time::Instant;

use common::NodeId;
use local_cluster::{Leadership, wait_for};

use crate::{
    drill::{
        stage::{DEADLINE, Stage},
        target::node_name,
    },
    exit::Failure,
};

const SUCCESSOR: &str = "another node leads, in a higher term";

fn check_successor(stage: &mut Stage<'_>, old: &Leadership, new: &Leadership) {
    stage.check(SUCCESSOR, new.id != old.id && new.term > old.term, || format!("{old:?}, then {new:?}"));
}

/// Starts the former controller again and waits until it follows.
async fn bring_back(stage: &mut Stage<'_>, node: NodeId) -> Result<(), Failure> {
    stage.target.start(&node_name(node)).await?;
    stage.target.ready().await?;
    stage.leader().await.map(drop)
}

/// SIGKILL.
pub(crate) async fn kill(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let old = stage.leader().await?;
    let fault = Instant::now();
    stage.target.kill(&node_name(old.id)).await?;
    stage.outage("outage", fault, Some(&old)).await?;
    let new = stage.leader_without(&[old.id]).await?;
    check_successor(stage, &old, &new);
    bring_back(stage, old.id).await
}

/// SIGTERM: it hands leadership over and ends in good order.
pub(crate) async fn stop(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let old = stage.leader().await?;
    let fault = Instant::now();
    let ended = stage.target.terminate(&node_name(old.id)).await?;
    stage.time("controller ends after", fault.elapsed());
    stage.outage("outage", fault, Some(&old)).await?;
    if let Some(how) = ended {
        stage.check("it ends with exit code 0", how == "exit code 0", || how);
    }
    let new = stage.leader_without(&[old.id]).await?;
    check_successor(stage, &old, &new);
    bring_back(stage, old.id).await
}

/// SIGSTOP, and SIGCONT once another node leads: the former controller does not know yet that it was deposed.
pub(crate) async fn pause(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let old = stage.leader().await?;
    let fault = Instant::now();
    stage.target.pause(&node_name(old.id))?;
    stage.outage("outage", fault, Some(&old)).await?;
    let new = stage.leader_without(&[old.id]).await?;
    check_successor(stage, &old, &new);
    stage.target.resume(&node_name(old.id))?;
    stage.must_refuse(old.id, &new).await?;
    stage.leader().await.map(drop)
}

/// SIGKILL, and started again at once, under load: it must not lead again without an election, because followers may
/// have committed entries that it had not yet flushed itself.
pub(crate) async fn restart(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let old = stage.leader().await?;
    let fault = Instant::now();
    stage.target.kill(&node_name(old.id)).await?;
    stage.target.start(&node_name(old.id)).await?;
    stage.outage("outage", fault, None).await?;
    stage.target.ready().await?;
    let new = stage.leader().await?;
    stage.check("a new term begins", new.term > old.term, || format!("{old:?}, then {new:?}"));
    // It may have been elected again; that is an election like any other.
    if new.id != old.id {
        stage.must_refuse(old.id, &new).await?;
    }
    Ok(())
}

/// Cut off from the other nodes, while clients and brokers still reach it.
pub(crate) async fn partition(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let old = stage.leader().await?;
    let fault = Instant::now();
    stage.target.isolate(old.id)?;
    // The one write that reaches it now must not be acknowledged, however long it takes.
    let refused = stage.try_write(old.id).await;
    let accepted = refused.as_ref().is_ok_and(|reply| reply.status.is_success());
    stage.check("the controller that is cut off acknowledges nothing", !accepted, || format!("{refused:?}"));
    stage.check("it says so in bounded time", refused.is_ok(), || format!("{refused:?}"));
    stage.time("it refuses after", fault.elapsed());
    stage.outage("outage", fault, Some(&old)).await?;
    let new = stage.leader_without(&[old.id]).await?;
    check_successor(stage, &old, &new);
    let observer = stage.observer.clone();
    let steps_down = wait_for("the controller that is cut off steps down", DEADLINE, async || {
        let status =
            observer.ask(old.id, &client::api::raft_status()).await.map_err(|error| error.to_string())?;
        if status.is_leader { Err(format!("{status:?}")) } else { Ok(()) }
    });
    steps_down.await.map_err(Failure::failed)?;
    stage.time("it steps down after", fault.elapsed());
    stage.target.heal();
    let healed = Instant::now();
    let now = stage.leader().await?;
    stage.time("all agree after healing", healed.elapsed());
    stage
        .check("it does not depose its successor", now.term == new.term, || format!("{new:?}, then {now:?}"));
    stage.must_refuse(old.id, &now).await
}
