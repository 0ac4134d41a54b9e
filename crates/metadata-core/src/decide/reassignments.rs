//! Replicas that move to other brokers, and moves that are cancelled (KIP-455).

use std::collections::BTreeSet;

use common::{
    BrokerId, BrokerStatus, Partition,
    limits::{REASSIGNMENTS_PER_COMMAND_MAX, REPLICATION_FACTOR_MAX},
};

use super::{Decision, partitions::Changes, within};
use crate::{
    Outcome, Rejection, State,
    command::Move,
    election::Rules,
    outcome::PartitionResult,
    reassignment::{self, NobodyInSync, settled},
};

/// Starts or cancels each move, or says why not.
pub(super) fn reassign(state: &State, moves: &[Move]) -> Decision {
    within("reassignments of one request", moves.len(), REASSIGNMENTS_PER_COMMAND_MAX)?;
    let mut changed = Changes::default();
    let results = moves.iter().map(|wanted| PartitionResult {
        topic_name: wanted.topic_name.clone(),
        partition: wanted.partition,
        result: reassign_one(state, wanted, &mut changed),
    });
    let results = results.collect();
    Ok((Outcome::Reassignments { results }, changed.into_events()))
}

fn reassign_one(state: &State, wanted: &Move, changed: &mut Changes) -> Result<Partition, Rejection> {
    let Move { topic_name, partition: id, replicas } = wanted;
    let (topic, current) = changed.current(state, topic_name, *id)?;
    let rules = Rules::of(state, topic);
    let after = match replicas {
        Some(target) => {
            check_target(state, current, wanted, target)?;
            reassignment::start(current, rules, target)
        }
        None if current.reassignment.is_none() => {
            return Err(Rejection::NoReassignmentInProgress {
                topic_name: topic_name.clone(),
                partition: *id,
            });
        }
        None => reassignment::cancel(current, rules),
    };
    let after = after.map_err(|NobodyInSync| {
        invalid(wanted, "all replicas that are in sync would be dropped, and acknowledged records with them")
    })?;
    let partition = after.as_ref().unwrap_or(current).clone();
    changed.add(topic, after);
    Ok(partition)
}

/// The target must be a replica set, and those who are to take the data over must be able to.
fn check_target(
    state: &State,
    current: &Partition,
    wanted: &Move,
    target: &[BrokerId],
) -> Result<(), Rejection> {
    if target.is_empty() || target.len() > REPLICATION_FACTOR_MAX {
        let count = target.len();
        return Err(invalid(
            wanted,
            &format!("{count} replicas; 1 to {REPLICATION_FACTOR_MAX} are possible"),
        ));
    }
    let mut seen = BTreeSet::new();
    for replica in target {
        if !seen.insert(replica) {
            return Err(invalid(wanted, &format!("broker {replica} is named twice")));
        }
        match state.broker(*replica) {
            None => return Err(invalid(wanted, &format!("broker {replica} is not registered"))),
            // It would never get the data.
            Some(broker) if broker.status != BrokerStatus::Online && !settled(current).contains(replica) => {
                let status = broker.status;
                return Err(invalid(wanted, &format!("broker {replica} is {status}, not ONLINE")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn invalid(wanted: &Move, what: &str) -> Rejection {
    let Move { topic_name, partition, .. } = wanted;
    Rejection::InvalidAssignment { detail: format!("topic `{topic_name}` partition {partition}: {what}") }
}
