//! Leaders and ISRs that follow from who is ONLINE, and elections that somebody asks for.

use std::collections::BTreeMap;

use common::{
    BrokerId, Partition, PartitionId, Topic, TopicId, TopicName, limits::ELECTIONS_PER_COMMAND_MAX,
};

use super::{Decision, candidates, within};
use crate::{
    Event, Outcome, Rejection, State,
    election::{self, Rules, prefer},
    evolve::position,
    outcome::{Election, ElectionResult},
};

/// One event for each of these topics in which `change` changes a partition.
pub(super) fn change_in<'a>(
    state: &State,
    topics: impl IntoIterator<Item = &'a TopicName>,
    change: impl Fn(Rules, &Partition) -> Option<Partition>,
) -> Vec<Event> {
    let topics = topics.into_iter().filter_map(|name| state.topic(name.as_str()));
    topics
        .filter_map(|topic| {
            let rules = Rules::of(state, topic);
            changed(topic, topic.partitions.iter().filter_map(|it| change(rules, it)).collect())
        })
        .collect()
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
    let is_online = |id| state.brokers.is_online(id);
    let of = candidates(state, &is_online);
    let is_fine = |partition: &Partition| partition.leader == partition.replicas.first().copied();
    let all = state.partitions.non_preferred_topics();
    elect(state, wanted, all, is_fine, |rules, partition| prefer(partition, rules, of))
}

/// Gives partitions that have no leader any of their replicas: those named, or all.
pub(super) fn elect_uncleanly(state: &State, wanted: &[(TopicName, PartitionId)]) -> Decision {
    let is_online = |id| state.brokers.is_online(id);
    let of = candidates(state, &is_online);
    let is_fine = |partition: &Partition| partition.leader.is_some();
    let all = state.partitions.leaderless_topics();
    elect(state, wanted, all, is_fine, |rules, partition| {
        if is_fine(partition) { None } else { election::elect_uncleanly(partition, rules, of) }
    })
}

fn elect<'a>(
    state: &'a State,
    wanted: &[(TopicName, PartitionId)],
    all: impl Iterator<Item = &'a TopicName>,
    is_fine: impl Fn(&Partition) -> bool,
    change: impl Fn(Rules, &Partition) -> Option<Partition>,
) -> Decision {
    within("partitions of one election", wanted.len(), ELECTIONS_PER_COMMAND_MAX)?;
    if wanted.is_empty() {
        let events = change_in(state, all, change);
        return Ok((Outcome::Elections { elected: count(&events), results: Vec::new() }, events));
    }
    let mut changes = Changes::default();
    let mut results = Vec::with_capacity(wanted.len());
    for (name, id) in wanted {
        let (topic, partition) = changes.current(state, name, *id)?;
        let after = change(Rules::of(state, topic), partition);
        let result = match &after {
            Some(_) => Election::Elected,
            None if is_fine(partition) => Election::NotNeeded,
            None => Election::NotAvailable,
        };
        let leader = after.as_ref().unwrap_or(partition).leader;
        results.push(ElectionResult { topic_name: name.clone(), partition: *id, result, leader });
        changes.add(topic, after);
    }
    let events = changes.into_events();
    Ok((Outcome::Elections { elected: count(&events), results }, events))
}

fn count(events: &[Event]) -> usize {
    let elected = events.iter().map(|event| match event {
        Event::PartitionsChanged { partitions, .. } => partitions.len(),
        _ => 0,
    });
    elected.sum()
}

/// Partitions changed so far by a command that names partitions: later changes of the command build upon them.
#[derive(Default)]
pub(super) struct Changes(BTreeMap<TopicName, (TopicId, BTreeMap<PartitionId, Partition>)>);

impl Changes {
    /// The partition as it is by now, and its topic.
    pub(super) fn current<'c, 's: 'c>(
        &'c self,
        state: &'s State,
        name: &TopicName,
        id: PartitionId,
    ) -> Result<(&'s Topic, &'c Partition), Rejection> {
        let topic =
            state.topic(name.as_str()).ok_or_else(|| Rejection::UnknownTopic { topic_name: name.clone() })?;
        let stored = position(id).and_then(|position| topic.partitions.get(position));
        let changed = self.0.get(name).and_then(|(_, partitions)| partitions.get(&id));
        let partition = changed
            .or(stored)
            .ok_or_else(|| Rejection::UnknownPartition { topic_name: name.clone(), partition: id })?;
        Ok((topic, partition))
    }

    /// Adds the partition as it is after a change, if it changed.
    pub(super) fn add(&mut self, topic: &Topic, after: Option<Partition>) {
        if let Some(after) = after {
            let entry = self.0.entry(topic.topic_name.clone());
            let (_, partitions) = entry.or_insert_with(|| (topic.topic_id, BTreeMap::new()));
            partitions.insert(after.id, after);
        }
    }

    pub(super) fn into_events(self) -> Vec<Event> {
        let event = |(topic_name, (topic_id, partitions)): (_, (_, BTreeMap<_, _>))| {
            let partitions = partitions.into_values().collect();
            Event::PartitionsChanged { topic_name, topic_id, partitions }
        };
        self.0.into_iter().map(event).collect()
    }
}

/// The topics that any of these brokers hosts, each once, by name.
pub(super) fn topics_of(state: &State, brokers: impl IntoIterator<Item = BrokerId>) -> Vec<&TopicName> {
    let mut topics: Vec<_> =
        brokers.into_iter().flat_map(|broker| state.partitions.topics_of(broker)).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}
