//! Queued operations, and how several become one transaction.
//!
//! Only the end state of a transaction can ever be seen, so operations are folded as they come: an entry that is appended
//! and truncated again before anything was written is never written. The order among them is kept by that folding,
//! and all of them become durable at the same moment, which is at least as strong as one after the other.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::database::{Mark, Step};
use super::{AppliedEntry, Image, LogPosition, LogRow, SnapshotRecord, StoreError, VoteRecord};

/// Told once when an operation is durable, or when it is certain that this process will never say so.
pub(crate) struct Done(Option<Callback>);

type Callback = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

impl Done {
    /// Calls `f` with the outcome.
    pub(crate) fn new(f: impl FnOnce(Result<(), StoreError>) + Send + 'static) -> Self {
        Self(Some(Box::new(f)))
    }

    /// Sends the outcome to whoever waits.
    pub(super) fn channel() -> (Self, oneshot::Receiver<Result<(), StoreError>>) {
        let (sender, receiver) = oneshot::channel();
        // Whoever does not wait any more does not want to know.
        (Self::new(move |outcome| drop(sender.send(outcome))), receiver)
    }

    pub(super) fn tell(mut self, outcome: Result<(), StoreError>) {
        if let Some(f) = self.0.take() {
            f(outcome);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f(Err(StoreError::Closed));
        }
    }
}

/// What can be asked of the writer.
pub(crate) enum Op {
    Vote(VoteRecord, Done),
    Append(Vec<LogRow>, Done),
    /// Deletes what comes after this entry; `None`: all.
    Truncate(Option<LogPosition>, Done),
    /// Deletes what comes up to this entry.
    Purge(LogPosition, Done),
    /// Entries that were applied. Nobody waits for them.
    Project(Vec<AppliedEntry>),
    StageSnapshot {
        id: i64,
        record: Box<SnapshotRecord>,
        bytes: i64,
        sha256: String,
        done: Done,
    },
    SnapshotChunk {
        id: i64,
        seq: i64,
        data: Bytes,
        done: Done,
    },
    CompleteSnapshot {
        id: i64,
        last: Option<LogPosition>,
        image: Option<Image>,
        done: Done,
    },
    /// Writes the projection of all that was handed over.
    Flush(Done),
    /// Ends the writer after all that came before.
    Close(Done),
}

/// The log and the vote as they will be after one transaction.
#[derive(Default)]
pub(super) struct LogEdit {
    vote: Option<VoteRecord>,
    /// `Some(x)`: what comes after `x` is deleted.
    truncate: Option<Option<LogPosition>>,
    rows: Vec<LogRow>,
    bytes: usize,
    purge: Option<LogPosition>,
}

impl LogEdit {
    pub(super) fn vote(&mut self, vote: VoteRecord) {
        self.vote = Some(vote);
    }

    pub(super) fn append(&mut self, rows: Vec<LogRow>) {
        self.bytes += rows.iter().map(LogRow::bytes).sum::<usize>();
        if self.rows.is_empty() {
            self.rows = rows;
        } else {
            self.rows.extend(rows);
        }
    }

    pub(super) fn truncate(&mut self, after: Option<LogPosition>) {
        self.rows.retain(|row| after.is_some_and(|after| row.position.index <= after.index));
        let index = |after: Option<LogPosition>| after.map(|after| after.index);
        // `None < Some(_)`: deleting all is the strongest.
        if self.truncate.is_none_or(|earlier| index(after) < index(earlier)) {
            self.truncate = Some(after);
        }
    }

    pub(super) fn purge(&mut self, to: LogPosition) {
        self.rows.retain(|row| row.position.index > to.index);
        self.purge = Some(self.purge.map_or(to, |earlier| earlier.max_by_index(to)));
    }

