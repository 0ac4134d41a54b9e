//! The controllers: the replicated state itself, with its real decisions about leaders and ISRs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic here is a failed test"
)]

use std::collections::BTreeMap;

use common::{
    BrokerEpoch, BrokerId, BrokerStatus, ClusterId, IncarnationId, MetadataVersion, Partition, PartitionId,
    TopicId, TopicName,
};
use metadata_core::{
    Command, Outcome, Proposal, Rejection, State,
    command::{IsrChange, IsrMember, LEAVING_LEVEL},
};
use replica::{Assignment, IsrAnswer, IsrProposal};
use uuid::Uuid;

pub(crate) const BROKERS: [BrokerId; 3] = [BrokerId(0), BrokerId(1), BrokerId(2)];

pub(crate) struct Controller {
    state: State,
    index: u64,
    incarnations: u128,
}

impl Controller {
    /// With three brokers, and one partition on all of them.
    pub(crate) fn new(min_insync_replicas: usize) -> Self {
        let state = State::new(ClusterId("model".to_owned()));
        let mut controller = Self { state, index: 0, incarnations: 0 };
        let (level, level_max) = (LEAVING_LEVEL, LEAVING_LEVEL);
        controller.apply(Command::SetFeatureLevel { level, level_max }, None).unwrap();
        for id in BROKERS {
            controller.register(id);
        }
        let command = Command::CreateTopic {
            topic_name: topic_name(),
            topic_id: topic_id(),
            num_partitions: -1,
            replication_factor: -1,
            configs: BTreeMap::from([("min.insync.replicas".to_owned(), min_insync_replicas.to_string())]),
            assignments: Some(vec![BROKERS.to_vec()]),
            placement_seed: 0,
            internal: false,
        };
        controller.apply(command, None).unwrap();
        controller
    }

    pub(crate) fn partition(&self) -> &Partition {
        &self.state.topic("t").unwrap().partitions[0]
    }

    pub(crate) fn assignment(&self) -> Assignment {
        let online = self.state.brokers().filter(|broker| broker.status == BrokerStatus::Online);
        Assignment {
            partition: self.partition().clone(),
            online: online.map(|broker| (broker.broker_id, broker.broker_epoch)).collect(),
        }
    }

    /// A new process of a broker.
    pub(crate) fn register(&mut self, broker_id: BrokerId) -> BrokerEpoch {
        self.incarnations += 1;
        let command = Command::RegisterBroker {
            broker_id,
            incarnation_id: IncarnationId(Uuid::from_u128(self.incarnations)),
            host: "localhost".to_owned(),
            port: 8081,
            kafka_port: None,
            rack: None,
            directory_id: None,
            previous_is_gone: true,
        };
        match self.apply(command, None) {
            Ok(Outcome::Broker { broker }) => broker.broker_epoch,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn fence(&mut self, id: BrokerId) {
        let brokers = vec![(id, self.epoch(id))];
        self.apply(Command::FenceBrokers { brokers }, None).unwrap();
    }

    pub(crate) fn unfence(&mut self, broker_id: BrokerId) {
        let broker_epoch = self.epoch(broker_id);
        self.apply(Command::UnfenceBroker { broker_id, broker_epoch }, None).unwrap();
    }

    pub(crate) fn drain(&mut self, broker_id: BrokerId) {
        let broker_epoch = self.epoch(broker_id);
        self.apply(Command::DrainBroker { broker_id, broker_epoch }, None).unwrap();
    }

    pub(crate) fn elect_preferred(&mut self) {
        self.apply(Command::ElectPreferredLeaders { partitions: Vec::new() }, None).unwrap();
    }

    /// A leader asks for an ISR; `key` is the same for all attempts. No answer if the broker's registration is over.
    pub(crate) fn alter_isr(
        &mut self,
        caller: (BrokerId, BrokerEpoch),
        key: u128,
        proposal: &IsrProposal,
    ) -> Option<IsrAnswer> {
        let member = |member: &replica::IsrMember| IsrMember {
            broker_id: member.broker_id,
            broker_epoch: member.broker_epoch,
        };
        let change = IsrChange {
            topic_name: topic_name(),
            topic_id: topic_id(),
            partition: PartitionId(0),
            leader_epoch: proposal.leader_epoch,
            partition_epoch: proposal.partition_epoch,
            new_isr: proposal.new_isr.iter().map(member).collect(),
        };
        let command =
            Command::AlterIsr { broker_id: caller.0, broker_epoch: caller.1, changes: vec![change] };
        match self.apply(command, Some(key)) {
            Ok(Outcome::IsrChanges { results }) => Some(match results.into_iter().next().unwrap().result {
                Ok(partition) => IsrAnswer::Committed(partition),
                Err(Rejection::FencedLeaderEpoch { .. } | Rejection::InvalidUpdateVersion { .. }) => {
                    IsrAnswer::OutOfDate
                }
                Err(_) => IsrAnswer::Refused,
            }),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    fn epoch(&self, id: BrokerId) -> BrokerEpoch {
        self.state.broker(id).unwrap().broker_epoch
    }

    fn apply(&mut self, command: Command, key: Option<u128>) -> Result<Outcome, Rejection> {
        self.index += 1;
        let request_id = key.map(Uuid::from_u128);
        let proposal = Proposal { time_ms: 0, author: "model".to_owned(), request_id, command };
        self.state.apply(MetadataVersion(self.index), &proposal).result
    }
}

fn topic_name() -> TopicName {
    TopicName::new("t").unwrap()
}

fn topic_id() -> TopicId {
    TopicId(Uuid::from_u128(7))
}
