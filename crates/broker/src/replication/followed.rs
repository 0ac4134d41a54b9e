//! The partitions that one fetcher fetches, and when it may ask for each again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use common::{BrokerId, PartitionId, TopicId};
use kafka_wire::ErrorCode;
use replica::FetchPosition;
use tokio::{sync::Notify, time::Instant};

use super::{ReplicationOptions, exchange::Wanted};
use crate::partition::{News, NextFetch, Partition, Quota, Watch};

/// Pauses before a partition is asked for again whose last answer was of no use (`replica.fetch.backoff.ms`). Metadata
/// that change its leader or epoch end the pause.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The longest of them if its leader may just be about to take its role, which is a matter of opening a log.
const BACKOFF_MAX_NOT_YET: Duration = Duration::from_millis(100);

/// Partitions in one request.
const PARTITIONS_MAX: usize = 2_000;

/// Partitions outside of the ISR that get records with one request, if others are in it: producers wait for those. All
/// others only tell where they are, so that whoever has caught up is in the ISR again after one trip.
const CATCHING_UP_MAX: usize = 4;

/// How long a leader may keep a fetch if not every partition fitted into it, or more of them are expected.
const SHORT_WAIT: Duration = Duration::from_millis(10);

/// For so long after a partition has come, more are expected: those of a new topic come one by one, and those of a leader that
/// died as well.
const GROWS_FOR: Duration = Duration::from_millis(500);

pub(super) type Key = (TopicId, PartitionId);

/// What was asked for each partition, and whether its topic has it throttled.
pub(super) type Asked = BTreeMap<Key, (Arc<Partition>, FetchPosition, bool)>;

/// See the [module](self). The router adds and removes, the fetcher asks.
#[derive(Debug, Default)]
pub(super) struct Followed {
    partitions: Mutex<BTreeMap<Key, Entry>>,
    /// Rung when a partition may have something new to ask.
    news: Arc<Notify>,
}

#[derive(Debug)]
struct Entry {
    partition: Arc<Partition>,
    /// When it came, or came again in another epoch.
    since: Instant,
    failures: u32,
    retry_at: Option<Instant>,
    _watch: Watch,
}

/// What to ask for now.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Those in the ISR first.
    pub(super) wanted: Vec<Wanted>,
    pub(super) partitions: Asked,
    /// Some wait for the disk. They are asked for together with the others, so that none waits for a fetch that was
    /// begun without it.
    pub(super) not_safe_yet: bool,
    /// When one may be asked for that may not now.
    pub(super) due_at: Option<Instant>,
    /// How long the leader may keep the fetch.
    pub(super) wait: Duration,
    /// More partitions may be about to come. They wait for this fetch to be answered, which is why it is a short one: if it
    /// were given up for each of them, with its connection, none would ever be answered while they come.
    pub(super) grows: bool,
}

impl Followed {
    /// It follows this fetcher's leader from now on, maybe in another epoch than before.
    pub(super) fn add(&self, partition: &Arc<Partition>) {
        let watch = partition.watch(News::Appended, &self.news);
        let entry = Entry {
            partition: Arc::clone(partition),
            since: Instant::now(),
            failures: 0,
            retry_at: None,
            _watch: watch,
        };
        self.lock().insert(key(partition), entry);
        self.news.notify_one();
    }

