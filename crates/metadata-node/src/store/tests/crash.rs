//! The store dies, or its connection breaks, before and after every single statement of a script that does everything
//! a node does. After it, what was acknowledged is there, what was not is there whole or not at all, and the projection
//! is exactly that of the position it claims.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Place, Running, at, created, on_both_databases, rows, snapshot_at, topic};
use crate::store::database::{Database, DbError, Mark, Step};
use crate::store::handle::Parts;
use crate::store::options::DatabaseUrl;
use crate::store::{self, Backend, Image, LogPosition, Op, Store, StoreError, VoteRecord};

on_both_databases!(dying_at_every_statement, losing_the_connection_at_every_statement);

/// What happens at which call, counted over all calls that reach the database.
#[derive(Clone, Copy, Debug)]
struct Fault {
    call: usize,
    /// After the database did what it was asked, so that only the answer is lost.
    after: bool,
    /// The process dies; else its connection breaks.
    fatal: bool,
}

/// A database that fails as it is told.
struct Faulty<D> {
    inner: D,
    fault: Fault,
    calls: usize,
    dead: bool,
}

impl<D: Database> Faulty<D> {
    fn strike(&mut self, after: bool) -> Result<(), DbError> {
        if self.dead {
            return Err(DbError::Other("dead".into()));
        }
        if self.calls == self.fault.call && self.fault.after == after {
            self.dead = self.fault.fatal;
            let text = format!("told to fail at call {}", self.calls);
            self.calls += 1;
            return Err(if self.dead { DbError::Other(text) } else { DbError::Lost(text) });
        }
        Ok(())
    }
}

macro_rules! faulty {
    ($self:ident, $call:expr) => {{
        $self.strike(false)?;
        let outcome = $call.await?;
        $self.strike(true)?;
        $self.calls += 1;
        Ok(outcome)
    }};
}

impl<D: Database> Database for Faulty<D> {
    fn backend(&self) -> Backend {
        self.inner.backend()
    }
    async fn begin(&mut self) -> Result<(), DbError> {
        faulty!(self, self.inner.begin())
    }
    async fn run(&mut self, step: &Step) -> Result<u64, DbError> {
        faulty!(self, self.inner.run(step))
    }
    async fn commit(&mut self) -> Result<(), DbError> {
        faulty!(self, self.inner.commit())
    }
    async fn run_alone(&mut self, step: &Step) -> Result<u64, DbError> {
        faulty!(self, self.inner.run_alone(step))
    }
    /// The dead do not roll back: the database must do it by itself.
    async fn rollback(&mut self) {
        if !self.dead {
            self.inner.rollback().await;
        }
    }
    async fn mark(&mut self) -> Result<Mark, DbError> {
        self.inner.mark().await
    }
    /// What a server does when a connection breaks: the transaction is undone.
    async fn reconnect(&mut self) -> Result<(), DbError> {
        self.inner.rollback().await;
        Ok(())
    }
    async fn maintain(&mut self, idle: bool) -> Result<(), DbError> {
        if self.dead { Ok(()) } else { self.inner.maintain(idle).await }
    }
    async fn close(self) {
        if !self.dead {
            self.inner.close().await;
        }
    }
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    vote: Option<VoteRecord>,
    log: BTreeMap<u64, u64>,
    purged: Option<LogPosition>,
    snapshot: Option<LogPosition>,
}

/// One thing that a node asks for.
#[derive(Clone, Debug)]
enum Act {
    Vote(u64),
    Append(u64, std::ops::RangeInclusive<u64>),
    Truncate(LogPosition),
    Purge(LogPosition),
    /// Entries of this term in this range were applied.
    Apply(u64, std::ops::RangeInclusive<u64>),
    Flush,
    Snapshot(LogPosition),
    Install(LogPosition),
}

fn script() -> Vec<Act> {
    use Act::*;
    vec![
        Vote(1),
        Append(1, 1..=5),
        Apply(1, 1..=3),
        Append(1, 6..=8),
        Vote(2),
        Truncate(at(1, 6)),
        Append(2, 7..=9),
        Apply(1, 4..=6),
        Apply(2, 7..=9),
        Flush,
        Snapshot(at(2, 8)),
        Purge(at(2, 8)),
        Append(2, 10..=180),
        Apply(2, 10..=12),
        Install(at(3, 300)),
        Purge(at(3, 300)),
        Append(3, 301..=303),
        Apply(3, 301..=303),
        Flush,
    ]
}

fn vote(term: u64) -> VoteRecord {
    VoteRecord { term, node: common::NodeId(term), committed: term == 2 }
}

impl Model {
    fn act(&mut self, act: &Act) {
        match act {
            Act::Vote(term) => self.vote = Some(vote(*term)),
            Act::Append(term, range) => self.log.extend(range.clone().map(|index| (index, *term))),
            Act::Truncate(after) => self.log.retain(|index, _| *index <= after.index),
            Act::Purge(to) => {
                self.log.retain(|index, _| *index > to.index);
                self.purged = Some(*to);
            }
            Act::Snapshot(last) | Act::Install(last) => self.snapshot = Some(*last),
            Act::Apply(..) | Act::Flush => {}
        }
    }
}

