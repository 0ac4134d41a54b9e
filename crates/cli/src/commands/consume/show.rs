//! How a record is shown.

use std::{
    io::{self, Write},
    str::FromStr,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use common::PartitionId;
use kafka_client::Record;
use serde_json::{Value, json};

/// A template in kcat's letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    KeyBytes,
    Value,
    ValueBytes,
    Headers,
}

impl FromStr for Template {
    type Err = String;

    /// `%t` topic, `%p` partition, `%o` offset, `%T` timestamp, `%k` key, `%K` its bytes, `%s` value, `%S` its bytes,
    /// `%h` headers, `%%`; and `\n`, `\r`, `\t`, `\0`, `\\`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let part = match char {
                '%' => match chars.next() {
                    Some('t') => Part::Topic,
                    Some('p') => Part::Partition,
                    Some('o') => Part::Offset,
                    Some('T') => Part::Timestamp,
                    Some('k') => Part::Key,
                    Some('K') => Part::KeyBytes,
                    Some('s' | 'v') => Part::Value,
                    Some('S') => Part::ValueBytes,
                    Some('h') => Part::Headers,
                    Some('%') => Part::Text(b"%".to_vec()),
                    other => {
                        let other = other.map(String::from).unwrap_or_default();
                        return Err(format!("%{other} is none of %t %p %o %T %k %K %s %S %h %%"));
                    }
                },
                '\\' => match chars.next() {
                    Some('n') => Part::Text(b"\n".to_vec()),
                    Some('r') => Part::Text(b"\r".to_vec()),
                    Some('t') => Part::Text(b"\t".to_vec()),
                    Some('0') => Part::Text(b"\0".to_vec()),
                    Some('\\') => Part::Text(b"\\".to_vec()),
                    other => {
                        let other = other.map(String::from).unwrap_or_default();
                        return Err(format!("\\{other} is none of \\n \\r \\t \\0 \\\\"));
                    }
                },
                char => Part::Text(char.to_string().into_bytes()),
            };
            match (parts.last_mut(), part) {
                (Some(Part::Text(text)), Part::Text(more)) => text.extend(more),
                (_, part) => parts.push(part),
            }
        }
        Ok(Self(parts))
    }
}

impl Template {
    /// Writes a record. Null keys and values are empty.
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        topic: &str,
        partition: PartitionId,
        record: &Record<'_>,
    ) -> io::Result<()> {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.write_all(text)?,
                Part::Topic => out.write_all(topic.as_bytes())?,
                Part::Partition => write!(out, "{partition}")?,
                Part::Offset => write!(out, "{}", record.offset)?,
                Part::Timestamp => write!(out, "{}", record.timestamp_ms)?,
                Part::Key => out.write_all(record.key.unwrap_or_default())?,
                Part::KeyBytes => write!(out, "{}", record.key.unwrap_or_default().len())?,
                Part::Value => out.write_all(record.value.unwrap_or_default())?,
                Part::ValueBytes => write!(out, "{}", record.value.unwrap_or_default().len())?,
                Part::Headers => headers(out, record)?,
            }
        }
        Ok(())
    }
}

fn headers(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    for (index, header) in record.headers.iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(header.key)?;
        out.write_all(b"=")?;
        out.write_all(header.value.unwrap_or_default())?;
    }
    Ok(())
}

/// A record as one line of JSON, which `dmq produce --json` reads.
pub(crate) fn to_json(topic: &str, partition: PartitionId, record: &Record<'_>) -> Value {
    let headers = record
        .headers
        .iter()
        .map(|header| json!({"key": String::from_utf8_lossy(header.key), "value": bytes(header.value)}));
    json!({
        "topic": topic,
        "partition": partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "key": bytes(record.key),
        "value": bytes(record.value),
        "headers": headers.collect::<Vec<Value>>(),
    })
}

/// Text as itself, anything else in base64.
fn bytes(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => Value::Null,
        Some(Ok(text)) => text.into(),
        Some(Err(bytes)) => json!({"base64": BASE64.encode(bytes)}),
    }
}

#[cfg(test)]
mod tests {
    use common::Offset;

    use super::*;

    fn shown(template: &str, record: &Record<'_>) -> String {
        let mut out = Vec::new();
        let template: Template = template.parse().unwrap();
        template.write(&mut out, "t", PartitionId(3), record).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn record() -> Record<'static> {
        Record {
            offset: Offset(7),
            timestamp_ms: 5,
            key: None,
            value: Some(b"v%k"),
            headers: Default::default(),
        }
    }

    #[test]
    fn templates_are_kcats() {
        assert_eq!(shown("%t-%p@%o %T [%k] %s\\t%S%%\\n", &record()), "t-3@7 5 [] v%k\t3%\n");
        assert!("%x".parse::<Template>().is_err());
        assert!("100%".parse::<Template>().is_err());
        assert!("\\x".parse::<Template>().is_err());
    }

    #[test]
    fn json_tells_bytes_from_text_and_null_from_empty() {
        let value = to_json("t", PartitionId(3), &Record { value: Some(&[255]), key: Some(b""), ..record() });
        assert_eq!(value["value"], json!({"base64": "/w=="}));
        assert_eq!(value["key"], json!(""));
        assert_eq!(to_json("t", PartitionId(3), &record())["key"], Value::Null);
    }
}