    /// Payload bytes that wait to be written.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows that wait to be written.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The steps, and what is durable after them.
    pub(super) fn take(&mut self, mark: &mut Mark, steps: &mut Vec<Step>) {
        let edit = std::mem::take(self);
        if let Some(vote) = edit.vote {
            mark.vote = Some(vote);
            steps.push(Step::Vote(vote));
        }
        if let Some(after) = edit.truncate
            && mark.last_row.is_some_and(|last| after.is_none_or(|after| after.index < last.index))
        {
            steps.push(Step::TruncateLog(after.map(|after| after.index)));
            let purged = mark.purged;
            mark.last_row = after.filter(|after| purged.is_none_or(|purged| purged.index < after.index));
        }
        if let Some(last) = edit.rows.last() {
            mark.last_row = Some(last.position);
            steps.push(Step::AppendLog(edit.rows));
        }
        if let Some(to) = edit.purge {
            if mark.last_row.is_some_and(|last| last.index <= to.index) {
                mark.last_row = None;
            }
            mark.purged = Some(to);
            steps.push(Step::PurgeLog(to));
        }
    }
}

impl LogPosition {
    fn max_by_index(self, other: Self) -> Self {
        if other.index > self.index { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::EntryKind;

    fn rows(term: u64, range: std::ops::RangeInclusive<u64>) -> Vec<LogRow> {
        range
            .map(|index| LogRow {
                position: LogPosition { term, index },
                kind: EntryKind::Blank,
                payload: None,
            })
            .collect()
    }

    fn at(term: u64, index: u64) -> LogPosition {
        LogPosition { term, index }
    }

    fn taken(edit: &mut LogEdit, last_row: Option<LogPosition>) -> (Vec<String>, Mark) {
        let (mut mark, mut steps) = (Mark { last_row, ..Mark::default() }, Vec::new());
        edit.take(&mut mark, &mut steps);
        let told = steps
            .iter()
            .map(|step| match step {
                Step::TruncateLog(after) => format!("truncate {after:?}"),
                Step::AppendLog(rows) => {
                    let at = |row: Option<&LogRow>| row.unwrap().position.to_string();
                    format!("append {}..{}", at(rows.first()), at(rows.last()))
                }
                Step::PurgeLog(to) => format!("purge {to}"),
                other => format!("{other:?}"),
            })
            .collect();
        (told, mark)
    }

    #[test]
    fn what_was_never_durable_is_never_written() {
        let mut edit = LogEdit::default();
        edit.append(rows(1, 6..=9));
        edit.truncate(Some(at(1, 7)));
        edit.append(rows(2, 8..=8));
        let (steps, mark) = taken(&mut edit, Some(at(1, 5)));
        assert_eq!(vec!["append 6@1..8@2"], steps);
        assert_eq!(Some(at(2, 8)), mark.last_row);
    }

    #[test]
    fn the_deepest_truncation_wins_and_comes_first() {
        let mut edit = LogEdit::default();
        edit.truncate(Some(at(1, 8)));
        edit.append(rows(2, 9..=10));
        edit.truncate(Some(at(1, 4)));
        edit.append(rows(3, 5..=5));
        edit.truncate(Some(at(3, 5)));
        let (steps, mark) = taken(&mut edit, Some(at(1, 12)));
        assert_eq!(vec!["truncate Some(4)", "append 5@3..5@3"], steps);
        assert_eq!(Some(at(3, 5)), mark.last_row);
    }

    #[test]
    fn truncating_past_the_end_is_nothing() {
        let mut edit = LogEdit::default();
        edit.truncate(Some(at(1, 12)));
        assert!(taken(&mut edit, Some(at(1, 12))).0.is_empty());
        edit.truncate(Some(at(1, 3)));
        assert!(taken(&mut edit, None).0.is_empty());
    }

    #[test]
    fn purging_drops_what_waits_below_it() {
        let mut edit = LogEdit::default();
        edit.append(rows(1, 6..=9));
        edit.purge(at(1, 7));
        edit.purge(at(1, 3));
        let (steps, mark) = taken(&mut edit, Some(at(1, 5)));
        assert_eq!(vec!["append 8@1..9@1", "purge 7@1"], steps);
        assert_eq!((Some(at(1, 9)), Some(at(1, 7))), (mark.last_row, mark.purged));
    }

    #[test]
    fn a_dropped_operation_is_answered() {
        let (done, mut answer) = Done::channel();
        drop(done);
        assert!(matches!(answer.try_recv(), Ok(Err(StoreError::Closed))));
    }
}
