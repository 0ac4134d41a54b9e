//! The sessions of all clients.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kafka_wire::{
    ErrorCode,
    messages::{FetchRequest, FetchResponse},
};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::session::{FetchContext, Known, Session};

/// The epoch of a request that begins a session, and of one that ends it.
const FIRST_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// Since this version topics are named by their ids.
const TOPIC_IDS_SINCE: i16 = 13;

/// Partitions of all sessions together: some hundred bytes each.
const PARTITIONS_MAX: usize = 500_000;

/// The sessions of all clients.
#[derive(Debug)]
pub(in crate::kafka) struct FetchSessions {
    slots: usize,
    /// How long a session is safe from others (`min.incremental.fetch.session.eviction.ms`).
    eviction: Duration,
    table: Mutex<Table>,
    figures: Figures,
}

#[derive(Debug, Default)]
struct Figures {
    sessions: Gauge,
    partitions: Gauge,
    evictions: Counter,
}

#[derive(Debug, Default)]
struct Table {
    sessions: BTreeMap<i32, Slot>,
    /// Of all of them.
    partitions: usize,
}

#[derive(Debug)]
struct Slot {
    session: Arc<Session>,
    privileged: bool,
    begun: Instant,
    used: Instant,
    /// How many partitions it had when it was used.
    len: usize,
}

impl FetchSessions {
    /// Room for `slots` sessions, none if that is 0.
    pub(in crate::kafka) fn new(slots: usize, eviction: Duration) -> Self {
        Self { slots, eviction, table: Mutex::default(), figures: Figures::default() }
    }

