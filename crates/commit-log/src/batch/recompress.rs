//! Making a client's batch anew under the codec that its topic wants (`compression.type`), as Kafka's `LogValidator`
//! does: offsets, timestamps, producer and sequence stay what they were.

use super::{
    Batch, BatchRules, Compression, HEADER_BYTES, InvalidBatch, LENGTH_PREFIX_BYTES, RecordCheck, validate,
};

/// The codec of a topic's batches, and how hard it tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetCodec {
    /// The codec; [`Compression::None`] for none.
    pub codec: Compression,
    /// The codec's own level; `None`: its default, or it has none.
    pub level: Option<i32>,
}

/// The batch under this codec. What is wrong with a batch is found before its records are unpacked, and they are walked
/// then: what is written anew is vouched for here. `now_ms` is the leader's clock.
///
/// # Errors
/// What [`validate`] finds; records that do not unpack within [`BatchRules::max_decompressed_bytes`], or are not what the
/// header says.
pub fn recompress(
    batch: &Batch<'_>,
    target: TargetCodec,
    rules: &BatchRules,
    now_ms: i64,
) -> Result<Vec<u8>, InvalidBatch> {
    validate(batch, &BatchRules { records: RecordCheck::Header, ..*rules }, now_ms)?;
    let mut header = *batch.header();
    let payload = batch.payload(rules.max_decompressed_bytes)?;
    let mut max_timestamp_ms = -1;
    for (index, record) in payload.records().enumerate() {
        let record = record?;
        if i64::try_from(index) != Ok(record.offset - header.base_offset) {
            return Err(InvalidBatch::Form("its records are not numbered without gaps"));
        }
        max_timestamp_ms = max_timestamp_ms.max(record.timestamp_ms);
    }
    let packed = target.codec.compress_at(payload.bytes(), target.level);
    let packed =
        packed.map_err(|_| InvalidBatch::Form("its records cannot be packed by the topic's codec"))?;
    let size = HEADER_BYTES + packed.len();
    let too_large = |_| InvalidBatch::TooLarge { size, max: rules.max_bytes };
    header.length = i32::try_from(size - LENGTH_PREFIX_BYTES).map_err(too_large)?;
    header.attributes = header.attributes.with_compression(target.codec);
    header.max_timestamp_ms = max_timestamp_ms;
    header.crc = header.compute_crc(&packed);
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&header.encode());
    out.extend_from_slice(&packed);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::{BatchBuilder, BatchError},
        offset::{Offset, ProducerId, ProducerStamp},
    };

    const CODECS: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    fn sent(codec: Compression) -> Vec<u8> {
        let stamp = ProducerStamp { id: ProducerId(7), epoch: 2, base_sequence: 40 };
        let mut builder = BatchBuilder::new(codec).producer(stamp);
        for index in 0..50 {
            builder.record(1_000 + index % 7, Some(b"key"), Some(&[b'x'; 100]));
        }
        builder.build(Offset(0)).unwrap()
    }

    fn again(bytes: &[u8], codec: Compression, level: Option<i32>) -> Result<Vec<u8>, InvalidBatch> {
        let (batch, _) = Batch::split_first(bytes).unwrap();
        let rules = BatchRules { timestamp_before_max_ms: i64::MAX, ..BatchRules::default() };
        recompress(&batch, TargetCodec { codec, level }, &rules, 2_000)
    }

    #[test]
    fn every_codec_becomes_every_other_and_nothing_else_changes() {
        for from in CODECS {
            let bytes = sent(from);
            let (before, _) = Batch::split_first(&bytes).unwrap();
            for to in CODECS {
                let bytes = again(&bytes, to, None).unwrap();
                let (after, rest) = Batch::split_first(&bytes).unwrap();
                assert!(rest.is_empty());
                after.check_crc().unwrap();
                assert_eq!(after.header().attributes.compression(), Ok(to));
                let (old, new) = (before.payload(1 << 20).unwrap(), after.payload(1 << 20).unwrap());
                assert!(old.records().eq(new.records()), "{from} to {to}");
                assert_eq!(after.header().producer(), before.header().producer());
                assert_eq!(after.header().max_timestamp_ms, 1_006);
            }
        }
    }

    #[test]
    fn levels_count() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(|n| (n.wrapping_mul(n) % 997).to_be_bytes()).collect();
        let mut builder = BatchBuilder::default();
        builder.record(0, None, Some(&text));
        let plain = builder.build(Offset(0)).unwrap();
        let size = |codec, level| again(&plain, codec, Some(level)).unwrap().len();
        assert!(size(Compression::Gzip, 9) < size(Compression::Gzip, 1));
        assert!(size(Compression::Zstd, 19) < size(Compression::Zstd, -50));
        assert_eq!(again(&plain, Compression::Gzip, Some(-1)), again(&plain, Compression::Gzip, None));
    }

    #[test]
    fn what_is_wrong_is_not_written_anew() {
        let mut altered = sent(Compression::Gzip);
        *altered.last_mut().unwrap() ^= 1;
        let error = again(&altered, Compression::Zstd, None).unwrap_err();
        assert!(matches!(error, InvalidBatch::Corrupt(BatchError::Crc { .. })), "{error}");

        let mut fewer = sent(Compression::None);
        let mut header = *Batch::split_first(&fewer).unwrap().0.header();
        header.record_count -= 1;
        header.last_offset_delta -= 1;
        header.crc = header.compute_crc(&fewer[HEADER_BYTES..]);
        fewer[..HEADER_BYTES].copy_from_slice(&header.encode());
        let error = again(&fewer, Compression::Zstd, None).unwrap_err();
        assert!(matches!(error, InvalidBatch::Corrupt(BatchError::Record { .. })), "{error}");
    }

    #[test]
    fn a_small_batch_does_not_unpack_to_more_than_the_limit() {
        let mut builder = BatchBuilder::new(Compression::Zstd);
        builder.record(0, None, Some(&vec![0; 1 << 20]));
        let bytes = builder.build(Offset(0)).unwrap();
        let (batch, _) = Batch::split_first(&bytes).unwrap();
        let rules = BatchRules { max_decompressed_bytes: 1 << 19, ..BatchRules::default() };
        let target = TargetCodec { codec: Compression::None, level: None };
        let error = recompress(&batch, target, &rules, 0).unwrap_err();
        assert!(matches!(error, InvalidBatch::Corrupt(BatchError::TooLarge { .. })), "{error}");
    }
}
