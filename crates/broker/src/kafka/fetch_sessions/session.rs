//! What one client fetches, and what it was told last.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kafka_wire::{
    ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch::{FetchPartition, FetchTopic, FetchableTopicResponse, PartitionData},
    },
};
use tokio::time::Instant;
use uuid::Uuid;

use super::FetchSessions;

/// A partition, by the name or the id of its topic; the other one is empty.
type Key = (Arc<str>, Uuid, i32);

/// The epoch of the request that follows on `epoch`.
pub(super) fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch.saturating_add(1) }
}

/// A session. The lock is held for moments: a fetch that waits has its own copy of what it looks at.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: i32,
    /// Whether topics are named by their ids (since version 13).
    by_id: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the next request has to name.
    epoch: i32,
    /// In the order in which answers are filled. What gave records goes to the end, so that each has its turn.
    partitions: BTreeMap<u64, Entry>,
    places: HashMap<Key, u64>,
    next_place: u64,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    wanted: FetchPartition,
    /// High watermark, last stable offset and log start as they were told; `None`: they are told in any case.
    told: Option<[i64; 3]>,
}

/// What a fetch is about, and how it is answered.
#[derive(Debug)]
pub(in crate::kafka) enum FetchContext {
    /// Everything was named, nothing is remembered.
    Sessionless,
    /// Everything was named, and is to be remembered.
    New {
        /// A follower's, or a debugger's.
        privileged: bool,
        /// As [`Session::by_id`].
        by_id: bool,
    },
    /// A session goes on.
    Known(Known),
}

/// A session that goes on.
#[derive(Debug)]
pub(in crate::kafka) struct Known {
    pub(super) session: Arc<Session>,
    /// The session's epoch once the request was taken in.
    pub(super) epoch: i32,
}

impl Session {
    /// One that was told this. Gives nothing for a request without partitions.
    pub(super) fn new(id: i32, by_id: bool, request: &FetchRequest, response: &FetchResponse) -> Self {
        let mut state = State { epoch: 1, ..State::default() };
        state.take_in(by_id, &request.topics);
        for topic in &response.responses {
            let name: Arc<str> = name_of(by_id, &topic.topic).into();
            for data in &topic.partitions {
                state.tell(&(Arc::clone(&name), topic.topic_id, data.partition_index), data);
            }
        }
        Self { id, by_id, state: Mutex::new(state) }
    }

    /// Takes in what `request` says, and makes it one that names everything. The epoch from now on.
    pub(super) fn go_on(&self, by_id: bool, request: &mut FetchRequest) -> Result<i32, ErrorCode> {
        let mut state = self.lock();
        if request.session_epoch != state.epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if by_id != self.by_id {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        state.take_in(by_id, &std::mem::take(&mut request.topics));
        for topic in std::mem::take(&mut request.forgotten_topics_data) {
            let name: Arc<str> = name_of(by_id, &topic.topic).into();
            for partition in topic.partitions {
                state.forget(&(Arc::clone(&name), topic.topic_id, partition));
            }
        }
        state.epoch = next_epoch(state.epoch);
        request.topics = state.topics();
        Ok(state.epoch)
    }

    /// How many partitions it has.
    pub(super) fn len(&self) -> usize {
        self.lock().partitions.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_in(&mut self, by_id: bool, topics: &[FetchTopic]) {
        for topic in topics {
            let name: Arc<str> = name_of(by_id, &topic.topic).into();
            for wanted in &topic.partitions {
                let key = (Arc::clone(&name), topic.topic_id, wanted.partition);
                let known = self.places.get(&key).and_then(|place| self.partitions.get_mut(place));
                match known {
                    Some(entry) => {
                        // Whoever asks anew may not have taken in what it was told.
                        entry.told = None;
                        entry.wanted.clone_from(wanted);
                    }
                    None => {
                        let entry = Entry { key: key.clone(), wanted: wanted.clone(), told: None };
                        self.places.insert(key, self.next_place);
                        self.partitions.insert(self.next_place, entry);
                        self.next_place += 1;
                    }
                }
            }
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(place) = self.places.remove(key) {
            self.partitions.remove(&place);
        }
    }

    /// Everything it has, in order.
    fn topics(&self) -> Vec<FetchTopic> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for Entry { key: (name, topic_id, _), wanted, .. } in self.partitions.values() {
            match topics.last_mut().filter(|it| it.topic_id == *topic_id && *it.topic == **name) {
                Some(topic) => topic.partitions.push(wanted.clone()),
                None => topics.push(FetchTopic {
                    topic: name.to_string(),
                    topic_id: *topic_id,
                    partitions: vec![wanted.clone()],
                }),
            }
        }
        topics
    }

    /// Notes what an answer says of a partition. Whether that has to be said.
    fn tell(&mut self, key: &Key, data: &PartitionData) -> bool {
        let Some(place) = self.places.get_mut(key) else { return true };
        let Some(entry) = self.partitions.get_mut(place) else { return true };
        let says = [data.high_watermark, data.last_stable_offset, data.log_start_offset];
        let has_records = !data.records.is_empty();
        let failed = !data.error_code.is_none();
        let is_news = has_records
            || failed
            || entry.told != Some(says)
            // A follower that knows less is answered at once, so it has to be told, and told again (KIP-1166).
            || data.high_watermark > entry.wanted.high_watermark
            || data.preferred_read_replica >= 0
            || data.diverging_epoch.epoch >= 0
            || data.diverging_epoch.end_offset >= 0;
        // Once the error has gone, that is news too.
        entry.told = (!failed).then_some(says);
        if has_records && let Some(entry) = self.partitions.remove(place) {
            *place = self.next_place;
            self.partitions.insert(self.next_place, entry);
            self.next_place += 1;
        }
        is_news
    }
}

impl FetchContext {
    /// Finishes the answer: what has no news is left out, and the session is named. `response` has everything.
    pub(in crate::kafka) fn finish(
        self,
        sessions: &FetchSessions,
        request: &FetchRequest,
        response: &mut FetchResponse,
        now: Instant,
    ) {
        match self {
            Self::Sessionless => {}
            Self::New { privileged, by_id } => {
                response.session_id = sessions.begin(privileged, by_id, request, response, now);
            }
            Self::Known(Known { session, epoch }) => {
                let mut state = session.lock();
                if state.epoch != epoch {
                    // Another request overtook this one, on another connection. A client does not do that.
                    *response = FetchResponse {
                        error_code: ErrorCode::INVALID_FETCH_SESSION_EPOCH,
                        ..FetchResponse::default()
                    };
                    return;
                }
                response.session_id = session.id;
                for topic in &mut response.responses {
                    let FetchableTopicResponse { topic: name, topic_id, partitions } = topic;
                    let name: Arc<str> = name_of(session.by_id, name).into();
                    partitions.retain(|data| {
                        state.tell(&(Arc::clone(&name), *topic_id, data.partition_index), data)
                    });
                }
                response.responses.retain(|topic| !topic.partitions.is_empty());
            }
        }
    }
}

/// The name of a topic, where it counts.
fn name_of(by_id: bool, name: &str) -> &str {
    if by_id { "" } else { name }
}
