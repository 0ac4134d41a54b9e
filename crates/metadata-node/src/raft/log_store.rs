//! openraft's log storage on top of [`Store`].
//!
//! An entry can be read as soon as `append` returns and is durable when its callback is called: replication to followers runs beside the local fsync. That is only safe because a restarted
//! node never resumes leadership in its old term (`enable_leader_restore` is off): otherwise it could hand out again an
//! index whose entry it had sent around but not yet stored.
//!
//! Appends, votes, truncations and purges go through the store's one queue in the order openraft asks for them.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use openraft::EntryPayload as Payload;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use serde_json::value::to_raw_value;

use super::types::{Entry, LogCommand, LogId, TypeConfig, Vote};
use super::wire::WireMembership;
use crate::store::{Done, EntryKind, LogPosition, LogRow, Op, Opened, Store, StoreError, Tail, VoteRecord};

/// How many bytes of entries one AppendEntries carries at most, unless one entry alone is larger: its receiver bounds
/// the body, and a follower that could never be sent the next entry would never catch up.
const READ_BYTES_MAX: usize = 1 << 20;
/// How many bytes of durable entries are kept in memory for followers and for applying.
const TAIL_BYTES_MAX: usize = 4 << 20;
/// How many rows are read from SQL at once.
const READ_ROWS: usize = 256;

/// The log and the vote, as openraft wants them. Clones share one log.
#[derive(Clone)]
pub(crate) struct LogStore {
    store: Store,
    index: Arc<Mutex<Index>>,
}

/// What is known without asking the database.
struct Index {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    /// No entry before this index is held.
    first: u64,
    last: Option<LogId>,
    tail: Tail<Entry>,
    /// Number of the last append.
    appends: u64,
}

impl LogStore {
    /// The log of a database that was just opened. There may be only one per database.
    pub(crate) fn new(store: Store, opened: &Opened) -> Self {
        let index = Index {
            vote: opened.vote.map(from_record),
            // What the projection holds was applied, so it was committed.
            committed: opened.projected.map(log_id),
            purged: opened.purged.map(log_id),
            first: opened.first_index,
            last: opened.last_log.map(log_id),
            tail: Tail::new(TAIL_BYTES_MAX),
            appends: 0,
        };
        Self { store, index: Arc::new(Mutex::new(index)) }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries of `from..to` that the log holds, from the front, at least one if there is any, until `bytes_max` is
    /// reached.
    async fn read(&self, from: u64, to: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut next;
        let sql_end = {
            let index = self.index();
            let from = from.max(index.first);
            let to = to.min(index.last.map_or(0, |last| last.index + 1));
            if from >= to {
                return Ok(entries);
            }
            next = from;
            match index.tail.first() {
                Some(first) if first <= from => {
                    index.tail.read(from, to, bytes_max, &mut entries);
                    return Ok(entries);
                }
                first => to.min(first.unwrap_or(to)),
            }
        };
        let mut bytes = 0;
        while next < sql_end {
            let rows = self.store.log_range(next, sql_end, READ_ROWS).await?;
            if rows.is_empty() {
                self.check_gone(next, sql_end)?;
                break;
            }
            for row in rows {
                let at = row.position.index;
                if at != next {
                    self.check_gone(next, at)?;
                    // Only the front can have been purged meanwhile.
                    if !entries.is_empty() {
                        return Err(missing(next, at));
                    }
                }
                bytes += row.bytes();
                if bytes > bytes_max && !entries.is_empty() {
                    return Ok(entries);
                }
                entries.push(from_row(row)?);
                next = at + 1;
            }
        }
        Ok(entries)
    }

    /// Entries `from..to` were not found in SQL: they must have been purged or truncated since the read began, or else
    /// the table is damaged.
    fn check_gone(&self, from: u64, to: u64) -> io::Result<()> {
        let index = self.index();
        let purged = index.first >= to;
        let truncated = index.last.is_none_or(|last| last.index < from);
        if purged || truncated { Ok(()) } else { Err(missing(from, to)) }
    }
}

fn missing(from: u64, to: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("raft_log lacks entries among {from}..{to}"))
}

