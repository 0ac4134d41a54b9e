//! What a compaction may and must do, said without doing it: the log before and after are compared record by record.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::support::Model;
use crate::{
    Compaction, Log, LogError, Offset, ProducerId,
    batch::{Batch, BatchHeader, EndTransaction},
    derived::{Applied, Derived, LastOfProducer},
};

/// A compaction that may be under way, and of which no more is known than this.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    now_ms: i64,
    /// Each producer's last batch that no crash can take.
    last_of_each: BTreeMap<ProducerId, LastOfProducer>,
}

/// Offset, timestamp, key, value.
type Seen = (Offset, i64, Option<Vec<u8>>, Option<Vec<u8>>);

struct SeenBatch {
    header: BatchHeader,
    applied: Applied,
    records: Vec<Seen>,
    aborted: bool,
    /// A marker behind which nothing of its transaction is left.
    lone_marker: bool,
}

fn see(batches: impl Iterator<Item = Bytes>) -> Vec<SeenBatch> {
    let mut seen: Vec<SeenBatch> = Vec::new();
    let mut open: BTreeMap<ProducerId, Vec<usize>> = BTreeMap::new();
    for bytes in batches {
        let (batch, _) = Batch::split_first(&bytes).unwrap();
        batch.check_crc().unwrap();
        let applied = Applied::of(&batch).unwrap();
        let header = *batch.header();
        let payload = batch.payload(1 << 20).unwrap();
        let records = payload.records().map(|record| {
            let record = record.unwrap();
            (
                record.offset,
                record.timestamp_ms,
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
            )
        });
        let records = records.collect();
        let mut lone_marker = false;
        if let (Some(producer), Some(control)) = (header.producer(), applied.control) {
            let data = open.remove(&producer.id).unwrap_or_default();
            lone_marker = data.is_empty();
            data.iter().for_each(|at| seen[*at].aborted = control.end == EndTransaction::Abort);
        } else if let Some(producer) = header.producer()
            && header.attributes.is_transactional()
            && !header.attributes.is_control()
        {
            open.entry(producer.id).or_default().push(seen.len());
        }
        seen.push(SeenBatch { header, applied, records, aborted: false, lone_marker });
    }
    seen
}

/// Compacts the log in one go, and checks what came of it. `false` if there was nothing worth it.
pub(super) fn compact(
    log: &mut Log,
    model: &mut Model,
    settings: &Compaction,
    now_ms: i64,
) -> Result<bool, LogError> {
    let end = log.log_end();
    let dirty_from = log.compacted_until().max(log.segments[0].base);
    let Some(mut job) = log.plan_compaction(settings, now_ms, end)? else { return Ok(false) };
    assert!(log.plan_compaction(settings, now_ms, end)?.is_none(), "one at a time");
    let last_of_each = log.shared.checkpoint.current().derived().unwrap().producers.last_of_each();
    model.compacting = Some(Attempt { now_ms, last_of_each });
    let until = log.segments.last().unwrap().base;
    while let Some(step) = job.next_step() {
        assert!(log.install_compacted(step?)?);
    }
    // A disk that fails only now has let the compaction happen.
    let stored = stored_bytes(log)?;
    let attempt = model.compacting.take().unwrap();
    let (before, after) = adopt(log, model, &attempt, stored);
    let first = log.log_start();
    let left = after.iter().filter(|batch| batch.header.base_offset >= first);
    thoroughly(&before, left, dirty_from..log.compacted_until(), now_ms);
    assert!(log.compacted_until() <= until);
    Ok(true)
}

/// After a compaction that may or may not have got anywhere: nothing is missing that should be there.
pub(super) fn settle(log: &Log, model: &mut Model) {
    if let Some(attempt) = model.compacting.take() {
        adopt(log, model, &attempt, stored_bytes(log).unwrap());
    }
}

/// All batches there are, those below the log start included.
fn stored_bytes(log: &Log) -> Result<Bytes, LogError> {
    let mut bytes = Vec::new();
    for segment in log.segments.iter().filter(|segment| !segment.is_empty()) {
        let located = segment.locate(&log.files, segment.base, segment.end, usize::MAX);
        let located = located.map_err(|error| segment.index_error(error))?.unwrap();
        bytes.extend(segment.read(&log.files, &located)?);
    }
    Ok(bytes.into())
}

