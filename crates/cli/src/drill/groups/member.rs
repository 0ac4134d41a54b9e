//! A member of a group that reads, commits every now and then, and writes down what it has and sees.
//!
//! Whatever takes time (reading where to begin, committing) is watched together with changes of what the member has, so that
//! it stops as soon as it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use common::{Offset, PartitionId};
use futures_util::{FutureExt as _, future::BoxFuture};
use kafka_client::{
    Change, ChangeKind, Cluster, Consumer, ConsumerOptions, GroupError, GroupMember, GroupOptions, StartAt,
    TopicPartition, group::Partitions,
};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::history::{GroupHistory, Noted, Owned};
use crate::output::say;

/// Between two commits.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// Between two attempts at the same thing.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// How long a member that gives partitions up tries to commit what it has read of them.
const LAST_COMMIT: Duration = Duration::from_millis(800);

/// How long a broker may keep a fetch waiting.
const FETCH_WAIT: Duration = Duration::from_millis(50);

/// What all members of a group share.
#[derive(Debug, Default)]
pub(crate) struct SharedHistory(Mutex<GroupHistory>);

impl SharedHistory {
    pub(crate) fn lock(&self) -> MutexGuard<'_, GroupHistory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A member that lives. Dropped, it vanishes as if its process had died.
pub(crate) struct Living {
    /// Its name in the history.
    pub(crate) name: String,
    /// If it is a static one.
    pub(crate) instance_id: Option<String>,
    /// Its id in the group, as far as it has one.
    id: Arc<Mutex<String>>,
    task: JoinSet<()>,
    leave: Option<oneshot::Sender<()>>,
}

impl Living {
    /// Joins a group. `inherits`: it is a static member that was there before.
    pub(crate) fn join(
        name: String,
        cluster: Cluster,
        options: GroupOptions,
        inherits: bool,
        history: Arc<SharedHistory>,
    ) -> Self {
        let (leave, leaves) = oneshot::channel();
        let id = Arc::new(Mutex::default());
        let mut task = JoinSet::new();
        let instance_id = options.instance_id.clone();
        let consumer = ConsumerOptions { fetch_max_wait: FETCH_WAIT, ..ConsumerOptions::default() };
        let working = Working {
            name: name.clone(),
            consumer: Consumer::new(cluster.clone(), consumer),
            member: GroupMember::join(cluster, options),
            id: Arc::clone(&id),
            inherits,
            history,
            positions: BTreeMap::new(),
            to_begin: Partitions::new(),
            doing: None,
        };
        task.spawn(working.run(leaves));
        Self { name, instance_id, id, task, leave: Some(leave) }
    }

    /// Its id in the group; empty while it has none.
    pub(crate) fn id(&self) -> String {
        self.id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it as a process in good order does: it commits, gives everything up, and leaves.
    pub(crate) async fn leave(mut self) {
        if let Some(leave) = self.leave.take() {
            let _ = leave.send(());
        }
        while self.task.join_next().await.is_some() {}
    }

    /// Ends it without a word: its connections are closed.
    pub(crate) async fn vanish(mut self, history: &SharedHistory) {
        self.task.shutdown().await;
        history.lock().end(&self.name, None, Instant::now());
    }
}

/// What it is at.
enum Done {
    /// It knows where to begin.
    Began(Instant, Result<BTreeMap<TopicPartition, Offset>, GroupError>),
    /// These offsets were committed, or not.
    Committed(Instant, BTreeMap<TopicPartition, Offset>, Result<(), GroupError>),
}

struct Working {
    name: String,
    member: GroupMember,
    consumer: Consumer,
    id: Arc<Mutex<String>>,
    inherits: bool,
    history: Arc<SharedHistory>,
    /// Where reading goes on, of what was begun; and what of that is committed.
    positions: BTreeMap<TopicPartition, Position>,
    /// What it has and has not begun to read.
    to_begin: Partitions,
    doing: Option<BoxFuture<'static, Done>>,
}

#[derive(Debug, Clone, Copy)]
struct Position {
    next: Offset,
    committed: Offset,
}

impl Working {
    async fn run(mut self, mut leaves: oneshot::Receiver<()>) {
        let mut ticks = interval(COMMIT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.doing.is_none() && !self.to_begin.is_empty() {
                self.begin();
            }
            let doing = async {
                match &mut self.doing {
                    Some(doing) => doing.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                change = self.member.next() => match change {
                    Ok(change) => self.change(change).await,
                    Err(error) => {
                        say!("{}: {error}", self.name);
                        return self.history.lock().end(&self.name, None, Instant::now());
                    }
                },
                done = doing => self.done(done).await,
                _ = &mut leaves => return self.leave().await,
                _ = ticks.tick() => {
                    // A member whose share is empty hears of no change.
                    self.note_id();
                    self.commit(None);
                }
                fetched = self.consumer.next() => match fetched {
                    Ok(fetched) => {
                        let mut records = 0;
                        let read = fetched.each(|_| { records += 1; true });
                        if let Err(error) = read {
                            say!("{}: {error}", self.name);
                            continue;
                        }
                        let place = TopicPartition::new(&*fetched.topic, fetched.partition);
                        if let Some(position) = self.positions.get_mut(&place) {
                            self.history.lock().consume(place.partition, position.next, fetched.next, records);
                            position.next = fetched.next;
                        }
                    }
                    Err(error) => say!("{}: {error}", self.name),
                },
            }
        }
    }

    fn note_id(&self) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = self.member.id();
    }

