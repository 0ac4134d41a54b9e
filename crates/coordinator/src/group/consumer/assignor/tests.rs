//! What must hold of any assignment, whoever reads what.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn topic(number: usize) -> TopicId {
    TopicId(Uuid::from_u128(number as u128 + 1))
}

/// A group: the partition counts of topics, and which of them each member reads.
#[derive(Debug, Clone)]
struct Group {
    topics: Vec<i32>,
    members: BTreeMap<MemberId, BTreeSet<usize>>,
    targets: BTreeMap<MemberId, Assignment>,
}

impl Group {
    fn new(topics: Vec<i32>, members: Vec<BTreeSet<usize>>) -> Self {
        let named = members.into_iter().enumerate().map(|(number, read)| (name(number), read));
        Self { topics, members: named.collect(), targets: BTreeMap::new() }
    }

    fn assign(&mut self, assignor: Assignor) {
        let mut numbers: BTreeMap<&BTreeSet<usize>, usize> = BTreeMap::new();
        let mut subscriptions = Vec::new();
        let nothing = Assignment::default();
        let mut members = Vec::new();
        for (member_id, read) in &self.members {
            let subscription = *numbers.entry(read).or_insert_with(|| {
                subscriptions
                    .push(read.iter().map(|number| (topic(*number), self.topics[*number])).collect());
                subscriptions.len() - 1
            });
            let target = self.targets.get(member_id).unwrap_or(&nothing);
            members.push(MemberSpec { member_id, instance_id: None, subscription, target });
        }
        let targets = assign(assignor, &Spec { subscriptions, members });
        self.targets = self.members.keys().cloned().zip(targets).collect();
    }

    fn loads(&self) -> BTreeMap<MemberId, usize> {
        self.targets.iter().map(|(id, target)| (id.clone(), target.iter().count())).collect()
    }

    /// Every partition that somebody reads is with one who reads it.
    fn check(&self) {
        let mut all = BTreeSet::new();
        for (member_id, target) in &self.targets {
            for (topic_id, partition) in target.iter() {
                let reads = self.members[member_id].iter().any(|number| topic(*number) == topic_id);
                assert!(reads && all.insert((topic_id, partition)), "{member_id} has {topic_id}-{partition}");
            }
        }
        let read: BTreeSet<usize> = self.members.values().flatten().copied().collect();
        let expected: i32 = read.iter().map(|number| self.topics[*number]).sum();
        assert_eq!(all.len(), usize::try_from(expected).unwrap());
    }

    /// No partition could go from one who has more to one who has at least two less.
    fn check_balance(&self) {
        let loads = self.loads();
        for (owner, target) in &self.targets {
            for (topic_id, partition) in target.iter() {
                let readers = self
                    .members
                    .iter()
                    .filter(|(_, read)| read.iter().any(|number| topic(*number) == topic_id));
                for (reader, _) in readers {
                    assert!(
                        loads[owner] < loads[reader] + 2,
                        "{topic_id}-{partition} should go from {owner} to {reader}: {loads:?}"
                    );
                }
            }
        }
    }

    /// How many partitions are with another member than before, those of members that are gone not counted.
    fn moved_since(&self, before: &Self) -> usize {
        let still_here = before.targets.iter().filter(|(id, _)| self.targets.contains_key(*id));
        still_here
            .map(|(id, had)| {
                had.iter()
                    .filter(|(topic_id, partition)| !self.targets[id].contains(*topic_id, *partition))
                    .count()
            })
            .sum()
    }
}

fn name(number: usize) -> MemberId {
    format!("m{number:03}").into()
}

fn groups() -> impl Strategy<Value = Group> {
    (prop::collection::vec(0..12_i32, 1..6), 1..8_usize).prop_flat_map(|(topics, members)| {
        let read = prop::collection::btree_set(0..topics.len(), 0..=topics.len());
        (Just(topics), prop::collection::vec(read, members))
            .prop_map(|(topics, read)| Group::new(topics, read))
    })
}

fn equal_groups() -> impl Strategy<Value = Group> {
    (prop::collection::vec(0..12_i32, 1..6), 1..8_usize).prop_map(|(topics, members)| {
        let all: BTreeSet<usize> = (0..topics.len()).collect();
        Group::new(topics, vec![all; members])
    })
}

proptest! {
    #[test]
    fn each_partition_is_with_one_reader(mut group in groups(), gone: prop::sample::Index) {
        for assignor in [Assignor::Uniform, Assignor::Range] {
            group.assign(assignor);
            group.check();
            let settled = group.clone();
            group.assign(assignor);
            prop_assert_eq!(&group.targets, &settled.targets, "nothing has changed, so nothing moves");
        }
        group.assign(Assignor::Uniform);
        group.check_balance();
        if group.members.len() > 1 {
            let gone = name(gone.index(group.members.len()));
            group.members.remove(&gone);
            group.targets.remove(&gone);
            group.assign(Assignor::Uniform);
            group.check();
            group.check_balance();
        }
    }

    #[test]
    fn equal_readers_move_no_more_than_they_must(mut group in equal_groups(), other: prop::sample::Index) {
        group.assign(Assignor::Uniform);
        let loads = group.loads();
        prop_assert!(loads.values().max().unwrap() <= &(loads.values().min().unwrap() + 1));

        let before = group.clone();
        let read = group.members.values().next().unwrap().clone();
        group.members.insert("newcomer".into(), read);
        group.assign(Assignor::Uniform);
        group.check();
        group.check_balance();
        prop_assert_eq!(group.moved_since(&before), group.loads()[&MemberId::from("newcomer")]);

        let before = group.clone();
        let gone = group.members.keys().nth(other.index(group.members.len())).unwrap().clone();
        group.members.remove(&gone);
        group.targets.remove(&gone);
        if !group.members.is_empty() {
            group.assign(Assignor::Uniform);
            group.check_balance();
            prop_assert_eq!(group.moved_since(&before), 0);
        }
    }
}

#[test]
fn ranges_are_of_neighbours_and_the_same_in_each_topic() {
    let all: BTreeSet<usize> = [0, 1].into();
    let mut group = Group::new(vec![7, 7], vec![all.clone(), all.clone(), all.clone()]);
    group.assign(Assignor::Range);
    let of = |group: &Group, number: usize| {
        let target = &group.targets[&name(number)];
        let in_topic =
            |id: usize| target.iter().filter(move |(topic_id, _)| *topic_id == topic(id)).map(|(_, p)| p);
        let first: Vec<i32> = in_topic(0).collect();
        assert_eq!(first, in_topic(1).collect::<Vec<_>>());
        first
    };
    assert_eq!([of(&group, 0), of(&group, 1), of(&group, 2)], [vec![0, 1, 2], vec![3, 4], vec![5, 6]]);
    // The first one goes: the others stay where they are and widen.
    group.members.remove(&name(0));
    group.targets.remove(&name(0));
    group.assign(Assignor::Range);
    assert_eq!([of(&group, 1), of(&group, 2)], [vec![0, 1, 2, 3], vec![4, 5, 6]]);
    // One whose name comes first is still the last one in the row.
    group.members.insert("a".into(), all);
    group.assign(Assignor::Range);
    assert_eq!([of(&group, 1), of(&group, 2)], [vec![0, 1, 2], vec![3, 4]]);
}
