//! A log on a simulated disk, beside a naive log in memory.

use std::{ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use common::LeaderEpoch;

use super::compacted::{self, Attempt};
use crate::{
    Files, Log, LogError, LogOptions, Offset, Origin, ProducerId, ProducerStamp, Recovered, Retention,
    batch::{Batch, BatchBuilder, Compression, ControlRecord, EndTransaction},
    derived::Derived,
    disk::sim::{Random, SimDisk},
};

pub(super) const DIR: &str = "log";

/// Small segments, so that every test rolls.
pub(super) fn options() -> LogOptions {
    LogOptions {
        segment_bytes: 4_000,
        checkpoint_bytes: 6_000,
        tail_bytes: 2_000,
        segment_ms: i64::MAX,
        ..LogOptions::default()
    }
}

pub(super) fn open(disk: &SimDisk, options: LogOptions) -> Result<(Log, Recovered), LogError> {
    Log::open(Path::new(DIR), Arc::new(Files::new(Arc::new(disk.clone()), 64)), options)
}

/// A batch with some records, made from a number alone.
pub(super) fn batch(seed: u64) -> Bytes {
    let mut random = Random::new(seed);
    let id = ProducerId(i64::try_from(random.below(3)).unwrap());
    let sequence = i32::try_from(random.below(1_000)).unwrap();
    let stamp = ProducerStamp { id, epoch: 0, base_sequence: sequence };
    let timestamp_ms = i64::try_from(1_000 + random.below(5_000)).unwrap();
    let builder = match random.below(6) {
        0 => {
            let end = if random.below(2) == 0 { EndTransaction::Abort } else { EndTransaction::Commit };
            let control = ControlRecord { end, coordinator_epoch: 0 };
            BatchBuilder::end_transaction(stamp, control, timestamp_ms)
        }
        kind => {
            let mut builder = BatchBuilder::default();
            if kind > 2 {
                builder = builder.producer(stamp);
            }
            if kind == 3 {
                builder = builder.transactional();
            }
            for record in 0..=random.below(4) {
                let value = vec![u8::try_from(record).unwrap() ^ 0x5a; random.below(500)];
                let timestamp_ms = timestamp_ms + i64::try_from(random.below(100)).unwrap();
                builder.record(timestamp_ms, Some(b"key"), Some(&value));
            }
            builder
        }
    };
    builder.build(Offset(0)).unwrap().into()
}

/// A batch whose records have one of a few keys, and sometimes no value, made from a number alone.
pub(super) fn keyed_batch(seed: u64) -> Bytes {
    let mut random = Random::new(seed);
    let id = ProducerId(i64::try_from(random.below(3)).unwrap());
    let stamp = ProducerStamp { id, epoch: 0, base_sequence: i32::try_from(random.below(1_000)).unwrap() };
    let codecs = [Compression::None, Compression::None, Compression::Lz4, Compression::Zstd];
    let mut builder = BatchBuilder::new(codecs[random.below(codecs.len())]);
    let kind = random.below(6);
    if kind > 1 {
        builder = builder.producer(stamp);
    }
    if kind > 3 {
        builder = builder.transactional();
    }
    for record in 0..=random.below(4) {
        let key = [b'a' + u8::try_from(random.below(6)).unwrap()];
        let value = vec![u8::try_from(record).unwrap() ^ 0x5a; random.below(300)];
        let value = Some(&value[..]).filter(|_| random.below(4) > 0);
        let timestamp_ms = i64::try_from(1_000 + random.below(5_000)).unwrap();
        builder.record(timestamp_ms, Some(&key), value);
    }
    builder.build(Offset(0)).unwrap().into()
}

/// Ends whatever transactions the batches of the two above may have begun.
pub(super) fn commits() -> Vec<Bytes> {
    let commit = |id| {
        let stamp = ProducerStamp { id: ProducerId(id), epoch: 0, base_sequence: -1 };
        let control = ControlRecord { end: EndTransaction::Commit, coordinator_epoch: 0 };
        BatchBuilder::end_transaction(stamp, control, 0).build(Offset(0)).unwrap().into()
    };
    (0..3).map(commit).collect()
}

/// The naive log: what was appended, in order, as it must be stored.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) batches: Vec<(Range<Offset>, Bytes)>,
    pub(super) start: Offset,
    pub(super) end: Offset,
    /// What the log knew at this offset: what is in front of it may have been compacted since.
    pub(super) known: (Offset, Derived),
    /// A truncation went into what was compacted, and was not seen to end.
    pub(super) lost_track: bool,
    /// A compaction that was not seen to end.
    pub(super) compacting: Option<Attempt>,
}

