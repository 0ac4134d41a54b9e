//! ISR changes, each a compare-and-set on the topic's identity, the leader epoch and the partition epoch. They are asked for
//! by partition leaders (KIP-497); and by any member that takes itself out, as its disk failed (Kafka: KIP-112, KIP-858) or its
//! log is damaged. With that a new leader epoch begins, whoever leads: no leader believes any more what that member said before,
//! however long it was on its way, and the member is free to forget what it has.

use common::{BrokerEpoch, BrokerId, BrokerStatus, Partition, limits::ISR_CHANGES_PER_COMMAND_MAX};

use super::{Decision, partitions::Changes, within};
use crate::{
    Outcome, Rejection, State,
    command::{IsrChange, IsrMember, LEAVING_LEVEL},
    election::{self, Rules},
    outcome::PartitionResult,
};

/// Applies each change, or says why not.
pub(super) fn alter(state: &State, caller: BrokerId, epoch: BrokerEpoch, changes: &[IsrChange]) -> Decision {
    state.current_broker(caller, epoch)?;
    within("ISR changes of one request", changes.len(), ISR_CHANGES_PER_COMMAND_MAX)?;
    let mut changed = Changes::default();
    let results = changes.iter().map(|change| PartitionResult {
        topic_name: change.topic_name.clone(),
        partition: change.partition,
        result: alter_one(state, caller, change, &mut changed),
    });
    let results = results.collect();
    Ok((Outcome::IsrChanges { results }, changed.into_events()))
}

fn alter_one(
    state: &State,
    caller: BrokerId,
    change: &IsrChange,
    changed: &mut Changes,
) -> Result<Partition, Rejection> {
    let IsrChange { topic_name, partition: id, .. } = change;
    let (topic, current) = changed.current(state, topic_name, *id)?;
    if topic.topic_id != change.topic_id {
        let detail = format!(
            "topic `{topic_name}` has id {}, not {}: it was created again since",
            topic.topic_id, change.topic_id
        );
        return Err(Rejection::FencedLeaderEpoch { detail });
    }
    check_caller(current, caller, change)?;
    check_members(state, current, caller, change)?;
    let wanted = |replica: &BrokerId| change.new_isr.iter().any(|member| member.broker_id == *replica);
    let isr: Vec<BrokerId> = current.replicas.iter().copied().filter(wanted).collect();
    // A leader that takes itself out is followed by the first of the others; all of them are ONLINE.
    let leader = current.leader.filter(wanted).or_else(|| isr.first().copied());
    let mut after = election::change(current, Rules::of(state, topic), leader, isr);
    let begins_epoch = state.feature_level() >= LEAVING_LEVEL && leaves(current, caller, change);
    if let Some(after) = after.as_mut().filter(|_| begins_epoch) {
        after.leader_epoch = current.leader_epoch.next();
    }
    let partition = after.as_ref().unwrap_or(current).clone();
    changed.add(topic, after);
    Ok(partition)
}

/// Whether the caller takes itself out of the ISR, and changes nothing else. Nobody is the last to go.
fn leaves(current: &Partition, caller: BrokerId, change: &IsrChange) -> bool {
    let stays = |id: &BrokerId| change.new_isr.iter().any(|member| member.broker_id == *id);
    let others = current.isr.len().saturating_sub(1);
    change.new_isr.len() == others
        && others > 0
        && current.isr.iter().all(|id| stays(id) == (*id != caller))
        && current.isr.contains(&caller)
}

/// The caller must lead the partition, or leave its ISR, and know its present state.
fn check_caller(current: &Partition, caller: BrokerId, change: &IsrChange) -> Result<(), Rejection> {
    let IsrChange { topic_name, partition, leader_epoch, partition_epoch, .. } = change;
    let fenced = |detail| Err(Rejection::FencedLeaderEpoch { detail });
    if current.leader != Some(caller) && !leaves(current, caller, change) {
        let leader = current.leader.map_or_else(|| "nobody".to_owned(), |leader| format!("broker {leader}"));
        return fenced(format!(
            "topic `{topic_name}` partition {partition} is led by {leader}, not by broker {caller}"
        ));
    }
    if current.leader_epoch != *leader_epoch {
        return fenced(format!(
            "topic `{topic_name}` partition {partition}: leader epoch {leader_epoch} is not the current epoch {}",
            current.leader_epoch
        ));
    }
    if current.partition_epoch != *partition_epoch {
        let detail = format!(
            "topic `{topic_name}` partition {partition}: partition epoch {partition_epoch} is not the current epoch {}",
            current.partition_epoch
        );
        return Err(Rejection::InvalidUpdateVersion { detail });
    }
    Ok(())
}

/// The wanted members must be an ISR, and each be fit for it: ONLINE (KIP-841), and the very registration that the
/// leader saw catching up, since a later one may have lost its log (KIP-903).
fn check_members(
    state: &State,
    current: &Partition,
    caller: BrokerId,
    change: &IsrChange,
) -> Result<(), Rejection> {
    let IsrChange { topic_name, partition, new_isr, .. } = change;
    let subject = format_args!("topic `{topic_name}` partition {partition}");
    let invalid = |what: String| Err(Rejection::InvalidIsr { detail: format!("{subject}: {what}") });
    let ineligible =
        |what: String| Err(Rejection::IneligibleReplica { detail: format!("{subject}: {what}") });
    if !new_isr.iter().any(|member| member.broker_id == caller) && !leaves(current, caller, change) {
        return invalid(format!("the new ISR lacks the leader, broker {caller}"));
    }
    for (at, IsrMember { broker_id, broker_epoch }) in new_isr.iter().enumerate() {
        if !current.replicas.contains(broker_id) {
            return invalid(format!("broker {broker_id} of the new ISR holds no replica"));
        }
        // Replicas are few and every member is one by now, so the search for duplicates ends early.
        if new_isr.iter().take(at).any(|earlier| earlier.broker_id == *broker_id) {
            return invalid(format!("broker {broker_id} is twice in the new ISR"));
        }
        match state.broker(*broker_id) {
            Some(broker) if broker.broker_epoch != *broker_epoch => {
                let current = broker.broker_epoch;
                return ineligible(format!("broker {broker_id} has epoch {current}, not {broker_epoch}"));
            }
            Some(broker) if broker.status == BrokerStatus::Online => {}
            Some(broker) => return ineligible(format!("broker {broker_id} is {}", broker.status)),
            None => return ineligible(format!("broker {broker_id} is not registered")),
        }
    }
    Ok(())
}
