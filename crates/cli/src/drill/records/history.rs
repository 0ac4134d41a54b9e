//! What became of every record, and whether the brokers kept their word: the checker. Pure.
//!
//! A record ends in one of three ways. *Acknowledged*: it must be in the log, once, at the offset that was named. *Refused*
//! (or never sent): it must not be there. *Unknown*: either is right, but not twice. The records of one writer must stand in
//! each partition in the order in which they were sent. What a consumer was shown must stand in the log in the end, at the
//! same offset, and no offset may be passed over or shown twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use common::{Offset, PartitionId};
use serde::Serialize;

/// Names a record: its writer, and how many that one sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordId {
    pub(crate) writer: u32,
    pub(crate) number: u64,
}

/// How a record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is written, here if that was said.
    Acknowledged(Option<Offset>),
    /// It is not written.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
}

/// A record that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) id: RecordId,
    pub(crate) partition: PartitionId,
    /// When it was sent.
    pub(crate) begun: Instant,
    /// When its end was known.
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
}

/// A record as it stands in a partition; without an id it is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) offset: Offset,
    pub(crate) id: Option<RecordId>,
}

/// A record that a consumer was shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) stored: Stored,
    /// When it was sent, as it says itself.
    pub(crate) begun: Instant,
    /// When it was shown.
    pub(crate) at: Instant,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(crate) struct RecordHistory {
    /// Those of one writer in the order in which they ended.
    pub(crate) sent: Vec<Sent>,
    /// What a consumer was shown along the way, in that order.
    pub(crate) shown: BTreeMap<PartitionId, Vec<Shown>>,
    /// What stands there in the end, in order of offsets.
    pub(crate) stored: BTreeMap<PartitionId, Vec<Stored>>,
}

/// A moment, and where the history stood then: whatever was sent later is behind that.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    at: Instant,
    sent: usize,
    shown: BTreeMap<PartitionId, usize>,
}

/// Whether the brokers kept their word about one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartitionVerdict {
    /// Records that were acknowledged.
    pub(crate) acknowledged: usize,
    /// Records that were refused.
    pub(crate) refused: usize,
    /// Records of which nobody knows.
    pub(crate) unknown: usize,
    /// Records that a consumer was shown along the way.
    pub(crate) shown: usize,
    /// Acknowledged and not where they must be, or passed over.
    pub(crate) lost: Vec<String>,
    /// There, or shown, more than once.
    pub(crate) duplicated: Vec<String>,
    /// Behind a record that the same writer sent later.
    pub(crate) reordered: Vec<String>,
    /// There, and refused or never sent.
    pub(crate) invented: Vec<String>,
    /// Shown to a consumer, and not there in the end.
    pub(crate) retracted: Vec<String>,
}

impl PartitionVerdict {
    /// Whether nothing is wrong.
    pub(crate) fn is_kept(&self) -> bool {
        self.findings().iter().all(|(_, findings)| findings.is_empty())
    }

    /// What is wrong, by kind.
    pub(crate) fn findings(&self) -> [(&'static str, &Vec<String>); 5] {
        [
            ("lost", &self.lost),
            ("duplicated", &self.duplicated),
            ("reordered", &self.reordered),
            ("invented", &self.invented),
            ("retracted", &self.retracted),
        ]
    }

    /// Another run's verdict on the same partition as well.
    pub(crate) fn merge(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.shown += other.shown;
        self.lost.extend(other.lost);
        self.duplicated.extend(other.duplicated);
        self.reordered.extend(other.reordered);
        self.invented.extend(other.invented);
        self.retracted.extend(other.retracted);
    }
}

impl RecordHistory {
    /// A verdict on every partition.
    pub(crate) fn check(&self) -> BTreeMap<PartitionId, PartitionVerdict> {
        let mut partitions: BTreeSet<PartitionId> = self.sent.iter().map(|sent| sent.partition).collect();
        partitions.extend(self.stored.keys().chain(self.shown.keys()));
        partitions.into_iter().map(|partition| (partition, self.check_partition(partition))).collect()
    }

    fn check_partition(&self, partition: PartitionId) -> PartitionVerdict {
        let mut verdict = PartitionVerdict::default();
        let stored = self.stored.get(&partition).map(Vec::as_slice).unwrap_or_default();
        let mut places: BTreeMap<RecordId, Vec<Offset>> = BTreeMap::new();
        for Stored { offset, id } in stored {
            if let Some(id) = id {
                places.entry(*id).or_default().push(*offset);
            }
        }
        let sent: BTreeMap<RecordId, &Sent> =
            self.sent.iter().filter(|sent| sent.partition == partition).map(|sent| (sent.id, sent)).collect();
        for sent in sent.values() {
            check_sent(sent, places.get(&sent.id).map(Vec::as_slice).unwrap_or_default(), &mut verdict);
        }
        check_stored(stored, &sent, &mut verdict);
        let shown = self.shown.get(&partition).map(Vec::as_slice).unwrap_or_default();
        check_shown(shown, stored, &mut verdict);
        verdict
    }

    /// Marks this moment.
    pub(crate) fn mark(&self) -> Mark {
        let shown = self.shown.iter().map(|(partition, shown)| (*partition, shown.len())).collect();
        Mark { at: Instant::now(), sent: self.sent.len(), shown }
    }

    /// When a record was acknowledged in each of these partitions that was sent there after the mark: the first of each
    /// counts, and the last of those. `None`: there is none yet in one of them.
    pub(crate) fn all_acknowledged(&self, partitions: &[PartitionId], since: &Mark) -> Option<Instant> {
        let later = self.sent.get(since.sent..).unwrap_or_default();
        last_of_firsts(partitions, |partition| {
            let acknowledged = acknowledged(later, partition).filter(|sent| sent.begun >= since.at);
            acknowledged.map(|sent| sent.ended).min()
        })
    }

