//! Records over REST: produce, consume, stream. The calls of the brokers' data plane.
//!
//! Keys, values and header values are [`Data`]: any bytes, in the form that reads best.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use common::{Offset, PartitionId};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::Problem;

/// Bytes in JSON: `null`, a string (its UTF-8 text), `{"base64": "..."}`, or any other JSON, which stands for its own text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Data(Box<RawValue>);

/// Which form [`Data`] has in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DataFormat {
    /// The bytes are a JSON object or array.
    Json,
    /// The bytes are UTF-8 text.
    Text,
    /// Any bytes.
    Base64,
}

/// How a reader wants to have bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum WantedFormat {
    /// As JSON if they are an object or array, else as text if they are UTF-8, else as base64.
    #[default]
    Auto,
    /// Always as base64.
    Base64,
}

/// [`Data`] that stands for no bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidData(String);

impl fmt::Display for InvalidData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64Object {
    base64: String,
}

impl Data {
    /// Bytes in the form that reads best, and which one that is; `None` for null.
    pub fn of(bytes: Option<&[u8]>, wanted: WantedFormat) -> Option<(Self, DataFormat)> {
        let bytes = bytes?;
        let text = std::str::from_utf8(bytes).ok().filter(|_| wanted == WantedFormat::Auto);
        let json = text.filter(|text| text.starts_with(['{', '['])).and_then(|text| {
            // A line feed in JSON is never part of a string; without one, a record fits into one line.
            RawValue::from_string(text.trim_end().replace(['\n', '\r'], " ")).ok()
        });
        let (raw, format) = match (json, text) {
            (Some(json), _) => return Some((Self(json), DataFormat::Json)),
            (None, Some(text)) => (serde_json::to_string(text), DataFormat::Text),
            (None, None) => (
                serde_json::to_string(&serde_json::json!({ "base64": BASE64.encode(bytes) })),
                DataFormat::Base64,
            ),
        };
        // Strings are always written.
        Some((Self(RawValue::from_string(raw.ok()?).ok()?), format))
    }

    /// The bytes that it stands for; `None` for null.
    ///
    /// # Errors
    /// If it is `{"base64": ...}` with something else in it.
    pub fn bytes(&self) -> Result<Option<Vec<u8>>, InvalidData> {
        let json = self.0.get();
        match json.as_bytes().first() {
            Some(b'n') => Ok(None),
            Some(b'"') => serde_json::from_str::<String>(json)
                .map(|text| Some(text.into_bytes()))
                .map_err(|error| InvalidData(error.to_string())),
            Some(b'{') => match serde_json::from_str::<Base64Object>(json) {
                Ok(Base64Object { base64 }) => BASE64
                    .decode(&base64)
                    .map(Some)
                    .map_err(|error| InvalidData(format!("`base64` is no base64: {error}"))),
                Err(_) => Ok(Some(json.as_bytes().to_vec())),
            },
            _ => Ok(Some(json.as_bytes().to_vec())),
        }
    }
}

/// A name and a value that travel with a record. Names may repeat.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordHeader {
    /// The name.
    pub key: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Data>,
}

/// A record to be written.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRecord {
    /// Its key. Records with equal keys go to the same partition, as with Kafka's Java client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub key: Option<Data>,
    /// Its value; null deletes the key from a compacted topic, so it has to be said.
    #[serde(deserialize_with = "null_or_data")]
    #[schema(required = true, value_type = Option<serde_json::Value>)]
    pub value: Option<Data>,
    /// Its headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<RecordHeader>,
    /// Where to write it, if not where its key belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionId>,
    /// Its time in Unix milliseconds; without it, the time at which the broker gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
}

/// Without a function of its own, a field that may be null may also be left out.
fn null_or_data<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Data>, D::Error> {
    Option::deserialize(deserializer)
}

/// When a record counts as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Acks {
    /// When it is durable on all in-sync replicas, at least `min.insync.replicas`.
    #[default]
    All,
    /// When it is durable on the leader.
    Leader,
    /// At once: nobody knows whether it is.
    None,
}

/// `POST /api/v1/topics/{topic}/records`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProduceRequest {
    /// The records. Those of one partition are written in this order.
    pub records: Vec<NewRecord>,
    /// When they count as written.
    #[serde(default)]
    pub acks: Acks,
}

/// What came of one record: where it is, or why it is not known to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum RecordOutcome {
    /// It was written.
    Written(WrittenRecord),
    /// It was not, or nobody knows: the problem says which.
    Problem {
        /// Why.
        problem: Box<Problem>,
    },
}

/// A record that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WrittenRecord {
    /// The partition.
    pub partition: PartitionId,
    /// Its offset; null where nobody was asked (`acks: none`).
    pub offset: Option<Offset>,
    /// Its time in Unix milliseconds; null where the broker set one of its own (`message.timestamp.type=LogAppendTime`).
    pub timestamp: Option<i64>,
}

