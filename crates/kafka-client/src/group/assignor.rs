//! Who gets what in a classic group, as its leader decides. Pure.

use std::collections::{BTreeMap, BTreeSet};

use common::PartitionId;

use super::{Assignor, Partitions, embedded::Subscription};
use crate::offsets::TopicPartition;

/// Members by id.
pub(super) type Members = BTreeMap<String, Subscription>;

/// A share for each member. `counts` has the partitions of each topic that there is.
pub(super) fn assign(
    assignor: Assignor,
    members: &Members,
    counts: &BTreeMap<String, i32>,
) -> BTreeMap<String, Partitions> {
    match assignor {
        Assignor::Range => range(members, counts),
        Assignor::CooperativeSticky => cooperative_sticky(members, counts),
    }
}

/// Of each topic, neighbours: the first members have one more, if it does not come out even.
fn range(members: &Members, counts: &BTreeMap<String, i32>) -> BTreeMap<String, Partitions> {
    let mut shares: BTreeMap<String, Partitions> =
        members.keys().map(|member| (member.clone(), Partitions::new())).collect();
    for (topic, count) in counts {
        let readers: Vec<&String> = members
            .iter()
            .filter(|(_, said)| said.topics.contains(topic))
            .map(|(member, _)| member)
            .collect();
        let among = i32::try_from(readers.len()).unwrap_or(i32::MAX).max(1);
        let mut next = 0;
        for (position, reader) in (0..).zip(readers) {
            let size = count / among + i32::from(position < count % among);
            let part = (next..next + size).map(|id| TopicPartition::new(topic, PartitionId(id)));
            shares.entry(reader.clone()).or_default().extend(part);
            next += size;
        }
    }
    shares
}

/// Everybody keeps what it has; what nobody has goes to who has least; then the richest give to the poorest until no two that
/// could trade differ by more than one. What somebody still has is nobody's this time: it has to be given up first.
fn cooperative_sticky(members: &Members, counts: &BTreeMap<String, i32>) -> BTreeMap<String, Partitions> {
    let owners = owners(members, counts);
    let mut shares: BTreeMap<&str, Partitions> =
        members.keys().map(|member| (member.as_str(), Partitions::new())).collect();
    let mut free = Vec::new();
    for (topic, count) in counts {
        for id in 0..*count {
            let place = TopicPartition::new(topic, PartitionId(id));
            match owners.get(&place).and_then(|owner| shares.get_mut(owner)) {
                Some(share) => drop(share.insert(place)),
                None => free.push(place),
            }
        }
    }
    for place in free {
        let poorest = readers(members, &place.topic).min_by_key(|reader| size(&shares, reader));
        if let Some(share) = poorest.and_then(|reader| shares.get_mut(reader)) {
            share.insert(place);
        }
    }
    while let Some((from, to, place)) = trade(members, &shares) {
        if let Some(share) = shares.get_mut(from) {
            share.remove(&place);
        }
        if let Some(share) = shares.get_mut(to) {
            share.insert(place);
        }
    }
    let mut settled = BTreeMap::new();
    for (member, mut share) in shares {
        share.retain(|place| owners.get(place).is_none_or(|owner| *owner == member));
        settled.insert(member.to_owned(), share);
    }
    settled
}

/// Who has what, by what members say: of several, the one of the latest generation; of several such, nobody.
fn owners<'a>(members: &'a Members, counts: &BTreeMap<String, i32>) -> BTreeMap<&'a TopicPartition, &'a str> {
    let mut claims: BTreeMap<&TopicPartition, (i32, BTreeSet<&str>)> = BTreeMap::new();
    for (member, said) in members {
        for place in &said.owned {
            let exists =
                counts.get(&place.topic).is_some_and(|count| (0..*count).contains(&place.partition.0));
            if !exists || !said.topics.contains(&place.topic) {
                continue;
            }
            let (generation, claimants) = claims.entry(place).or_insert((said.generation, BTreeSet::new()));
            if said.generation > *generation {
                (*generation, *claimants) = (said.generation, BTreeSet::new());
            }
            if said.generation == *generation {
                claimants.insert(member);
            }
        }
    }
    let sole = claims.into_iter().filter(|(_, (_, claimants))| claimants.len() == 1);
    sole.filter_map(|(place, (_, claimants))| Some((place, *claimants.first()?))).collect()
}

fn readers<'a>(members: &'a Members, topic: &'a str) -> impl Iterator<Item = &'a str> {
    members
        .iter()
        .filter(move |(_, said)| said.topics.iter().any(|one| one == topic))
        .map(|(id, _)| id.as_str())
}

fn size(shares: &BTreeMap<&str, Partitions>, member: &str) -> usize {
    shares.get(member).map_or(0, BTreeSet::len)
}

