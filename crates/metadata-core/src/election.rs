//! Who leads a partition and who is in its ISR, as functions of the partition and of who is ONLINE.
//!
//! Only members of the ISR are elected: they hold every acknowledged record (no unclean election). The last
//! members stay in the ISR when they go, so that it is known who may lead again.

use common::{BrokerId, Partition};

/// The partition once it takes account of who is ONLINE; `None` if nothing changes.
///
/// - The ISR loses the members that are not ONLINE, unless none would remain; then it stays as it is.
/// - The leader stays if it is ONLINE and in the ISR. Else the first ISR member in the order of `replicas` leads that
///   is ONLINE, or nobody.
///
/// A broker that is fenced, drained, registered anew or heard of again is all the same to this rule.
pub(crate) fn settle(partition: &Partition, is_online: impl Fn(BrokerId) -> bool) -> Option<Partition> {
    let all_online = partition.isr.iter().all(|member| is_online(*member));
    if all_online && partition.leader.is_some_and(|leader| partition.isr.contains(&leader)) {
        return None;
    }
    let online: Vec<_> = partition.isr.iter().copied().filter(|member| is_online(*member)).collect();
    let isr = if online.is_empty() { partition.isr.clone() } else { online };
    let stays = partition.leader.filter(|leader| is_online(*leader) && isr.contains(leader));
    let leader = stays.or_else(|| {
        partition.replicas.iter().copied().find(|replica| is_online(*replica) && isr.contains(replica))
    });
    change(partition, leader, isr)
}

/// The partition led by its preferred leader; `None` if it is so already, or that one is not in sync and ONLINE.
pub(crate) fn prefer(partition: &Partition, is_online: impl Fn(BrokerId) -> bool) -> Option<Partition> {
    let preferred = *partition.replicas.first()?;
    let eligible = partition.isr.contains(&preferred) && is_online(preferred);
    if eligible { change(partition, Some(preferred), partition.isr.clone()) } else { None }
}

/// The partition with another leader and ISR, and the epochs that belong to the change; `None` if there is none.
pub(crate) fn change(
    partition: &Partition,
    leader: Option<BrokerId>,
    isr: Vec<BrokerId>,
) -> Option<Partition> {
    if leader == partition.leader && isr == partition.isr {
        return None;
    }
    let leader_epoch =
        if leader == partition.leader { partition.leader_epoch } else { partition.leader_epoch.next() };
    Some(Partition {
        id: partition.id,
        leader,
        leader_epoch,
        partition_epoch: partition.partition_epoch.next(),
        replicas: partition.replicas.clone(),
        isr,
    })
}
