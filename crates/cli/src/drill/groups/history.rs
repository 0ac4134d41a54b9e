//! What the members of a group had, read and committed, and whether its coordinators kept their word: the checker. Pure.
//!
//! - A partition is with one member at any moment: between being told that it has it and having given it up, or the end of the
//!   time for which it may believe so. And no generation gives it to two.
//! - Whoever asks for a committed offset, a member or anybody else, is told at least what was known to be committed before he
//!   asked.
//! - What was written before the end was consumed by some member.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use common::{Offset, PartitionId};

/// A member's time with a partition.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    /// The member.
    pub(crate) member: String,
    /// The generation or member epoch that gave it.
    pub(crate) epoch: i32,
    /// Whether the member got it as its former self had it: a static member that has come back.
    pub(crate) inherits: bool,
    pub(crate) partition: PartitionId,
    /// When the member was told.
    pub(crate) from: Instant,
    /// When it had given it up.
    pub(crate) until: Option<Instant>,
}

/// An offset that was committed, or that somebody was told is.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    pub(crate) partition: PartitionId,
    /// -1: somebody was told that there is none.
    pub(crate) offset: Offset,
    /// Who committed it or was told.
    pub(crate) by: String,
    pub(crate) is_commit: bool,
    /// When it was asked for.
    pub(crate) begun: Instant,
    /// When the answer came.
    pub(crate) ended: Instant,
}

/// Everything that happened in a group.
#[derive(Debug, Default)]
pub(crate) struct GroupHistory {
    pub(crate) owned: Vec<Owned>,
    pub(crate) noted: Vec<Noted>,
    /// Ranges of offsets that members consumed, by where each begins, as far as they touch.
    consumed: BTreeMap<PartitionId, BTreeMap<Offset, Offset>>,
    /// Records that were consumed, and those of them that had been before.
    pub(crate) records: u64,
}

impl GroupHistory {
    /// Everything from one offset up to another was consumed.
    pub(crate) fn consume(&mut self, partition: PartitionId, from: Offset, next: Offset, records: u64) {
        self.records += records;
        let ranges = self.consumed.entry(partition).or_default();
        let (mut from, mut next) = (from, next);
        // Whatever it touches becomes one with it.
        while let Some((start, end)) = ranges.range(..=next).next_back().map(|(start, end)| (*start, *end)) {
            if end < from {
                break;
            }
            ranges.remove(&start);
            (from, next) = (from.min(start), next.max(end));
        }
        ranges.insert(from, next);
    }

    /// What lies between these two offsets and nobody consumed.
    pub(crate) fn passed_over(
        &self,
        partition: PartitionId,
        begin: Offset,
        end: Offset,
    ) -> Vec<(Offset, Offset)> {
        let mut gaps = Vec::new();
        let mut next = begin;
        for (start, until) in self.consumed.get(&partition).into_iter().flatten() {
            if *start > next && next < end {
                gaps.push((next, (*start).min(end)));
            }
            next = next.max(*until);
        }
        if next < end {
            gaps.push((next, end));
        }
        gaps
    }

    /// Ends what a member has, as far as it still has it: of these partitions, or all.
    pub(crate) fn end(&mut self, member: &str, partitions: Option<&BTreeSet<PartitionId>>, at: Instant) {
        let is_meant = |one: &&mut Owned| {
            one.until.is_none()
                && one.member == member
                && partitions.is_none_or(|partitions| partitions.contains(&one.partition))
        };
        for owned in self.owned.iter_mut().filter(is_meant) {
            owned.until = Some(at);
        }
    }

    /// What a member has now.
    pub(crate) fn has(&self, member: &str) -> BTreeSet<PartitionId> {
        let now = self.owned.iter().filter(|one| one.until.is_none() && one.member == member);
        now.map(|one| one.partition).collect()
    }

    /// Partitions that were with two members at once.
    pub(crate) fn shared(&self) -> Vec<String> {
        let mut found = Vec::new();
        for times in self.by_partition().into_values() {
            let mut latest: Option<&Owned> = None;
            for owned in times {
                let overlaps = latest.filter(|latest| latest.until.is_none_or(|until| until > owned.from));
                if let Some(other) = overlaps {
                    let ms = other.until.map(|until| until.duration_since(owned.from).as_millis());
                    let ms = ms.map_or_else(|| "for good".to_owned(), |ms| format!("for {ms} ms at least"));
                    found.push(format!(
                        "partition {} was with {} (epoch {}) and with {} (epoch {}) {ms}",
                        owned.partition, other.member, other.epoch, owned.member, owned.epoch
                    ));
                }
                let ends_later = latest.is_none_or(|latest| match (latest.until, owned.until) {
                    (Some(latest), Some(until)) => until > latest,
                    (Some(_), None) => true,
                    (None, _) => false,
                });
                if ends_later {
                    latest = Some(owned);
                }
            }
        }
        found
    }

    /// Partitions that one generation gave to two members.
    pub(crate) fn given_twice(&self) -> Vec<String> {
        let mut given: BTreeMap<(i32, PartitionId), &Owned> = BTreeMap::new();
        let mut found = Vec::new();
        for owned in self.owned.iter().filter(|owned| !owned.inherits) {
            let other = given.insert((owned.epoch, owned.partition), owned);
            if let Some(other) = other.filter(|other| other.member != owned.member) {
                found.push(format!(
                    "generation {} gave partition {} to {} and to {}",
                    owned.epoch, owned.partition, other.member, owned.member
                ));
            }
        }
        found
    }

    /// Offsets that somebody was told though more was known to be committed before he asked.
    pub(crate) fn went_back(&self) -> Vec<String> {
        let mut found = Vec::new();
        let partitions: BTreeSet<PartitionId> = self.noted.iter().map(|noted| noted.partition).collect();
        for partition in partitions {
            let mut ended: Vec<&Noted> = self.noted.iter().filter(|one| one.partition == partition).collect();
            let mut told = ended.clone();
            ended.sort_by_key(|noted| noted.ended);
            told.sort_by_key(|noted| noted.begun);
            let mut ended = ended.into_iter().peekable();
            let mut most: Option<&Noted> = None;
            for told in told {
                while let Some(noted) = ended.next_if(|noted| noted.ended <= told.begun) {
                    if most.is_none_or(|most| noted.offset > most.offset) {
                        most = Some(noted);
                    }
                }
                if let Some(most) = most.filter(|most| !told.is_commit && most.offset > told.offset) {
                    let verb = if most.is_commit { "committed" } else { "was told" };
                    let ms = told.begun.duration_since(most.ended).as_millis();
                    found.push(format!(
                        "{} was told offset {} of partition {partition}, and {} {verb} {} {ms} ms before",
                        told.by, told.offset, most.by, most.offset
                    ));
                }
            }
        }
        found
    }

    fn by_partition(&self) -> BTreeMap<PartitionId, Vec<&Owned>> {
        let mut times: BTreeMap<PartitionId, Vec<&Owned>> = BTreeMap::new();
        for owned in &self.owned {
            times.entry(owned.partition).or_default().push(owned);
        }
        for times in times.values_mut() {
            times.sort_by_key(|owned| owned.from);
        }
        times
    }
}

#[cfg(test)]
mod tests;
