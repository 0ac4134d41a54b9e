//! Reads one message from bytes, within a memory allowance.

use bytes::Bytes;

use super::{DecodeError, DecodeProblem, Struct, Wire};

/// A decoded message may take this many bytes of memory for each of its bytes ...
pub const MEMORY_PER_INPUT_BYTE: usize = 4;

/// ... and this many on top. Every allocation is charged before it is made, so no message can exceed it.
///
/// Genuine messages stay far below: the structures are at most a few times larger than their wire form. Only
/// messages made of hundreds of thousands of empty elements reach the bound.
pub const MEMORY_ALLOWANCE_BYTES: usize = 1 << 20;

/// Longest string in bytes, in plain and in flexible versions.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// The bytes of one message that are still to be read.
///
/// Nothing is allocated by a length that the peer announced: an array is checked against the bytes left (an
/// element takes at least one) and charged to the allowance first. Messages nest as deep as their schema, which
/// has no recursion, so the depth is bounded too.
#[derive(Debug)]
pub struct Decoder<'a> {
    /// The whole body; byte fields are slices of it.
    body: &'a Bytes,
    /// What is still to be read; always inside `body`.
    rest: &'a [u8],
    /// Bytes of memory that may still be allocated.
    memory: usize,
    message: &'static str,
    version: i16,
    flexible: bool,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of `body`. `message` is for errors.
    pub fn new(body: &'a Bytes, message: &'static str, version: i16, flexible: bool) -> Self {
        // An error is an allocation too.
        let allowance = MEMORY_ALLOWANCE_BYTES - size_of::<DecodeProblem>();
        let memory = body.len().saturating_mul(MEMORY_PER_INPUT_BYTE).saturating_add(allowance);
        Self { body, rest: body, memory, message, version, flexible }
    }

    /// The version that is being read.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Reads the next field.
    ///
    /// # Errors
    /// Names the field and what is wrong with it.
    #[inline]
    pub fn read<T: Wire>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        T::read(self, field)
    }

    /// Reads a field that has no null in this version, though it has in others.
    ///
    /// # Errors
    /// Also if the field is null.
    pub fn read_some<T>(&mut self, field: &'static str) -> Result<Option<T>, DecodeError>
    where
        Option<T>: Wire,
    {
        match Option::<T>::read(self, field)? {
            None => Err(self.error(field, DecodeProblem::Null)),
            some => Ok(some),
        }
    }

    /// Reads the tagged fields that end a structure; in a plain version there are none. `known` reads the field of
    /// a tag and says whether it knows it; unknown ones are skipped.
    ///
    /// # Errors
    /// Those of the fields; also a known field that is shorter than its announced size.
    pub fn tags(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.varint(TAGS)?;
        for _ in 0..count {
            let tag = self.varint(TAGS)?;
            let size = self.varint(TAGS)? as usize;
            let value = self.take(size, TAGS)?;
            let after = std::mem::replace(&mut self.rest, value);
            if known(tag, self)? {
                self.finish(TAGS)?;
            }
            self.rest = after;
        }
        Ok(())
    }

    /// Reads a tagged structure that may be null: 0 for null, or another number and the structure.
    ///
    /// # Errors
    /// Those of the structure.
    pub fn read_nullable_tag<T: Struct>(&mut self, field: &'static str) -> Result<Option<T>, DecodeError> {
        match self.varint(field)? {
            0 => Ok(None),
            _ => T::decode(self).map(Some),
        }
    }

    /// Skips the tagged fields of a structure that knows none.
    ///
    /// # Errors
    /// If they are cut off.
    pub fn skip_tags(&mut self) -> Result<(), DecodeError> {
        self.tags(|_, _| Ok(false))
    }

    /// Checks that everything was read.
    pub(crate) fn finish(&self, field: &'static str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.error(field, DecodeProblem::Trailing { left })),
        }
    }

    /// What was not read yet, as a slice of the body.
    pub(crate) fn into_rest(self) -> Bytes {
        self.body.slice_ref(self.rest)
    }

    #[cold]
    pub(crate) fn error(&self, field: &'static str, problem: DecodeProblem) -> DecodeError {
        DecodeError { message: self.message, version: self.version, field, problem: Box::new(problem) }
    }

    /// The next `N` bytes, for fixed-size values.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((value, rest)) => {
                self.rest = rest;
                Ok(*value)
            }
            None => Err(self.error(field, DecodeProblem::Truncated { needed: N, left: self.rest.len() })),
        }
    }

    /// The next `count` bytes.
    fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(count) {
            Some((value, rest)) => {
                self.rest = rest;
                Ok(value)
            }
            None => Err(self.error(field, DecodeProblem::Truncated { needed: count, left: self.rest.len() })),
        }
    }

    /// An unsigned varint (KIP-482).
    fn varint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array(field)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.error(field, DecodeProblem::Varint));
            }
        }
        Err(self.error(field, DecodeProblem::Varint))
    }

    /// A length, `None` for null: a varint that is one larger in flexible versions, else an `i32`.
    fn length(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return Ok((self.varint(field)? as usize).checked_sub(1));
        }
        let length = i32::from_be_bytes(self.array(field)?);
        self.plain_length(i64::from(length), i64::from(i32::MAX), field)
    }

    /// As [`Self::length`], for strings: an `i16` in plain versions, and as bounded in flexible ones.
    fn string_length(&mut self, field: &'static str) -> Result<Option<usize>, DecodeError> {
        const MAX: i64 = STRING_BYTES_MAX as i64;
        let length = if self.flexible {
            i64::from(self.varint(field)?) - 1
        } else {
            i64::from(i16::from_be_bytes(self.array(field)?))
        };
        self.plain_length(length, MAX, field)
    }

    fn plain_length(&self, length: i64, max: i64, field: &'static str) -> Result<Option<usize>, DecodeError> {
        match length {
            -1 => Ok(None),
            0.. if length <= max => Ok(usize::try_from(length).ok()),
            _ => Err(self.error(field, DecodeProblem::Length { length, max })),
        }
    }

    /// A string, or null.
    pub(crate) fn string(&mut self, field: &'static str) -> Result<Option<String>, DecodeError> {
        let Some(length) = self.string_length(field)? else { return Ok(None) };
        let bytes = self.take(length, field)?;
        let text = std::str::from_utf8(bytes)
            .map_err(|error| self.error(field, DecodeProblem::Utf8 { at: error.valid_up_to() }))?;
        self.charge(length, field)?;
        Ok(Some(text.to_owned()))
    }

    /// Bytes, or null: a slice of the body, not a copy.
    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<Option<Bytes>, DecodeError> {
        let Some(length) = self.length(field)? else { return Ok(None) };
        let bytes = self.take(length, field)?;
        Ok(Some(self.body.slice_ref(bytes)))
    }

    /// An array, or null.
    pub(crate) fn vec<T: Wire>(&mut self, field: &'static str) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.length(field)? else { return Ok(None) };
        let left = self.rest.len();
        if count > left {
            return Err(self.error(field, DecodeProblem::Count { count, left }));
        }
        self.charge(count.saturating_mul(size_of::<T>()), field)?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(T::read(self, field)?);
        }
        Ok(Some(elements))
    }

    /// Takes memory from the allowance, before it is allocated.
    fn charge(&mut self, needed: usize, field: &'static str) -> Result<(), DecodeError> {
        match self.memory.checked_sub(needed) {
            Some(left) => {
                self.memory = left;
                Ok(())
            }
            None => Err(self.error(field, DecodeProblem::Memory { needed, left: self.memory })),
        }
    }
}

/// How errors name the tagged fields at the end of a structure.
const TAGS: &str = "tagged fields";