/// Compares the model with the log, and makes it the same.
fn adopt(log: &Log, model: &mut Model, attempt: &Attempt, bytes: Bytes) -> (Vec<SeenBatch>, Vec<SeenBatch>) {
    // What the log knew is remembered as of the front of its last segment, which is never compacted.
    let until = log.segments.last().unwrap().base.max(model.known.0);
    let known = model.derived_until(until);
    model.known = (until, known);
    let batches: Vec<_> = Batch::all(&bytes).map(|batch| batch.unwrap()).collect();
    // What lies in deleted segments is no concern of compaction any more.
    let first = log.segments[0].base;
    let (mut now, there): (Vec<_>, Vec<_>) =
        model.batches.iter().cloned().partition(|(range, _)| range.end <= first);
    let stored = |batch: &Batch<'_>| {
        (batch.header().base_offset..batch.header().next_offset(), bytes.slice_ref(batch.bytes()))
    };
    let before = see(there.into_iter().map(|(_, bytes)| bytes));
    let after = see(batches.iter().map(|batch| stored(batch).1));
    nothing_is_lost(&before, &after, attempt, log.log_start());
    now.extend(batches.iter().map(stored));
    model.batches = now;
    (before, after)
}

fn nothing_is_lost(before: &[SeenBatch], after: &[SeenBatch], attempt: &Attempt, start: Offset) {
    let latest = latest(before, Offset(0)..Offset(i64::MAX));
    let mut left = after.iter().peekable();
    for old in before {
        let new = left.next_if(|new| new.header.base_offset == old.header.base_offset);
        let stays = |record: &Seen| new.is_some_and(|new| new.records.contains(record));
        let horizon_passed = old.header.delete_horizon_ms().is_some_and(|at| at <= attempt.now_ms);
        // What nobody can read any more may be gone for whatever reason.
        for record in old.records.iter().filter(|record| !stays(record) && record.0 >= start) {
            let (offset, _, key, value) = record;
            let newest = key.as_ref().and_then(|key| latest.get(key));
            let replaced = key.is_none() || newest.is_some_and(|newest| newest > offset);
            let may_go = if old.header.attributes.is_control() {
                old.lone_marker && horizon_passed
            } else {
                old.aborted || replaced || (value.is_none() && horizon_passed)
            };
            assert!(may_go, "the record at {offset} is gone");
        }
        if let Some(new) = new {
            same_batch(old, new);
        } else if let Some(producer) = old.header.producer() {
            let last = attempt.last_of_each.get(&producer.id).and_then(|last| last.last_offset);
            assert_ne!(last, Some(old.header.last_offset()), "the last batch of producer {}", producer.id);
        }
    }
    assert_eq!(left.count(), 0, "batches that nobody has written");
}

fn same_batch(old: &SeenBatch, new: &SeenBatch) {
    let (was, is) = (&old.header, &new.header);
    assert_eq!(was.next_offset(), is.next_offset());
    assert_eq!(was.leader_epoch, is.leader_epoch);
    assert!(new.records.iter().all(|record| old.records.contains(record)), "an altered record");
    let placeholder = is.producer_id == -1 && is.record_count == 0;
    if !placeholder {
        assert_eq!(was.producer(), is.producer());
        assert_eq!(was.attributes.is_transactional(), is.attributes.is_transactional());
        assert_eq!(old.applied.header.attributes.is_control(), is.attributes.is_control());
        if !new.records.is_empty() {
            assert_eq!(was.attributes.compression(), is.attributes.compression());
            assert!(was.delete_horizon_ms().is_none() || was.delete_horizon_ms() == is.delete_horizon_ms());
        }
    }
}

/// The last offset of each key among the records that count.
fn latest(batches: &[SeenBatch], range: std::ops::Range<Offset>) -> BTreeMap<Vec<u8>, Offset> {
    let counting = batches.iter().filter(|batch| !batch.aborted && !batch.header.attributes.is_control());
    let records = counting.flat_map(|batch| &batch.records).filter(|record| range.contains(&record.0));
    records.filter_map(|(offset, _, key, _)| Some((key.clone()?, *offset))).collect()
}

