//! `dmq log`: what it prints of good directories, of damaged ones, and of files that hold anything.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, and clippy knows only functions marked as tests for ones"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use commit_log::{
    Files, Log, LogOptions, Origin, ProducerId, ProducerStamp,
    batch::{BatchBuilder, Compression, ControlRecord, EndTransaction, NewRecord, RecordHeader},
};
use common::{LeaderEpoch, Offset};
use serde_json::{Value, json};

const NOW_MS: i64 = 1_795_233_600_000;

/// Address space of the command in KiB: that of an idle one, and some MiB.
const ADDRESS_SPACE_KIB: u64 = 300_000;

struct Ran {
    exit: i32,
    stdout: String,
    stderr: String,
}

fn dmq(args: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            &format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\""),
            env!("CARGO_BIN_EXE_dmq"),
        ])
        .args(args);
    let output = command.output().unwrap();
    Ran {
        exit: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn json_of(args: &[&str]) -> Value {
    let ran = dmq(args);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// A partition with an aborted transaction, an open one, and two leader epochs.
fn partition(dir: &Path, clean: bool) {
    let options = LogOptions { segment_bytes: 600, ..LogOptions::default() };
    let (mut log, _) = Log::open(dir, Arc::new(Files::default()), options).unwrap();
    fs::write(dir.join("partition.metadata"), "version: 0\n").unwrap();
    let producer = ProducerStamp { id: ProducerId(7), epoch: 1, base_sequence: 0 };
    let mut first = BatchBuilder::new(Compression::Zstd).producer(producer).transactional();
    let headers =
        [RecordHeader { key: b"trace", value: Some(b"a1") }, RecordHeader { key: b"trace", value: None }];
    let key = Some(&b"user-1"[..]);
    first.push(&NewRecord { timestamp_ms: NOW_MS, key, value: Some(b"{\"n\":1}"), headers: &headers });
    first.record(NOW_MS + 1, None, Some(&[0xff, 0x00]));
    let control = ControlRecord { end: EndTransaction::Abort, coordinator_epoch: 2 };
    let mut append = |builder: &BatchBuilder, epoch| {
        let bytes = builder.build(Offset(0)).unwrap().into();
        log.append(&[bytes], LeaderEpoch(epoch), Origin::Internal, NOW_MS).unwrap()[0]
            .as_ref()
            .unwrap()
            .base_offset
    };
    append(&first, 3);
    append(&BatchBuilder::end_transaction(producer, control, NOW_MS + 2), 3);
    for n in 0..4 {
        let mut plain = BatchBuilder::default();
        plain.record(NOW_MS + 10 + n, Some(b"k"), Some(&[b'v'; 120]));
        append(&plain, 4);
    }
    let again = ProducerStamp { base_sequence: 2, ..producer };
    let mut open = BatchBuilder::default().producer(again).transactional();
    append(open.record(NOW_MS + 20, None, None), 4);
    log.flush().unwrap();
    if clean {
        log.close().unwrap();
    }
}

/// A broker's data directory with two partitions.
fn data_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("meta.properties"), "version=1\n").unwrap();
    partition(&dir.path().join("orders-0"), true);
    partition(&dir.path().join("orders-1"), false);
    dir
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
    files.sort();
    files
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_partition_is_shown_for_people() {
    let dir = data_dir();
    let ran = dmq(&["log", "inspect", text(&dir.path().join("orders-0")), "--records"]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    for line in [
        "orders-0: offsets 0 to 8; checkpoint CLEAN, log start 0, recovery point 8",
        "leader epoch 3 from offset 0",
        "leader epoch 4 from offset 3",
        "producer 7 epoch 1: last sequence 2, last offset 7, last write 2026-11-21 04:00:00.020, open transaction from 7",
        "aborted transaction of producer 7: offsets 0 to 2",
        "    0  2026-11-21 04:00:00.000  key \"user-1\"  value \"{\\\"n\\\":1}\"  \"trace\"=\"a1\"  \"trace\"=null",
        "    1  2026-11-21 04:00:00.001  key null  value base64:/wA=",
        "    2  2026-11-21 04:00:00.002  ABORT marker",
    ] {
        assert!(ran.stdout.lines().any(|shown| shown == line), "no line `{line}` in\n{}", ran.stdout);
    }
    let batch = ran.stdout.lines().find(|line| line.contains("zstd")).unwrap();
    assert!(batch.starts_with("  offsets 0 to 1: 2 records, segment 0 at 0, "), "{batch}");
    assert!(batch.ends_with("producer 7 epoch 1 sequence 0, transactional, index agrees"), "{batch}");
    assert!(ran.stdout.contains("SEGMENT  END  BYTES"), "{}", ran.stdout);
}

#[test]
fn a_partition_is_told_as_json_from_any_offset() {
    let dir = data_dir();
    let orders = dir.path().join("orders-1");
    let args = ["log", "inspect", text(&orders), "-o", "json", "--records", "--offset", "1", "--limit", "2"];
    let found = json_of(&args)["partitions"][0].clone();
    assert_eq!((&found["name"], &found["checkpoint"]["state"]), (&json!("orders-1"), &json!("OPEN")));
    assert_eq!(found["recovery"]["logEnd"], 8);
    assert!(found["segments"].as_array().unwrap().len() > 1);
    assert_eq!(found["knowledge"]["leaderEpochs"][1], json!({"epoch": 4, "startOffset": 3}));
    assert_eq!(
        found["knowledge"]["abortedTransactions"],
        json!([{"producerId": 7, "firstOffset": 0, "lastOffset": 2}])
    );
    assert_eq!(found["knowledge"]["producers"][0]["openTransaction"], 7);
    let batches = found["batches"].as_array().unwrap();
    assert_eq!(batches.len(), 2);
    assert_eq!((&batches[0]["compression"], &batches[0]["index"]), (&json!("zstd"), &json!("AGREES")));
    assert_eq!(
        batches[0]["records"][0],
        json!({
            "offset": 0, "timestampMs": NOW_MS, "key": "user-1", "value": "{\"n\":1}",
            "headers": [{"key": "trace", "value": "a1"}, {"key": "trace", "value": null}],
        })
    );
    assert_eq!(batches[0]["records"][1]["value"], json!({"base64": "/wA="}));
    assert_eq!(batches[1]["flags"], json!(["TRANSACTIONAL", "CONTROL"]));
    assert_eq!(batches[1]["records"][0]["control"], "ABORT");
}

#[test]
fn a_data_directory_shows_all_its_partitions() {
    let dir = data_dir();
    let found = json_of(&["log", "inspect", text(dir.path()), "-o", "json"]);
    let names: Vec<_> = found["partitions"].as_array().unwrap().iter().map(|found| &found["name"]).collect();
    assert_eq!(names, ["orders-0", "orders-1"]);
    assert_eq!(found["partitions"][0]["batches"], json!([]), "none are shown unless they are asked for");

    let before = contents(dir.path());
    let ran = dmq(&["log", "verify", text(dir.path())]);
    assert_eq!(ran.exit, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("2 of 2 partitions are sound"), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("orders-0: sound; offsets 0 to 8, "), "{}", ran.stdout);
    assert!(ran.stdout.contains("orders-1: sound; offsets 0 to 8, "), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("note: checkpoint: the log is in use, or was not shut down"),
        "{}",
        ran.stdout
    );
    assert!(contents(dir.path()) == before, "looking changed something");
}

#[test]
fn damage_is_named_and_sets_the_exit_code_and_nothing_is_changed() {
    let dir = data_dir();
    flip(&dir.path().join("orders-0/00000000000000000000.log"), 70);
    flip(&dir.path().join("orders-1/00000000000000000000.frames"), 5);
    let before = contents(dir.path());
    let ran = dmq(&["log", "verify", text(dir.path())]);
    assert_eq!(ran.exit, 6, "{}", ran.stdout);
    assert!(ran.stdout.contains("orders-0: DAMAGED"), "{}", ran.stdout);
    let wanted = "  damage: 00000000000000000000.log: offsets 0 to 2: batch CRC-32C is ";
    assert!(ran.stdout.contains(wanted), "{}", ran.stdout);
    assert!(ran.stdout.contains("  damage: 00000000000000000000.frames: "), "{}", ran.stdout);
    assert!(ran.stderr.contains("2 of 2 partitions are damaged"), "{}", ran.stderr);

    let ran = dmq(&["log", "verify", text(dir.path()), "-o", "json"]);
    assert_eq!(ran.exit, 6);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let finding = &found["partitions"][0]["findings"][0];
    assert_eq!((&finding["kind"], &finding["damage"]), (&json!("BATCHES"), &json!(true)));
    assert_eq!(finding["offsets"], json!({"start": 0, "end": 2}));
    assert_eq!(found["partitions"][1]["findings"][0]["kind"], "INDEX");

    let orders = dir.path().join("orders-0");
    let shown = json_of(&["log", "inspect", text(&orders), "-o", "json"])["partitions"][0]["batches"].clone();
    assert!(shown[0]["problem"].as_str().unwrap().starts_with("batch CRC-32C"), "{shown}");
    assert_eq!(shown[1]["baseOffset"], 2, "the index says where the next batch begins");
    assert!(contents(dir.path()) == before, "looking changed something");
}

#[test]
fn a_directory_without_logs_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ran = dmq(&["log", "verify", text(dir.path())]);
    assert_eq!(ran.exit, 2);
    assert!(ran.stderr.contains("neither a partition's directory nor a data directory"), "{}", ran.stderr);
    let ran = dmq(&["log", "inspect", text(&dir.path().join("absent"))]);
    assert_eq!(ran.exit, 1);
    assert!(ran.stderr.contains("absent"), "{}", ran.stderr);
}

/// Files that claim to be huge, and files full of anything: an answer within bounded memory, never a crash.
#[test]
fn malformed_files_are_answered_for() {
    let anything = |seed: u32, len: u32| -> Vec<u8> {
        (0..len).map(|n| u8::try_from(n.wrapping_mul(seed).rotate_left(7) >> 24).unwrap()).collect()
    };
    for seed in [3, 1_000_003, 2_654_435_761] {
        for name in [
            "checkpoint",
            "00000000000000000000.log",
            "00000000000000000000.frames",
            "00000000000000000003.snapshot",
        ] {
            for bytes in [anything(seed, 5_000), vec![0; 61], vec![0xff; 200], Vec::new()] {
                let dir = data_dir();
                let path = dir.path().join("orders-0").join(name);
                fs::write(&path, bytes).unwrap();
                let ran = dmq(&["log", "verify", text(dir.path())]);
                assert!(matches!(ran.exit, 0 | 6), "{name}: {}", ran.stderr);
                let ran = dmq(&["log", "inspect", text(dir.path()), "--records", "--limit", "1000"]);
                assert!(matches!(ran.exit, 0 | 1), "{name}: {}", ran.stderr);
            }
        }
    }
    for name in ["checkpoint", "00000000000000000000.frames", "00000000000000000000.log"] {
        let dir = data_dir();
        let file = fs::OpenOptions::new().write(true).open(dir.path().join("orders-0").join(name)).unwrap();
        if name == "checkpoint" {
            file.set_len(0).unwrap();
        }
        file.set_len(2 << 30).unwrap();
        let ran = dmq(&["log", "verify", text(&dir.path().join("orders-0"))]);
        assert_eq!(ran.exit, 6, "{name}: {} {}", ran.stdout, ran.stderr);
    }
}
