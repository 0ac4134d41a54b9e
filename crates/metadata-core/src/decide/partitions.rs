//! Leaders and ISRs that follow from who is ONLINE, and preferred leader elections.

use std::collections::{BTreeMap, BTreeSet};

use common::{BrokerId, Partition, PartitionId, Topic, TopicName, limits::ELECTIONS_PER_COMMAND_MAX};

use super::{Decision, within};
use crate::{Event, Outcome, Rejection, State, election, evolve::position};

/// One event for each of these topics in which `change` changes a partition.
pub(super) fn change_in<'a>(
    state: &State,
    topics: impl IntoIterator<Item = &'a TopicName>,
    change: impl Fn(&Partition) -> Option<Partition>,
) -> Vec<Event> {
    let topics = topics.into_iter().filter_map(|name| state.topic(name.as_str()));
    topics.filter_map(|topic| changed(topic, topic.partitions.iter().filter_map(&change).collect())).collect()
}

/// The event of these changed partitions, if there are any.
fn changed(topic: &Topic, partitions: Vec<Partition>) -> Option<Event> {
    let (topic_name, topic_id) = (topic.topic_name.clone(), topic.topic_id);
    if partitions.is_empty() {
        None
    } else {
        Some(Event::PartitionsChanged { topic_name, topic_id, partitions })
    }
}

/// Gives partitions back to their preferred leaders: those named, or all.
pub(super) fn elect_preferred(state: &State, wanted: &[(TopicName, PartitionId)]) -> Decision {
    within("partitions of one election", wanted.len(), ELECTIONS_PER_COMMAND_MAX)?;
    let prefer = |partition: &Partition| election::prefer(partition, |id| state.brokers.is_online(id));
    let events = if wanted.is_empty() {
        change_in(state, state.partitions.non_preferred_topics(), prefer)
    } else {
        let mut events = Vec::new();
        for (topic, ids) in by_topic(state, wanted)? {
            let named = ids.iter().filter_map(|id| topic.partitions.get(*id));
            events.extend(changed(topic, named.filter_map(prefer).collect()));
        }
        events
    };
    let elected = events.iter().map(|event| match event {
        Event::PartitionsChanged { partitions, .. } => partitions.len(),
        _ => 0,
    });
    Ok((Outcome::Elections { elected: elected.sum() }, events))
}

/// The named partitions, each once, with the topics they are of.
fn by_topic<'a>(
    state: &'a State,
    wanted: &[(TopicName, PartitionId)],
) -> Result<Vec<(&'a Topic, BTreeSet<usize>)>, Rejection> {
    let mut topics: BTreeMap<&TopicName, (&Topic, BTreeSet<usize>)> = BTreeMap::new();
    for (name, id) in wanted {
        let topic =
            state.topic(name.as_str()).ok_or_else(|| Rejection::UnknownTopic { topic_name: name.clone() })?;
        let position = position(*id).filter(|position| *position < topic.partitions.len());
        let position = position
            .ok_or_else(|| Rejection::UnknownPartition { topic_name: name.clone(), partition: *id })?;
        topics.entry(name).or_insert_with(|| (topic, BTreeSet::new())).1.insert(position);
    }
    Ok(topics.into_values().collect())
}

/// The topics that any of these brokers hosts, each once, by name.
pub(super) fn topics_of(state: &State, brokers: impl IntoIterator<Item = BrokerId>) -> Vec<&TopicName> {
    let mut topics: Vec<_> =
        brokers.into_iter().flat_map(|broker| state.partitions.topics_of(broker)).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}