/// Everything that should be gone is.
fn thoroughly<'a>(
    before: &[SeenBatch],
    after: impl Iterator<Item = &'a SeenBatch>,
    dirty: std::ops::Range<Offset>,
    now_ms: i64,
) {
    let latest = latest(before, dirty.clone());
    let aborted: Vec<_> = before.iter().filter(|old| old.aborted).map(|old| old.header.base_offset).collect();
    for new in after.filter(|new| new.header.next_offset() <= dirty.end) {
        let header = &new.header;
        if header.attributes.is_control() {
            continue;
        }
        assert!(!aborted.contains(&header.base_offset) || new.records.is_empty(), "aborted records stay");
        for (offset, _, key, value) in &new.records {
            let newer = key.as_ref().and_then(|key| latest.get(key));
            assert!(newer.is_none_or(|newer| newer <= offset), "the record at {offset} was replaced");
            if value.is_none() {
                let horizon_ms = header.delete_horizon_ms().expect("a tombstone says when it goes");
                assert!(horizon_ms > now_ms, "the tombstone at {offset} should be gone");
            }
        }
    }
}

/// A `read_committed` consumer that begins anywhere keeps what was not aborted, by what the log tells it.
pub(super) fn check_committed(log: &Log, model: &Model) {
    let until = log.last_stable(log.log_end());
    let seen = see(model.batches.iter().map(|(_, bytes)| bytes.clone()));
    let data = |batch: &&SeenBatch| !batch.header.attributes.is_control();
    let starts = seen.iter().map(|batch| batch.header.base_offset);
    for from in starts.filter(|start| (log.log_start()..until).contains(start)).step_by(3) {
        let fetched = seen.iter().filter(|batch| (from..until).contains(&batch.header.base_offset));
        let committed: Vec<_> = fetched
            .clone()
            .filter(data)
            .filter(|batch| !batch.aborted)
            .map(|batch| batch.header.base_offset)
            .collect();
        assert_eq!(kept_by_consumer(log, from..until, fetched), committed, "from {from}");
    }
}

/// As Kafka's Java client does it: a producer's records are skipped from where the list says to its marker.
fn kept_by_consumer<'a>(
    log: &Log,
    range: std::ops::Range<Offset>,
    fetched: impl Iterator<Item = &'a SeenBatch>,
) -> Vec<Offset> {
    let list = log.aborted_transactions(&range);
    let (mut told, mut skipping, mut kept) = (list.iter().peekable(), BTreeSet::new(), Vec::new());
    for SeenBatch { header, applied, .. } in fetched {
        while let Some(aborted) = told.next_if(|aborted| aborted.first <= header.last_offset()) {
            skipping.insert(aborted.producer.0);
        }
        if applied.control.is_some_and(|control| control.end == EndTransaction::Abort) {
            skipping.remove(&header.producer_id);
        }
        let skipped = header.attributes.is_transactional() && skipping.contains(&header.producer_id);
        if !header.attributes.is_control() && !skipped {
            kept.push(header.base_offset);
        }
    }
    kept
}

impl Model {
    /// What a log that holds these batches below `until` knows.
    pub(super) fn derived_until(&self, until: Offset) -> Derived {
        let (from, mut derived) = self.known.clone();
        for (_, bytes) in self.batches.iter().filter(|(range, _)| range.start >= from && range.end <= until) {
            derived.apply(&Applied::of(&Batch::split_first(bytes).unwrap().0).unwrap());
        }
        derived.start_at(self.start.min(until));
        derived
    }

    /// Takes out aborted transactions of which there is no batch from `first` on: a compaction forgets them.
    pub(super) fn forget_traces(&self, derived: &mut Derived, first: Offset) {
        let all = derived.transactions.aborted(&(Offset(0)..Offset(i64::MAX)));
        let traceless = all.into_iter().filter(|aborted| {
            !self.batches.iter().any(|(range, bytes)| {
                let header = BatchHeader::parse(bytes).unwrap();
                range.start >= first
                    && (aborted.first..aborted.last).contains(&range.start)
                    && header.producer_id == aborted.producer.0
                    && header.attributes.is_transactional()
            })
        });
        derived.transactions.forget_aborted(&traceless.map(|aborted| aborted.last).collect::<Vec<_>>());
    }
}
