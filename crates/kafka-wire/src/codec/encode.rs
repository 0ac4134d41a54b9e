//! Writes one message. Records are not copied into it: see [`Encoder::finish`].

use super::{EncodeError, Struct, Wire};
use crate::records::Records;

/// Records of up to this many bytes are copied into the message: an extra piece for the socket costs more.
const COPIED_RECORDS_BYTES_MAX: usize = 1024;

/// Longest string in bytes, in plain and in flexible versions.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// The bytes of a message as they grow, and the records that belong between them.
#[derive(Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
    inserts: Vec<Insert>,
    message: &'static str,
    version: i16,
    flexible: bool,
}

/// Records that belong into a message before its byte `at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// Position in the message without any records.
    pub at: usize,
    /// What comes there.
    pub records: Records,
}

/// The tagged fields of a structure that is being written: where their number stands, and the number.
#[derive(Debug)]
pub struct TagCount {
    at: usize,
    count: u8,
}

impl Encoder {
    /// An encoder that appends to `bytes`. `message` is for errors.
    pub fn new(bytes: Vec<u8>, message: &'static str, version: i16, flexible: bool) -> Self {
        Self { bytes, inserts: Vec::new(), message, version, flexible }
    }

    /// The version that is being written.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// The bytes, and the records that belong between them in order.
    pub fn finish(self) -> (Vec<u8>, Vec<Insert>) {
        (self.bytes, self.inserts)
    }

    /// Writes the next field.
    ///
    /// # Errors
    /// If the version cannot carry the value.
    #[inline]
    pub fn write<T: Wire>(&mut self, field: &'static str, value: &T) -> Result<(), EncodeError> {
        value.write(self, field)
    }

    /// Writes a field that has no null in this version, though it has in others.
    ///
    /// # Errors
    /// Also if the field is null.
    pub fn write_some<T>(&mut self, field: &'static str, value: &Option<T>) -> Result<(), EncodeError>
    where
        Option<T>: Wire,
    {
        if value.is_none() {
            return Err(self.error(field, "null is not allowed"));
        }
        value.write(self, field)
    }

    /// Says that this version lacks a field, and that its value is `default`.
    ///
    /// # Errors
    /// If it is not: leaving it out would change the meaning. (Fields that Kafka calls ignorable are just left out.)
    pub fn absent(&self, field: &'static str, default: bool) -> Result<(), EncodeError> {
        if default { Ok(()) } else { Err(self.error(field, "the version has no such field")) }
    }

    /// Begins the tagged fields that end a structure.
    pub fn begin_tags(&mut self) -> TagCount {
        let tags = TagCount { at: self.bytes.len(), count: 0 };
        if self.flexible {
            self.bytes.push(0);
        }
        tags
    }

    /// Writes a tagged field, unless it holds its default: old clients cannot skip those (librdkafka before 2.2).
    ///
    /// # Errors
    /// If the version cannot carry the value.
    pub fn tag<T: Wire>(
        &mut self,
        tags: &mut TagCount,
        tag: u32,
        field: &'static str,
        value: &T,
        is_default: bool,
    ) -> Result<(), EncodeError> {
        if is_default {
            return Ok(());
        }
        self.tagged(tags, tag, field, |encoder| value.write(encoder, field))
    }

    /// As [`Encoder::tag`], for a structure that may be null: 0 for null, or 1 and the structure.
    ///
    /// # Errors
    /// If the version cannot carry the value.
    pub fn nullable_tag<T: Struct>(
        &mut self,
        tags: &mut TagCount,
        tag: u32,
        field: &'static str,
        value: &Option<T>,
        is_default: bool,
    ) -> Result<(), EncodeError> {
        if is_default {
            return Ok(());
        }
        self.tagged(tags, tag, field, |encoder| {
            encoder.varint(u32::from(value.is_some()));
            value.as_ref().map_or(Ok(()), |value| value.encode(encoder))
        })
    }

    fn tagged(
        &mut self,
        tags: &mut TagCount,
        tag: u32,
        field: &'static str,
        write: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        debug_assert!(self.flexible && tags.count < 0x7f, "tags are few, and of flexible versions only");
        tags.count += 1;
        self.varint(tag);
        // Its size comes first but is known last: it is written behind the value, and both change places.
        let start = self.bytes.len();
        write(self)?;
        let end = self.bytes.len();
        self.varint(u32::try_from(end - start).map_err(|_| self.error(field, TOO_LONG))?);
        let size_bytes = self.bytes.len() - end;
        if let Some(value_and_size) = self.bytes.get_mut(start..) {
            value_and_size.rotate_right(size_bytes);
        }
        Ok(())
    }

    /// Ends the tagged fields of a structure.
    pub fn end_tags(&mut self, tags: TagCount) {
        if let Some(count) = self.bytes.get_mut(tags.at).filter(|_| self.flexible) {
            *count = tags.count;
        }
    }

    /// Ends a structure that has no tagged fields.
    pub fn no_tags(&mut self) {
        if self.flexible {
            self.bytes.push(0);
        }
    }

    #[cold]
    pub(crate) fn error(&self, field: &'static str, problem: &'static str) -> EncodeError {
        EncodeError { message: self.message, version: self.version, field, problem }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, value: [u8; N]) {
        self.bytes.extend_from_slice(&value);
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push(value.to_be_bytes()[3] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_be_bytes()[3]);
    }

    fn length(&mut self, length: Option<usize>, field: &'static str) -> Result<(), EncodeError> {
        let length = match length {
            None => -1,
            Some(length) => i32::try_from(length).map_err(|_| self.error(field, TOO_LONG))?,
        };
        if self.flexible {
            self.varint(length.wrapping_add(1).cast_unsigned());
        } else {
            self.array(length.to_be_bytes());
        }
        Ok(())
    }

    pub(crate) fn string(&mut self, text: Option<&str>, field: &'static str) -> Result<(), EncodeError> {
        let length = match text {
            None => -1,
            Some(text) if text.len() > STRING_BYTES_MAX => return Err(self.error(field, TOO_LONG)),
            Some(text) => text.len() as i16,
        };
        if self.flexible {
            self.varint((i32::from(length) + 1).cast_unsigned());
        } else {
            self.array(length.to_be_bytes());
        }
        self.bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
        Ok(())
    }

    pub(crate) fn bytes(&mut self, bytes: Option<&[u8]>, field: &'static str) -> Result<(), EncodeError> {
        self.length(bytes.map(<[u8]>::len), field)?;
        self.bytes.extend_from_slice(bytes.unwrap_or_default());
        Ok(())
    }

    pub(crate) fn vec<T: Wire>(
        &mut self,
        elements: Option<&[T]>,
        field: &'static str,
    ) -> Result<(), EncodeError> {
        self.length(elements.map(<[T]>::len), field)?;
        for element in elements.unwrap_or_default() {
            element.write(self, field)?;
        }
        Ok(())
    }

    /// Writes the length of `records` and notes that they come here; only short ones are copied.
    pub(crate) fn records(&mut self, records: &Records, field: &'static str) -> Result<(), EncodeError> {
        let length = records.len();
        self.length(Some(length), field)?;
        match records {
            _ if length == 0 => {}
            Records::Bytes(bytes) if length <= COPIED_RECORDS_BYTES_MAX => {
                self.bytes.extend_from_slice(bytes)
            }
            Records::Pieces(pieces) if length <= COPIED_RECORDS_BYTES_MAX => {
                pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece));
            }
            records => self.inserts.push(Insert { at: self.bytes.len(), records: records.clone() }),
        }
        Ok(())
    }
}

const TOO_LONG: &str = "the value is longer than the protocol allows";
