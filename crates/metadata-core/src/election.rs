//! Who leads a partition and who is in its ISR, as functions of the partition, of its topic's settings and of who is
//! ONLINE.
//!
//! Only those are elected who have every acknowledged record: members of the ISR, and replicas that left it when it was
//! too small for the high watermark to move (KIP-966). The last members stay in the ISR when they go, so that it is known
//! who may lead again. Anybody else is elected only if the topic's settings or an operator say so: uncleanly.

use std::collections::BTreeMap;

use common::{
    BrokerId, Partition, Topic,
    topic_config::{MinInsyncReplicas, unclean_leader_election_enable},
};

use crate::{State, reassignment, state::Brokers};

/// What the settings of a topic say about who may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) min_insync: MinInsyncReplicas,
    /// Whether one who may lack acknowledged records leads when nobody else can.
    pub(crate) unclean: bool,
}

/// The brokers as an election finds them.
#[derive(Clone, Copy)]
pub(crate) struct Candidates<'a> {
    pub(crate) brokers: &'a Brokers,
    /// Who is ONLINE then; not always who is now.
    pub(crate) is_online: &'a dyn Fn(BrokerId) -> bool,
}

impl Rules {
    /// Those of a topic.
    pub(crate) fn of(state: &State, topic: &Topic) -> Self {
        Self::new(&topic.configs, state.broker_configs.of_all())
    }

    /// Those of a topic with these settings, while these are set for all brokers.
    pub(crate) fn new(topic: &BTreeMap<String, String>, of_all: &BTreeMap<String, String>) -> Self {
        // The two have the same names as settings of topics and as their defaults.
        let in_force = |name| if topic.contains_key(name) { topic } else { of_all };
        Self {
            min_insync: MinInsyncReplicas::of(in_force("min.insync.replicas")),
            unclean: unclean_leader_election_enable(in_force("unclean.leader.election.enable")),
        }
    }

    /// The same, for a moment in which nobody is to be elected uncleanly.
    pub(crate) fn clean(self) -> Self {
        Self { unclean: false, ..self }
    }
}

/// The partition once it takes account of who is ONLINE; `None` if nothing changes.
///
/// - The ISR loses the members that are not ONLINE, unless none would remain. Then the first eligible replica that is
///   ONLINE becomes the ISR; if there is none, the ISR stays as it is, unless the topic allows unclean elections.
/// - The leader stays if it is ONLINE and in the ISR. Else the first ISR member in the order of `replicas` leads that
///   is ONLINE, or nobody.
///
/// A broker that is fenced, drained, registered anew or heard of again is all the same to this rule.
pub(crate) fn settle(partition: &Partition, rules: Rules, of: Candidates<'_>) -> Option<Partition> {
    let Candidates { is_online, .. } = of;
    let all_online = partition.isr.iter().all(|member| is_online(*member));
    if all_online && partition.leader.is_some_and(|leader| partition.isr.contains(&leader)) {
        return None;
    }
    let online = |ids: &[BrokerId]| ids.iter().copied().filter(|id| is_online(*id)).collect::<Vec<_>>();
    let mut isr = online(&partition.isr);
    if isr.is_empty() {
        isr = online(&partition.eligible_leader_replicas);
        isr.truncate(1);
    }
    if isr.is_empty() {
        if rules.unclean
            && let Some(elected) = elect_uncleanly(partition, rules, of)
        {
            return Some(elected);
        }
        isr.clone_from(&partition.isr);
    }
    let stays = partition.leader.filter(|leader| is_online(*leader) && isr.contains(leader));
    // In the order of `replicas`, as the ISR is.
    let leader = stays.or_else(|| isr.iter().copied().find(|member| is_online(*member)));
    change(partition, rules, leader, isr)
}

/// The partition led by its preferred leader; `None` if it is so already, or that one is not in sync and ONLINE.
pub(crate) fn prefer(partition: &Partition, rules: Rules, of: Candidates<'_>) -> Option<Partition> {
    let preferred = *partition.replicas.first()?;
    let eligible = partition.isr.contains(&preferred) && (of.is_online)(preferred);
    if eligible { change(partition, rules, Some(preferred), partition.isr.clone()) } else { None }
}

/// The partition led by one of its replicas that is ONLINE, whatever that one lacks; `None` if none of them is. Those who lost a disk come last, those who lost it longest ago first; else the order is that of `replicas`.
/// A replica that is only being added does not count.
pub(crate) fn elect_uncleanly(partition: &Partition, rules: Rules, of: Candidates<'_>) -> Option<Partition> {
    let settled = partition.replicas.iter().copied().take(partition.settled_replicas());
    let disk_lost_at = |id: &BrokerId| of.brokers.get(*id).and_then(|broker| broker.disk_lost_at);
    let leader = settled.filter(|id| (of.is_online)(*id)).min_by_key(disk_lost_at)?;
    // What the others have is no measure any more.
    let after = Partition {
        leader: Some(leader),
        isr: vec![leader],
        eligible_leader_replicas: Vec::new(),
        ..partition.clone()
    };
    finish(partition, rules, after)
}

/// The partition once `broker` has come without the disk that it had: it is in no ISR, not even as the last one, and is
/// not eligible. `None` if it was neither before.
pub(crate) fn lose(partition: &Partition, rules: Rules, broker: BrokerId) -> Option<Partition> {
    let mut without = partition.clone();
    without.isr.retain(|member| *member != broker);
    without.eligible_leader_replicas.retain(|replica| *replica != broker);
    without.leader = partition.leader.filter(|leader| *leader != broker);
    let isr = without.isr.clone();
    without.eligible_leader_replicas = eligible(&without, rules, &isr);
    finish(partition, rules, without)
}

/// The partition with another leader and ISR, and what follows from that; `None` if nothing changes.
pub(crate) fn change(
    partition: &Partition,
    rules: Rules,
    leader: Option<BrokerId>,
    isr: Vec<BrokerId>,
) -> Option<Partition> {
    let eligible_leader_replicas = eligible(partition, rules, &isr);
    finish(partition, rules, Partition { leader, isr, eligible_leader_replicas, ..partition.clone() })
}

/// Who is eligible once `isr` is the partition's ISR: all who are in the ISR or eligible now, as long as the high
/// watermark cannot move.
pub(crate) fn eligible(partition: &Partition, rules: Rules, isr: &[BrokerId]) -> Vec<BrokerId> {
    if isr.len() >= partition.min_isr(rules.min_insync) {
        return Vec::new();
    }
    let has_all =
        |id: &BrokerId| partition.isr.contains(id) || partition.eligible_leader_replicas.contains(id);
    partition.replicas.iter().copied().filter(|id| !isr.contains(id) && has_all(id)).collect()
}

/// Completes a reassignment if it can be, and sets the epochs that belong to the change; `None` if there is none.
pub(crate) fn finish(before: &Partition, rules: Rules, mut after: Partition) -> Option<Partition> {
    reassignment::complete(&mut after, rules);
    if after == *before {
        return None;
    }
    if after.leader != before.leader {
        after.leader_epoch = before.leader_epoch.next();
    }
    after.partition_epoch = before.partition_epoch.next();
    Some(after)
}
