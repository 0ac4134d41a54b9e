//! A fetch session with a leader (KIP-227), as followers and consumers keep it: a request names the partitions of which something
//! else is wanted than before, and those that are not wanted now; the leader remembers the others. Its answer tells of those
//! alone of which there is something new.
//!
//! A fetch says what its sender has: a follower claims that everything before its offset is safe. What a session says again
//! without naming it is what was said last, and a partition of which that is no longer so is always named or forgotten.

use std::collections::BTreeMap;

use common::{PartitionId, TopicId};
use kafka_wire::{
    ErrorCode,
    messages::{
        FetchRequest,
        fetch::{FetchPartition, ForgottenTopic},
    },
};

/// The first version of Fetch that names topics by id, as this does.
pub const VERSION_MIN: i16 = 13;

type Key = (TopicId, PartitionId);

/// See the [module](self). A new one names everything.
#[derive(Debug, Default)]
pub struct FetchSession {
    id: i32,
    epoch: i32,
    /// What the leader has been told, and not to forget.
    told: BTreeMap<Key, FetchPartition>,
}

impl FetchSession {
    /// Makes `request`, which names everything, one of this session.
    pub fn put_into(&mut self, request: &mut FetchRequest) {
        (request.session_id, request.session_epoch) = (self.id, self.epoch);
        let mut told = BTreeMap::new();
        for topic in &mut request.topics {
            let id = TopicId(topic.topic_id);
            topic.partitions.retain(|wanted| {
                let key = (id, PartitionId(wanted.partition));
                let is_known = self.told.remove(&key).is_some_and(|known| known == *wanted);
                told.insert(key, wanted.clone());
                !is_known
            });
        }
        request.topics.retain(|topic| !topic.partitions.is_empty());
        let mut forgotten: Vec<ForgottenTopic> = Vec::new();
        for (topic_id, partition) in std::mem::replace(&mut self.told, told).into_keys() {
            match forgotten.last_mut().filter(|topic| topic.topic_id == topic_id.0) {
                Some(topic) => topic.partitions.push(partition.0),
                None => forgotten.push(ForgottenTopic {
                    topic_id: topic_id.0,
                    partitions: vec![partition.0],
                    ..ForgottenTopic::default()
                }),
            }
        }
        request.forgotten_topics_data = forgotten;
    }

    /// The leader answered, and named this session; 0: it has no room for one.
    pub fn answered(&mut self, id: i32) {
        if id == 0 {
            *self = Self::default();
            return;
        }
        self.epoch = if id == self.id && self.epoch < i32::MAX { self.epoch + 1 } else { 1 };
        self.id = id;
    }

    /// Whether the next request leaves out what the leader remembers, and its answer what has not changed.
    pub fn is_incremental(&self) -> bool {
        self.epoch > 0
    }

    /// Whether a leader that answers so does not know the session, or knows it otherwise: once the session is told
    /// [so](Self::refused), the same can be asked for at once.
    pub fn is_over(code: ErrorCode) -> bool {
        matches!(
            code,
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND
                | ErrorCode::INVALID_FETCH_SESSION_EPOCH
                | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
        )
    }

    /// What the leader remembers is not known: the next request names everything, and ends this session.
    pub fn restart(&mut self) {
        *self = Self { id: self.id, ..Self::default() };
    }

    /// The leader refused a request as a whole: the next one names everything. A session that it does not know need not be ended.
    pub fn refused(&mut self, code: ErrorCode) {
        match code {
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND => *self = Self::default(),
            _ => self.restart(),
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_wire::messages::fetch::FetchTopic;
    use uuid::Uuid;

    use super::*;

    /// A session's id and epoch, what is named, and what is to be forgotten.
    type Sent = (i32, i32, Vec<(u128, i32, i64)>, Vec<(u128, i32)>);

    /// What is sent for these partitions of topics 1 and 2, each with its offset.
    fn sent(session: &mut FetchSession, wanted: &[(u128, i32, i64)]) -> Sent {
        let topic = |id: u128| FetchTopic {
            topic_id: Uuid::from_u128(id),
            partitions: wanted
                .iter()
                .filter(|(topic, ..)| *topic == id)
                .map(|&(_, partition, fetch_offset)| FetchPartition {
                    partition,
                    fetch_offset,
                    ..FetchPartition::default()
                })
                .collect(),
            ..FetchTopic::default()
        };
        let mut request = FetchRequest { topics: vec![topic(1), topic(2)], ..FetchRequest::default() };
        session.put_into(&mut request);
        let named = request.topics.iter().flat_map(|topic| {
            let id = topic.topic_id.as_u128();
            topic.partitions.iter().map(move |wanted| (id, wanted.partition, wanted.fetch_offset))
        });
        let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| (topic.topic_id.as_u128(), *partition))
        });
        (request.session_id, request.session_epoch, named.collect(), forgotten.collect())
    }

    #[test]
    fn only_what_changed_is_named() {
        let mut session = FetchSession::default();
        let all = [(1, 0, 10), (1, 1, 20), (2, 0, 30)];
        assert!(!session.is_incremental());
        assert_eq!(sent(&mut session, &all), (0, 0, all.into(), vec![]));
        session.answered(77);
        assert!(session.is_incremental());
        assert_eq!(sent(&mut session, &all), (77, 1, vec![], vec![]));
        session.answered(77);
        // One moved on, one is not to be asked for, one is new.
        let next = [(1, 0, 11), (2, 0, 30), (2, 5, 0)];
        assert_eq!(sent(&mut session, &next), (77, 2, vec![(1, 0, 11), (2, 5, 0)], vec![(1, 1)]));
        session.answered(77);
        assert_eq!(sent(&mut session, &all), (77, 3, vec![(1, 0, 10), (1, 1, 20)], vec![(2, 5)]));
    }

    #[test]
    fn a_session_in_doubt_begins_anew() {
        let mut session = FetchSession::default();
        let all = [(1, 0, 10)];
        sent(&mut session, &all);
        session.answered(77);
        sent(&mut session, &all);
        session.restart();
        assert!(!session.is_incremental());
        assert_eq!(sent(&mut session, &all), (77, 0, all.into(), vec![]));
        session.answered(78);
        assert_eq!(sent(&mut session, &all), (78, 1, vec![], vec![]));
        session.refused(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        assert_eq!(sent(&mut session, &all), (78, 0, all.into(), vec![]));
        session.refused(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
        assert_eq!(sent(&mut session, &all), (0, 0, all.into(), vec![]));
        // A leader without room: everything is named each time.
        session.answered(0);
        assert_eq!(sent(&mut session, &all), (0, 0, all.into(), vec![]));
    }
}
