//! The command.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, BufRead, Read as _, Write},
    time::Duration,
};

use clap::Args;
use common::PartitionId;
use kafka_client::{Ack, Delivery, NewRecord, ProduceError, Producer, ProducerOptions, RecordHeader};
use serde::Serialize;
use tokio::{sync::mpsc, time::Instant};

use super::input::{InputOptions, Parsed};
use crate::{
    commands::now_ms,
    connection::ConnectionArgs,
    exit::Failure,
    kafka::{AcksArg, BootstrapArgs, CompressionArg, find_topic},
    output::{Render, Table, or_dash},
};

/// The longest line, in bytes: about the largest record that brokers take by default, many times over.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Lines that are read ahead.
const LINES_AHEAD: usize = 1024;

/// Writes each line of stdin as a record, and says where they are
#[derive(Debug, Args)]
pub(crate) struct ProduceCommand {
    /// The topic
    topic: String,
    #[command(flatten)]
    bootstrap: BootstrapArgs,
    /// What stands between key and value in a line; without it lines are values
    #[arg(long, short, value_name = "TEXT", conflicts_with = "json")]
    key_separator: Option<String>,
    /// Lines are JSON: {"key", "value", "headers", "partition", "timestamp"}; only the value is needed
    #[arg(long)]
    json: bool,
    /// A header of every record; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// The partition of every record; without it records go where their key belongs
    #[arg(long, short)]
    partition: Option<i32>,
    /// When a record counts as written
    #[arg(long, value_enum, default_value_t)]
    acks: AcksArg,
    /// How batches are compressed
    #[arg(long, value_enum, default_value_t)]
    compression: CompressionArg,
    /// Records per second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long to try each record before giving up, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    delivery_timeout: u64,
}

impl ProduceCommand {
    /// Runs it.
    pub(crate) async fn run(self, connection: &ConnectionArgs) -> Result<(), Failure> {
        let cluster = self.bootstrap.cluster(connection)?;
        if self.key_separator.as_deref() == Some("") {
            return Err(Failure::usage("--key-separator is empty"));
        }
        // To complain about the topic before anything is typed.
        find_topic(&cluster, &self.topic).await?;
        let options = ProducerOptions {
            acks: self.acks.into(),
            compression: self.compression.into(),
            delivery_timeout: Duration::from_secs(self.delivery_timeout),
            ..ProducerOptions::default()
        };
        let producer = Producer::new(cluster, options);
        let mut receipts = Receipts::default();
        let produced = self.all(&producer, &mut receipts).await;
        producer.flush().await;
        receipts.settle();
        connection.output.emit(&receipts.summary(&self.topic))?;
        produced?;
        receipts.failure()
    }

    async fn all(&self, producer: &Producer, receipts: &mut Receipts) -> Result<(), Failure> {
        let input = InputOptions { json: self.json, key_separator: self.key_separator.clone() };
        let mut lines = lines_of_stdin();
        let begun = Instant::now();
        let mut number = 0_u64;
        while let Some(line) = lines.recv().await {
            number += 1;
            let parsed = line
                .map_err(|error| format!("stdin: {error}"))
                .and_then(|line| input.parse(&line).map_err(|error| format!("line {number}: {error}")))
                .map_err(Failure::failed)?;
            if let Some(rate) = self.rate {
                let due = Duration::from_secs_f64((number - 1) as f64 / f64::from(rate));
                tokio::time::sleep_until(begun + due).await;
            }
            receipts.pending.push_back(self.send(producer, &parsed).await?);
            receipts.settle();
            if receipts.failed > 0 {
                break;
            }
        }
        Ok(())
    }

