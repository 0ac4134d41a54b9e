//! What a workload did, and whether the cluster kept its word: the checker of all drills. Pure.
//!
//! Every write ends in one of three ways. *Acknowledged*: it must be there on every node, for ever. *Refused*: it
//! must not be there. *Unknown* (no answer, a broken connection, `COMMIT_UNKNOWN`): either is right, but the same on
//! every node.
//!
//! A topic's setting is a register with one writer, whose values only grow: what stands there must be the last
//! acknowledged value, or one of unknown outcome, which may take effect at any time (a request that its sender gave up
//! can still be carried out after later ones).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use common::{NodeId, TopicId};
use http_api::ClusterImage;
use serde::Serialize;

/// The setting that serves as a register.
pub(crate) const REGISTER: &str = "retention.ms";

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// Creates a topic.
    Create,
    /// Sets [`REGISTER`] of a topic.
    Set(u64),
    /// Deletes a topic: the last write to it.
    Delete,
}

/// How a write ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The cluster said that it is done, to the topic with this id.
    Acknowledged(TopicId),
    /// The cluster said that it is not done.
    Refused(String),
    /// Nobody knows.
    Unknown,
}

/// A write with its end.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// The topic it is about. Each topic has one writer.
    pub(crate) topic: String,
    /// What was written.
    pub(crate) write: Write,
    /// Base URL of the node that was asked last.
    pub(crate) node: String,
    /// When the attempt that ended it was begun.
    pub(crate) begun: Instant,
    /// When its end was known.
    pub(crate) ended: Instant,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

/// All writes of a workload, those of one writer in their order.
#[derive(Debug, Default)]
pub(crate) struct History(pub(crate) Vec<Record>);

/// How many writes ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Acknowledged writes.
    pub(crate) acknowledged: usize,
    /// Refused writes.
    pub(crate) refused: usize,
    /// Writes of unknown outcome.
    pub(crate) unknown: usize,
}

/// What the cluster did wrong. All empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Findings {
    /// Acknowledged writes that are gone on some node.
    pub(crate) lost: Vec<String>,
    /// Refused writes that took effect nonetheless, and values nobody wrote.
    pub(crate) invented: Vec<String>,
    /// Nodes that hold something else than the first node at the same version.
    pub(crate) diverged: Vec<String>,
    /// Refusals that make no sense: a new topic that "exists already" was applied twice.
    pub(crate) repeated: Vec<String>,
}

impl Findings {
    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        [&self.lost, &self.invented, &self.diverged, &self.repeated]
            .iter()
            .all(|findings| findings.is_empty())
    }

    /// The findings of another check as well.
    pub(crate) fn merge(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.invented.extend(other.invented);
        self.diverged.extend(other.diverged);
        self.repeated.extend(other.repeated);
    }
}

/// What is known of one topic after all writes.
#[derive(Debug, Default)]
struct Expected<'a> {
    /// Set by an acknowledged creation.
    id: Option<&'a TopicId>,
    /// A creation may have happened.
    perhaps: bool,
    /// The value of the last acknowledged write to the register.
    floor: Option<u64>,
    /// Values of writes of unknown outcome.
    unknown: BTreeSet<u64>,
    /// Set by an acknowledged deletion.
    deleted: bool,
    /// A deletion may have happened.
    perhaps_deleted: bool,
}

