//! Record batches as clients send them: headers, validation, the four codecs behind their cap, records.

use commit_log::{
    ProducerId, ProducerStamp,
    batch::{
        Batch, BatchBuilder, BatchError, BatchRules, Compression, ControlRecord, EndTransaction,
        HEADER_BYTES, NewRecord, Record, RecordCheck, RecordHeader, validate,
    },
};
use common::Offset;

use super::outcome::Outcome;
use crate::{Limits, Target};

/// Most bytes that a batch may decompress to here.
const DECOMPRESSED_BYTES_MAX: usize = 256 << 10;

/// What decoders of the codecs take for themselves: windows, tables, blocks; lz4 may ask for two blocks of 4 MiB.
const CODEC_HEAP_BYTES: usize = 12 << 20;

pub(super) const BATCH: Target = Target {
    name: "batch",
    about: "parses, validates, decompresses and walks record batches",
    seeds,
    repair: |bytes| repair(bytes),
    run,
    limits: Limits {
        heap_per_input_byte: 4,
        heap_bytes: (1 << 20) + CODEC_HEAP_BYTES + 4 * DECOMPRESSED_BYTES_MAX,
    },
};

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

/// What other implementations wrote.
const FOREIGN: [&[u8]; 10] = [
    include_bytes!("../../../commit-log/testdata/batches/java-gzip.bin"),
    include_bytes!("../../../commit-log/testdata/batches/java-snappy.bin"),
    include_bytes!("../../../commit-log/testdata/batches/java-lz4.bin"),
    include_bytes!("../../../commit-log/testdata/batches/java-zstd.bin"),
    include_bytes!("../../../commit-log/testdata/batches/kafka-python-gzip.bin"),
    include_bytes!("../../../commit-log/testdata/batches/kafka-python-snappy.bin"),
    include_bytes!("../../../commit-log/testdata/batches/kafka-python-lz4.bin"),
    include_bytes!("../../../commit-log/testdata/batches/kafka-python-zstd.bin"),
    include_bytes!("../../../commit-log/testdata/batches/librdkafka-snappy.bin"),
    include_bytes!("../../../commit-log/testdata/batches/librdkafka-zstd.bin"),
];

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = FOREIGN.iter().map(|bytes| bytes.to_vec()).collect();
    let stamp = ProducerStamp { id: ProducerId(9), epoch: 2, base_sequence: 5 };
    for codec in CODECS {
        let mut builder = BatchBuilder::new(codec).producer(stamp).transactional();
        let headers =
            [RecordHeader { key: b"h", value: Some(b"1") }, RecordHeader { key: b"h", value: None }];
        builder.push(&NewRecord { timestamp_ms: 1_000, key: Some(b"key"), value: None, headers: &headers });
        builder.record(1_002, None, Some(&[b'x'; 300]));
        builder.record(1_001, Some(b""), Some(b""));
        seeds.extend(builder.build(Offset(0)).ok());
    }
    let control = ControlRecord { end: EndTransaction::Abort, coordinator_epoch: 3 };
    seeds.extend(BatchBuilder::end_transaction(stamp, control, 1_000).build(Offset(0)).ok());
    let pair = seeds.iter().take(2).flatten().copied().collect();
    seeds.push(pair);
    seeds
}

/// Length and CRC of the first batch are made to fit; it takes all bytes there are.
fn repair(bytes: &mut [u8]) {
    let size = bytes.len();
    if size < HEADER_BYTES {
        return;
    }
    let length = u32::try_from(size - 12).unwrap_or(u32::MAX);
    put(bytes, 8, &length.to_be_bytes());
    put(bytes, 16, &[2]);
    seal_batch(bytes);
}

/// Makes the CRC of one batch fit.
pub(super) fn seal_batch(batch: &mut [u8]) {
    let crc = crc32c::crc32c(batch.get(21..).unwrap_or_default());
    put(batch, 17, &crc.to_be_bytes());
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = *from;
    }
}

fn run(bytes: &[u8]) -> u64 {
    let mut outcome = Outcome::default();
    for batch in Batch::all(bytes) {
        match batch {
            Ok(batch) => one(&batch, &mut outcome),
            Err(error) => outcome.add_message(&error.to_string()),
        }
    }
    outcome.finish()
}

fn one(batch: &Batch<'_>, outcome: &mut Outcome) {
    let header = batch.header();
    assert!(batch.bytes().starts_with(&header.encode()), "a header that is encoded differently");
    let rules = BatchRules {
        max_decompressed_bytes: DECOMPRESSED_BYTES_MAX,
        records: RecordCheck::Records,
        ..BatchRules::default()
    };
    match validate(batch, &rules, 0) {
        Ok(()) => outcome.add("valid"),
        Err(invalid) => outcome.add_message(&invalid.to_string()),
    }
    match walk(batch, outcome) {
        Ok(()) => outcome.add("walked"),
        Err(error) => outcome.add_message(&error.to_string()),
    }
}

/// Walks the records, makes the same batch again, and reads the same from that.
fn walk(batch: &Batch<'_>, outcome: &mut Outcome) -> Result<(), BatchError> {
    outcome.add(batch.header().attributes.compression()?);
    let payload = batch.payload(DECOMPRESSED_BYTES_MAX)?;
    let mut records = Vec::new();
    for record in payload.records() {
        let record = record?;
        outcome.add((record.key.is_some(), record.value.is_some(), record.headers.len().min(2)));
        outcome.add(ControlRecord::parse(&record).map(|control| control.end == EndTransaction::Commit));
        records.push(record);
    }
    outcome.add_count(records.len());
    let numbered = records.iter().zip(0..).all(|(record, n)| record.offset - batch.header().base_offset == n);
    if numbered && !records.is_empty() && !batch.header().attributes.is_control() {
        rebuild(batch, &records);
    }
    Ok(())
}

fn rebuild(batch: &Batch<'_>, records: &[Record<'_>]) {
    let mut builder = BatchBuilder::default();
    for record in records {
        let headers: Vec<_> = record.headers.iter().collect();
        let Record { timestamp_ms, key, value, .. } = *record;
        builder.push(&NewRecord { timestamp_ms, key, value, headers: &headers });
    }
    let bytes = builder.build(batch.header().base_offset).expect("it was a batch before");
    let (again, rest) = Batch::split_first(&bytes).expect("it was just built");
    assert!(rest.is_empty());
    again.check_crc().expect("it was just built");
    let payload = again.payload(usize::MAX).expect("it is not compressed");
    for (record, before) in payload.records().zip(records) {
        let record = record.expect("it was just built");
        assert_eq!((record.key, record.value), (before.key, before.value));
        assert!(record.headers.iter().eq(before.headers.iter()));
    }
}
