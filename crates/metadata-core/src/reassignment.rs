//! Moving the replicas of a partition (KIP-455), as functions of the partition.
//!
//! While it moves, a partition has its settled replicas first, as they were, and then those that are being added: so the
//! preferred leader stays, and cancelling gives back exactly what was. It is complete at the moment in which all that are
//! being added are in sync, which the same decision finds out that lets the last of them into the ISR.

use common::{BrokerId, Partition, Reassignment};

use crate::election::{Rules, eligible, finish};

/// The partition on its way to `target`; `None` if that changes nothing.
///
/// A move that is under way is replaced: replicas that only that one was adding are dropped, even if they are in sync.
///
/// # Errors
/// If nobody who is in sync would be left.
pub(crate) fn start(
    partition: &Partition,
    rules: Rules,
    target: &[BrokerId],
) -> Result<Option<Partition>, NobodyInSync> {
    let settled = settled(partition);
    let beyond = |ids: &[BrokerId], others: &[BrokerId]| {
        ids.iter().copied().filter(|id| !others.contains(id)).collect::<Vec<_>>()
    };
    let (adding, removing) = (beyond(target, settled), beyond(settled, target));
    let replicas = [settled, &adding].concat();
    let moving = Reassignment { target: target.to_vec(), adding, removing };
    let moving = (target != settled).then(|| Box::new(moving));
    redirect(partition, rules, replicas, moving)
}

/// The partition with its settled replicas only; `None` if it is not moving.
///
/// # Errors
/// If nobody who is in sync would be left.
pub(crate) fn cancel(partition: &Partition, rules: Rules) -> Result<Option<Partition>, NobodyInSync> {
    if partition.reassignment.is_none() {
        return Ok(None);
    }
    redirect(partition, rules, settled(partition).to_vec(), None)
}

/// All of the ISR would be taken away by a change of the replicas, and acknowledged records with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NobodyInSync;

/// The replicas that are not only being added.
pub(crate) fn settled(partition: &Partition) -> &[BrokerId] {
    partition.replicas.get(..partition.settled_replicas()).unwrap_or_default()
}

fn redirect(
    partition: &Partition,
    rules: Rules,
    replicas: Vec<BrokerId>,
    reassignment: Option<Box<Reassignment>>,
) -> Result<Option<Partition>, NobodyInSync> {
    let isr: Vec<_> = replicas.iter().copied().filter(|id| partition.isr.contains(id)).collect();
    if isr.is_empty() && !partition.isr.is_empty() {
        return Err(NobodyInSync);
    }
    let mut after = Partition { replicas, reassignment, ..partition.clone() };
    after.eligible_leader_replicas = eligible(&after, rules, &isr);
    after.isr = isr;
    lead_from_isr(&mut after);
    Ok(finish(partition, rules, after))
}

/// Completes the move if all that are being added are in sync, and the ISR does not come below what acknowledged writes
/// need by losing those that go.
pub(crate) fn complete(partition: &mut Partition, rules: Rules) {
    let Some(moving) = partition.reassignment.as_deref() else { return };
    let in_sync = |id: &BrokerId| partition.isr.contains(id);
    let isr: Vec<_> = moving.target.iter().copied().filter(in_sync).collect();
    if isr.is_empty() || !moving.adding.iter().all(in_sync) {
        return;
    }
    let mut settled = Partition { replicas: moving.target.clone(), reassignment: None, ..partition.clone() };
    if isr.len() < settled.min_isr(rules.min_insync) && isr.len() < partition.isr.len() {
        return;
    }
    settled.eligible_leader_replicas = eligible(&settled, rules, &isr);
    settled.isr = isr;
    lead_from_isr(&mut settled);
    *partition = settled;
}

/// Gives a partition whose leader left the ISR with its replicas another one. While there is a leader, all of the ISR is
/// ONLINE.
fn lead_from_isr(partition: &mut Partition) {
    if partition.leader.is_some_and(|leader| !partition.isr.contains(&leader)) {
        partition.leader = partition.isr.first().copied();
    }
}
