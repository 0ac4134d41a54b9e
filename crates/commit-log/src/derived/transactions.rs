//! Transactions as a partition sees them: where open ones begin, and which ones were aborted.

use std::{collections::BTreeMap, ops::Range};

use serde::Serialize;

use super::{put_count, take_all};
use crate::{
    batch::EndTransaction,
    bytes::Reader,
    offset::{Offset, ProducerId},
};

/// A transaction whose records do not count; a `read_committed` consumer skips them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortedTransaction {
    /// Its producer.
    #[serde(rename = "producerId")]
    pub producer: ProducerId,
    /// Its first offset.
    #[serde(rename = "firstOffset")]
    pub first: Offset,
    /// Offset of its marker.
    #[serde(rename = "lastOffset")]
    pub last: Offset,
}

/// See the [module](self).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transactions {
    /// Undecided ones, by first offset.
    open: BTreeMap<Offset, ProducerId>,
    /// Decided ones whose marker may not be replicated yet: first offset and marker's offset.
    ended: BTreeMap<Offset, Offset>,
    /// By the marker's offset, rising.
    aborted: Vec<AbortedTransaction>,
}

impl Transactions {
    pub(super) fn begin(&mut self, first: Offset, producer: ProducerId) {
        self.open.insert(first, producer);
    }

    pub(super) fn end(&mut self, producer: ProducerId, first: Offset, last: Offset, end: EndTransaction) {
        self.open.remove(&first);
        self.ended.insert(first, last);
        if end == EndTransaction::Abort {
            self.aborted.push(AbortedTransaction { producer, first, last });
        }
    }

    /// Up to where everything is decided, for all replicas: `read_committed` consumers see no further. A marker
    /// counts once it is below the high watermark.
    pub(crate) fn last_stable(&self, high_watermark: Offset) -> Offset {
        let open = self.open.keys().next().copied();
        let ended = self.ended.iter().find(|(_, last)| **last >= high_watermark).map(|(first, _)| *first);
        [open, ended].into_iter().flatten().fold(high_watermark, Offset::min)
    }

    /// Forgets ended transactions that all replicas have.
    pub(crate) fn replicated(&mut self, high_watermark: Offset) {
        self.ended.retain(|_, last| *last >= high_watermark);
    }

    /// Aborted transactions with records in the range, by their first offset.
    pub(crate) fn aborted(&self, range: &Range<Offset>) -> Vec<AbortedTransaction> {
        let from = self.aborted.partition_point(|aborted| aborted.last < range.start);
        let overlapping = self.aborted.iter().skip(from).filter(|aborted| aborted.first < range.end);
        let mut found: Vec<_> = overlapping.copied().collect();
        found.sort_by_key(|aborted| aborted.first);
        found
    }

    /// Forgets aborted transactions of which no batch is left, by their markers' offsets.
    pub(crate) fn forget_aborted(&mut self, markers: &[Offset]) {
        self.aborted.retain(|aborted| !markers.contains(&aborted.last));
    }

    pub(super) fn start_at(&mut self, start: Offset) {
        self.aborted.retain(|aborted| aborted.last >= start);
        self.ended.retain(|_, last| *last >= start);
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_count(out, self.open.len());
        for (first, producer) in &self.open {
            out.extend_from_slice(&first.0.to_be_bytes());
            out.extend_from_slice(&producer.0.to_be_bytes());
        }
        put_count(out, self.ended.len());
        for (first, last) in &self.ended {
            out.extend_from_slice(&first.0.to_be_bytes());
            out.extend_from_slice(&last.0.to_be_bytes());
        }
        put_count(out, self.aborted.len());
        for aborted in &self.aborted {
            out.extend_from_slice(&aborted.producer.0.to_be_bytes());
            out.extend_from_slice(&aborted.first.0.to_be_bytes());
            out.extend_from_slice(&aborted.last.0.to_be_bytes());
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let open = take_all(reader, |reader| Some((Offset(reader.i64()?), ProducerId(reader.i64()?))))?;
        let ended = take_all(reader, |reader| Some((Offset(reader.i64()?), Offset(reader.i64()?))))?;
        let aborted = take_all(reader, |reader| {
            Some(AbortedTransaction {
                producer: ProducerId(reader.i64()?),
                first: Offset(reader.i64()?),
                last: Offset(reader.i64()?),
            })
        })?;
        Some(Self { open: open.into_iter().collect(), ended: ended.into_iter().collect(), aborted })
    }
}
