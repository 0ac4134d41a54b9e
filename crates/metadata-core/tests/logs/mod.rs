//! What the brokers do with the partitions meanwhile, as little of it as shows a loss: how many records were ever
//! acknowledged, and how many of them each replica has.

use std::collections::BTreeMap;

use common::{
    BrokerId, Partition, PartitionId, Topic, TopicId, broker_config::topic_defaults,
    topic_config::MinInsyncReplicas,
};
use metadata_core::{Applied, Command, Event, Proposal, State};
use proptest::{prelude::*, test_runner::TestCaseError};

/// The logs of all partitions.
#[derive(Default)]
pub(crate) struct Logs(BTreeMap<(TopicId, PartitionId), Log>);

/// One partition's.
#[derive(Default)]
struct Log {
    /// Records that some producer was told are safe, and that no unclean election gave up.
    acknowledged: u64,
    /// How many of these each replica has, the earliest first; 0 where none is noted.
    has: BTreeMap<BrokerId, u64>,
}

impl Logs {
    /// One command was applied. What brokers did before they heard of it comes first, then what they do after it.
    pub(crate) fn follow(
        &mut self,
        before: &State,
        proposal: &Proposal,
        applied: &Applied,
        after: &State,
    ) -> Result<(), TestCaseError> {
        let restarted = restarted(before, applied);
        let mut losses = 0;
        self.0.retain(|(topic, _), _| after.topic_by_id(*topic).is_some());
        for topic in after.topics() {
            let former = before.topic_by_id(topic.topic_id);
            for partition in &topic.partitions {
                let log = self.0.entry((topic.topic_id, partition.id)).or_default();
                let id = usize::try_from(partition.id.0).unwrap();
                if let Some((topic, former)) = former.and_then(|it| Some((it, it.partitions.get(id)?))) {
                    log.before(min_insync(before, topic), former, restarted);
                    let loses = log.change(former, partition, &proposal.command, |leader| {
                        let wiped = restarted == Some((leader, true));
                        let unclean = unclean(before, topic);
                        may_lose(unclean, former, leader, wiped, &proposal.command, after)
                    });
                    losses += usize::from(loses);
                }
                log.check(partition)?;
                log.acknowledge(partition, min_insync(after, topic));
            }
        }
        let counted = applied.unclean_elections(&proposal.command);
        prop_assert!(losses <= counted, "{} of {} losses counted: {:?}", counted, losses, proposal);
        Ok(())
    }
}

/// `min.insync.replicas` in force for a topic.
fn min_insync(state: &State, topic: &Topic) -> MinInsyncReplicas {
    topic.config(&topic_defaults(&[state.broker_configs().of_all()])).min_insync
}

/// `unclean.leader.election.enable` in force for a topic.
fn unclean(state: &State, topic: &Topic) -> bool {
    topic.config(&topic_defaults(&[state.broker_configs().of_all()])).unclean_leader_election_enable
}

/// The broker that registered a new process, and whether without the disk that it had.
fn restarted(before: &State, applied: &Applied) -> Option<(BrokerId, bool)> {
    applied.changes.iter().find_map(|change| match &*change.event {
        Event::BrokerRegistered { broker } => {
            let former = before.broker(broker.broker_id)?;
            let restarted = former.incarnation_id != broker.incarnation_id;
            let lost = former.directory_id.is_some() && former.directory_id != broker.directory_id;
            restarted.then_some((broker.broker_id, lost))
        }
        _ => None,
    })
}

impl Log {
    fn of(&self, broker: BrokerId) -> u64 {
        self.has.get(&broker).copied().unwrap_or(0)
    }

    /// A leader that has not heard of the command yet goes on under what it knows, unless one it needs for that is gone.
    fn before(
        &mut self,
        min_insync: MinInsyncReplicas,
        former: &Partition,
        restarted: Option<(BrokerId, bool)>,
    ) {
        if !restarted.is_some_and(|(broker, _)| former.isr.contains(&broker)) {
            self.acknowledge(former, min_insync);
        }
        if let Some((broker, true)) = restarted {
            self.has.remove(&broker);
        }
    }

    /// Everybody who is in sync gets one more record, and it is acknowledged, if they are enough.
    fn acknowledge(&mut self, partition: &Partition, min_insync: MinInsyncReplicas) {
        if partition.leader.is_some() && partition.isr.len() >= partition.min_isr(min_insync) {
            self.acknowledged += 1;
            self.has.extend(partition.isr.iter().map(|member| (*member, self.acknowledged)));
        }
    }

    /// Gives whether acknowledged records are lost.
    fn change(
        &mut self,
        former: &Partition,
        partition: &Partition,
        command: &Command,
        may_lose: impl Fn(BrokerId) -> bool,
    ) -> bool {
        // Who joins on the leader's word has caught up with it.
        if let (Command::AlterIsr { .. }, Some(leader)) = (command, former.leader) {
            let has = self.of(leader);
            let joined = partition.isr.iter().filter(|member| !former.isr.contains(member));
            self.has.extend(joined.map(|member| (*member, has)));
        }
        // The data of a replica that is none any more is deleted.
        self.has.retain(|broker, _| partition.replicas.contains(broker));
        if let Some(leader) = partition.leader
            && may_lose(leader)
        {
            let all = self.acknowledged;
            self.acknowledged = self.acknowledged.min(self.of(leader));
            let rest = self.acknowledged;
            self.has.values_mut().for_each(|has| *has = (*has).min(rest));
            return rest < all;
        }
        false
    }

    fn check(&self, partition: &Partition) -> Result<(), TestCaseError> {
        for id in partition.isr.iter().chain(&partition.eligible_leader_replicas) {
            let (has, all) = (self.of(*id), self.acknowledged);
            prop_assert!(has == all, "broker {} has {} of {} records: {:?}", id, has, all, partition);
        }
        Ok(())
    }
}

/// Whether the leader was elected uncleanly, by somebody's wish.
fn may_lose(
    unclean: bool,
    former: &Partition,
    leader: BrokerId,
    wiped: bool,
    command: &Command,
    after: &State,
) -> bool {
    let has_all = former.isr.contains(&leader) || former.eligible_leader_replicas.contains(&leader);
    let for_all = || after.broker_configs().of_all().values().any(|value| value == "true");
    let sets = |configs: &BTreeMap<String, Option<String>>| {
        configs.values().any(|value| value.as_deref() == Some("true"))
    };
    let wished = match command {
        Command::ElectUncleanLeaders { .. } => true,
        Command::AlterTopic { configs, .. } => sets(configs) || for_all(),
        Command::AlterBrokerConfigs { configs, .. } => sets(configs),
        Command::AlterIsr { .. } => false,
        _ => unclean,
    };
    wished && (wiped || !has_all)
}
