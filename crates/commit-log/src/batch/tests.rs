//! Round trips, hostile bytes, and every rule of validation.

mod foreign;

use proptest::prelude::*;

use super::*;
use crate::offset::{Offset, ProducerId, ProducerStamp};

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

const LIMIT: usize = 1 << 20;

type OwnedRecord = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

fn record() -> impl Strategy<Value = OwnedRecord> {
    let header = (blob(), prop::option::of(blob()));
    (0..1_i64 << 41, prop::option::of(blob()), prop::option::of(blob()), prop::collection::vec(header, 0..4))
}

fn build(codec: Compression, records: &[OwnedRecord], base: Offset) -> Vec<u8> {
    let mut builder = BatchBuilder::new(codec);
    for (timestamp_ms, key, value, headers) in records {
        let headers: Vec<_> =
            headers.iter().map(|(key, value)| RecordHeader { key, value: value.as_deref() }).collect();
        builder.push(&NewRecord {
            timestamp_ms: *timestamp_ms,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &headers,
        });
    }
    builder.build(base).unwrap()
}

fn read(bytes: &[u8]) -> Result<Vec<OwnedRecord>, BatchError> {
    let (batch, rest) = Batch::split_first(bytes)?;
    assert!(rest.is_empty());
    batch.check_crc()?;
    let payload = batch.payload(LIMIT)?;
    payload
        .records()
        .map(|record| {
            let record = record?;
            let headers =
                record.headers.iter().map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)));
            Ok((
                record.timestamp_ms,
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
                headers.collect(),
            ))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_built_is_read(records in prop::collection::vec(record(), 1..20), base in 0..1_i64 << 60) {
        for codec in CODECS {
            let bytes = build(codec, &records, Offset(base));
            prop_assert_eq!(&read(&bytes).unwrap(), &records);
            let (batch, _) = Batch::split_first(&bytes).unwrap();
            prop_assert!(batch.header().encode().as_slice() == &bytes[..HEADER_BYTES]);
            prop_assert_eq!(batch.header().base_offset, Offset(base));
            prop_assert_eq!(batch.header().max_timestamp_ms, records.iter().map(|r| r.0).max().unwrap());
        }
    }

    /// The CRC is made right again, so that the parser and the codecs see the damage, not the CRC.
    #[test]
    fn altered_records_never_panic(
        records in prop::collection::vec(record(), 1..8),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        for codec in CODECS {
            let mut bytes = build(codec, &records, Offset(7));
            for (index, value) in &flips {
                let at = LENGTH_PREFIX_BYTES + 5 + index.index(bytes.len() - LENGTH_PREFIX_BYTES - 5);
                bytes[at] = *value;
            }
            let crc = crc32c::crc32c(&bytes[HEAD_OUTSIDE_CRC_BYTES..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            let _ = read(&bytes);
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        for batch in Batch::all(&noise).flatten() {
            let _ = batch.payload(LIMIT).map(|payload| payload.records().count());
        }
        for codec in CODECS {
            let _ = codec.decompress(&noise, LIMIT);
        }
    }
}

fn rules() -> BatchRules {
    BatchRules { records: RecordCheck::Records, ..BatchRules::default() }
}

fn one(builder: &mut BatchBuilder) -> Vec<u8> {
    builder.record(1_000, Some(b"k"), Some(b"v")).build(Offset(0)).unwrap()
}

fn judge(bytes: &[u8], rules: &BatchRules) -> Result<(), InvalidBatch> {
    validate(&Batch::split_first(bytes)?.0, rules, 1_000)
}

/// Changes a field of the header and makes the CRC right.
fn edit(bytes: &[u8], change: impl FnOnce(&mut BatchHeader)) -> Vec<u8> {
    let mut header = BatchHeader::parse(bytes).unwrap();
    change(&mut header);
    header.crc = header.compute_crc(&bytes[HEADER_BYTES..]);
    [&header.encode()[..], &bytes[HEADER_BYTES..]].concat()
}

#[test]
fn a_plain_batch_is_valid() {
    assert_eq!(judge(&one(&mut BatchBuilder::default()), &rules()), Ok(()));
}

#[test]
fn each_rule_of_form_is_enforced() {
    let plain = one(&mut BatchBuilder::default());
    let changes: [fn(&mut BatchHeader); 11] = [
        |header| header.base_offset = Offset(1),
        |header| header.record_count = 0,
        |header| header.last_offset_delta = 1,
        |header| header.attributes = header.attributes.with_control(),
        |header| header.attributes = Attributes(0x40),
        |header| header.attributes = header.attributes.with_log_append_time(),
        |header| header.attributes = header.attributes.with_transactional(),
        |header| header.producer_id = -2,
        |header| header.producer_id = 1,
        |header| (header.producer_id, header.producer_epoch) = (1, 0),
        |header| header.max_timestamp_ms = 1_001,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let result = judge(&edit(&plain, change), &rules());
        assert!(matches!(result, Err(InvalidBatch::Form(_))), "change {index}: {result:?}");
    }
}

#[test]
fn damage_is_corruption() {
    let plain = one(&mut BatchBuilder::default());
    for at in HEAD_OUTSIDE_CRC_BYTES - 4..plain.len() {
        let mut bytes = plain.clone();
        bytes[at] ^= 1;
        assert!(
            matches!(judge(&bytes, &rules()), Err(InvalidBatch::Corrupt(BatchError::Crc { .. }))),
            "{at}"
        );
    }
    let cut = judge(&plain[..plain.len() - 1], &rules());
    assert_eq!(
        cut,
        Err(InvalidBatch::Corrupt(BatchError::Cut { needed: plain.len(), have: plain.len() - 1 }))
    );
    let unknown = edit(&plain, |header| header.attributes = Attributes(5));
    assert_eq!(judge(&unknown, &rules()), Err(InvalidBatch::Corrupt(BatchError::Codec(5))));
}

#[test]
fn counts_that_lie_are_found_in_the_records() {
    let plain = one(&mut BatchBuilder::default());
    let more = edit(&plain, |header| (header.record_count, header.last_offset_delta) = (2, 1));
    assert!(matches!(
        judge(&more, &rules()),
        Err(InvalidBatch::Corrupt(BatchError::Record { index: 1, .. }))
    ));
    let two = BatchBuilder::default().record(0, None, None).record(0, None, None).build(Offset(0)).unwrap();
    let fewer = edit(&two, |header| (header.record_count, header.last_offset_delta) = (1, 0));
    assert!(matches!(
        judge(&fewer, &rules()),
        Err(InvalidBatch::Corrupt(BatchError::Record { index: 1, .. }))
    ));
}

#[test]
fn sizes_and_timestamps_have_bounds() {
    let plain = one(&mut BatchBuilder::default());
    let small = BatchRules { max_bytes: plain.len() - 1, ..rules() };
    assert_eq!(
        judge(&plain, &small),
        Err(InvalidBatch::TooLarge { size: plain.len(), max: plain.len() - 1 })
    );
    let strict = BatchRules { timestamp_after_max_ms: 10, timestamp_before_max_ms: 10, ..rules() };
    for (timestamp_ms, valid) in [(1_010, true), (1_011, false), (990, true), (989, false), (-1, true)] {
        let bytes = BatchBuilder::default().record(timestamp_ms, None, None).build(Offset(0)).unwrap();
        assert_eq!(judge(&bytes, &strict).is_ok(), valid, "{timestamp_ms}");
    }
}

#[test]
fn null_keys_are_named_one_by_one() {
    let mut builder = BatchBuilder::new(Compression::Lz4);
    builder.record(1, None, None).record(1, Some(b""), None).record(1, None, Some(b"v"));
    let bytes = builder.build(Offset(0)).unwrap();
    let keyed = BatchRules { records: RecordCheck::Keys, ..rules() };
    assert_eq!(judge(&bytes, &keyed), Err(InvalidBatch::NullKeys(vec![0, 2])));
    assert_eq!(judge(&bytes, &rules()), Ok(()));
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let zeros = vec![0; 50 << 20];
    for codec in &CODECS[1..] {
        let bomb = codec.compress(&zeros).unwrap();
        assert_eq!(
            codec.decompress(&bomb, LIMIT),
            Err(BatchError::TooLarge { codec: *codec, limit: LIMIT }),
            "{codec}"
        );
    }
}

#[test]
fn snappy_is_read_with_and_without_framing() {
    let plain = b"to be or not to be, to be".repeat(4_000);
    let raw = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    let framed = Compression::Snappy.compress(&plain).unwrap();
    assert!(framed.starts_with(b"\x82SNAPPY\0"));
    for packed in [raw, framed] {
        assert_eq!(*Compression::Snappy.decompress(&packed, LIMIT).unwrap(), plain);
    }
}

#[test]
fn a_transaction_marker_reads_back() {
    let stamp = ProducerStamp { id: ProducerId(9), epoch: 3, base_sequence: 17 };
    for end in [EndTransaction::Abort, EndTransaction::Commit] {
        let control = ControlRecord { end, coordinator_epoch: 12 };
        let bytes = BatchBuilder::end_transaction(stamp, control, 5).build(Offset(40)).unwrap();
        let (batch, _) = Batch::split_first(&bytes).unwrap();
        let attributes = batch.header().attributes;
        assert!(attributes.is_control() && attributes.is_transactional());
        assert_eq!(batch.header().base_sequence, -1);
        let payload = batch.payload(LIMIT).unwrap();
        let record = payload.records().next().unwrap().unwrap();
        assert_eq!(ControlRecord::parse(&record), Some(control));
    }
}
