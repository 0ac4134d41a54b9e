//! Records, borrowed from the bytes of their batch.

use std::borrow::Cow;

use super::{BatchError, BatchHeader, TimestampType};
use crate::{
    bytes::{Reader, length, put_varlong},
    offset::Offset,
};

/// One record. Keys, values and headers are slices of the batch's (decompressed) bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: Offset,
    /// When it was made or appended, in ms; see [`TimestampType`].
    pub timestamp_ms: i64,
    /// Its key; `None` and empty differ.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order, equal keys included.
    pub headers: Headers<'a>,
}

/// A name and a value that travel with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// UTF-8 by convention; not checked.
    pub key: &'a [u8],
    /// Its value.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record. Cheap to copy: they are parsed while they are iterated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Already walked once, so that it is known to parse.
    bytes: &'a [u8],
    count: usize,
}

/// What a record is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    /// In ms.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [RecordHeader<'a>],
}

/// The decompressed records of one batch.
#[derive(Debug)]
pub struct Payload<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Payload<'a> {
    pub(super) fn open(header: &BatchHeader, packed: &'a [u8], limit: usize) -> Result<Self, BatchError> {
        let bytes = header.attributes.compression()?.decompress(packed, limit)?;
        Ok(Self { header: *header, bytes })
    }

    /// All bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records, each with its bytes.
    pub(crate) fn records_with_bytes(&self) -> impl Iterator<Item = Result<(Record<'_>, &[u8]), BatchError>> {
        let mut records = self.records();
        std::iter::from_fn(move || {
            let from = records.rest.len();
            let record = records.next()?;
            let until = records.rest.len();
            let end = self.bytes.len();
            let bytes = self.bytes.get(end.saturating_sub(from)..end.saturating_sub(until));
            Some(record.map(|record| (record, bytes.unwrap_or_default())))
        })
    }

    /// The records. There are as many as the header says, in rising order of offset and inside the batch's
    /// range of offsets, or the last item is an error.
    pub fn records(&self) -> Records<'_> {
        Records {
            header: &self.header,
            rest: Reader::new(&self.bytes),
            index: 0,
            count: usize::try_from(self.header.record_count).unwrap_or(0),
            next_delta: 0,
        }
    }
}

/// Iterator over the records of a batch; ends after the first error.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    header: &'a BatchHeader,
    rest: Reader<'a>,
    index: usize,
    count: usize,
    /// Smallest offset delta that the next record may have.
    next_delta: i32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.index;
        if index > self.count {
            return None;
        }
        self.index += 1;
        let result = if index < self.count {
            self.parse()
        } else if self.rest.is_empty() {
            return None;
        } else {
            Err("bytes follow the last record")
        };
        Some(result.map_err(|reason| {
            self.index = self.count + 1;
            BatchError::Record { index, reason }
        }))
    }
}

impl<'a> Records<'a> {
    fn parse(&mut self) -> Result<Record<'a>, &'static str> {
        let len = self.rest.varint().and_then(length).ok_or("its length is no length")?;
        let mut body =
            Reader::new(self.rest.take_slice(len).ok_or("it is longer than what is left of the batch")?);
        let fixed = |body: &mut Reader<'a>| Some((body.i8()?, body.varlong()?, body.varint()?));
        let (_attributes, timestamp_delta, offset_delta) =
            fixed(&mut body).ok_or("it ends before its offset")?;
        if offset_delta < self.next_delta || offset_delta > self.header.last_offset_delta {
            return Err("its offset is not between its neighbours'");
        }
        self.next_delta = offset_delta.saturating_add(1);
        let key = nullable(&mut body).ok_or("its key is longer than the record")?;
        let value = nullable(&mut body).ok_or("its value is longer than the record")?;
        let headers = Headers::parse(&mut body).ok_or("its headers do not parse")?;
        if !body.is_empty() {
            return Err("bytes follow its headers");
        }
        Ok(Record {
            offset: self.header.base_offset + i64::from(offset_delta),
            timestamp_ms: self.timestamp_ms(timestamp_delta),
            key,
            value,
            headers,
        })
    }

    fn timestamp_ms(&self, delta: i64) -> i64 {
        match self.header.attributes.timestamp_type() {
            TimestampType::CreateTime => self.header.base_timestamp_ms.saturating_add(delta),
            TimestampType::LogAppendTime => self.header.max_timestamp_ms,
        }
    }
}

/// The outer `Option` is the parser's, the inner one the record's.
#[allow(clippy::option_option, reason = "a null and a parse error are different answers")]
fn nullable<'a>(body: &mut Reader<'a>) -> Option<Option<&'a [u8]>> {
    match body.varint()? {
        -1 => Some(None),
        len => Some(Some(body.take_slice(length(len)?)?)),
    }
}

impl<'a> Headers<'a> {
    fn parse(body: &mut Reader<'a>) -> Option<Self> {
        let count = length(body.varint()?)?;
        let mut walk = *body;
        for _ in 0..count {
            header(&mut walk)?;
        }
        let bytes = body.take_slice(body.len() - walk.len())?;
        Some(Self { bytes, count })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each one, in order.
    pub fn iter(&self) -> impl Iterator<Item = RecordHeader<'a>> + use<'a> {
        let mut rest = Reader::new(self.bytes);
        std::iter::from_fn(move || header(&mut rest))
    }
}

fn header<'a>(body: &mut Reader<'a>) -> Option<RecordHeader<'a>> {
    let key_len = length(body.varint()?)?;
    let key = body.take_slice(key_len)?;
    Some(RecordHeader { key, value: nullable(body)? })
}

/// Appends a record to the uncompressed payload of a batch.
pub(super) fn encode<'a>(
    out: &mut Vec<u8>,
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl ExactSizeIterator<Item = RecordHeader<'a>>,
) {
    let mut body = Vec::with_capacity(
        32 + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + 16 * headers.len(),
    );
    body.push(0);
    put_varlong(&mut body, timestamp_delta);
    put_varlong(&mut body, i64::from(offset_delta));
    put_nullable(&mut body, key);
    put_nullable(&mut body, value);
    put_len(&mut body, headers.len());
    for header in headers {
        put_len(&mut body, header.key.len());
        body.extend_from_slice(header.key);
        put_nullable(&mut body, header.value);
    }
    put_len(out, body.len());
    out.extend_from_slice(&body);
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(out, -1),
        Some(bytes) => {
            put_len(out, bytes.len());
            out.extend_from_slice(bytes);
        }
    }
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    put_varlong(out, i64::try_from(len).unwrap_or(i64::MAX));
}
