//! `dmq log inspect`.

use std::{
    cell::Cell,
    io::{self, Write},
    path::Path,
};

use commit_log::{
    LogError, Offset,
    batch::{Attributes, Batch, TimestampType},
    inspect::{Found, FoundBatch, Inspection, Inspector, Knowledge},
};
use serde::{Serialize, Serializer, ser::SerializeSeq as _};
use serde_json::json;

use super::{
    InspectArgs,
    dirs::{LogDirs, name},
    records,
};
use crate::{
    commands::{name_of, utc_or_number},
    exit::Failure,
    output::{Format, Render, Table, comma_separated, or_dash},
};

/// Batches of a single partition that are shown by default.
const LIMIT: usize = 20;

/// All logs, looked at while they are written out, so that only one is held at a time.
#[derive(Serialize)]
struct Inspected<'a> {
    partitions: Partitions<'a>,
}

struct Partitions<'a> {
    dirs: &'a LogDirs,
    args: &'a InspectArgs,
    /// How many could not be read.
    unreadable: &'a Cell<usize>,
}

/// One log, and what is to be shown of its batches.
#[derive(Serialize)]
struct Partition<'a> {
    name: String,
    #[serde(flatten)]
    found: Inspection,
    batches: BatchList<'a>,
}

/// Batches that are read while they are written out.
struct BatchList<'a> {
    inspector: &'a Inspector,
    from: Offset,
    limit: usize,
    records: bool,
}

/// Runs the command.
pub(super) fn run(args: &InspectArgs, format: Format) -> Result<(), Failure> {
    let dirs = LogDirs::find(&args.dir)?;
    let unreadable = Cell::new(0);
    format.emit(&Inspected { partitions: Partitions { dirs: &dirs, args, unreadable: &unreadable } })?;
    match unreadable.get() {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} of {} partitions cannot be read", dirs.dirs.len()))),
    }
}

impl Partitions<'_> {
    /// Shows each log with `show`, or why it cannot be.
    fn each<E>(
        &self,
        mut show: impl FnMut(&str, Result<Partition<'_>, LogError>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.dirs.dirs.iter().try_for_each(|dir| {
            let (name, inspector) = (name(dir), Inspector::new(dir));
            let found = inspector.look().map(|found| self.partition(dir, found, &inspector));
            if found.is_err() {
                self.unreadable.set(self.unreadable.get() + 1);
            }
            show(&name, found)
        })
    }

    fn partition<'a>(&self, dir: &Path, found: Inspection, inspector: &'a Inspector) -> Partition<'a> {
        let limit = self.args.limit.unwrap_or(if self.dirs.many { 0 } else { LIMIT });
        let (from, records) = (Offset(self.args.offset), self.args.records);
        Partition { name: name(dir), found, batches: BatchList { inspector, from, limit, records } }
    }
}

impl Serialize for Partitions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.dirs.dirs.len()))?;
        self.each(|name, found| match found {
            Ok(partition) => list.serialize_element(&partition),
            Err(error) => list.serialize_element(&json!({ "name": name, "problem": error.to_string() })),
        })?;
        list.end()
    }
}

impl Render for Inspected<'_> {
    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        self.partitions.each(|name, found| match found {
            Ok(partition) => {
                summary(&partition.name, &partition.found, out)?;
                knowledge(&partition.found.knowledge, out)?;
                partition.batches.render(out)
            }
            Err(error) => writeln!(out, "{name}: {error}"),
        })
    }
}

fn summary(name: &str, found: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    let (checkpoint, recovery) = (&found.checkpoint, &found.recovery);
    writeln!(
        out,
        "{name}: offsets {} to {}; checkpoint {}, log start {}, recovery point {}",
        recovery.log_start,
        recovery.log_end,
        name_of(&checkpoint.state),
        checkpoint.log_start,
        checkpoint.recovery_point
    )?;
    if !recovery.clean {
        let rebuilt = comma_separated(&recovery.indexes_rebuilt);
        let (scanned, cut) = (recovery.scanned_bytes, recovery.cut_bytes);
        writeln!(
            out,
            "the next start reads {scanned} bytes, cuts {cut} off, rebuilds indexes of: {rebuilt}"
        )?;
    }
    for missing in &checkpoint.missing {
        writeln!(out, "damage: offsets {} to {} are missing", missing.start, missing.end)?;
    }
    recovery.damage.iter().try_for_each(|damage| writeln!(out, "{damage}"))?;
    let mut table =
        Table::new(["SEGMENT", "END", "BYTES", "INDEX", "BATCHES", "INDEXED", "DURABLE", "MAX TIMESTAMP"]);
    for segment in &found.segments {
        table.row([
            segment.base_offset.to_string(),
            segment.end_offset.to_string(),
            segment.log_bytes.to_string(),
            name_of(&segment.index),
            segment.indexed_batches.to_string(),
            segment.indexed_bytes.to_string(),
            segment.durable_bytes.to_string(),
            utc_or_number(segment.max_timestamp_ms),
        ]);
    }
    table.write(out)?;
    for file in &found.other_files {
        writeln!(out, "{}  {} bytes: {}", file.name, file.bytes, file.purpose)?;
    }
    Ok(())
}

