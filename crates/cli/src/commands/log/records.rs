//! Keys, values and headers of records, for people and as JSON.

use std::io::{self, Write};

use commit_log::batch::{Batch, BatchError, ControlRecord, EndTransaction, Record};
use serde::{Serialize, Serializer, ser::SerializeSeq as _};
use serde_json::{Value, json};

use crate::commands::utc_or_number;

/// Most bytes that a batch may decompress to.
const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// Most characters of a key or value in a table.
const CELL_CHARS_MAX: usize = 100;

/// The records of a batch, given by its bytes, as a list of JSON objects.
pub(super) struct RecordList<'a>(pub(super) &'a [u8]);

impl Serialize for RecordList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let ended = Batch::split_first(self.0)
            .and_then(|(batch, _)| each(&batch, |record| list.serialize_element(&to_json(record, &batch))));
        match ended {
            Ok(written) => written?,
            Err(error) => list.serialize_element(&json!({ "problem": error.to_string() }))?,
        }
        list.end()
    }
}

/// Writes the records of a batch for people, a line each.
pub(super) fn render(batch: &Batch<'_>, out: &mut dyn Write) -> io::Result<()> {
    match each(batch, |record| render_one(record, batch, out)) {
        Ok(written) => written,
        Err(error) => writeln!(out, "    {error}"),
    }
}

/// Shows each record until `show` fails. The outer error is that of the batch.
fn each<E>(
    batch: &Batch<'_>,
    mut show: impl FnMut(&Record<'_>) -> Result<(), E>,
) -> Result<Result<(), E>, BatchError> {
    let payload = batch.payload(DECOMPRESSED_BYTES_MAX)?;
    for record in payload.records() {
        if let Err(error) = show(&record?) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

fn to_json(record: &Record<'_>, batch: &Batch<'_>) -> Value {
    let headers: Vec<Value> = record
        .headers
        .iter()
        .map(|header| json!({ "key": data(Some(header.key)), "value": data(header.value) }))
        .collect();
    let mut object = json!({
        "offset": record.offset,
        "timestampMs": record.timestamp_ms,
        "key": data(record.key),
        "value": data(record.value),
        "headers": headers,
    });
    if let (Some(end), Some(object)) = (control(record, batch), object.as_object_mut()) {
        object.insert("control".to_owned(), end.into());
    }
    object
}

/// Text as it is, other bytes as `{"base64": ...}`.
fn data(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => Value::Null,
        Some((Ok(text), _)) => text.into(),
        Some((Err(_), bytes)) => json!({ "base64": base64(bytes) }),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn control(record: &Record<'_>, batch: &Batch<'_>) -> Option<&'static str> {
    let control = ControlRecord::parse(record).filter(|_| batch.header().attributes.is_control())?;
    Some(match control.end {
        EndTransaction::Abort => "ABORT",
        EndTransaction::Commit => "COMMIT",
    })
}

fn render_one(record: &Record<'_>, batch: &Batch<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "    {}  {}", record.offset, utc_or_number(record.timestamp_ms))?;
    if let Some(end) = control(record, batch) {
        return writeln!(out, "  {end} marker");
    }
    write!(out, "  key {}  value {}", shown(record.key), shown(record.value))?;
    for header in record.headers.iter() {
        write!(out, "  {}={}", shown(Some(header.key)), shown(header.value))?;
    }
    writeln!(out)
}

/// In quotes and cut where it is long; base64 where it is no text.
fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("base64:{}", base64(bytes)),
    };
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => format!("{}... ({} bytes)", text.get(..end).unwrap_or_default(), bytes.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_other_bytes_become_base64() {
        assert_eq!(data(None), Value::Null);
        assert_eq!(data(Some(b"")), json!(""));
        assert_eq!(data(Some("\u{e9}\n".as_bytes())), json!("\u{e9}\n"));
        assert_eq!(data(Some(&[0xff, 0])), json!({"base64": "/wA="}));
        assert_eq!(shown(Some(b"a\tb")), r#""a\tb""#);
        assert_eq!(shown(Some(&[0xff, 0])), "base64:/wA=");
        assert_eq!(shown(None), "null");
        assert!(shown(Some(&[b'x'; 500])).ends_with("xxx... (500 bytes)"));
    }
}
