//! Fetches of followers: each one claims that everything before it is safe there.

use common::{BrokerEpoch, BrokerId, LeaderEpoch, Offset};

use super::state::{Effects, FollowerState, Leader};
use crate::{EpochEnd, ReplicaLog, epochs};

/// A follower's fetch of one partition (Fetch v15+ with ReplicaState).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerFetch {
    /// Who.
    pub broker_id: BrokerId,
    /// Under which registration (KIP-903).
    pub broker_epoch: BrokerEpoch,
    /// The leader epoch that it follows; it has cut its log for it.
    pub leader_epoch: LeaderEpoch,
    /// Its log's end. It vouches for everything below.
    pub fetch_offset: Offset,
    /// The epoch of its last record, if it has one.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Its log's start.
    pub log_start: Offset,
    /// The high watermark that it knows (Fetch v18, KIP-1166).
    pub high_watermark: Offset,
}

/// What a follower is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Records from its fetch offset on, up to the log's end, and the high watermark.
    Read {
        /// To be told in the answer.
        high_watermark: Offset,
        /// Whether that is more than it knows: an answer without records tells it something.
        is_news: bool,
        /// What else follows.
        effects: Effects,
    },
    /// Its log goes another way: it has to cut it, to here or further (`diverging_epoch`). No records.
    Diverged(EpochEnd),
}

/// An epoch in a request that is not the leader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongEpoch {
    /// FENCED_LEADER_EPOCH: whoever asks has not heard of the election.
    #[error("leader epoch {asked} is over, {current} is the current one")]
    Fenced {
        /// Of the request.
        asked: LeaderEpoch,
        /// The leader's.
        current: LeaderEpoch,
    },
    /// UNKNOWN_LEADER_EPOCH: this broker has not heard of the election.
    #[error("leader epoch {asked} is not known here, {current} is the last one")]
    Unknown {
        /// Of the request.
        asked: LeaderEpoch,
        /// The leader's.
        current: LeaderEpoch,
    },
}

/// Why a follower gets nothing. Nothing that its fetch claims is believed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchRefused {
    /// It follows another epoch.
    #[error(transparent)]
    Epoch(#[from] WrongEpoch),
    /// It is no replica, as far as is known here (NOT_LEADER_OR_FOLLOWER: it shall look at its metadata).
    #[error("broker {0} is no replica of this partition")]
    NotAReplica(BrokerId),
    /// An earlier life of a broker that has registered again since (STALE_BROKER_EPOCH).
    #[error("broker epoch {asked} of broker {broker_id} is over, {current} is the current one")]
    StaleBrokerEpoch {
        /// Who.
        broker_id: BrokerId,
        /// Of the request.
        asked: BrokerEpoch,
        /// The latest known.
        current: BrokerEpoch,
    },
    /// OFFSET_OUT_OF_RANGE. A follower is told where the log starts (`log_start_offset`), to begin anew there.
    #[error("fetch offset {asked} is not within {log_start} to {log_end}")]
    OutOfRange {
        /// Of the request.
        asked: Offset,
        /// Of the leader.
        log_start: Offset,
        /// Of the leader.
        log_end: Offset,
    },
}

impl Leader {
    /// A follower fetches. Its claim counts only if it follows this very epoch, speaks for its present registration,
    /// and its log is a front of this one.
    pub fn follower_fetched(
        &mut self,
        fetch: &FollowerFetch,
        log: &impl ReplicaLog,
        now_ms: i64,
    ) -> Result<Fetched, FetchRefused> {
        self.check_epoch(Some(fetch.leader_epoch))?;
        let id = fetch.broker_id;
        let follower = *self.followers.get(&id).ok_or(FetchRefused::NotAReplica(id))?;
        let known = follower.broker_epoch.max(self.online.get(&id).copied());
        if let Some(current) = known.filter(|known| fetch.broker_epoch < *known) {
            return Err(FetchRefused::StaleBrokerEpoch { broker_id: id, asked: fetch.broker_epoch, current });
        }
        let (log_start, log_end) = (log.log_start(), log.log_end());
        let asked = fetch.fetch_offset;
        let out_of_range = FetchRefused::OutOfRange { asked, log_start, log_end };
        if asked < log_start {
            return Err(out_of_range);
        }
        if let Some(epoch) = fetch.last_fetched_epoch {
            let end = self.end_of_epoch(epoch, log).ok_or(out_of_range)?;
            if end.epoch < epoch || end.end < asked {
                return Ok(Fetched::Diverged(end));
            }
        }
        if asked > log_end {
            return Err(out_of_range);
        }
        self.record(fetch, follower, log_end, now_ms);
        let effects = self.settle(log, now_ms);
        let high_watermark = self.high_watermark;
        let is_news = fetch.high_watermark < high_watermark;
        Ok(Fetched::Read { high_watermark, is_news, effects })
    }

    /// Where an epoch ends in this leader's log (OffsetForLeaderEpoch, and the check of each fetch). An epoch that wrote
    /// nothing here ends where the next one begins. `None` for one that this leader cannot know.
    pub fn end_of_epoch(&self, asked: LeaderEpoch, log: &impl ReplicaLog) -> Option<EpochEnd> {
        let log_end = log.log_end();
        match asked.cmp(&self.leader_epoch) {
            std::cmp::Ordering::Greater => None,
            std::cmp::Ordering::Equal => Some(EpochEnd { epoch: asked, end: log_end }),
            std::cmp::Ordering::Less => {
                // In a log without epochs, the own one is the first: it begins where the log ended at the election.
                let nothing_as_old = EpochEnd { epoch: asked, end: self.epoch_start };
                Some(epochs::end_of(log.epochs(), asked, log_end).unwrap_or(nothing_as_old))
            }
        }
    }

    /// Checks the epoch that a request names as the leader's; none passes (consumers may leave it out).
    pub fn check_epoch(&self, asked: Option<LeaderEpoch>) -> Result<(), WrongEpoch> {
        WrongEpoch::check(asked, self.leader_epoch)
    }

    /// Notes what a follower claims. A process loses nothing that it vouched for, or says so in another leader epoch only (see
    /// [`may_forget`](crate::Assignment::may_forget)). So a lower claim of the same registration is an older one that took longer.
    fn record(&mut self, fetch: &FollowerFetch, known: FollowerState, log_end: Offset, now_ms: i64) {
        let same = known.broker_epoch == Some(fetch.broker_epoch);
        let caught_up_now = (fetch.fetch_offset >= log_end).then_some(now_ms);
        let had_all_then = same && fetch.fetch_offset >= known.end_at_fetch;
        let caught_up_then = known.fetched_ms.filter(|_| had_all_then);
        let caught_up_before = known.caught_up_ms.filter(|_| same || known.broker_epoch.is_none());
        let state = FollowerState {
            broker_epoch: Some(fetch.broker_epoch),
            log_end: Some(fetch.fetch_offset).max(known.log_end.filter(|_| same)),
            told_end: Some(fetch.fetch_offset).max(known.told_end.filter(|_| same)),
            log_start: fetch.log_start,
            caught_up_ms: caught_up_now.or(caught_up_then).max(caught_up_before),
            fetched_ms: Some(now_ms),
            end_at_fetch: log_end,
        };
        self.followers.insert(fetch.broker_id, state);
    }
}

impl WrongEpoch {
    pub(crate) fn check(asked: Option<LeaderEpoch>, current: LeaderEpoch) -> Result<(), Self> {
        match asked {
            Some(asked) if asked < current => Err(Self::Fenced { asked, current }),
            Some(asked) if asked > current => Err(Self::Unknown { asked, current }),
            _ => Ok(()),
        }
    }
}
