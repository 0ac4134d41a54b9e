//! The handle of a consumer: one fetch at a time with each leader, the next one under way while records are looked at.

use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    sync::Arc,
};

use common::{BrokerId, Offset, PartitionId};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use kafka_wire::{
    ErrorCode,
    messages::{FetchRequest, FetchResponse, fetch::PartitionData},
};
use tokio::time::{Duration, Instant, sleep_until};

use super::{
    ConsumeError, ConsumerOptions, Fetched, IsolationLevel, StartAt,
    fetch::{self, Wanted},
    fetched::whole_batches,
};
use crate::{
    cluster::{Cluster, ClusterError},
    connection::{CallError, Connection},
    fetch_session::{self, FetchSession},
    offsets::{OffsetSpec, TopicPartition},
};

/// Reads partitions.
pub struct Consumer {
    cluster: Cluster,
    options: ConsumerOptions,
    /// By a number of their own, so that what is under way for one that was released finds nothing.
    partitions: BTreeMap<usize, Assigned>,
    /// Of the next partition.
    number: usize,
    leaders: BTreeMap<BrokerId, Leader>,
    /// Something has changed since it was looked for what can be begun.
    changed: bool,
    ready: VecDeque<Fetched>,
    ready_bytes: usize,
    failed: VecDeque<ConsumeError>,
    refreshing: bool,
    stale: bool,
    refresh_not_before: Instant,
    /// When the metadata came.
    refreshed: Instant,
    /// Counts fetches, so that each begins with another partition.
    turn: usize,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
}

/// A partition that is read.
#[derive(Debug)]
struct Assigned {
    topic: Arc<str>,
    partition: PartitionId,
    position: Offset,
    under_way: bool,
    /// Not to be read until it is sought.
    stopped: bool,
    /// It was asked for together with others, and the answer was too long: next it is asked for alone.
    suspect: bool,
    not_before: Option<Instant>,
    /// Since when it fails.
    failing_since: Option<Instant>,
}

/// A broker that partitions are fetched from.
struct Leader {
    link: Link,
    /// What it remembers of us, which may be more than one connection of ours.
    session: FetchSession,
}

/// The connection to a broker.
enum Link {
    Connecting,
    Up { connection: Arc<Connection>, busy: bool },
    Down { until: Instant },
}

enum Event {
    Connected(BrokerId, Result<Connection, ClusterError>),
    Refreshed(Result<(), ClusterError>),
    Fetched(BrokerId, Asked, Result<FetchResponse, CallError>),
}

/// What a broker was asked for.
struct Asked {
    wanted: Vec<Wanted>,
    /// It says nothing of what has not changed.
    is_incremental: bool,
}

impl Consumer {
    /// A consumer of nothing yet.
    pub fn new(cluster: Cluster, options: ConsumerOptions) -> Self {
        Self {
            cluster,
            options,
            partitions: BTreeMap::new(),
            number: 0,
            leaders: BTreeMap::new(),
            changed: false,
            ready: VecDeque::new(),
            ready_bytes: 0,
            failed: VecDeque::new(),
            refreshing: false,
            stale: false,
            refresh_not_before: Instant::now(),
            refreshed: Instant::now(),
            turn: 0,
            events: FuturesUnordered::new(),
        }
    }

    /// Reads these partitions too. Where a start is an offset, no leader is waited for: until there is one, the others are read.
    ///
    /// # Errors
    /// If there is no such partition; or if a start is an offset that a leader must be asked for, and it cannot be had.
    pub async fn assign(
        &mut self,
        starts: impl IntoIterator<Item = (TopicPartition, StartAt)>,
    ) -> Result<(), ConsumeError> {
        for (place, position) in positions(&self.cluster, starts, self.options.isolation_level).await? {
            let assigned = Assigned {
                topic: place.topic.into(),
                partition: place.partition,
                position,
                under_way: false,
                stopped: false,
                suspect: false,
                not_before: None,
                failing_since: None,
            };
            self.partitions.insert(self.number, assigned);
            self.number += 1;
        }
        self.changed = true;
        Ok(())
    }

    /// Reads a partition no longer. What was fetched already and not yet handed out is dropped.
    pub fn release(&mut self, topic: &str, partition: PartitionId) {
        self.drop_ready(topic, partition);
        self.partitions.retain(|_, one| !(&*one.topic == topic && one.partition == partition));
    }

    /// Reads a partition from another offset on. What was fetched already and not yet handed out is dropped.
    pub fn seek(&mut self, topic: &str, partition: PartitionId, position: Offset) {
        self.drop_ready(topic, partition);
        let same = |one: &&mut Assigned| &*one.topic == topic && one.partition == partition;
        for assigned in self.partitions.values_mut().filter(same) {
            (assigned.position, assigned.stopped, assigned.failing_since) = (position, false, None);
        }
    }