impl History {
    /// How the writes ended.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for record in &self.0 {
            match record.outcome {
                Outcome::Acknowledged(_) => counts.acknowledged += 1,
                Outcome::Refused(_) => counts.refused += 1,
                Outcome::Unknown => counts.unknown += 1,
            }
        }
        counts
    }

    /// When the first write was acknowledged whose decisive attempt was begun at `since` or later, by another node
    /// than `former`: what a controller acknowledged before a signal took effect does not count.
    pub(crate) fn first_acknowledged(&self, since: Instant, former: Option<&str>) -> Option<Instant> {
        self.0
            .iter()
            .filter(|record| matches!(record.outcome, Outcome::Acknowledged(_)))
            .filter(|record| record.begun >= since && former != Some(record.node.as_str()))
            .map(|record| record.ended)
            .min()
    }

    /// The longest time between two acknowledgements, by whichever writers, from `since` on.
    pub(crate) fn longest_gap(&self, since: Instant) -> Option<std::time::Duration> {
        let mut times: Vec<Instant> = self
            .0
            .iter()
            .filter(|record| matches!(record.outcome, Outcome::Acknowledged(_)) && record.ended >= since)
            .map(|record| record.ended)
            .collect();
        times.push(since);
        times.sort();
        times.windows(2).filter_map(|pair| Some(pair.last()?.duration_since(*pair.first()?))).max()
    }

    /// Compares what must be with what each node holds.
    pub(crate) fn check(&self, images: &BTreeMap<NodeId, ClusterImage>) -> Findings {
        let mut findings = Findings::default();
        for record in &self.0 {
            if let Outcome::Refused(why) = &record.outcome
                && why.contains("TOPIC_ALREADY_EXISTS")
            {
                findings.repeated.push(format!("topic {}: {why}", record.topic));
            }
        }
        let expected = self.expected();
        for (node, image) in images {
            check_node(*node, image, &expected, &mut findings);
        }
        findings.diverged = diverged(images);
        findings
    }

    fn expected(&self) -> BTreeMap<&str, Expected<'_>> {
        let mut topics: BTreeMap<&str, Expected<'_>> = BTreeMap::new();
        for record in &self.0 {
            let topic = topics.entry(&record.topic).or_default();
            match (&record.write, &record.outcome) {
                (Write::Create, Outcome::Acknowledged(id)) => topic.id = Some(id),
                (Write::Create, Outcome::Unknown) => topic.perhaps = true,
                (Write::Set(value), Outcome::Acknowledged(_)) => {
                    topic.floor = topic.floor.max(Some(*value));
                }
                (Write::Set(value), Outcome::Unknown) => {
                    topic.unknown.insert(*value);
                }
                (Write::Delete, Outcome::Acknowledged(_)) => topic.deleted = true,
                (Write::Delete, Outcome::Unknown) => topic.perhaps_deleted = true,
                (_, Outcome::Refused(_)) => {}
            }
        }
        topics
    }
}

fn check_node(
    node: NodeId,
    image: &ClusterImage,
    expected: &BTreeMap<&str, Expected<'_>>,
    findings: &mut Findings,
) {
    let held: BTreeMap<&str, _> =
        image.topics.iter().map(|topic| (topic.topic_name.as_str(), topic)).collect();
    for (name, want) in expected {
        let Some(topic) = held.get(name) else {
            if want.id.is_some() && !want.deleted && !want.perhaps_deleted {
                findings.lost.push(format!("node {node}: topic {name} was acknowledged and is not there"));
            }
            continue;
        };
        match want.id {
            _ if want.deleted => {
                findings.invented.push(format!("node {node}: topic {name} was deleted and is there"));
            }
            Some(id) if *id != topic.topic_id => findings.lost.push(format!(
                "node {node}: topic {name} has id {}, but was acknowledged with {id}",
                topic.topic_id
            )),
            None if !want.perhaps => {
                findings.invented.push(format!("node {node}: topic {name} was refused and is there"));
            }
            _ => {}
        }
        let value = topic.configs.get(REGISTER).and_then(|value| value.parse::<u64>().ok());
        let possible = value == want.floor || value.is_some_and(|value| want.unknown.contains(&value));
        if !possible && value < want.floor {
            findings.lost.push(format!(
                "node {node}: topic {name} has {REGISTER}={value:?}, but {:?} was acknowledged",
                want.floor
            ));
        } else if !possible {
            findings
                .invented
                .push(format!("node {node}: topic {name} has {REGISTER}={value:?}, which nobody set"));
        }
    }
}

/// Nodes whose image is not that of the first node. All images are of the same version.
fn diverged(images: &BTreeMap<NodeId, ClusterImage>) -> Vec<String> {
    let Some((first, reference)) = images.first_key_value() else { return Vec::new() };
    let mut found = Vec::new();
    for (node, image) in images.iter().skip(1) {
        if image.version != reference.version {
            found.push(format!(
                "node {node} is at version {}, node {first} at {}",
                image.version, reference.version
            ));
            continue;
        }
        if image.brokers != reference.brokers {
            found.push(format!(
                "nodes {first} and {node} hold different brokers at version {}",
                image.version
            ));
        }
        if image.topics != reference.topics {
            let differs = reference.topics.iter().zip(&image.topics).find(|(ours, theirs)| ours != theirs);
            let name = differs.map_or("one has more", |(topic, _)| topic.topic_name.as_str());
            found.push(format!(
                "nodes {first} and {node} hold different topics at version {}: {name}",
                image.version
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests;