fn knowledge(known: &Knowledge, out: &mut dyn Write) -> io::Result<()> {
    for epoch in &known.leader_epochs {
        writeln!(out, "leader epoch {} from offset {}", epoch.epoch, epoch.start_offset)?;
    }
    for producer in &known.producers {
        let last = producer.batches.last();
        writeln!(
            out,
            "producer {} epoch {}: last sequence {}, last offset {}, last write {}, open transaction from {}",
            producer.producer_id,
            producer.epoch,
            or_dash(last.map(|batch| batch.last_sequence)),
            or_dash(last.map(|batch| batch.last_offset)),
            utc_or_number(producer.last_timestamp_ms),
            or_dash(producer.open_transaction)
        )?;
    }
    for aborted in &known.aborted_transactions {
        writeln!(
            out,
            "aborted transaction of producer {}: offsets {} to {}",
            aborted.producer, aborted.first, aborted.last
        )?;
    }
    Ok(())
}

impl BatchList<'_> {
    fn each<E>(&self, mut show: impl FnMut(&Found) -> Result<(), E>) -> Result<Result<(), E>, LogError> {
        if self.limit == 0 {
            return Ok(Ok(()));
        }
        for found in self.inspector.batches(self.from)?.take(self.limit) {
            if let Err(error) = show(&found?) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn render(&self, out: &mut dyn Write) -> io::Result<()> {
        let shown = self.each(|found| match found {
            Found::Batch(batch) => self.render_batch(batch, out),
            Found::Bad(bad) => writeln!(
                out,
                "  damage: segment {}, {} bytes at {}: {}",
                bad.segment, bad.len, bad.position, bad.reason
            ),
        });
        match shown {
            Ok(written) => written,
            Err(error) => writeln!(out, "  {error}"),
        }
    }

    fn render_batch(&self, found: &FoundBatch, out: &mut dyn Write) -> io::Result<()> {
        let header = &found.header;
        write!(
            out,
            "  offsets {} to {}: {} records, segment {} at {}, {} bytes, leader epoch {}, {}, {}",
            header.base_offset,
            header.last_offset(),
            header.record_count,
            found.segment,
            found.position,
            found.bytes.len(),
            header.leader_epoch,
            codec(header.attributes),
            utc_or_number(header.max_timestamp_ms),
        )?;
        if let Some(producer) = header.producer() {
            let (id, epoch, sequence) = (producer.id, producer.epoch, producer.base_sequence);
            write!(out, ", producer {id} epoch {epoch} sequence {sequence}")?;
        }
        for flag in flags(header.attributes) {
            write!(out, ", {}", flag.to_lowercase().replace('_', " "))?;
        }
        writeln!(out, ", index {}", name_of(&found.frame).to_lowercase())?;
        match Batch::split_first(&found.bytes) {
            Ok((batch, _)) if self.records => records::render(&batch, out),
            _ => Ok(()),
        }
    }
}

impl Serialize for BatchList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let shown = self.each(|found| match found {
            Found::Batch(batch) => list.serialize_element(&BatchView::of(batch, self.records)),
            Found::Bad(bad) => list.serialize_element(&json!({
                "segment": bad.segment, "position": bad.position, "bytes": bad.len, "problem": bad.reason,
            })),
        });
        match shown {
            Ok(written) => written?,
            Err(error) => list.serialize_element(&json!({ "problem": error.to_string() }))?,
        }
        list.end()
    }
}

/// A batch as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchView<'a> {
    base_offset: Offset,
    last_offset: Offset,
    record_count: i32,
    segment: Offset,
    position: u64,
    bytes: usize,
    leader_epoch: i32,
    crc: u32,
    compression: String,
    flags: Vec<&'static str>,
    base_timestamp_ms: i64,
    max_timestamp_ms: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    index: commit_log::inspect::FrameState,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<records::RecordList<'a>>,
}

impl<'a> BatchView<'a> {
    fn of(found: &'a FoundBatch, with_records: bool) -> Self {
        let header = &found.header;
        Self {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            record_count: header.record_count,
            segment: found.segment,
            position: found.position,
            bytes: found.bytes.len(),
            leader_epoch: header.leader_epoch.0,
            crc: header.crc,
            compression: codec(header.attributes),
            flags: flags(header.attributes),
            base_timestamp_ms: header.base_timestamp_ms,
            max_timestamp_ms: header.max_timestamp_ms,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            index: found.frame,
            records: with_records.then_some(records::RecordList(&found.bytes)),
        }
    }
}

fn codec(attributes: Attributes) -> String {
    attributes.compression().map_or_else(|error| error.to_string(), |codec| codec.to_string())
}

fn flags(attributes: Attributes) -> Vec<&'static str> {
    let flags = [
        (attributes.timestamp_type() == TimestampType::LogAppendTime, "LOG_APPEND_TIME"),
        (attributes.is_transactional(), "TRANSACTIONAL"),
        (attributes.is_control(), "CONTROL"),
        (attributes.has_delete_horizon(), "DELETE_HORIZON"),
    ];
    flags.into_iter().filter_map(|(is_set, name)| is_set.then_some(name)).collect()
}