impl Model {
    pub(super) fn append(&mut self, batch: &Bytes, epoch: LeaderEpoch) {
        let (parsed, _) = Batch::split_first(batch).unwrap();
        let mut header = *parsed.header();
        (header.base_offset, header.leader_epoch) = (self.end, epoch);
        let stored = [&header.encode()[..], &batch[crate::batch::HEADER_BYTES..]].concat();
        self.end = header.next_offset();
        self.batches.push((header.base_offset..self.end, stored.into()));
    }

    pub(super) fn truncate(&mut self, to: Offset) {
        self.batches.retain(|(range, _)| range.end <= to);
        self.end = self.batches.last().map_or(Offset(0), |(range, _)| range.end);
    }

    /// The bytes from the batch with `from` on.
    pub(super) fn bytes_from(&self, from: Offset) -> Vec<u8> {
        let readable = self.batches.iter().filter(|(range, _)| range.end > from);
        readable.flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    pub(super) fn derived(&self) -> Derived {
        self.derived_until(self.end)
    }

    /// Where compacted batches were cut off, the naive log cannot tell what the other one should know.
    pub(super) fn trust_below_compaction(&mut self, log: &Log) {
        if std::mem::take(&mut self.lost_track) || self.end < self.known.0 {
            self.known = (self.end, log.derived.clone());
        }
    }
}

pub(super) fn append(log: &mut Log, batches: &[Bytes], epoch: LeaderEpoch) -> Result<(), LogError> {
    for answer in log.append(batches, epoch, Origin::Internal, 0)? {
        answer.unwrap();
    }
    Ok(())
}

/// Deletes what is old or too much, after saying what that is: where the log should start then.
pub(super) fn retain(
    log: &mut Log,
    model: &mut Model,
    retention: &Retention,
    now_ms: i64,
) -> Result<usize, LogError> {
    let mut left = log.size_bytes();
    let mut segments = log.segments.iter().take(retention.segments_per_pass).peekable();
    let mut start = log.segments[0].base;
    while let Some(segment) = segments.next_if(|segment| {
        left -= u64::from(segment.size);
        let age_ms = now_ms - segment.max_timestamp_ms;
        let old = retention.max_age_ms.is_some_and(|max_ms| segment.max_timestamp_ms >= 0 && age_ms > max_ms);
        !segment.is_empty() && (old || retention.max_bytes.is_some_and(|max_bytes| left >= max_bytes))
    }) {
        start = segment.end;
    }
    model.start = model.start.max(start);
    let end = log.log_end();
    log.retain(retention, Some(now_ms), end)
}

/// Reads everything from `from` to the end, a bit at a time.
pub(super) fn read_all(log: &Log, from: Offset, max_bytes: usize) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::new();
    let mut next = from;
    while next < log.log_end() {
        let read = log.plan_read(next, log.log_end(), max_bytes)?.read()?;
        assert!(read.next > next, "a read at {next} of a log that ends at {} found nothing", log.log_end());
        bytes.extend(read.pieces.iter().flatten());
        next = read.next;
    }
    Ok(bytes)
}

/// The log is what the model says, in every way it can be asked.
pub(super) fn check(log: &Log, model: &Model) {
    assert_eq!((log.log_start(), log.log_end()), (model.start, model.end));
    for max_bytes in [1, 1_500, 1 << 20] {
        assert!(
            read_all(log, model.start, max_bytes).unwrap() == model.bytes_from(model.start),
            "reads of {max_bytes} bytes differ from what was appended"
        );
    }
    let (mut known, mut expected) = (log.derived.clone(), model.derived());
    known.start_at(model.start);
    let first = log.segments[0].base;
    model.forget_traces(&mut known, first);
    model.forget_traces(&mut expected, first);
    assert_eq!(known, expected);
    for segment in &log.segments {
        assert_eq!(segment.check_between(&log.files, segment.base, segment.end).unwrap(), []);
    }
    compacted::check_committed(log, model);
}

/// After a crash: the log is a front of the model, with everything that was durable. Makes the model the same.
pub(super) fn check_recovered(log: &Log, recovered: &Recovered, model: &mut Model, durable: Offset) {
    assert_eq!(recovered.damage, [], "a crash is no damage");
    // Frames below the recovery point are durable; of a segment that is being deleted they go first.
    let kept = |base: &&Offset| {
        log.segments.iter().any(|segment| segment.base == **base && segment.end > log.log_start())
    };
    assert_eq!(recovered.indexes_rebuilt.iter().find(kept), None);
    assert!(log.log_end() >= durable, "the log ends at {}, {durable} was durable", log.log_end());
    assert!(
        log.log_end() <= model.end,
        "the log ends at {}, {} was appended: {recovered:?}",
        log.log_end(),
        model.end
    );
    model.truncate(log.log_end());
    assert_eq!(model.end, log.log_end(), "the log ends inside a batch");
    model.trust_below_compaction(log);
    compacted::settle(log, model);
    check(log, model);
}