/// What came of a bulk of records, sent as lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkOutcome {
    /// Lines that were read.
    pub records: u64,
    /// Records that were written.
    pub written: u64,
    /// Per partition, what was written to it.
    pub partitions: Vec<BulkPartition>,
    /// The first records that are not known to be written.
    pub problems: Vec<BulkProblem>,
    /// How many more there are.
    pub problems_left_out: u64,
}

/// What a bulk wrote to one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkPartition {
    /// The partition.
    pub partition: PartitionId,
    /// Records of the bulk that were written to it.
    pub written: u64,
    /// Offset of the first of them.
    pub first_offset: Option<Offset>,
    /// Offset of the last of them.
    pub last_offset: Option<Offset>,
}

/// A line of a bulk that is not known to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkProblem {
    /// Number of the line, from 1.
    pub line: u64,
    /// Why.
    pub problem: Problem,
}

/// A record as it is read.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadRecord {
    /// The partition.
    pub partition: PartitionId,
    /// Its offset.
    pub offset: Offset,
    /// Its time in Unix milliseconds.
    pub timestamp: i64,
    /// Its key.
    #[schema(value_type = Option<serde_json::Value>)]
    pub key: Option<Data>,
    /// The form of the key; absent for null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_format: Option<DataFormat>,
    /// Its value.
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Data>,
    /// The form of the value; absent for null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_format: Option<DataFormat>,
    /// Its headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<RecordHeader>,
}

/// `GET /api/v1/topics/{topic}/partitions/{p}/records`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordPage {
    /// The records, in order.
    pub records: Vec<ReadRecord>,
    /// Everything below it is committed.
    pub high_watermark: Offset,
    /// Everything below it is committed and decided: what `isolation=readCommitted` reads.
    pub last_stable_offset: Offset,
    /// Where the partition's records begin.
    pub log_start_offset: Offset,
    /// Where to read on.
    pub next_offset: Offset,
}

/// Which records a reader sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Isolation {
    /// Committed ones, also those of transactions that are open or were aborted.
    #[default]
    #[serde(alias = "read_uncommitted")]
    ReadUncommitted,
    /// Those of committed transactions, and those outside of any.
    #[serde(alias = "read_committed")]
    ReadCommitted,
}

/// Records that one page has at most.
pub const PAGE_RECORDS_MAX: usize = 10_000;

/// Records that one page has by default.
pub const PAGE_RECORDS: usize = 500;

/// The longest that a read waits for records, in ms.
pub const MAX_WAIT_MS_MAX: u64 = 60_000;

/// Parameters of `GET /api/v1/topics/{topic}/partitions/{p}/records`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadRecordsQuery {
    /// Where to begin: an offset, `earliest`, `latest`, or `timestamp:<Unix milliseconds>`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub offset: StartOffset,
    /// How many records to read at most.
    pub max_records: Option<usize>,
    /// How long to wait while there are none, in ms.
    #[serde(default)]
    #[param(required = false)]
    pub max_wait_ms: u64,
    /// Which records to see.
    #[serde(default)]
    #[param(inline, required = false)]
    pub isolation: Isolation,
    /// How to show bytes.
    #[serde(default)]
    #[param(inline, required = false)]
    pub format: WantedFormat,
}

/// Parameters of `GET /api/v1/topics/{topic}/stream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// Where to begin without a `Last-Event-ID`: an offset, `earliest`, `latest`, or `timestamp:<Unix milliseconds>`.
    #[serde(default = "StartOffset::latest")]
    #[param(value_type = Option<String>)]
    pub offset: StartOffset,
    /// Only this partition.
    pub partition: Option<PartitionId>,
    /// Which records to see.
    #[serde(default)]
    #[param(inline, required = false)]
    pub isolation: Isolation,
    /// How to show bytes.
    #[serde(default)]
    #[param(inline, required = false)]
    pub format: WantedFormat,
}

/// Where reading begins: a number, `earliest`, `latest`, or `timestamp:<Unix milliseconds>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StartOffset {
    /// At the first record that is there.
    #[default]
    Earliest,
    /// Behind the last one.
    Latest,
    /// At this offset.
    At(Offset),
    /// At the first record of this time in Unix milliseconds, or a later one; behind the last one if none is so late.
    Since(i64),
}

impl StartOffset {
    /// For defaults.
    pub fn latest() -> Self {
        Self::Latest
    }
}

impl TryFrom<String> for StartOffset {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            other => {
                let from_0 = |text: &str| text.parse().ok().filter(|number: &i64| *number >= 0);
                let since = other.strip_prefix("timestamp:").and_then(from_0).map(Self::Since);
                since.or_else(|| from_0(other).map(|offset| Self::At(Offset(offset)))).ok_or_else(|| {
                    let wanted =
                        "a number from 0 on, `earliest`, `latest` or `timestamp:<Unix milliseconds>`";
                    format!("`{other}`: {wanted} is wanted")
                })
            }
        }
    }
}