/// From whom to whom a partition would make shares more even.
fn trade<'a>(
    members: &'a Members,
    shares: &BTreeMap<&'a str, Partitions>,
) -> Option<(&'a str, &'a str, TopicPartition)> {
    let mut poorest: Vec<&str> = shares.keys().copied().collect();
    poorest.sort_by_key(|member| size(shares, member));
    for to in &poorest {
        let reads = &members.get(*to)?.topics;
        for from in poorest.iter().rev() {
            if size(shares, from) < size(shares, to) + 2 {
                break;
            }
            let given = shares.get(from)?.iter().next_back().filter(|place| reads.contains(&place.topic));
            let given = given.or_else(|| shares.get(from)?.iter().find(|place| reads.contains(&place.topic)));
            if let Some(place) = given {
                return Some((from, to, place.clone()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(topics: &[&str], owned: &[(&str, i32)], generation: i32) -> Subscription {
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let owned = owned.iter().map(|(topic, id)| TopicPartition::new(*topic, PartitionId(*id))).collect();
        Subscription { topics, owned, generation }
    }

    fn counts(counts: &[(&str, i32)]) -> BTreeMap<String, i32> {
        counts.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
    }

    fn shown(shares: &BTreeMap<String, Partitions>) -> Vec<String> {
        let show = |share: &Partitions| {
            let places = share.iter().map(|place| format!("{}{}", place.topic, place.partition));
            places.collect::<Vec<_>>().join(" ")
        };
        shares.iter().map(|(member, share)| format!("{member}: {}", show(share))).collect()
    }

    #[test]
    fn ranges_are_neighbours_of_each_topic() {
        let members = [("m", member(&["t", "u"], &[], -1)), ("n", member(&["t"], &[], -1))];
        let members = members.map(|(id, said)| (id.to_owned(), said)).into();
        let shares = assign(Assignor::Range, &members, &counts(&[("t", 3), ("u", 2)]));
        assert_eq!(shown(&shares), ["m: t0 t1 u0 u1", "n: t2"]);
    }

    #[test]
    fn who_comes_gets_what_others_give_up_in_the_next_generation() {
        let mut members: Members = Members::new();
        members.insert("m".to_owned(), member(&["t"], &[("t", 0), ("t", 1), ("t", 2), ("t", 3)], 1));
        members.insert("n".to_owned(), member(&["t"], &[], -1));
        let first = assign(Assignor::CooperativeSticky, &members, &counts(&[("t", 4)]));
        assert_eq!(shown(&first), ["m: t0 t1", "n: "]);
        members.insert("m".to_owned(), member(&["t"], &[("t", 0), ("t", 1)], 2));
        let second = assign(Assignor::CooperativeSticky, &members, &counts(&[("t", 4)]));
        assert_eq!(shown(&second), ["m: t0 t1", "n: t2 t3"]);
    }

    #[test]
    fn of_two_that_claim_a_partition_the_later_generation_has_it() {
        let mut members: Members = Members::new();
        members.insert("m".to_owned(), member(&["t"], &[("t", 0)], 1));
        members.insert("n".to_owned(), member(&["t"], &[("t", 0), ("t", 1)], 2));
        let shares = assign(Assignor::CooperativeSticky, &members, &counts(&[("t", 2)]));
        assert_eq!(shown(&shares), ["m: ", "n: t0"], "t1 has to be given up before m gets it");
    }

    proptest! {
        /// Whatever members say they have: nobody is given what somebody else has, and when all have done as they are told,
        /// everything is with somebody and shares are even.
        #[test]
        fn two_rounds_settle_everything(owned in prop::collection::vec(prop::collection::btree_set(0..9, 0..9), 1..5)) {
            let mut members: Members = owned.iter().enumerate().map(|(number, owned)| {
                let owned: Vec<_> = owned.iter().map(|id| ("t", *id)).collect();
                (format!("m{number}"), member(&["t"], &owned, i32::try_from(number).unwrap()))
            }).collect();
            let counts = counts(&[("t", 9)]);
            for round in 10..13 {
                for (id, share) in assign(Assignor::CooperativeSticky, &members, &counts) {
                    let said = members.get_mut(&id).unwrap();
                    (said.owned, said.generation) = (share, round);
                }
                let all: usize = members.values().map(|said| said.owned.len()).sum();
                let distinct: BTreeSet<_> = members.values().flat_map(|said| said.owned.clone()).collect();
                prop_assert_eq!(all, distinct.len());
            }
            let sizes: Vec<usize> = members.values().map(|said| said.owned.len()).collect();
            prop_assert_eq!(sizes.iter().sum::<usize>(), 9);
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{:?}", sizes);
        }
    }
}
