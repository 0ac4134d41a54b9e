//! What a line of input means as a record.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use common::PartitionId;
use serde_json::Value;

/// How lines are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct InputOptions {
    /// Lines are JSON objects.
    pub(crate) json: bool,
    /// What stands between key and value.
    pub(crate) key_separator: Option<String>,
}

/// Names and values, in order.
pub(crate) type Headers = Vec<(String, Option<Vec<u8>>)>;

/// A record as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Headers,
    pub(crate) partition: Option<PartitionId>,
    pub(crate) timestamp_ms: Option<i64>,
}

impl InputOptions {
    /// The record of a line (without its line feed).
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn parse(&self, line: &[u8]) -> Result<Parsed, String> {
        if self.json {
            let value = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
            return from_json(value);
        }
        let (key, value) = match &self.key_separator {
            None => (None, line),
            Some(separator) => {
                let at = line.windows(separator.len()).position(|window| window == separator.as_bytes());
                let (key, rest) = at
                    .and_then(|at| line.split_at_checked(at))
                    .ok_or_else(|| format!("no `{separator}` between a key and a value"))?;
                (Some(key.to_vec()), rest.get(separator.len()..).unwrap_or_default())
            }
        };
        Ok(Parsed { key, value: Some(value.to_vec()), ..Parsed::default() })
    }
}

/// `{"key": .., "value": .., "headers": {..} or [{"key": .., "value": ..}], "partition": .., "timestamp": ..}`; only
/// the value is needed. Text is itself, `{"base64": ".."}` is bytes, null is null, anything else is written as JSON.
fn from_json(value: Value) -> Result<Parsed, String> {
    let Value::Object(fields) = value else { return Err("no JSON object".to_owned()) };
    if !fields.contains_key("value") {
        return Err("no `value`; null is written as null".to_owned());
    }
    let mut parsed = Parsed::default();
    for (name, field) in fields {
        match name.as_str() {
            "key" => parsed.key = bytes(field)?,
            "value" => parsed.value = bytes(field)?,
            "headers" => parsed.headers = headers(field)?,
            "partition" if field.is_null() => {}
            "partition" => {
                let partition = field.as_i64().and_then(|number| i32::try_from(number).ok());
                parsed.partition = Some(PartitionId(partition.ok_or("`partition` is no partition")?));
            }
            "timestamp" if field.is_null() => {}
            "timestamp" => {
                let time_ms = field.as_i64().ok_or("`timestamp` is no number of milliseconds")?;
                parsed.timestamp_ms = Some(time_ms);
            }
            // What `dmq consume -o json` adds, so that its output can be written again.
            "topic" | "offset" => {}
            other => return Err(format!("`{other}` is no field of a record")),
        }
    }
    Ok(parsed)
}

fn bytes(value: Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.into_bytes())),
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("base64") => {
            let encoded = fields.get("base64").and_then(Value::as_str).ok_or("`base64` is no text")?;
            BASE64.decode(encoded).map(Some).map_err(|error| format!("base64: {error}"))
        }
        other => Ok(Some(other.to_string().into_bytes())),
    }
}

fn headers(value: Value) -> Result<Headers, String> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| Ok((key, bytes(value)?))).collect(),
        Value::Array(list) => list
            .into_iter()
            .map(|mut entry| {
                let key = entry.get("key").and_then(Value::as_str).ok_or("a header without a `key`")?;
                let key = key.to_owned();
                let value = entry.get_mut("value").map(Value::take).unwrap_or_default();
                Ok((key, bytes(value)?))
            })
            .collect(),
        _ => Err("`headers` is neither an object nor a list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Result<Parsed, String> {
        InputOptions { json: true, key_separator: None }.parse(text.as_bytes())
    }

    #[test]
    fn a_line_is_a_value_or_a_key_and_a_value() {
        let plain = InputOptions::default().parse(b"a:b").unwrap();
        assert_eq!((plain.key, plain.value), (None, Some(b"a:b".to_vec())));
        let keyed = InputOptions { key_separator: Some("::".to_owned()), json: false };
        let parsed = keyed.parse(b"a::b::c").unwrap();
        assert_eq!((parsed.key, parsed.value), (Some(b"a".to_vec()), Some(b"b::c".to_vec())));
        assert!(keyed.parse(b"a:b").is_err());
        assert_eq!(keyed.parse(b"::").unwrap().value, Some(Vec::new()));
    }

    #[test]
    fn json_lines_have_everything_a_record_has() {
        let record = json(
            r#"{"key": "k", "value": {"a": 1}, "headers": {"h": "x", "n": null}, "partition": 2, "timestamp": 5}"#,
        )
        .unwrap();
        assert_eq!(record.key.as_deref(), Some(&b"k"[..]));
        assert_eq!(record.value.as_deref(), Some(&br#"{"a":1}"#[..]));
        assert_eq!(record.headers, [("h".to_owned(), Some(b"x".to_vec())), ("n".to_owned(), None)]);
        assert_eq!((record.partition, record.timestamp_ms), (Some(PartitionId(2)), Some(5)));
        assert_eq!(json(r#"{"value": {"base64": "AP8="}}"#).unwrap().value, Some(vec![0, 255]));
        assert_eq!(json(r#"{"value": null}"#).unwrap().value, None);
        let twice =
            json(r#"{"value": 1, "headers": [{"key": "h", "value": "1"}, {"key": "h", "value": "2"}]}"#);
        assert_eq!(twice.unwrap().headers.len(), 2);
    }

    #[test]
    fn what_is_no_record_says_why() {
        for wrong in ["", "[]", "{}", r#"{"value": 1, "valeu": 2}"#, r#"{"value": {"base64": "!"}}"#] {
            assert!(json(wrong).is_err(), "{wrong}");
        }
    }
}
