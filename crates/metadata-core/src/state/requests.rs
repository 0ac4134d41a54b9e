//! The requests that were applied, by idempotency key, and what they were answered.
//!
//! Part of the replicated state: a retry that reaches another leader must get the same answer. What is forgotten,
//! and when, follows from the applied commands alone: entries go when they are too many, when the answers hold too
//! many partitions, or when they are too old by the clock that leaders stamp on proposals. That clock may jump;
//! [`Requests::now_ms`] never goes back.

use std::sync::Arc;

use common::limits::{REQUESTS_AGE_MS_MAX, REQUESTS_MAX, REQUESTS_PARTITIONS_MAX};

use super::cow_map::CowMap;
use crate::{Outcome, Rejection, RequestId, digest::Digest};

/// What is remembered of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) request_id: RequestId,
    /// When it was applied, by the leaders' clock.
    pub(crate) time_ms: u64,
    /// Tells whether a later request with this key asks for the same thing.
    pub(crate) fingerprint: u64,
    pub(crate) result: Result<Outcome, Rejection>,
}

/// All remembered requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests {
    by_id: CowMap<RequestId, Arc<Remembered>>,
    /// The same entries in the order they came. `time_ms` does not decrease along it.
    by_age: CowMap<u64, Arc<Remembered>>,
    /// Key of the next entry in `by_age`. Differs between nodes that restarted and others; only the order counts.
    next: u64,
    /// Sum of the entries' [`partitions`](Remembered::partitions).
    partitions: usize,
    /// Sum of the entries' digests.
    digest: u64,
}

impl Remembered {
    /// Partitions in the answer: what it weighs.
    fn partitions(&self) -> usize {
        match &self.result {
            Ok(Outcome::Topic { topic }) => topic.partitions.len(),
            Ok(Outcome::IsrChanges { results } | Outcome::Reassignments { results }) => results.len(),
            Ok(Outcome::Elections { results, .. }) => results.len(),
            _ => 0,
        }
    }

    fn digest(&self) -> u64 {
        let (upper, lower) = self.request_id.as_u64_pair();
        Digest::new(4).word(upper).word(lower).word(self.time_ms).word(self.fingerprint).finish()
    }
}

impl Requests {
    pub(crate) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    pub(crate) fn get(&self, id: RequestId) -> Option<&Remembered> {
        self.by_id.get(&id).map(Arc::as_ref)
    }

    /// All entries, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Remembered> {
        self.by_age.values().map(Arc::as_ref)
    }

    /// Remembers an answer, and forgets those it displaces. A key that is known keeps its first answer.
    pub(crate) fn remember(&mut self, mut entry: Remembered) {
        if self.by_id.contains_key(&entry.request_id) {
            return;
        }
        entry.time_ms = entry.time_ms.max(self.now_ms());
        self.partitions += entry.partitions();
        self.digest = self.digest.wrapping_add(entry.digest());
        let now_ms = entry.time_ms;
        let entry = Arc::new(entry);
        self.by_id.insert(entry.request_id, Arc::clone(&entry));
        self.by_age.insert(self.next, entry);
        self.next += 1;
        while self.exceeds(now_ms) {
            self.forget_oldest();
        }
    }

    /// Whether entries and indexes agree, and the bounds hold.
    pub(crate) fn indexes_hold(&self) -> bool {
        let mut rebuilt = Self::default();
        self.iter().for_each(|entry| rebuilt.remember(entry.clone()));
        rebuilt.digest == self.digest
            && rebuilt.partitions == self.partitions
            && rebuilt.by_id == self.by_id
            && rebuilt.by_age.values().eq(self.by_age.values())
    }

    /// The leaders' clock as far as it is known here: the time of the newest entry.
    fn now_ms(&self) -> u64 {
        self.by_age.last().map_or(0, |(_, entry)| entry.time_ms)
    }

    fn exceeds(&self, now_ms: u64) -> bool {
        let expired = |entry: &Arc<Remembered>| now_ms - entry.time_ms > REQUESTS_AGE_MS_MAX;
        self.len() > REQUESTS_MAX
            || self.partitions > REQUESTS_PARTITIONS_MAX
            || self.by_age.first().is_some_and(|(_, entry)| expired(entry))
    }

    fn forget_oldest(&mut self) {
        let Some((_, entry)) = self.by_age.pop_first() else { return };
        self.by_id.remove(&entry.request_id);
        self.partitions -= entry.partitions();
        self.digest = self.digest.wrapping_sub(entry.digest());
    }
}

#[cfg(test)]
mod tests {
    use common::{Partition, Topic, TopicId, TopicName};

    use super::*;

    fn entry(id: usize, time_ms: u64, partitions: usize) -> Remembered {
        let topic = Topic {
            topic_name: TopicName::new("a").unwrap(),
            topic_id: TopicId(RequestId::nil()),
            replication_factor: 1,
            configs: [].into(),
            partitions: vec![Partition::default(); partitions],
        };
        Remembered {
            request_id: RequestId::from_u128(id as u128),
            time_ms,
            fingerprint: id as u64,
            result: Ok(Outcome::Topic { topic: Arc::new(topic) }),
        }
    }

    fn ids(requests: &Requests) -> Vec<u64> {
        requests.iter().map(|entry| entry.fingerprint).collect()
    }

    #[test]
    fn the_oldest_go_when_they_are_too_many() {
        let mut requests = Requests::default();
        (0..REQUESTS_MAX + 10).for_each(|id| requests.remember(entry(id, 0, 1)));
        assert_eq!(requests.len(), REQUESTS_MAX);
        assert!(requests.get(RequestId::from_u128(9)).is_none());
        assert!(requests.get(RequestId::from_u128(10)).is_some());
        assert!(requests.indexes_hold());
    }

    #[test]
    fn the_oldest_go_when_their_answers_weigh_too_much() {
        let mut requests = Requests::default();
        (0..6).for_each(|id| requests.remember(entry(id, 0, REQUESTS_PARTITIONS_MAX / 4)));
        assert_eq!(ids(&requests), [2, 3, 4, 5]);
        assert!(requests.indexes_hold());
    }

    #[test]
    fn the_oldest_go_by_a_clock_that_never_goes_back() {
        let mut requests = Requests::default();
        requests.remember(entry(1, 1_000, 0));
        requests.remember(entry(2, 1_000 + REQUESTS_AGE_MS_MAX, 0));
        // The next leader's clock is behind: the entry counts as made now.
        requests.remember(entry(3, 5, 0));
        assert_eq!(ids(&requests), [1, 2, 3]);
        requests.remember(entry(4, 1_001 + REQUESTS_AGE_MS_MAX, 0));
        assert_eq!(ids(&requests), [2, 3, 4]);
        requests.remember(entry(5, u64::MAX, 0));
        assert_eq!(ids(&requests), [5]);
        requests.remember(entry(6, 0, 0));
        assert_eq!(ids(&requests), [5, 6]);
        assert!(requests.indexes_hold());
    }
}