    /// What it has changes.
    async fn change(&mut self, change: Change) {
        self.note_id();
        match change.kind {
            ChangeKind::Assigned => {
                let from = Instant::now();
                let owned = change.partitions.iter().map(|place| Owned {
                    member: self.name.clone(),
                    epoch: change.epoch,
                    inherits: self.inherits,
                    partition: place.partition,
                    from,
                    until: None,
                });
                self.history.lock().owned.extend(owned);
                self.inherits = false;
                self.to_begin.extend(change.partitions.iter().cloned());
                // It may be at the offsets of fewer partitions.
                self.doing = None;
            }
            ChangeKind::Revoked => {
                self.last_commit(&change.partitions).await;
                self.forget(&change.partitions);
            }
            ChangeKind::Lost => self.forget(&change.partitions),
        }
    }

    fn forget(&mut self, partitions: &Partitions) {
        self.doing = None;
        for place in partitions {
            self.consumer.release(&place.topic, place.partition);
            self.positions.remove(place);
            self.to_begin.remove(place);
        }
        let ids: BTreeSet<PartitionId> = partitions.iter().map(|place| place.partition).collect();
        self.history.lock().end(&self.name, Some(&ids), Instant::now());
    }

    /// Asks where to begin to read what it has not begun.
    fn begin(&mut self) {
        let asked = self.member.committed(self.to_begin.clone());
        let begun = Instant::now();
        self.doing = Some(async move { Done::Began(begun, asked.await) }.boxed());
    }

    /// Commits what is not committed, of these partitions or all.
    fn commit(&mut self, of: Option<&Partitions>) {
        let is_meant = |place: &TopicPartition| of.is_none_or(|of| of.contains(place));
        let ahead = self.positions.iter().filter(|(place, at)| at.next > at.committed && is_meant(place));
        let offsets: BTreeMap<_, _> = ahead.map(|(place, at)| (place.clone(), at.next)).collect();
        if self.doing.is_some() || offsets.is_empty() {
            return;
        }
        let (asked, begun) = (self.member.commit(offsets.clone()), Instant::now());
        self.doing = Some(async move { Done::Committed(begun, offsets, asked.await) }.boxed());
    }

    /// Stops to read partitions that are to be given up, and commits what was read of them, if that can be done soon.
    async fn last_commit(&mut self, of: &Partitions) {
        self.doing = None;
        for place in of {
            self.consumer.release(&place.topic, place.partition);
            self.to_begin.remove(place);
        }
        let committing = async {
            loop {
                if self.doing.is_none() {
                    self.commit(Some(of));
                }
                let Some(doing) = &mut self.doing else { return };
                let done = doing.await;
                self.done(done).await;
            }
        };
        let _ = timeout(LAST_COMMIT, committing).await;
        self.doing = None;
    }

    async fn done(&mut self, done: Done) {
        self.doing = None;
        match done {
            Done::Began(begun, Ok(offsets)) => {
                let begins = self.to_begin.iter().map(|place| {
                    let told = offsets.get(place).copied();
                    self.note(place, told.unwrap_or(Offset(-1)), false, begun);
                    (place.clone(), told.unwrap_or_default())
                });
                let begins: Vec<_> = begins.collect();
                let starts = begins.iter().map(|(place, at)| (place.clone(), StartAt::Offset(*at)));
                match self.consumer.assign(starts.collect::<Vec<_>>()).await {
                    Ok(()) => {
                        let at = |(place, at)| (place, Position { next: at, committed: at });
                        self.positions.extend(begins.into_iter().map(at));
                        self.to_begin.clear();
                    }
                    Err(error) => say!("{}: {error}", self.name),
                }
            }
            Done::Committed(begun, offsets, Ok(())) => {
                for (place, offset) in offsets {
                    self.note(&place, offset, true, begun);
                    if let Some(position) = self.positions.get_mut(&place) {
                        position.committed = offset;
                    }
                }
            }
            // What is no longer its own it will be told.
            Done::Began(_, Err(_)) | Done::Committed(_, _, Err(_)) => tokio::time::sleep(RETRY_PAUSE).await,
        }
    }

    fn note(&self, place: &TopicPartition, offset: Offset, is_commit: bool, begun: Instant) {
        let (partition, by, ended) = (place.partition, self.name.clone(), Instant::now());
        self.history.lock().noted.push(Noted { partition, offset, by, is_commit, begun, ended });
    }

    async fn leave(mut self) {
        let all: Partitions = self.positions.keys().chain(&self.to_begin).cloned().collect();
        self.last_commit(&all).await;
        self.forget(&all);
        let name = self.name.clone();
        // Not reached, the coordinator finds out by its silence.
        if let Err(error) = self.member.leave().await {
            say!("{name} leaves: {error}");
        }
    }
}