    fn drop_ready(&mut self, topic: &str, partition: PartitionId) {
        self.changed = true;
        self.ready.retain(|one| !(&*one.topic == topic && one.partition == partition));
        self.ready_bytes = self.ready.iter().map(Fetched::bytes).sum();
    }

    /// Where reading of each partition goes on.
    pub fn position(&self, topic: &str, partition: PartitionId) -> Option<Offset> {
        // What lies ready has moved the position, but has not been handed out.
        let ready = self.ready.iter().find(|one| &*one.topic == topic && one.partition == partition);
        let assigned =
            self.partitions.values().find(|one| &*one.topic == topic && one.partition == partition);
        ready.map(|ready| ready.from).or_else(|| assigned.map(|assigned| assigned.position))
    }

    /// The next records, of any partition; waits until there are some. Cancel safe.
    ///
    /// # Errors
    /// If a partition cannot be read; the others can.
    pub async fn next(&mut self) -> Result<Fetched, ConsumeError> {
        loop {
            // While records lie ready and nothing has happened, there is nothing to begin either.
            let wake = if self.changed || self.ready.is_empty() { self.begin() } else { None };
            if let Some(fetched) = self.ready.pop_front() {
                let was_full = self.is_full();
                self.ready_bytes -= fetched.bytes();
                self.changed |= was_full;
                return Ok(fetched);
            }
            if let Some(error) = self.failed.pop_front() {
                return Err(error);
            }
            tokio::select! {
                Some(event) = self.events.next() => self.handle(event),
                () = async {
                    match wake {
                        Some(at) => sleep_until(at).await,
                        None => pending().await,
                    }
                } => {}
            }
        }
    }

    /// Begins fetches with every leader that is idle, and whatever they need first. Tells when to look again.
    fn begin(&mut self) -> Option<Instant> {
        self.changed = false;
        let now = Instant::now();
        let mut wake: Option<Instant> = None;
        let mut wake_at = |at: Instant| wake = Some(wake.map_or(at, |wake| wake.min(at)));
        let expires = self.refreshed + self.cluster.options().metadata_max_age;
        self.stale |= expires <= now;
        wake_at(expires.max(now + self.cluster.options().retry_backoff));
        let mut by_leader: BTreeMap<BrokerId, Vec<Wanted>> = BTreeMap::new();
        let mut leaderless = false;
        if !self.is_full() {
            for (index, assigned) in &self.partitions {
                if assigned.under_way || assigned.stopped {
                    continue;
                }
                if let Some(at) = assigned.not_before.filter(|at| *at > now) {
                    wake_at(at);
                    continue;
                }
                match wanted(&self.cluster, *index, assigned) {
                    Some((broker, want)) => by_leader.entry(broker).or_default().push(want),
                    None => leaderless = true,
                }
            }
        }
        for (broker, wanted) in by_leader {
            if let Some(at) = self.begin_with(broker, wanted, now) {
                wake_at(at);
            }
        }
        if (leaderless || self.stale) && !self.refreshing {
            if self.refresh_not_before > now {
                wake_at(self.refresh_not_before);
            } else {
                self.refresh(now);
            }
        }
        wake
    }

    /// Whether so much lies ready that nothing more is fetched.
    fn is_full(&self) -> bool {
        self.ready_bytes >= self.options.fetch_max_bytes
    }

    fn begin_with(&mut self, broker: BrokerId, mut wanted: Vec<Wanted>, now: Instant) -> Option<Instant> {
        let down = || Leader { link: Link::Down { until: now }, session: FetchSession::default() };
        let leader = self.leaders.entry(broker).or_insert_with(down);
        match &mut leader.link {
            Link::Connecting | Link::Up { busy: true, .. } => None,
            Link::Up { connection, busy } => {
                *busy = true;
                let connection = connection.clone();
                self.turn = self.turn.wrapping_add(1);
                let turn = self.turn % wanted.len().max(1);
                wanted.rotate_left(turn);
                let mut wait = self.options.fetch_max_wait;
                let is_suspect =
                    |want: &Wanted| self.partitions.get(&want.index).is_some_and(|one| one.suspect);
                if let Some(suspect) = wanted.iter().position(is_suspect) {
                    // The others are not to wait for it.
                    (wanted, wait) = (vec![wanted.swap_remove(suspect)], Duration::ZERO);
                }
                for want in &wanted {
                    if let Some(assigned) = self.partitions.get_mut(&want.index) {
                        assigned.under_way = true;
                    }
                }
                let (mut request, version_max) = fetch::request(&wanted, wait, &self.options);
                let version = connection.versions().best::<FetchRequest>(version_max);
                let has_session = version >= Some(fetch_session::VERSION_MIN);
                let is_incremental = has_session && leader.session.is_incremental();
                if has_session {
                    leader.session.put_into(&mut request);
                }
                let asked = Asked { wanted, is_incremental };
                let fetching = async move {
                    let answered =
                        async { connection.start(&request, version_max, wait).await?.answer().await };
                    Event::Fetched(broker, asked, answered.await)
                };
                self.events.push(fetching.boxed());
                None
            }
            Link::Down { until } if *until > now => Some(*until),
            Link::Down { .. } => {
                leader.link = Link::Connecting;
                let cluster = self.cluster.clone();
                self.events.push(async move { Event::Connected(broker, cluster.open(broker).await) }.boxed());
                None
            }
        }
    }

