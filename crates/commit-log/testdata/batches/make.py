"""Batches as kafka-python makes them, one file per codec: `python3 make.py` with kafka-python, python-snappy, lz4 and
zstandard installed. Every batch has the records that `../../src/batch/tests/foreign.rs` expects."""

from kafka.record.default_records import DefaultRecordBatchBuilder

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

for name, codec in CODECS.items():
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=False,
        producer_id=7, producer_epoch=1, base_sequence=40, batch_size=1 << 20)
    builder.append(0, 1_700_000_000_000, b"key", b"value", [("h", b"1"), ("h", b"2"), ("n", None)])
    builder.append(1, 1_700_000_000_005, None, b"x" * 1000, [])
    builder.append(2, 1_700_000_000_003, b"gone", None, [])
    builder.append(3, 1_700_000_000_004, b"", b"", [])
    with open(f"kafka-python-{name}.bin", "wb") as out:
        out.write(builder.build())
