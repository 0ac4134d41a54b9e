//! A command's effect, as it leaves the core: for history, for the SQL projection and for pushes.

use std::{collections::BTreeMap, sync::Arc};

use common::{Broker, BrokerId, BrokerStatus, MetadataVersion, Partition, Topic};
use serde::Serialize;

use crate::{Command, Event, Outcome, Rejection, RequestId};

/// One event with its place in the change stream and what it replaced. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Raft index of the command.
    pub version: MetadataVersion,
    /// Position among the events of that command, from 0.
    pub seq: u32,
    /// The leader's clock when it proposed, in Unix milliseconds.
    pub time_ms: u64,
    /// Who asked.
    pub author: Arc<str>,
    /// The client's idempotency key.
    pub request_id: Option<RequestId>,
    /// What `event` changed, as it was before; in JSON `null` if it is new.
    pub before: Before,
    /// What happened.
    pub event: Arc<Event>,
}

/// What an event replaced. It is moved out of the state, not copied, so that taking it costs nothing; whoever
/// writes history serializes it (untagged: the event's kind says which it is).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Before {
    /// Nothing: the subject is new.
    Nothing,
    /// A deleted topic.
    Topic(Arc<Topic>),
    /// All settings of a topic, of brokers, or of a group.
    Configs(BTreeMap<String, String>),
    /// How many partitions a topic had.
    NumPartitions(usize),
    /// The changed partitions, in the event's order.
    Partitions(Vec<Partition>),
    /// A broker's former registration, or a removed broker.
    Broker(Box<Broker>),
    /// A broker's status.
    Status(BrokerStatus),
    /// The first producer id that was free.
    NextProducerId(i64),
    /// The feature level.
    FeatureLevel(u16),
}

/// All that applying one command gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer for the proposer.
    pub result: Result<Outcome, Rejection>,
    /// `metadataVersion` after the command: its own index if it made an event, else as before.
    pub version: MetadataVersion,
    /// The events, in order. Empty for a rejection, a no-op, and a repeated request id.
    pub changes: Vec<Change>,
}

impl Applied {
    /// How many partitions got a leader that may lack acknowledged records, where this came of `command`.
    pub fn unclean_elections(&self, command: &Command) -> usize {
        // Who leads after a change of an ISR is in it by the word of the former leader, though it was not before.
        if matches!(command, Command::AlterIsr { .. }) {
            return 0;
        }
        let wiped = self.changes.iter().find_map(|change| match &*change.event {
            Event::BrokerRegistered { broker } if broker.disk_lost_at == Some(broker.broker_epoch) => {
                Some(broker.broker_id)
            }
            _ => None,
        });
        self.changes.iter().map(|change| unclean_elections(change, wiped)).sum()
    }
}

/// Of one event; `wiped` has just come without the data that it had.
fn unclean_elections(change: &Change, wiped: Option<BrokerId>) -> usize {
    let (Event::PartitionsChanged { partitions, .. }, Before::Partitions(before)) =
        (&*change.event, &change.before)
    else {
        return 0;
    };
    let is_unclean = |(before, after): &(&Partition, &Partition)| {
        let has_all = |leader| {
            let eligible = &before.eligible_leader_replicas;
            Some(leader) != wiped && (before.isr.contains(&leader) || eligible.contains(&leader))
        };
        let is_elected = after.leader_epoch != before.leader_epoch;
        is_elected && after.leader.is_some_and(|leader| !has_all(leader))
    };
    before.iter().zip(partitions).filter(is_unclean).count()
}
