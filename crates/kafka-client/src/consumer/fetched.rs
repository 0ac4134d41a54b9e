//! Records as they came.

use std::sync::Arc;

use bytes::Bytes;
use commit_log::{
    ProducerId,
    batch::{AbortedFilter, Batch, BatchError, Record},
};
use common::{Offset, PartitionId};

/// Records of one partition, in order.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: PartitionId,
    /// The offset that was asked for: earlier records of the first batch are passed over.
    pub from: Offset,
    /// The offset behind the last record.
    pub next: Offset,
    /// Where the records end that consumers may see.
    pub high_watermark: Offset,
    /// Whole batches.
    pub(super) batches: Bytes,
    /// Transactions whose records are not to be seen: the producer and the first offset of each.
    pub(super) aborted: Vec<(ProducerId, Offset)>,
    pub(super) check_crcs: bool,
    pub(super) batch_bytes_max: usize,
}

impl Fetched {
    /// Bytes as they came, compressed perhaps.
    pub fn bytes(&self) -> usize {
        self.batches.len()
    }

    /// Shows each record to `visit`, as long as that gives true. Control records are passed
    /// over, and where the consumer reads what is committed, records of aborted transactions.
    ///
    /// # Errors
    /// At the first batch that cannot be read.
    pub fn each(&self, mut visit: impl FnMut(Record<'_>) -> bool) -> Result<(), BatchError> {
        let mut aborted = AbortedFilter::new(self.aborted.iter().copied());
        for batch in Batch::all(&self.batches) {
            let batch = batch?;
            if self.check_crcs {
                batch.check_crc()?;
            }
            if aborted.hides(&batch, self.batch_bytes_max)? {
                continue;
            }
            for record in batch.payload(self.batch_bytes_max)?.records() {
                let record = record?;
                if record.offset >= self.from && !visit(record) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The whole batches at the front of what a broker sent, and the offset behind them; a broker may cut the last one.
pub(super) fn whole_batches(bytes: &Bytes) -> Result<Option<(Bytes, Offset)>, BatchError> {
    let mut rest: &[u8] = bytes;
    let mut next = None;
    while !rest.is_empty() {
        match Batch::split_first(rest) {
            Ok((batch, behind)) => {
                next = Some(batch.header().next_offset());
                rest = behind;
            }
            Err(BatchError::Cut { .. }) if next.is_some() => break,
            Err(error) => return Err(error),
        }
    }
    let whole = bytes.len() - rest.len();
    Ok(next.map(|next| (bytes.slice(..whole), next)))
}

#[cfg(test)]
mod tests {
    use commit_log::batch::{BatchBuilder, Compression};

    use super::*;

    fn batch(base: i64, values: &[&str]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::Lz4);
        for value in values {
            builder.record(0, None, Some(value.as_bytes()));
        }
        builder.build(Offset(base)).unwrap()
    }

    fn fetched(batches: Bytes, from: i64) -> Fetched {
        Fetched {
            topic: "t".into(),
            partition: PartitionId(0),
            from: Offset(from),
            next: Offset(0),
            high_watermark: Offset(0),
            batches,
            aborted: Vec::new(),
            check_crcs: true,
            batch_bytes_max: 1 << 20,
        }
    }

    #[test]
    fn a_batch_that_is_cut_is_left_for_the_next_time() {
        let mut bytes = batch(5, &["a", "b", "c"]);
        let whole = bytes.len();
        bytes.extend_from_slice(&batch(8, &["d"])[..70]);
        let (batches, next) = whole_batches(&bytes.into()).unwrap().unwrap();
        assert_eq!((batches.len(), next), (whole, Offset(8)));
        assert!(whole_batches(&Bytes::new()).unwrap().is_none());
        assert!(whole_batches(&batch(8, &["d"])[..70].to_vec().into()).is_err(), "nothing whole at all");
    }

    #[test]
    fn records_before_the_offset_asked_for_are_passed_over() {
        let mut seen = Vec::new();
        let bytes = [batch(5, &["a", "b", "c"]), batch(8, &["d"])].concat();
        fetched(bytes.into(), 6)
            .each(|record| {
                seen.push((record.offset.0, record.value.unwrap().to_vec()));
                record.offset < Offset(7)
            })
            .unwrap();
        assert_eq!(seen, [(6, b"b".to_vec()), (7, b"c".to_vec())]);
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let mut bytes = batch(0, &["a"]);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(fetched(bytes.into(), 0).each(|_| true), Err(BatchError::Crc { .. })));
    }
}
