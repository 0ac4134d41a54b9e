//! What always holds.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic here is a failed test")]

use common::{BrokerEpoch, Offset};
use replica::{Replica, ReplicaLog};

use crate::{
    cluster::{Cluster, Node},
    support::Record,
};

/// What the world outside has seen.
#[derive(Default)]
pub(crate) struct Truth {
    /// What some leader called committed.
    committed: Vec<Record>,
    /// What producers were told is safe.
    pub(crate) acknowledged: Vec<(Offset, u64)>,
    /// The high watermark last seen of each process.
    seen: [(BrokerEpoch, Offset); 3],
}

impl Truth {
    /// A leader's high watermark moved.
    pub(crate) fn committed(&mut self, at: usize, nodes: &[Node], min_insync_replicas: usize) {
        let high_watermark = nodes[at].replica.as_ref().unwrap().high_watermark();
        let (start, records) = nodes[at].log.all();
        let until = high_watermark.0 as usize;
        if until <= self.committed.len() {
            return;
        }
        // Nobody can delete what is not committed.
        assert!(start <= self.committed.len(), "the log starts above what was committed");
        self.committed.extend_from_slice(&records[self.committed.len()..until]);
        let last = self.committed.last().unwrap();
        let holders = nodes.iter().filter(|node| {
            node.log.confirmed() >= high_watermark
                && (node.log.all().0 >= until || node.log.all().1.get(until - 1) == Some(last))
        });
        let holders = holders.count();
        assert!(
            holders >= min_insync_replicas,
            "committed up to {high_watermark} on {holders} disks, {min_insync_replicas} are asked for"
        );
    }
}

impl Truth {
    /// Broker `at` begins anew, without a restart.
    pub(crate) fn forget_seen(&mut self, at: usize) {
        self.seen[at].1 = Offset(0);
    }
}

impl Cluster {
    pub(crate) fn check(&mut self) {
        for at in 0..3 {
            self.check_node(at);
        }
        self.check_isr();
    }

    /// Below its high watermark a replica has what is committed; and a reader of one process never sees it go back.
    fn check_node(&mut self, at: usize) {
        let node = &self.nodes[at];
        let Some(replica) = &node.replica else { return };
        let positions = replica.positions(&node.log);
        let high_watermark = positions.high_watermark();
        let (start, records) = node.log.all();
        let until = high_watermark.0 as usize;
        assert!(until <= self.truth.committed.len(), "broker {at} invents commits up to {high_watermark}");
        assert_eq!(
            records[start..until],
            self.truth.committed[start..until],
            "broker {at} has something else than what is committed"
        );
        let seen = &mut self.truth.seen[at];
        let before = if seen.0 == node.broker_epoch { seen.1 } else { Offset(0) };
        assert!(
            before <= high_watermark,
            "the high watermark of {at} went back from {before} to {high_watermark}"
        );
        *seen = (node.broker_epoch, high_watermark);
        if let Replica::Leader(leader) = replica {
            self.check_leader(leader, node);
        }
    }

    /// A leader's answers to OffsetForLeaderEpoch never say that an acknowledged record does not exist.
    fn check_leader(&self, leader: &replica::Leader, node: &Node) {
        if leader.leader_epoch() < self.controller.partition().leader_epoch {
            return;
        }
        for (offset, value) in &self.truth.acknowledged {
            let (epoch, committed) = self.truth.committed[offset.0 as usize];
            assert_eq!(committed, *value, "what was acknowledged at {offset} is not what was committed");
            let end = leader.end_of_epoch(epoch, &node.log).unwrap();
            assert!(
                end.epoch != epoch || end.end > *offset,
                "epoch {epoch} ends at {end:?}, with {offset} acknowledged"
            );
        }
    }

    /// Whoever may be elected has, on its disk, everything that is committed.
    fn check_isr(&self) {
        let partition = self.controller.partition();
        for id in partition.isr.iter().chain(&partition.eligible_leader_replicas) {
            let log = &self.nodes[usize::try_from(id.0).unwrap()].log;
            let (start, records) = log.all();
            let committed = &self.truth.committed;
            let safe = log.confirmed().0 as usize;
            assert!(safe >= committed.len(), "broker {id} may be elected with {safe} of {}", committed.len());
            assert_eq!(records[start..committed.len().max(start)], committed[start.min(committed.len())..]);
        }
    }
}
