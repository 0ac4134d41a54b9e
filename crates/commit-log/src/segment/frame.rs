//! One entry of a `.frames` file, 32 bytes, big-endian:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | position of the batch in `.log` |
//! | 4 | 4 | its size |
//! | 8 | 4 | its last offset, less the base offset of the segment |
//! | 12 | 4 | front of `.log` that was durable when this was made |
//! | 16 | 8 | largest timestamp in the segment up to and with this batch |
//! | 24 | 4 | CRC-32C over the 61-byte headers of all batches up to and with this one |
//! | 28 | 4 | CRC-32C over `frame v1`, the segment's base offset (8), this entry's number (4), and the 28 bytes above |
//!
//! The first three make it an offset index, the timestamp a time index, both of every batch and so exact. The header
//! chain protects what Kafka's CRC leaves out. The durable front tells rot from a torn tail after a crash.

use crate::{bytes::Reader, offset::Offset};

/// Bytes of an entry.
pub(super) const FRAME_BYTES: usize = 32;

const CHECKED_BYTES: usize = 28;

/// Enters every checksum, so that no other bytes pass for a frame, and an older format not for this one.
const SALT: &[u8; 8] = b"frame v1";

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) position: u32,
    pub(crate) size: u32,
    pub(crate) last_delta: u32,
    pub(crate) synced: u32,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) header_check: u32,
}

impl Frame {
    /// Position of whatever comes after the batch.
    pub(crate) fn end_position(&self) -> u64 {
        u64::from(self.position) + u64::from(self.size)
    }

    /// Whether this can be the frame behind `before`.
    pub(super) fn follows(&self, before: &Self) -> bool {
        u64::from(self.position) == before.end_position()
            && self.last_delta > before.last_delta
            && self.max_timestamp_ms >= before.max_timestamp_ms
    }

    pub(super) fn encode(&self, base: Offset, index: u32) -> [u8; FRAME_BYTES] {
        let mut out = [0; FRAME_BYTES];
        let (checked, check) = out.split_at_mut(CHECKED_BYTES);
        let words = [self.position, self.size, self.last_delta, self.synced].map(u32::to_be_bytes);
        let timestamp = self.max_timestamp_ms.to_be_bytes();
        let chain = self.header_check.to_be_bytes();
        let fields = words.as_flattened().iter().chain(&timestamp).chain(&chain);
        checked.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
        check.copy_from_slice(&checksum(base, index, checked).to_be_bytes());
        out
    }

    /// `None` if these are not the bytes that were written as the entry `index` of the segment.
    pub(super) fn decode(bytes: &[u8], base: Offset, index: u32) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let frame = Self {
            position: reader.u32()?,
            size: reader.u32()?,
            last_delta: reader.u32()?,
            synced: reader.u32()?,
            max_timestamp_ms: reader.i64()?,
            header_check: reader.u32()?,
        };
        (checksum(base, index, bytes.get(..CHECKED_BYTES)?) == reader.u32()?).then_some(frame)
    }
}

fn checksum(base: Offset, index: u32, checked: &[u8]) -> u32 {
    let salt = crc32c::crc32c(SALT);
    let place = crc32c::crc32c_append(salt, &base.0.to_be_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(place, &index.to_be_bytes()), checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame =
        Frame { position: 1, size: 2, last_delta: 3, synced: 4, max_timestamp_ms: 5, header_check: 6 };

    #[test]
    fn every_flipped_bit_and_every_other_place_is_noticed() {
        let bytes = FRAME.encode(Offset(7), 8);
        assert_eq!(Frame::decode(&bytes, Offset(7), 8), Some(FRAME));
        assert_eq!(Frame::decode(&bytes, Offset(8), 8), None);
        assert_eq!(Frame::decode(&bytes, Offset(7), 9), None);
        assert_eq!(Frame::decode(&[0; FRAME_BYTES], Offset(0), 0), None);
        for bit in 0..FRAME_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::decode(&bytes, Offset(7), 8), None, "bit {bit}");
        }
    }
}
