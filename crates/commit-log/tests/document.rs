//! `docs/data-files.md` is enough to write a reader by: `scripts/read-partition.py`, which follows that page alone,
//! reads from the files what the log serves.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, and clippy knows only functions marked as tests for ones"
)]

use std::{fmt::Write as _, path::Path, process::Command, sync::Arc};

use commit_log::{
    Files, Log, LogOptions, Origin, ProducerId, ProducerStamp,
    batch::{Batch, BatchBuilder, Compression, ControlRecord, EndTransaction, NewRecord, RecordHeader},
    disk::sim::Random,
    inspect::Inspector,
};
use common::{LeaderEpoch, Offset};
use serde_json::{Value, json};

const NOW_MS: i64 = 1_700_000_000_000;

/// A log with everything that files can hold.
fn life(dir: &Path, close: bool) -> Log {
    let options = LogOptions { segment_bytes: 3_000, ..LogOptions::default() };
    let (mut log, _) = Log::open(dir, Arc::new(Files::default()), options.clone()).unwrap();
    let mut random = Random::new(5);
    for (n, timestamp_ms) in (0..40_i32).zip(NOW_MS..) {
        let producer = ProducerStamp { id: ProducerId(i64::from(n % 3)), epoch: 2, base_sequence: n };
        let codec = if n % 4 == 0 { Compression::Gzip } else { Compression::None };
        let mut batch = BatchBuilder::new(codec);
        match n % 7 {
            1 | 2 => batch = batch.producer(producer).transactional(),
            3 | 4 => {
                let end = if n % 2 == 0 { EndTransaction::Commit } else { EndTransaction::Abort };
                let control = ControlRecord { end, coordinator_epoch: n };
                batch = BatchBuilder::end_transaction(producer, control, timestamp_ms);
            }
            _ => {}
        }
        if batch.record_count() == 0 {
            for _ in 0..=random.below(5) {
                let value = vec![u8::try_from(n).unwrap(); random.below(200)];
                let headers =
                    [RecordHeader { key: b"h", value: None }, RecordHeader { key: b"h", value: Some(b"") }];
                let key = (n % 5 != 0).then_some(&value[..value.len() / 2]);
                let value = (n % 6 != 0).then_some(&value[..]);
                batch.push(&NewRecord { timestamp_ms, key, value, headers: &headers[..random.below(3)] });
            }
        }
        let bytes = batch.build(Offset(0)).unwrap().into();
        log.append(&[bytes], LeaderEpoch(n / 9), Origin::Internal, NOW_MS).unwrap();
    }
    log.flush().unwrap();
    if !close {
        return log;
    }
    log.close().unwrap();
    Log::open(dir, Arc::new(Files::default()), options).unwrap().0
}

fn read_by_the_document(dir: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/read-partition.py");
    let output = Command::new("python3").arg(script).arg(dir).output().expect("this test needs python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn hex(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| {
        let digits = bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        });
        digits.into()
    })
}

/// All records as the log serves them.
fn served(log: &Log) -> Vec<Value> {
    let mut records = Vec::new();
    let mut next = log.log_start();
    while next < log.log_end() {
        let read = log.plan_read(next, log.log_end(), 1 << 20).unwrap().read().unwrap();
        for batch in read.pieces.iter().flat_map(|piece| Batch::all(piece)) {
            for record in batch.unwrap().payload(1 << 20).unwrap().records() {
                let record = record.unwrap();
                let headers: Vec<Value> = record
                    .headers
                    .iter()
                    .map(|header| json!([hex(Some(header.key)), hex(header.value)]))
                    .collect();
                records.push(json!({
                    "offset": record.offset, "timestampMs": record.timestamp_ms,
                    "key": hex(record.key), "value": hex(record.value), "headers": headers,
                }));
            }
        }
        next = read.next;
    }
    records
}

#[test]
fn a_reader_that_follows_the_document_reads_what_the_log_serves() {
    for close in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let log = life(dir.path(), close);
        let found = read_by_the_document(dir.path());
        let segments = found["segments"].as_array().unwrap();
        assert_eq!(segments.len(), log.segment_count());
        let batches = segments.iter().flat_map(|segment| segment["batches"].as_array().unwrap());
        let records = batches.flat_map(|batch| batch["records"].as_array().unwrap()).cloned();
        assert_eq!(records.collect::<Vec<_>>(), served(&log));

        let looked = serde_json::to_value(Inspector::new(dir.path()).look().unwrap()).unwrap();
        for field in ["state", "logStart", "recoveryPoint"] {
            assert_eq!(found["checkpoint"][field], looked["checkpoint"][field], "{field}");
        }
        // Everything was flushed, so what the checkpoint knows is what the log knows.
        for field in ["leaderEpochs", "producers", "abortedTransactions"] {
            assert_eq!(found["checkpoint"]["knowledge"][field], looked["knowledge"][field], "{field}");
            assert!(!found["checkpoint"]["knowledge"][field].as_array().unwrap().is_empty(), "{field}");
        }
        assert!(!found["snapshots"].as_object().unwrap().is_empty());
    }
}
