//! Who is to have which partitions. Both assignors are near linear in the number of partitions, members and subscribed
//! topics, and keep what members have as far as they can.

mod range;
mod uniform;

use common::TopicId;

use crate::{InstanceId, MemberId, assignment::Assignment};

/// An assignor, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::group) enum Assignor {
    /// Everybody has as many partitions as the others.
    Uniform,
    /// Of each topic, everybody has a range: the same one of topics with equally many partitions.
    Range,
}

impl Assignor {
    /// Kafka's name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Uniform, Self::Range].into_iter().find(|assignor| assignor.as_str() == name)
    }
}

/// What is to be assigned.
#[derive(Debug)]
pub(in crate::group) struct Spec<'a> {
    /// Each a list of topics with their partition counts, by topic id.
    pub(super) subscriptions: Vec<Vec<(TopicId, i32)>>,
    pub(super) members: Vec<MemberSpec<'a>>,
}

/// To whom.
#[derive(Debug)]
pub(in crate::group) struct MemberSpec<'a> {
    pub(super) member_id: &'a MemberId,
    pub(super) instance_id: Option<&'a InstanceId>,
    /// Which of the subscriptions it has.
    pub(super) subscription: usize,
    /// Its target until now.
    pub(super) target: &'a Assignment,
}

impl Spec<'_> {
    /// Every topic that somebody reads, with its partition count and its readers.
    fn topics(&self) -> Vec<Topic> {
        let mut topics = std::collections::BTreeMap::<TopicId, Topic>::new();
        for (number, member) in self.members.iter().enumerate() {
            for (id, partitions) in self.subscriptions.get(member.subscription).into_iter().flatten() {
                let new = || Topic { id: *id, partitions: *partitions, readers: Vec::new() };
                topics.entry(*id).or_insert_with(new).readers.push(number);
            }
        }
        topics.into_values().collect()
    }
}

/// A topic and the numbers of the members that read it.
#[derive(Debug)]
struct Topic {
    id: TopicId,
    partitions: i32,
    readers: Vec<usize>,
}

/// The target of each member, in the order of the spec.
pub(in crate::group) fn assign(assignor: Assignor, spec: &Spec<'_>) -> Vec<Assignment> {
    if spec.members.is_empty() {
        return Vec::new();
    }
    match assignor {
        Assignor::Uniform => uniform::assign(spec),
        Assignor::Range => range::assign(spec),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