    fn refresh(&mut self, now: Instant) {
        (self.refreshing, self.stale) = (true, false);
        self.refresh_not_before = now + self.cluster.options().retry_backoff;
        let cluster = self.cluster.clone();
        let mut names: Vec<Arc<str>> = self.partitions.values().map(|one| one.topic.clone()).collect();
        names.dedup();
        let seen = cluster.generation();
        let refresh = async move { cluster.refresh(names.iter().map(|name| &**name), seen).await };
        self.events.push(refresh.map(Event::Refreshed).boxed());
    }

    fn handle(&mut self, event: Event) {
        self.changed = true;
        match event {
            Event::Connected(broker, Ok(connection)) => {
                let connection = Arc::new(connection);
                self.set_link(broker, Link::Up { connection, busy: false });
            }
            Event::Connected(broker, Err(_)) => {
                self.set_down(broker);
                self.stale = true;
            }
            Event::Refreshed(result) => {
                self.refreshing = false;
                match result {
                    Ok(()) => self.refreshed = Instant::now(),
                    Err(_) => self.stale = true,
                }
            }
            Event::Fetched(broker, asked, Ok(response)) => self.answered(broker, asked, &response),
            Event::Fetched(broker, Asked { wanted, .. }, Err(error)) => {
                self.set_down(broker);
                for want in &wanted {
                    self.failed(want, &error, wanted.len() == 1);
                }
            }
        }
    }

    fn set_link(&mut self, broker: BrokerId, link: Link) {
        if let Some(leader) = self.leaders.get_mut(&broker) {
            leader.link = link;
        }
    }

    fn set_down(&mut self, broker: BrokerId) {
        let until = Instant::now() + self.cluster.options().retry_backoff;
        if let Some(leader) = self.leaders.get_mut(&broker) {
            leader.link = Link::Down { until };
            leader.session.restart();
        }
    }