async fn perform(store: &Store, act: &Act) -> Result<(), StoreError> {
    match act.clone() {
        Act::Vote(term) => store.ask(|done| Op::Vote(vote(term), done)).await,
        Act::Append(term, range) => store.ask(|done| Op::Append(rows(term, range), done)).await,
        Act::Truncate(after) => store.ask(|done| Op::Truncate(Some(after), done)).await,
        Act::Purge(to) => store.ask(|done| Op::Purge(to, done)).await,
        Act::Apply(term, range) => store.project(range.map(|index| created(term, index)).collect()).await,
        Act::Flush => store.flush().await,
        Act::Snapshot(last) => {
            let (record, data) = snapshot_at(last, 3000);
            store.save_snapshot(record, data).await
        }
        Act::Install(last) => {
            let (record, data) = snapshot_at(last, 3000);
            let topics = (1..=last.index).map(|index| topic(&format!("t{index}"))).collect();
            store.install_snapshot(record, data, Image { topics, brokers: Vec::new() }).await
        }
    }
}

async fn start_faulty(place: &Place, fault: Fault) -> Running {
    fn wrap<D: Database>(parts: Parts<D>, fault: Fault) -> Parts<Faulty<D>> {
        Parts {
            database: Faulty { inner: parts.database, fault, calls: 0, dead: false },
            reader: parts.reader,
            storage_id: parts.storage_id,
            fresh: parts.fresh,
            mark: parts.mark,
            first_index: parts.first_index,
            snapshot_id_max: parts.snapshot_id_max,
            server_id: parts.server_id,
        }
    }
    let mut options = place.options();
    // Time must not decide which statements there are.
    options.projection_delay = std::time::Duration::from_secs(3600);
    let events = Arc::new(());
    match DatabaseUrl::parse(&options.database).unwrap() {
        DatabaseUrl::Sqlite(url) => {
            let parts = wrap(store::sqlite::open(&options, &url).await.unwrap(), fault);
            Running::of(Store::start(parts, options, events).await.unwrap())
        }
        DatabaseUrl::Postgres(connect) => {
            let parts = wrap(store::postgres::open(&options, *connect, "").await.unwrap(), fault);
            Running::of(Store::start(parts, options, events).await.unwrap())
        }
    }
}

/// What the database holds now, after opening it as a restarted node does.
async fn reopened(place: &Place) -> (Model, Option<LogPosition>) {
    let running = place.open().await;
    let log = running.store.log(0, 10_000).await.unwrap();
    for row in &log {
        let expected = rows(row.position.term, row.position.index..=row.position.index);
        let payload = |row: &crate::store::LogRow| row.payload.as_ref().unwrap().get().to_owned();
        assert_eq!(payload(expected.first().unwrap()), payload(row));
    }
    let snapshot = running.store.snapshot().await.unwrap();
    if let Some((record, data)) = &snapshot {
        assert!(*data == snapshot_at(record.last.unwrap(), 3000).1);
    }
    let model = Model {
        vote: running.opened.vote,
        log: log.iter().map(|row| (row.position.index, row.position.term)).collect(),
        purged: running.opened.purged,
        snapshot: snapshot.and_then(|(record, _)| record.last),
    };
    let projected = running.opened.projected;
    let topics = place.sql("SELECT count(*), count(DISTINCT topic_name) FROM partitions").await;
    let count = projected.map_or(0, |at| at.index);
    assert_eq!(format!("{count}|{count}"), topics, "projection at {projected:?}");
    let last = place.sql(&format!("SELECT count(*) FROM topics WHERE topic_name = 't{count}'")).await;
    assert_eq!(u64::from(count > 0).to_string(), last);
    running.close().await;
    (model, projected)
}

/// An empty place for the next run.
async fn next(place: &mut Place) {
    if place.dir.is_some() {
        *place = Place::sqlite();
    } else {
        place.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    }
}

async fn dying_at_every_statement(mut place: Place) {
    let mut deaths = 0;
    for call in 0..200 {
        let mut any_died = false;
        for after in [false, true] {
            let mut died = false;
            next(&mut place).await;
            let running = start_faulty(&place, Fault { call, after, fatal: true }).await;
            let mut before = Model::default();
            let mut then = before.clone();
            let mut applied = None;
            for act in script() {
                before = then.clone();
                then.act(&act);
                if perform(&running.store, &act).await.is_err() {
                    died = true;
                    any_died = true;
                    deaths += 1;
                    break;
                }
                before = then.clone();
                if let Act::Apply(term, range) = &act {
                    applied = Some(at(*term, *range.end()));
                }
            }
            if died {
                running.ended().await;
            } else {
                running.close().await;
            }
            let (found, projected) = reopened(&place).await;
            assert!(
                found == before || found == then,
                "call {call}, after {after}: {found:?}\nis neither\n{before:?}\nnor\n{then:?}"
            );
            assert!(projected <= applied.max(found.snapshot), "{projected:?} was never applied");
            assert!(projected >= found.snapshot, "{projected:?} is behind the snapshot");
        }
        if !any_died {
            break;
        }
    }
    assert!(deaths > 60, "only {deaths} deaths: the script must have been cut short");
}

async fn losing_the_connection_at_every_statement(mut place: Place) {
    let mut expected = Model::default();
    script().iter().for_each(|act| expected.act(act));
    let mut call = 0;
    loop {
        let mut struck = false;
        for after in [false, true] {
            next(&mut place).await;
            let running = start_faulty(&place, Fault { call, after, fatal: false }).await;
            let losses = running.store.gauges().reconnects();
            for act in script() {
                perform(&running.store, &act).await.unwrap();
            }
            struck |= running.store.gauges().reconnects() > losses;
            running.close().await;
            let (found, projected) = reopened(&place).await;
            assert_eq!(expected, found, "call {call}, after {after}");
            assert_eq!(Some(at(3, 303)), projected, "call {call}, after {after}");
        }
        if !struck {
            break;
        }
        call += 1;
    }
    assert!(call > 30, "only {call} calls were struck");
}
