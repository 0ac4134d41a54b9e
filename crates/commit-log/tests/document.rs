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
    Compaction, Files, Log, LogOptions, Origin, ProducerId, ProducerStamp,
    batch::{Batch, BatchBuilder, Compression, ControlRecord, EndTransaction, NewRecord, RecordHeader},
    disk::{
        Disk,
        sim::{Fault, Random, SimDisk},
    },
    inspect::Inspector,
};
use common::{LeaderEpoch, Offset};
use serde_json::{Value, json};

const NOW_MS: i64 = 1_700_000_000_000;

fn open(dir: &Path, files: Files) -> Log {
    let options = LogOptions { segment_bytes: 3_000, ..LogOptions::default() };
    Log::open(dir, Arc::new(files), options).unwrap().0
}

/// A log with everything that files can hold.
fn life(dir: &Path, close: bool) -> Log {
    let mut log = open(dir, Files::default());
    write(&mut log);
    if !close {
        return log;
    }
    log.close().unwrap();
    open(dir, Files::default())
}

fn write(log: &mut Log) {
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

/// All records that the reader has found.
fn records(found: &Value) -> Vec<Value> {
    let batches = found["segments"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|segment| segment["batches"].as_array().unwrap());
    batches.flat_map(|batch| batch["records"].as_array().unwrap()).cloned().collect()
}

#[test]
fn a_reader_that_follows_the_document_reads_what_the_log_serves() {
    for close in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let log = life(dir.path(), close);
        let found = read_by_the_document(dir.path());
        assert_eq!(found["segments"].as_array().unwrap().len(), log.segment_count());
        assert_eq!(records(&found), served(&log));
        assert_eq!(found["lost"], json!([]));

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

/// Compacts, with the power cut after so many calls on the disk. Whether it was.
fn compact(disk: &SimDisk, power_cut_after: u64) -> bool {
    let mut log = open(Path::new("log"), Files::new(Arc::new(disk.clone()), 64));
    write(&mut log);
    let settings = Compaction { min_dirty_ratio: 0.0, ..Compaction::default() };
    disk.fail_after(power_cut_after, Fault::PowerCut);
    let end = log.log_end();
    let Ok(Some(mut job)) = log.plan_compaction(&settings, NOW_MS, end) else { return true };
    let cut = std::iter::from_fn(|| job.next_step()).any(|step| {
        let installed = step.and_then(|step| log.install_compacted(step));
        installed.is_err()
    });
    disk.reboot(power_cut_after);
    disk.clear_fault();
    cut
}

#[test]
fn a_reader_that_follows_the_document_sees_a_pending_swap_as_done() {
    let mut pending = 0;
    for calls in 0.. {
        let disk = SimDisk::new();
        let cut = compact(&disk, calls);
        let files = disk.list(Path::new("log")).unwrap();
        if files.iter().any(|file| file.name == "swap") {
            pending += 1;
            let dir = tempfile::tempdir().unwrap();
            for file in &files {
                let mut bytes = vec![0; usize::try_from(file.size).unwrap()];
                disk.open(&Path::new("log").join(&file.name)).unwrap().read_at(&mut bytes, 0).unwrap();
                std::fs::write(dir.path().join(&file.name), bytes).unwrap();
            }
            let found = read_by_the_document(dir.path());
            let log = open(Path::new("log"), Files::new(Arc::new(disk.clone()), 64));
            assert_eq!(found["segments"].as_array().unwrap().len(), log.segment_count());
            assert_eq!(records(&found), served(&log), "the power was cut after {calls} calls");
            assert_eq!(found["lost"], json!([]));
        }
        if !cut {
            break;
        }
    }
    assert!(pending > 5, "{pending} crashes left a swap to finish");
}