    /// Takes in what a broker answered.
    fn answered(&mut self, broker: BrokerId, asked: Asked, response: &FetchResponse) {
        let Asked { wanted, is_incremental } = asked;
        let code = response.error_code;
        if let Some(Leader { link, session }) = self.leaders.get_mut(&broker) {
            if let Link::Up { busy, .. } = link {
                *busy = false;
            }
            if code.is_none() {
                session.answered(response.session_id);
            } else {
                session.restart();
            }
        }
        // Once more at once, with everything; a broker that says so again is one that refuses.
        let begins_anew = is_incremental && FetchSession::is_over(code);
        let answers = fetch::Answers::of(response);
        for want in &wanted {
            match answers.about(want) {
                _ if begins_anew => self.free(want),
                _ if !code.is_none() => self.rest(want, code),
                Some(told) => self.take(want, response, told),
                None if is_incremental => self.went_well(want),
                None => self.rest(want, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            }
        }
    }

    /// Nothing came that was asked for.
    fn failed(&mut self, want: &Wanted, error: &CallError, was_alone: bool) {
        let CallError::TooLong { size_bytes, answer_bytes_max, .. } = *error else {
            return self.rest(want, ErrorCode::NETWORK_EXCEPTION);
        };
        if was_alone {
            let (topic, partition, offset) = (want.topic.clone(), want.partition, want.offset);
            let error = ConsumeError::TooLong { topic, partition, offset, size_bytes, answer_bytes_max };
            return self.stop(want, error);
        }
        // One of them has a batch that is too large: alone, each of them shows whether it is the one.
        self.free(want);
        if let Some(assigned) = self.partitions.get_mut(&want.index) {
            assigned.suspect = true;
        }
    }

    /// Takes in what a broker sent of a partition.
    fn take(&mut self, want: &Wanted, response: &FetchResponse, told: &PartitionData) {
        let (topic, partition, offset) = (want.topic.clone(), want.partition, want.offset);
        match told.error_code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                return self.stop(want, ConsumeError::OffsetOutOfRange { topic, partition, offset });
            }
            code => {
                let hint = fetch::hint(response, told);
                if hint.is_some_and(|hint| self.cluster.learn(&want.topic, want.partition, &hint)) {
                    return self.free(want);
                }
                return self.rest(want, code);
            }
        }
        self.went_well(want);
        let Some(assigned) = self.partitions.get_mut(&want.index) else { return };
        if assigned.position != want.offset {
            // It was sought meanwhile.
            return;
        }
        let batches = match told.records.bytes().map(whole_batches) {
            Some(Ok(Some(batches))) => batches,
            Some(Ok(None)) | None => return,
            Some(Err(source)) => {
                return self.stop(want, ConsumeError::Unreadable { topic, partition, offset, source });
            }
        };
        let (batches, next) = batches;
        if next <= offset {
            // Nothing but what was there before the offset: the same would come again for ever.
            let source = commit_log::batch::BatchError::Offsets { base: next, delta: 0 };
            return self.stop(want, ConsumeError::Unreadable { topic, partition, offset, source });
        }
        assigned.position = next;
        self.ready_bytes += batches.len();
        self.ready.push_back(Fetched {
            topic,
            partition,
            from: offset,
            next,
            high_watermark: Offset(told.high_watermark),
            batches,
            aborted: fetch::aborted(told),
            check_crcs: self.options.check_crcs,
            batch_bytes_max: self.options.batch_bytes_max,
        });
    }

    /// A partition can be fetched again.
    fn free(&mut self, want: &Wanted) {
        if let Some(assigned) = self.partitions.get_mut(&want.index) {
            assigned.under_way = false;
        }
    }

    /// A partition can be fetched again, and nothing is wrong with it.
    fn went_well(&mut self, want: &Wanted) {
        if let Some(assigned) = self.partitions.get_mut(&want.index) {
            (assigned.under_way, assigned.suspect, assigned.failing_since) = (false, false, None);
        }
    }

    /// A partition cannot be read for now; or at all, if it has been so for long.
    fn rest(&mut self, want: &Wanted, code: ErrorCode) {
        let now = Instant::now();
        let options = self.cluster.options();
        let (backoff, max_block) = (options.retry_backoff, options.max_block);
        self.free(want);
        self.stale = true;
        let Some(assigned) = self.partitions.get_mut(&want.index) else { return };
        assigned.not_before = Some(now + backoff);
        let since = *assigned.failing_since.get_or_insert(now);
        if !fetch::passes(code) || now.duration_since(since) > max_block {
            let (topic, partition, offset) = (want.topic.clone(), want.partition, want.offset);
            self.stop(want, ConsumeError::Refused { topic, partition, offset, code });
        }
    }

    fn stop(&mut self, want: &Wanted, error: ConsumeError) {
        let Some(assigned) = self.partitions.get_mut(&want.index) else { return };
        (assigned.under_way, assigned.suspect) = (false, false);
        // If it was sought meanwhile, what happened before is of no interest.
        if assigned.position == want.offset {
            assigned.stopped = true;
            self.failed.push_back(error);
        }
    }
}

/// Where each partition begins. Borrows nothing of the consumer, so that whoever waits for it can be sent elsewhere.
async fn positions(
    cluster: &Cluster,
    starts: impl IntoIterator<Item = (TopicPartition, StartAt)>,
    isolation: IsolationLevel,
) -> Result<Vec<(TopicPartition, Offset)>, ConsumeError> {
    let mut positions = Vec::new();
    let mut listed = Vec::new();
    for (place, start) in starts {
        match start {
            StartAt::Offset(offset) => {
                let topic = cluster.topic(&place.topic).await?;
                if topic.partition(place.partition).is_none() {
                    let (partition, partitions) = (place.partition, topic.partitions.len());
                    let unknown =
                        ClusterError::UnknownPartition { topic: place.topic, partition, partitions };
                    return Err(unknown.into());
                }
                positions.push((place, offset));
            }
            StartAt::Listed(spec) => listed.push((place, spec)),
        }
    }
    let mut at_end = Vec::new();
    for (place, offset) in cluster.offsets_as(isolation, listed).await? {
        match offset {
            Some(offset) => positions.push((place, offset)),
            None => at_end.push((place, OffsetSpec::Latest)),
        }
    }
    let ends = cluster.offsets_as(isolation, at_end).await?;
    positions.extend(ends.into_iter().map(|(place, end)| (place, end.unwrap_or_default())));
    Ok(positions)
}

/// What to fetch of a partition, and from whom, if that is known.
fn wanted(cluster: &Cluster, index: usize, assigned: &Assigned) -> Option<(BrokerId, Wanted)> {
    let topic = cluster.known_topic(&assigned.topic)?;
    let leader = topic.partition(assigned.partition)?.leader?;
    let want = Wanted {
        index,
        topic: assigned.topic.clone(),
        topic_id: topic.id,
        partition: assigned.partition,
        epoch: leader.epoch,
        offset: assigned.position,
    };
    Some((leader.broker, want))
}
