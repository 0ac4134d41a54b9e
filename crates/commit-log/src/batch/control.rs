//! Control records: the log's own notes between the records of clients. Consumers skip them, but each one
//! takes an offset.

use super::Record;
use crate::bytes::Reader;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndTransaction {
    /// Its records do not count.
    Abort,
    /// Its records count.
    Commit,
}

/// A control record that the log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRecord {
    /// How the transaction of the batch's producer ended in this partition.
    pub end: EndTransaction,
    /// Epoch of the transaction coordinator that said so.
    pub coordinator_epoch: i32,
}

impl ControlRecord {
    /// From a record of a control batch; `None` for kinds that this log does not know and so ignores.
    pub fn parse(record: &Record<'_>) -> Option<Self> {
        let mut key = Reader::new(record.key?);
        let (_version, kind) = (key.i16()?, key.i16()?);
        let end = match kind {
            0 => EndTransaction::Abort,
            1 => EndTransaction::Commit,
            _ => return None,
        };
        let mut value = Reader::new(record.value?);
        let (_version, coordinator_epoch) = (value.i16()?, value.i32()?);
        Some(Self { end, coordinator_epoch })
    }

    /// Key and value, versions 0.
    pub fn encode(&self) -> ([u8; 4], [u8; 6]) {
        let kind: u8 = match self.end {
            EndTransaction::Abort => 0,
            EndTransaction::Commit => 1,
        };
        let [a, b, c, d] = self.coordinator_epoch.to_be_bytes();
        ([0, 0, 0, kind], [0, 0, a, b, c, d])
    }
}