impl From<StartOffset> for String {
    fn from(start: StartOffset) -> Self {
        match start {
            StartOffset::Earliest => "earliest".to_owned(),
            StartOffset::Latest => "latest".to_owned(),
            StartOffset::At(offset) => offset.to_string(),
            StartOffset::Since(timestamp_ms) => format!("timestamp:{timestamp_ms}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes_of(json: &str) -> Result<Option<Vec<u8>>, InvalidData> {
        serde_json::from_str::<Data>(json).unwrap().bytes()
    }

    fn shown(bytes: &[u8]) -> (String, DataFormat) {
        let (data, format) = Data::of(Some(bytes), WantedFormat::Auto).unwrap();
        (serde_json::to_string(&data).unwrap(), format)
    }

    #[test]
    fn json_stands_for_bytes() {
        assert_eq!(bytes_of("null").unwrap(), None);
        assert_eq!(bytes_of(r#""a\nb""#).unwrap().unwrap(), b"a\nb");
        assert_eq!(bytes_of(r#"{"base64": "/wA="}"#).unwrap().unwrap(), [0xff, 0]);
        assert_eq!(bytes_of(r#"{"n": 1.50}"#).unwrap().unwrap(), br#"{"n": 1.50}"#, "as it was written");
        assert_eq!(bytes_of("12345678901234567890").unwrap().unwrap(), b"12345678901234567890");
        assert_eq!(bytes_of(r#"{"base64": 1, "x": 2}"#).unwrap().unwrap(), br#"{"base64": 1, "x": 2}"#);
        assert!(bytes_of(r#"{"base64": "!"}"#).unwrap_err().to_string().contains("no base64"));
    }

    #[test]
    fn bytes_are_shown_in_the_form_that_reads_best() {
        assert_eq!(shown(b""), (r#""""#.to_owned(), DataFormat::Text));
        assert_eq!(shown(b"a\"b"), (r#""a\"b""#.to_owned(), DataFormat::Text));
        assert_eq!(shown(b"{\"a\":\n1}\n"), (r#"{"a": 1}"#.to_owned(), DataFormat::Json));
        assert_eq!(shown(b"{\"a\":").1, DataFormat::Text, "no JSON after all");
        assert_eq!(shown(b"17").1, DataFormat::Text);
        assert_eq!(shown(&[0xff]), (r#"{"base64":"/w=="}"#.to_owned(), DataFormat::Base64));
        assert!(Data::of(None, WantedFormat::Auto).is_none());
        assert_eq!(Data::of(Some(b"a"), WantedFormat::Base64).unwrap().1, DataFormat::Base64);
    }

    #[test]
    fn what_was_shown_stands_for_the_same_bytes() {
        for bytes in
            [&b"text"[..], b"", b"[1,2]", b"{\"a\":{\"b\":null}}", &[0, 0xff, 0x80], b"null", b"\"q\""]
        {
            let (json, _) = shown(bytes);
            assert_eq!(bytes_of(&json).unwrap().unwrap(), bytes);
        }
    }

    #[test]
    fn reading_begins_at_an_offset_or_a_time() {
        let parse = |text: &str| StartOffset::try_from(text.to_owned());
        for text in ["earliest", "latest", "17", "timestamp:1700000000000"] {
            assert_eq!(String::from(parse(text).unwrap()), text);
        }
        for text in ["", "-1", "timestamp:", "timestamp:-1", "timestamp:now", "first"] {
            assert!(parse(text).unwrap_err().contains("timestamp:<Unix milliseconds>"), "{text}");
        }
    }

    #[test]
    fn a_request_with_a_typo_is_refused() {
        let parse = |json| serde_json::from_value::<ProduceRequest>(json);
        let request =
            parse(json!({"records": [{"value": {"a": 1}, "headers": [{"key": "h", "value": "v"}]}]}));
        assert_eq!(request.unwrap().acks, Acks::All);
        assert!(parse(json!({"records": [{"valeu": 1}]})).is_err());
        let forgotten = parse(json!({"records": [{"key": "a"}]})).unwrap_err().to_string();
        assert!(forgotten.contains("missing field `value`"), "{forgotten}");
        assert!(parse(json!({"records": [{"key": "a", "value": null}]})).unwrap().records[0].value.is_none());
        assert!(parse(json!({"records": [], "acks": "most"})).is_err());
    }

    #[test]
    fn a_start_is_a_number_or_a_word() {
        let parse = |text: &str| StartOffset::try_from(text.to_owned());
        assert_eq!(parse("17"), Ok(StartOffset::At(Offset(17))));
        assert_eq!(parse("latest"), Ok(StartOffset::Latest));
        assert!(parse("-1").is_err() && parse("first").is_err());
    }
}
