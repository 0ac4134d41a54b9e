//! What a `read_committed` consumer passes over (KIP-98).

use std::collections::{BTreeSet, VecDeque};

use super::{Batch, BatchError, ControlRecord};
use crate::offset::{Offset, ProducerId};

/// Tells, as batches go by in order, which of them no consumer sees: control records, and records of the aborted
/// transactions that a fetch was told of. Without any, only control records are hidden.
#[derive(Debug, Clone, Default)]
pub struct AbortedFilter {
    /// Transactions that were not met yet, by their first offset.
    to_come: VecDeque<(Offset, ProducerId)>,
    /// Producers whose records are passed over until a marker ends their transaction.
    skipped: BTreeSet<ProducerId>,
}

impl AbortedFilter {
    /// A filter for these aborted transactions, each by its producer and first offset, in any order.
    pub fn new(aborted: impl IntoIterator<Item = (ProducerId, Offset)>) -> Self {
        let mut to_come: Vec<_> = aborted.into_iter().map(|(producer, first)| (first, producer)).collect();
        to_come.sort_unstable();
        Self { to_come: to_come.into(), skipped: BTreeSet::new() }
    }

    /// Whether consumers do not see this batch. A control batch may decompress to so many bytes.
    ///
    /// # Errors
    /// If the batch is a control batch that cannot be read.
    pub fn hides(&mut self, batch: &Batch<'_>, decompressed_bytes_max: usize) -> Result<bool, BatchError> {
        let header = batch.header();
        while let Some((_, producer)) = self.to_come.pop_front_if(|(first, _)| *first <= header.last_offset())
        {
            self.skipped.insert(producer);
        }
        let Some(producer) = header.producer() else { return Ok(header.attributes.is_control()) };
        if header.attributes.is_control() {
            let payload = batch.payload(decompressed_bytes_max)?;
            if let Some(record) = payload.records().next().transpose()?
                && ControlRecord::parse(&record).is_some()
            {
                // The transaction that was skipped ends here; the next one may count.
                self.skipped.remove(&producer.id);
            }
            return Ok(true);
        }
        Ok(header.attributes.is_transactional() && self.skipped.contains(&producer.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ProducerStamp,
        batch::{BatchBuilder, Compression, EndTransaction},
    };

    fn stamp(id: i64) -> ProducerStamp {
        ProducerStamp { id: ProducerId(id), epoch: 0, base_sequence: 0 }
    }

    fn record(base: i64, producer: Option<i64>) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None);
        if let Some(id) = producer {
            builder = builder.producer(stamp(id)).transactional();
        }
        builder.record(0, None, Some(b"x")).build(Offset(base)).unwrap()
    }

    fn marker(base: i64, producer: i64, end: EndTransaction) -> Vec<u8> {
        let control = ControlRecord { end, coordinator_epoch: 0 };
        BatchBuilder::end_transaction(stamp(producer), control, 0).build(Offset(base)).unwrap()
    }

    #[test]
    fn records_of_aborted_transactions_and_markers_are_hidden() {
        let log = [
            record(0, None),
            record(1, Some(7)),
            record(2, Some(8)),
            marker(3, 7, EndTransaction::Abort),
            record(4, Some(7)),
            marker(5, 8, EndTransaction::Abort),
            marker(6, 7, EndTransaction::Commit),
            record(7, None),
        ]
        .concat();
        let seen = |aborted: &[(i64, i64)]| {
            let aborted = aborted.iter().map(|(producer, first)| (ProducerId(*producer), Offset(*first)));
            let mut filter = AbortedFilter::new(aborted);
            let batches = Batch::all(&log).map(Result::unwrap);
            let seen = batches.filter(|batch| !filter.hides(batch, 1 << 20).unwrap());
            seen.map(|batch| batch.header().base_offset.0).collect::<Vec<_>>()
        };
        assert_eq!(seen(&[(8, 2), (7, 1)]), [0, 4, 7], "the next transaction of a producer counts");
        assert_eq!(seen(&[]), [0, 1, 2, 4, 7], "who reads what is not decided sees all records");
    }
}
