//! Batches that other implementations made: `testdata/batches` has them, and the programs that made them.

use std::path::Path;

use super::{super::*, CODECS};
use crate::{Offset, ProducerId, ProducerStamp};

/// Offset, time since [`NOW_MS`], key, value.
type Fields<'a> = (Offset, i64, Option<&'a [u8]>, Option<&'a [u8]>);

const NOW_MS: i64 = 1_700_000_000_000;

fn read(maker: &str, codec: Compression) -> Vec<u8> {
    let name = match codec {
        Compression::None => "none".to_owned(),
        codec => codec.to_string(),
    };
    let path = format!("{}/testdata/batches/{maker}-{name}.bin", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(Path::new(&path)).unwrap()
}

fn check(maker: &str, base_sequence: i32) {
    let plain = read(maker, Compression::None);
    for codec in CODECS {
        let bytes = read(maker, codec);
        let (batch, rest) = Batch::split_first(&bytes).unwrap();
        assert!(rest.is_empty());
        let header = batch.header();
        assert_eq!(header.attributes.compression(), Ok(codec));
        assert_eq!(header.encode()[..], bytes[..61]);
        assert_eq!((header.record_count, header.max_timestamp_ms), (4, NOW_MS + 5));
        let stamp = ProducerStamp { id: ProducerId(7), epoch: 1, base_sequence };
        assert_eq!(header.producer(), Some(stamp));
        let rules = BatchRules { records: RecordCheck::Records, ..BatchRules::default() };
        validate(&batch, &rules, NOW_MS).unwrap();

        let payload = batch.payload(1 << 20).unwrap();
        let records: Vec<Record<'_>> = payload.records().collect::<Result<_, _>>().unwrap();
        let fields: Vec<Fields<'_>> = records
            .iter()
            .map(|record| (record.offset, record.timestamp_ms - NOW_MS, record.key, record.value))
            .collect();
        let long = [b'x'; 1_000];
        let expected: [Fields<'_>; 4] = [
            (Offset(0), 0, Some(b"key"), Some(b"value")),
            (Offset(1), 5, None, Some(&long)),
            (Offset(2), 3, Some(b"gone"), None),
            (Offset(3), 4, Some(b""), Some(b"")),
        ];
        assert_eq!(fields, expected, "{maker}, {codec}");
        let headers: Vec<_> = records[0].headers.iter().map(|header| (header.key, header.value)).collect();
        let expected: [(&[u8], Option<&[u8]>); 3] = [(b"h", Some(b"1")), (b"h", Some(b"2")), (b"n", None)];
        assert_eq!(headers, expected, "headers keep their order and equal keys");
        assert!(
            remade(header, &records) == plain,
            "{maker}, {codec}: made of the same records, ours differs"
        );
    }
}

/// What our builder makes of these records, uncompressed.
fn remade(header: &BatchHeader, records: &[Record<'_>]) -> Vec<u8> {
    let mut builder = BatchBuilder::default().producer(header.producer().unwrap());
    builder = builder.leader_epoch(header.leader_epoch);
    for record in records {
        let headers: Vec<_> = record.headers.iter().collect();
        let Record { timestamp_ms, key, value, .. } = *record;
        builder.push(&NewRecord { timestamp_ms, key, value, headers: &headers });
    }
    builder.build(header.base_offset).unwrap()
}

#[test]
fn batches_of_the_java_client_are_read() {
    check("java", 40);
}

#[test]
fn batches_of_kafka_python_are_read() {
    check("kafka-python", 40);
}

#[test]
fn batches_of_librdkafka_are_read() {
    check("librdkafka", 0);
}