    async fn send(&self, producer: &Producer, parsed: &Parsed) -> Result<Delivery, Failure> {
        let fixed = self.headers.iter().map(|(key, value)| (key, Some(value.as_bytes())));
        let own = parsed.headers.iter().map(|(key, value)| (key, value.as_deref()));
        let headers: Vec<RecordHeader<'_>> =
            fixed.chain(own).map(|(key, value)| RecordHeader { key: key.as_bytes(), value }).collect();
        let record = NewRecord {
            timestamp_ms: parsed.timestamp_ms.unwrap_or_else(now_ms),
            key: parsed.key.as_deref(),
            value: parsed.value.as_deref(),
            headers: &headers,
        };
        let partition = parsed.partition.or_else(|| self.partition.map(PartitionId));
        Ok(producer.send(&self.topic, partition, &record).await?)
    }
}

/// Reads stdin on a thread of its own, which a pipe may hold up for as long as it likes.
fn lines_of_stdin() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (lines, receiver) = mpsc::channel(LINES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut stdin = io::stdin().lock();
        while let Some(line) = next_line(&mut stdin).transpose() {
            let failed = line.is_err();
            if lines.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// The next line without its end; a last one without a line feed counts too.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    } else if line.len() as u64 == LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of more than 64 MiB"));
    }
    Ok(Some(line))
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("wanted: NAME=VALUE".to_owned()),
    }
}

/// What became of the records.
#[derive(Default)]
struct Receipts {
    pending: VecDeque<Delivery>,
    written: BTreeMap<PartitionId, Written>,
    /// How many are not known to be written.
    failed: usize,
    /// The first of them, or the first of unknown outcome.
    first_failure: Option<ProduceError>,
}

/// The records of a partition that were written.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    partition: PartitionId,
    records: u64,
    first_offset: Option<i64>,
    last_offset: Option<i64>,
}

impl Receipts {
    /// Looks at those whose outcome is known, in order.
    fn settle(&mut self) {
        while let Some(outcome) = self.pending.front().and_then(Delivery::try_acked) {
            self.pending.pop_front();
            match outcome {
                Ok(ack) => self.count(ack),
                Err(error) => {
                    self.failed += 1;
                    let worse = self
                        .first_failure
                        .as_ref()
                        .is_none_or(|first| error.is_unknown() && !first.is_unknown());
                    if worse {
                        self.first_failure = Some(error);
                    }
                }
            }
        }
    }

    fn failure(self) -> Result<(), Failure> {
        let Some(error) = self.first_failure else { return Ok(()) };
        let mut failure = Failure::from(error);
        if self.failed > 1 {
            failure.message =
                format!("{} records are not known to be written; {}", self.failed, failure.message);
        }
        Err(failure)
    }

    fn count(&mut self, ack: Ack) {
        let partition = ack.partition;
        let empty = Written { partition, records: 0, first_offset: None, last_offset: None };
        let written = self.written.entry(partition).or_insert(empty);
        written.records += 1;
        if let Some(offset) = ack.offset {
            written.first_offset = Some(written.first_offset.map_or(offset.0, |first| first.min(offset.0)));
            written.last_offset = written.last_offset.max(Some(offset.0));
        }
    }

    fn summary(&self, topic: &str) -> Summary {
        let partitions: Vec<Written> = self.written.values().cloned().collect();
        let records = partitions.iter().map(|partition| partition.records).sum();
        Summary { topic: topic.to_owned(), records, partitions }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    topic: String,
    records: u64,
    partitions: Vec<Written>,
}

impl Render for Summary {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.partitions.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(["TOPIC", "PARTITION", "RECORDS", "FIRST OFFSET", "LAST OFFSET"]);
        for Written { partition, records, first_offset, last_offset } in &self.partitions {
            table.row([
                self.topic.clone(),
                partition.to_string(),
                records.to_string(),
                or_dash(*first_offset),
                or_dash(*last_offset),
            ]);
        }
        table.write(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_any_way() {
        let mut input = io::Cursor::new(b"a\r\nb\n\nc");
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input).unwrap() {
            lines.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(lines, ["a", "b", "", "c"]);
    }
}