    /// What `request`, of this version, is about; it names everything then.
    ///
    /// # Errors
    /// FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR: for the whole request.
    pub(in crate::kafka) fn resolve(
        &self,
        request: &mut FetchRequest,
        version: i16,
        is_follower: bool,
        now: Instant,
    ) -> Result<FetchContext, ErrorCode> {
        let by_id = version >= TOPIC_IDS_SINCE;
        let (id, epoch) = (request.session_id, request.session_epoch);
        if epoch == FIRST_EPOCH || epoch == FINAL_EPOCH {
            let mut table = self.lock();
            table.remove(id);
            self.show(&table);
            let begins = epoch == FIRST_EPOCH && !request.topics.is_empty();
            return Ok(if begins {
                FetchContext::New { privileged: is_follower, by_id }
            } else {
                FetchContext::Sessionless
            });
        }
        let session = {
            let mut table = self.lock();
            let slot = table.sessions.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
            slot.used = now;
            Arc::clone(&slot.session)
        };
        let epoch = session.go_on(by_id, request)?;
        let mut table = self.lock();
        table.resized(id, session.len());
        let context = if request.topics.is_empty() {
            // It has nothing left to remember.
            table.remove(id);
            Ok(FetchContext::Sessionless)
        } else if table.partitions > PARTITIONS_MAX {
            table.remove(id);
            Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)
        } else {
            Ok(FetchContext::Known(Known { session, epoch }))
        };
        self.show(&table);
        context
    }

    /// Remembers what was answered in full. The session's id; 0: there is no room for it.
    pub(super) fn begin(
        &self,
        privileged: bool,
        by_id: bool,
        request: &FetchRequest,
        response: &FetchResponse,
        now: Instant,
    ) -> i32 {
        let len = request.topics.iter().map(|topic| topic.partitions.len()).sum();
        let mut table = self.lock();
        if !self.make_room(&mut table, privileged, len, now) {
            return 0;
        }
        let id = table.free_id();
        let session = Arc::new(Session::new(id, by_id, request, response));
        let slot = Slot { session, privileged, begun: now, used: now, len };
        table.partitions += len;
        table.sessions.insert(id, slot);
        self.show(&table);
        id
    }

    /// Makes its figures part of `/metrics`, in the names of Kafka's JMX exporters.
    pub(in crate::kafka) fn register(&self, registry: &mut Registry) {
        let figures = [
            ("numincrementalfetchsessions", "Fetch sessions", &self.figures.sessions),
            (
                "numincrementalfetchpartitionscached",
                "Partitions of all fetch sessions",
                &self.figures.partitions,
            ),
        ];
        for (name, help, figure) in figures {
            registry.register(format!("kafka_server_fetchsessioncache_{name}"), help, figure.clone());
        }
        let name = "kafka_server_fetchsessioncache_incrementalfetchsessionevictions";
        registry.register(name, "Fetch sessions whose place another took", self.figures.evictions.clone());
    }

    fn show(&self, table: &Table) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.figures.sessions.set(count(table.sessions.len()));
        self.figures.partitions.set(count(table.partitions));
    }

    /// Whether there is room for one more, maybe in another's place.
    fn make_room(&self, table: &mut Table, privileged: bool, len: usize, now: Instant) -> bool {
        if len > PARTITIONS_MAX || self.slots == 0 {
            return false;
        }
        while table.sessions.len() >= self.slots || table.partitions + len > PARTITIONS_MAX {
            let Some(victim) = self.victim(table, privileged, len, now) else { return false };
            table.remove(victim);
            self.figures.evictions.inc();
        }
        true
    }

    /// Whose place a new session takes: of the one that was not used for longest, if that is long; else of the one that is
    /// worth least, if it is worth no more.
    fn victim(&self, table: &Table, privileged: bool, len: usize, now: Instant) -> Option<i32> {
        let old = |at: Instant| now.saturating_duration_since(at) > self.eviction;
        let (id, stalest) = table.sessions.iter().min_by_key(|(id, slot)| (slot.used, **id))?;
        if old(stalest.used) {
            return Some(*id);
        }
        let may_go = |slot: &Slot| old(slot.begun) || (privileged && !slot.privileged);
        let able = table.sessions.iter().filter(|(_, slot)| may_go(slot));
        let (id, least) = able.min_by_key(|(id, slot)| (slot.privileged, slot.len, **id))?;
        ((least.privileged, least.len) <= (privileged, len)).then_some(*id)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, id: i32) {
        if let Some(slot) = self.sessions.remove(&id) {
            self.partitions = self.partitions.saturating_sub(slot.len);
        }
    }

    fn resized(&mut self, id: i32, len: usize) {
        if let Some(slot) = self.sessions.get_mut(&id) {
            self.partitions = self.partitions.saturating_sub(slot.len) + len;
            slot.len = len;
        }
    }

    /// One that no session has. Ids are drawn, so that a client of an earlier life of this broker does not find another's
    /// session under the one it had.
    fn free_id(&self) -> i32 {
        loop {
            let [a, b, c, d, ..] = *Uuid::new_v4().as_bytes();
            let id = i32::from_be_bytes([a & 0x7f, b, c, d]);
            if id > 0 && !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kafka_wire::messages::fetch::{
        FetchPartition, FetchTopic, FetchableTopicResponse, ForgottenTopic, PartitionData,
    };

    use super::*;

    const VERSION: i16 = 17;

    fn sessions(slots: usize) -> FetchSessions {
        FetchSessions::new(slots, Duration::from_secs(120))
    }

    /// A request of partitions of topic 1, each with the offset it asks for.
    fn request(id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
        let wanted = |&(partition, fetch_offset): &(i32, i64)| FetchPartition {
            partition,
            fetch_offset,
            ..FetchPartition::default()
        };
        let partitions: Vec<_> = partitions.iter().map(wanted).collect();
        let topic = FetchTopic { topic_id: Uuid::from_u128(1), partitions, ..FetchTopic::default() };
        let topics = if topic.partitions.is_empty() { Vec::new() } else { vec![topic] };
        FetchRequest { session_id: id, session_epoch: epoch, topics, ..FetchRequest::default() }
    }

    /// What a request asks for once it is resolved.
    fn asked(request: &FetchRequest) -> Vec<(i32, i64)> {
        let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|wanted| (wanted.partition, wanted.fetch_offset)).collect()
    }

    /// Answers everything that was asked for, with these high watermarks, and records where they are told. Gives the
    /// session and the partitions of the answer.
    fn answered(
        sessions: &FetchSessions,
        request: FetchRequest,
        follower: bool,
        high_watermark: impl Fn(i32) -> i64,
        records: &[i32],
    ) -> Result<(i32, Vec<i32>), ErrorCode> {
        answered_at(Instant::now(), sessions, request, follower, high_watermark, records)
    }

    fn answered_at(
        now: Instant,
        sessions: &FetchSessions,
        mut request: FetchRequest,
        follower: bool,
        high_watermark: impl Fn(i32) -> i64,
        records: &[i32],
    ) -> Result<(i32, Vec<i32>), ErrorCode> {
        let context = sessions.resolve(&mut request, VERSION, follower, now)?;
        let data = |wanted: &FetchPartition| PartitionData {
            partition_index: wanted.partition,
            high_watermark: high_watermark(wanted.partition),
            records: if records.contains(&wanted.partition) {
                kafka_wire::Records::Deferred(10)
            } else {
                kafka_wire::Records::default()
            },
            ..PartitionData::default()
        };
        let topics = request.topics.iter().map(|topic| FetchableTopicResponse {
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(data).collect(),
            ..FetchableTopicResponse::default()
        });
        let mut response = FetchResponse { responses: topics.collect(), ..FetchResponse::default() };
        context.finish(sessions, &request, &mut response, now);
        let told = response.responses.iter().flat_map(|topic| &topic.partitions);
        Ok((response.session_id, told.map(|data| data.partition_index).collect()))
    }

    #[test]
    fn a_session_names_what_changes_and_is_told_what_is_new() {
        let sessions = sessions(10);
        let (id, told) =
            answered(&sessions, request(0, 0, &[(0, 5), (1, 6), (2, 7)]), false, |_| 9, &[]).unwrap();
        assert!(id > 0);
        assert_eq!(told, [0, 1, 2], "the first answer is full");
        assert_eq!(answered(&sessions, request(id, 1, &[]), false, |_| 9, &[]), Ok((id, vec![])));
        let one_moved = |partition| if partition == 1 { 10 } else { 9 };
        assert_eq!(answered(&sessions, request(id, 2, &[]), false, one_moved, &[]), Ok((id, vec![1])));
        assert_eq!(answered(&sessions, request(id, 3, &[]), false, one_moved, &[0]), Ok((id, vec![0])));
        // The one that gave records is asked last; a new offset replaces the old one.
        let mut next = request(id, 4, &[(0, 8), (3, 0)]);
        next.forgotten_topics_data =
            vec![ForgottenTopic { topic_id: Uuid::from_u128(1), partitions: vec![2], ..Default::default() }];
        sessions.resolve(&mut next, VERSION, false, Instant::now()).unwrap();
        assert_eq!(asked(&next), [(1, 6), (0, 8), (3, 0)]);
    }

    #[test]
    fn what_does_not_go_on_with_a_session_is_refused() {
        let sessions = sessions(10);
        let (id, _) = answered(&sessions, request(0, 0, &[(0, 0)]), false, |_| 0, &[]).unwrap();
        let refused = |mut request: FetchRequest, version| {
            sessions.resolve(&mut request, version, false, Instant::now()).expect_err("refused")
        };
        assert_eq!(refused(request(id, 2, &[]), VERSION), ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        assert_eq!(refused(request(id ^ 1, 1, &[]), VERSION), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(refused(request(0, 1, &[]), VERSION), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(refused(request(id, 1, &[]), 12), ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        // Nothing of that changed the session; the same request twice does not go on twice.
        assert!(answered(&sessions, request(id, 1, &[]), false, |_| 0, &[]).is_ok());
        assert_eq!(refused(request(id, 1, &[]), VERSION), ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        // Epoch 0 and -1 end it.
        let (other, _) = answered(&sessions, request(id, 0, &[(0, 0)]), false, |_| 0, &[]).unwrap();
        assert_ne!(other, id);
        assert_eq!(refused(request(id, 2, &[]), VERSION), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        let (none, told) = answered(&sessions, request(other, -1, &[(0, 0)]), false, |_| 0, &[]).unwrap();
        assert_eq!((none, told), (0, vec![0]));
        assert_eq!(refused(request(other, 1, &[]), VERSION), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(sessions.figures.sessions.get(), 0);
    }

    #[test]
    fn an_error_that_goes_is_news() {
        let sessions = sessions(10);
        let (id, _) = answered(&sessions, request(0, 0, &[(0, 0)]), false, |_| 4, &[]).unwrap();
        let mut next = request(id, 1, &[]);
        let context = sessions.resolve(&mut next, VERSION, false, Instant::now()).unwrap();
        let data = PartitionData { error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER, ..Default::default() };
        let topic_id = Uuid::from_u128(1);
        let topic = FetchableTopicResponse { topic_id, partitions: vec![data], ..Default::default() };
        let mut response = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
        context.finish(&sessions, &next, &mut response, Instant::now());
        assert_eq!(response.responses.len(), 1);
        assert_eq!(answered(&sessions, request(id, 2, &[]), false, |_| 4, &[]), Ok((id, vec![0])));
        assert_eq!(answered(&sessions, request(id, 3, &[]), false, |_| 4, &[]), Ok((id, vec![])));
    }

    #[test]
    fn a_place_is_given_to_whoever_is_worth_more() {
        let sessions = sessions(2);
        let now = Cell::new(Instant::now());
        let later = |seconds| now.set(now.get() + Duration::from_secs(seconds));
        let begin = |follower, partitions: i32| {
            let all: Vec<_> = (0..partitions).map(|id| (id, 0)).collect();
            answered_at(now.get(), &sessions, request(0, 0, &all), follower, |_| 0, &[]).unwrap().0
        };
        let goes_on =
            |id, epoch| answered_at(now.get(), &sessions, request(id, epoch, &[]), false, |_| 0, &[]).is_ok();
        let (small, large) = (begin(false, 1), begin(false, 5));
        assert_eq!(begin(false, 9), 0, "consumers that were just there are safe from consumers");
        let follower = begin(true, 1);
        assert!(follower > 0);
        assert!(!goes_on(small, 1), "a follower takes the place of the smallest consumer");
        let second = begin(true, 2);
        assert!(second > 0 && !goes_on(large, 1));
        assert_eq!(begin(true, 3), 0, "followers that were just there are safe from everybody");
        // They are used, but have lived for a while: then size counts.
        for epoch in 1..3 {
            later(100);
            assert!(goes_on(follower, epoch) && goes_on(second, epoch));
        }
        assert_eq!(begin(false, 9), 0, "a consumer is worth less than any follower");
        let third = begin(true, 2);
        assert!(third > 0 && !goes_on(follower, 3));
        // One that nobody uses is worth nothing.
        later(100);
        assert!(goes_on(third, 1));
        later(21);
        assert!(begin(false, 1) > 0);
        assert!(goes_on(third, 2) && !goes_on(second, 3));
        assert_eq!(sessions.figures.partitions.get(), 3);
    }
}
