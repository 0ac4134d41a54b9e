//! A whole batch, header and records.

use super::{BatchError, BatchHeader, HEAD_OUTSIDE_CRC_BYTES, HEADER_BYTES, Payload};
use crate::offset::ProducerStamp;

/// One whole batch in borrowed bytes.
///
/// To have one means: magic 2, and the bytes are there. Whether they are unaltered, [`Batch::check_crc`] tells.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The first batch in `bytes`, and what follows it.
    pub fn split_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let size = header.size_bytes();
        let (batch, rest) =
            bytes.split_at_checked(size).ok_or(BatchError::Cut { needed: size, have: bytes.len() })?;
        Ok((Self { header, bytes: batch }, rest))
    }

    /// Every batch in `bytes`; ends with the first error.
    pub fn all(bytes: &'a [u8]) -> impl Iterator<Item = Result<Self, BatchError>> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            match Self::split_first(rest) {
                Ok((batch, next)) => {
                    rest = next;
                    Some(Ok(batch))
                }
                Err(error) => {
                    rest = &[];
                    Some(Err(error))
                }
            }
        })
    }

    /// The header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All bytes, header included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Compares the CRC-32C of everything from the attributes on with the header's.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(self.bytes.get(HEAD_OUTSIDE_CRC_BYTES..).unwrap_or_default());
        if computed == self.header.crc {
            Ok(())
        } else {
            Err(BatchError::Crc { stored: self.header.crc, computed })
        }
    }

    /// A copy in which someone else wrote the batch, or the same producer under other numbers.
    pub fn stamped(&self, stamp: ProducerStamp) -> Vec<u8> {
        let payload = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let mut header = self.header;
        header.producer_id = stamp.id.0;
        header.producer_epoch = stamp.epoch;
        header.base_sequence = stamp.base_sequence;
        header.crc = header.compute_crc(payload);
        let mut out = Vec::with_capacity(self.bytes.len());
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(payload);
        out
    }

    /// The records' bytes, decompressed if need be to at most `limit` bytes.
    pub fn payload(&self, limit: usize) -> Result<Payload<'a>, BatchError> {
        Payload::open(&self.header, self.bytes.get(HEADER_BYTES..).unwrap_or_default(), limit)
    }
}