    /// The same of records that were shown to the consumer.
    pub(crate) fn all_shown(&self, partitions: &[PartitionId], since: &Mark) -> Option<Instant> {
        last_of_firsts(partitions, |partition| {
            let from = since.shown.get(&partition).copied().unwrap_or_default();
            let later = self.shown.get(&partition)?.get(from..)?;
            later.iter().filter(|shown| shown.begun >= since.at).map(|shown| shown.at).min()
        })
    }

    /// The longest time that any partition was without an acknowledgement, from `since` on.
    pub(crate) fn longest_silence(&self, since: Instant) -> Option<Duration> {
        let partitions: BTreeSet<PartitionId> = self.sent.iter().map(|sent| sent.partition).collect();
        let gap = |partition| {
            let ended =
                acknowledged(&self.sent, partition).map(|sent| sent.ended).filter(|ended| *ended >= since);
            let mut times: Vec<Instant> = ended.chain([since]).collect();
            times.sort_unstable();
            times.windows(2).filter_map(|pair| Some(pair.last()?.duration_since(*pair.first()?))).max()
        };
        partitions.into_iter().filter_map(gap).max()
    }
}

fn acknowledged(sent: &[Sent], partition: PartitionId) -> impl Iterator<Item = &Sent> {
    sent.iter()
        .filter(move |sent| sent.partition == partition && matches!(sent.outcome, Outcome::Acknowledged(_)))
}

fn last_of_firsts(
    partitions: &[PartitionId],
    first: impl Fn(PartitionId) -> Option<Instant>,
) -> Option<Instant> {
    let firsts: Option<Vec<Instant>> = partitions.iter().map(|partition| first(*partition)).collect();
    firsts?.into_iter().max()
}

/// A record that was sent, against where it stands.
fn check_sent(sent: &Sent, places: &[Offset], verdict: &mut PartitionVerdict) {
    let name = name(sent.id);
    match &sent.outcome {
        Outcome::Acknowledged(said) => {
            verdict.acknowledged += 1;
            match (said, places) {
                (Some(said), []) => {
                    verdict.lost.push(format!("{name} was acknowledged at {said} and is not there"));
                }
                (None, []) => verdict.lost.push(format!("{name} was acknowledged and is not there")),
                (Some(said), places) if !places.contains(said) => {
                    verdict.lost.push(format!("{name} was acknowledged at {said} and is at {}", list(places)))
                }
                _ => {}
            }
        }
        Outcome::Refused(why) => {
            verdict.refused += 1;
            if !places.is_empty() {
                verdict.invented.push(format!("{name} was refused ({why}) and is at {}", list(places)));
            }
        }
        Outcome::Unknown(_) => verdict.unknown += 1,
    }
    if places.len() > 1 {
        verdict.duplicated.push(format!("{name} is at {}", list(places)));
    }
}

/// What stands in the log: only what was sent, in the order of each writer, at offsets without gaps.
fn check_stored(stored: &[Stored], sent: &BTreeMap<RecordId, &Sent>, verdict: &mut PartitionVerdict) {
    let mut latest: BTreeMap<u32, u64> = BTreeMap::new();
    let mut met: BTreeSet<RecordId> = BTreeSet::new();
    let mut expected = stored.first().map(|first| first.offset);
    for Stored { offset, id } in stored {
        if let Some(expected) = expected.filter(|expected| expected != offset) {
            verdict.lost.push(format!("the log goes on at {offset}, and {expected} was next"));
        }
        expected = Some(*offset + 1);
        let Some(id) = id.filter(|id| sent.contains_key(id)) else {
            let what = id.map_or_else(|| "a record that is none of ours".to_owned(), name);
            verdict.invented.push(format!("{what} is at {offset}, and nobody sent it there"));
            continue;
        };
        // A repetition is counted as such, not as out of order.
        if !met.insert(id) {
            continue;
        }
        let last = latest.entry(id.writer).or_insert(id.number);
        if id.number < *last {
            verdict.reordered.push(format!("{} is at {offset}, behind number {last}", name(id)));
        }
        *last = (*last).max(id.number);
    }
}

/// What a consumer was shown, against what stands there in the end.
fn check_shown(shown: &[Shown], stored: &[Stored], verdict: &mut PartitionVerdict) {
    verdict.shown += shown.len();
    let in_the_end: BTreeMap<Offset, Option<RecordId>> =
        stored.iter().map(|stored| (stored.offset, stored.id)).collect();
    let mut expected = shown.first().map(|first| first.stored.offset);
    for Shown { stored: Stored { offset, id }, .. } in shown {
        match expected {
            Some(expected) if *offset < expected => {
                verdict.duplicated.push(format!("a consumer was shown {offset} again"));
            }
            Some(expected) if *offset > expected => {
                verdict.lost.push(format!("a consumer was shown {offset}, and {expected} was next"));
            }
            _ => {}
        }
        expected = expected.max(Some(*offset + 1));
        if in_the_end.get(offset) != Some(id) {
            let what = id.map_or_else(|| "a record that is none of ours".to_owned(), name);
            verdict.retracted.push(format!("a consumer was shown {what} at {offset}, and it is not there"));
        }
    }
}

fn name(id: RecordId) -> String {
    format!("record {} of writer {}", id.number, id.writer)
}

fn list(offsets: &[Offset]) -> String {
    offsets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