    pub(super) fn remove(&self, partition: &Arc<Partition>) {
        self.lock().remove(&key(partition));
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Waits until there may be something new to ask.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Waits until there is a partition to ask `leader` for that is not one of these, or is it in another epoch.
    pub(super) async fn newcomer(&self, leader: BrokerId, asked: &Asked) {
        let is_new = |(key, entry): (&Key, &Entry)| match entry.partition.next_fetch() {
            NextFetch::Ask { position, .. } if position.leader == leader && entry.retry_at.is_none() => {
                asked.get(key).is_none_or(|(_, known, _)| known.leader_epoch != position.leader_epoch)
            }
            _ => false,
        };
        while !self.lock().iter().any(is_new) {
            self.news().await;
        }
    }

    /// What to ask `leader` for. `turn` is another number each time: what does not fit has its turn later.
    pub(super) fn round(
        &self,
        leader: BrokerId,
        options: &ReplicationOptions,
        quota: &Quota,
        turn: usize,
        now: Instant,
    ) -> Round {
        let mut round = Round { wait: options.fetch_wait_max, ..Round::default() };
        let (mut catching_up, mut throttled_ones) = (Vec::new(), Vec::new());
        let entries = self.lock();
        for (key, entry) in turned(&entries, turn) {
            if entry.retry_at.is_some_and(|at| at > now) {
                round.due(entry.retry_at);
                continue;
            }
            match entry.partition.next_fetch() {
                NextFetch::Ask { position, in_isr, throttled } if position.leader == leader => {
                    round.grows |= now.saturating_duration_since(entry.since) < GROWS_FOR;
                    let name = entry.partition.name().clone();
                    let wanted = Wanted { name, position, bytes_max: options.partition_bytes_max };
                    let listed = match (in_isr, throttled) {
                        (true, _) => &mut round.wanted,
                        (false, false) => &mut catching_up,
                        (false, true) => &mut throttled_ones,
                    };
                    listed.push(wanted);
                    round.partitions.insert(*key, (Arc::clone(&entry.partition), position, throttled));
                }
                NextFetch::NotSafeYet => round.not_safe_yet = true,
                NextFetch::Ask { .. } | NextFetch::Nothing => {}
            }
        }
        drop(entries);
        if round.grows {
            round.wait = round.wait.min(SHORT_WAIT);
        }
        // What was there when this round was made is known to it.
        if !throttled_ones.is_empty() {
            match quota.allowance(now) {
                Ok(allowance) => {
                    let bytes_max = i32::try_from(allowance.unwrap_or(u64::MAX)).unwrap_or(i32::MAX);
                    throttled_ones
                        .iter_mut()
                        .for_each(|wanted| wanted.bytes_max = wanted.bytes_max.min(bytes_max));
                    catching_up.append(&mut throttled_ones);
                }
                Err(at) => round.due(Some(at)),
            }
        }
        round.add_catching_up(catching_up);
        round
    }

    /// The answer about this partition was taken in.
    pub(super) fn went_on(&self, key: &Key) {
        if let Some(entry) = self.lock().get_mut(key) {
            (entry.failures, entry.retry_at) = (0, None);
        }
    }

    /// The answer about this partition was of no use; the leader refused it perhaps. Whether the one before was of use.
    pub(super) fn failed(&self, key: &Key, refused: Option<ErrorCode>, now: Instant) -> bool {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(key) else { return false };
        let max = if refused.is_some_and(is_for_now) { BACKOFF_MAX_NOT_YET } else { BACKOFF_MAX };
        entry.retry_at = Some(now + backoff(entry.failures).min(max));
        entry.failures = entry.failures.saturating_add(1);
        entry.failures == 1
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Round {
    fn due(&mut self, at: Option<Instant>) {
        self.due_at = [self.due_at, at].into_iter().flatten().min();
    }

    /// Adds those outside of the ISR: behind the others, and only some of them for records.
    fn add_catching_up(&mut self, mut others: Vec<Wanted>) {
        if !self.wanted.is_empty() {
            others.iter_mut().skip(CATCHING_UP_MAX).for_each(|wanted| wanted.bytes_max = 0);
        }
        let room = PARTITIONS_MAX - others.len().min(CATCHING_UP_MAX);
        if self.wanted.len() + others.len() > PARTITIONS_MAX {
            self.wait = SHORT_WAIT;
        }
        self.wanted.truncate(room);
        self.wanted.append(&mut others);
        self.wanted.truncate(PARTITIONS_MAX);
    }
}

/// All entries, beginning with another one each turn.
fn turned(entries: &BTreeMap<Key, Entry>, turn: usize) -> impl Iterator<Item = (&Key, &Entry)> {
    let first = turn.checked_rem(entries.len()).unwrap_or_default();
    entries.iter().skip(first).chain(entries.iter().take(first))
}

/// Whether a leader that knows what the metadata say answers otherwise in a moment.
fn is_for_now(refused: ErrorCode) -> bool {
    matches!(
        refused,
        ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::UNKNOWN_LEADER_EPOCH | ErrorCode::UNKNOWN_TOPIC_ID
    )
}

/// The pause after so many failures in a row.
pub(super) fn backoff(failures: u32) -> Duration {
    BACKOFF_MIN.saturating_mul(1 << failures.min(8)).min(BACKOFF_MAX)
}

fn key(partition: &Partition) -> Key {
    let name = partition.name();
    (name.topic_id, name.partition)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::replication::exchange;

    /// How many partitions this one's leader is asked for, once throttled replicas have nothing left.
    pub(crate) fn asked_with_budget_spent(follower: &Arc<Partition>, leader: BrokerId) -> usize {
        let now = Instant::now();
        let followed = Followed::default();
        followed.add(follower);
        let quota = &follower.services().throttles().follower;
        quota.spend(1 << 20, now);
        let options = ReplicationOptions::new(BrokerId(1), Duration::from_secs(3));
        let round = followed.round(leader, &options, quota, 0, now);
        assert!(round.grows && round.wait == SHORT_WAIT, "more may be coming");
        let later = followed.round(leader, &options, quota, 0, Instant::now() + GROWS_FOR);
        assert!(!later.grows && later.wait == options.fetch_wait_max);
        assert_eq!(round.due_at.is_some(), round.wanted.is_empty(), "whoever waits is asked for later");
        round.wanted.len()
    }

    #[test]
    fn those_outside_of_the_isr_tell_where_they_are_but_only_some_get_records() {
        let wanted =
            |count| (0..count).map(|partition| exchange::tests::wanted(1, partition, None)).collect();
        let round = |in_isr, others| {
            let mut round =
                Round { wanted: wanted(in_isr), wait: Duration::from_secs(1), ..Round::default() };
            round.add_catching_up(wanted(others));
            let asked_for_records = round.wanted.iter().filter(|wanted| wanted.bytes_max > 0).count();
            (round.wanted.len(), asked_for_records, round.wait == SHORT_WAIT)
        };
        assert_eq!(round(1, 900), (901, 5, false));
        assert_eq!(round(0, 900), (900, 900, false), "nobody waits for others");
        assert_eq!(round(1_999, 900), (PARTITIONS_MAX, PARTITIONS_MAX, true));
        assert_eq!(round(5_000, 1), (PARTITIONS_MAX, PARTITIONS_MAX, true), "they have a place in any case");
    }

    #[test]
    fn pauses_grow_to_a_second() {
        let pauses: Vec<_> = [0, 1, 5, 6, 40].map(|failures| backoff(failures).as_millis()).into();
        assert_eq!(pauses, [20, 40, 640, 1_000, 1_000]);
    }
}