/// `[from, to)` of a range.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        self.entries_stream(range).await.try_collect().await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.index().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, READ_BYTES_MAX).await
    }

    /// Piece by piece: after a restart the whole log may have to be applied.
    async fn entries_stream<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<Entry>> + OptionalSend {
        let (from, to) = bounds(&range);
        let log = self.clone();
        let pieces = stream::try_unfold(from, move |next| {
            let log = log.clone();
            async move {
                let entries = log.read(next, to, READ_BYTES_MAX).await?;
                let Some(last) = entries.last() else { return io::Result::Ok(None) };
                let next = last.log_id.index + 1;
                Ok(Some((stream::iter(entries.into_iter().map(io::Result::Ok)), next)))
            }
        });
        pieces.try_flatten().boxed()
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let index = self.index();
        Ok(LogState { last_purged_log_id: index.purged, last_log_id: index.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let record = to_record(vote);
        self.store.ask(|done| Op::Vote(record, done)).await?;
        self.index().vote = Some(*vote);
        Ok(())
    }

    /// Only in memory: what is applied becomes durable with the projection, within 100 ms, and is committed. A commit
    /// of its own here would cost every write a second fsync.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.index().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.index().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (rows, append) = {
            let mut index = self.index();
            index.appends += 1;
            let append = index.appends;
            let mut rows = Vec::new();
            for entry in entries {
                let row = to_row(&entry)?;
                let at = row.position.index;
                if let Some(last) = index.last
                    && at != last.index + 1
                {
                    let text = format!("entry {at} does not follow the last one, {}", last.index);
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                if index.last.is_none() {
                    index.first = at;
                }
                index.last = Some(entry.log_id);
                index.tail.push(at, entry, row.bytes(), append);
                rows.push(row);
            }
            (rows, append)
        };
        let index = Arc::clone(&self.index);
        let done = Done::new(move |outcome: Result<(), StoreError>| {
            if outcome.is_ok() {
                index.lock().unwrap_or_else(PoisonError::into_inner).tail.durable(append);
            }
            callback.io_completed(outcome.map_err(Into::into));
        });
        self.store.send(Op::Append(rows, done)).await?;
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        {
            let mut index = self.index();
            let after = last_log_id.map(|id| id.index);
            if index.last.map(|last| last.index) <= after {
                return Ok(());
            }
            index.last = last_log_id.max(index.purged);
            index.tail.truncate_after(after);
        }
        self.store.ask(|done| Op::Truncate(last_log_id.map(position), done)).await?;
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        {
            let mut index = self.index();
            if index.purged.is_some_and(|purged| purged.index >= log_id.index) {
                return Ok(());
            }
            index.purged = Some(log_id);
            index.first = log_id.index + 1;
            if index.last.is_none_or(|last| last.index < log_id.index) {
                index.last = Some(log_id);
            }
            index.tail.purge_to(log_id.index);
        }
        // openraft's core waits here, and heartbeats with it: tens of thousands of rows may go. Until they have, a crash
        // brings them back, which is as good.
        self.store.send(Op::Purge(position(log_id), Done::new(drop))).await?;
        Ok(())
    }
}

fn position(id: LogId) -> LogPosition {
    LogPosition { term: id.committed_leader_id().term, index: id.index }
}

fn log_id(position: LogPosition) -> LogId {
    LogId::new_term_index(position.term, position.index)
}

fn to_record(vote: &Vote) -> VoteRecord {
    VoteRecord { term: vote.leader_id.term, node: vote.leader_id.voted_for, committed: vote.committed }
}

fn from_record(vote: VoteRecord) -> Vote {
    if vote.committed { Vote::new_committed(vote.term, vote.node) } else { Vote::new(vote.term, vote.node) }
}

fn to_row(entry: &Entry) -> io::Result<LogRow> {
    let (kind, payload) = match &entry.payload {
        Payload::Blank => (EntryKind::Blank, None),
        Payload::Normal(command) => (EntryKind::Command, Some(command.clone().into_json())),
        Payload::Membership(membership) => {
            let json = to_raw_value(&WireMembership::from(membership))?;
            (EntryKind::Membership, Some(json.into()))
        }
    };
    Ok(LogRow { position: position(entry.log_id), kind, payload })
}

fn from_row(row: LogRow) -> io::Result<Entry> {
    let wrong = |reason: String| {
        let text = format!("raft_log entry {}: {reason}", row.position.index);
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    let payload = match (row.kind, row.payload) {
        (EntryKind::Blank, _) => Payload::Blank,
        (EntryKind::Command, Some(json)) => Payload::Normal(LogCommand::from_shared(json)),
        (EntryKind::Membership, Some(json)) => {
            let wire: WireMembership =
                serde_json::from_str(json.get()).map_err(|error| wrong(error.to_string()))?;
            Payload::Membership(
                wire.try_into().map_err(|error: super::wire::WireError| wrong(error.to_string()))?,
            )
        }
        (kind, None) => return Err(wrong(format!("a {} without payload", kind.name()))),
    };
    Ok(Entry { log_id: log_id(row.position), payload })
}
