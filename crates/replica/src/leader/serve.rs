//! What producers and consumers get.

use common::{BrokerId, Offset};

use super::state::Leader;
use crate::{Isolation, ReplicaLog};

/// What a producer wants to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// `0`: nothing.
    None,
    /// `1`: the leader's disk. The record is lost if the leader is before a follower has it.
    Leader,
    /// `-1`, `all`: that it is committed.
    All,
}

/// Whether a record may be acknowledged to a producer that wants all of the ISR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// It is committed.
    Committed,
    /// Not yet. REQUEST_TIMED_OUT if the producer does not want to wait any longer.
    Waiting,
    /// Not while the ISR is as small as it is. It may still be, so it is waited for all the same;
    /// NOT_ENOUGH_REPLICAS_AFTER_APPEND if the producer does not want to wait any longer.
    TooFewReplicas,
}

/// The ISR is smaller than `min.insync.replicas`: NOT_ENOUGH_REPLICAS, nothing was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{in_sync} replicas are in sync, {needed} are needed")]
pub struct NotEnoughReplicas {
    /// Members of the ISR.
    pub in_sync: usize,
    /// `min.insync.replicas`, or the number of replicas if that is lower.
    pub needed: usize,
}

/// Why nothing is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProduceRefused {
    /// See there.
    #[error(transparent)]
    NotEnoughReplicas(#[from] NotEnoughReplicas),
    /// NOT_LEADER_OR_FOLLOWER: see [`Leader::is_cut_off`].
    #[error("the controllers and some of the ISR were not heard of: another broker may lead by now")]
    CutOff,
}

/// The latest offset is not known: OFFSET_NOT_AVAILABLE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the high watermark {high_watermark} has not reached {epoch_start}, where this leader began")]
pub struct NotAvailable {
    /// So far.
    pub high_watermark: Offset,
    /// What it has to reach.
    pub epoch_start: Offset,
}

impl Leader {
    /// Whether records may be appended for a producer that wants `acks`.
    pub fn check_produce(&self, acks: Acks, now_ms: i64) -> Result<(), ProduceRefused> {
        if self.is_cut_off(now_ms) {
            return Err(ProduceRefused::CutOff);
        }
        if acks == Acks::All && self.is_under_min_isr() {
            let (in_sync, needed) = (self.isr.len(), self.min_insync_replicas());
            return Err(NotEnoughReplicas { in_sync, needed }.into());
        }
        Ok(())
    }

    /// Whether the record at `offset` may be acknowledged to a producer that wants all of the ISR: the last one of its
    /// batch, and no less for a batch that was there already.
    pub fn ack(&self, offset: Offset) -> Ack {
        if offset < self.high_watermark {
            Ack::Committed
        } else if self.is_under_min_isr() {
            Ack::TooFewReplicas
        } else {
            Ack::Waiting
        }
    }

    /// The latest offset for a consumer (ListOffsets with -1, and the end of a search by timestamp).
    pub fn latest_offset(&self, isolation: Isolation, log: &impl ReplicaLog) -> Result<Offset, NotAvailable> {
        let (high_watermark, epoch_start) = (self.high_watermark, self.epoch_start);
        if !self.is_ready() {
            return Err(NotAvailable { high_watermark, epoch_start });
        }
        Ok(self.positions(log).readable(isolation))
    }

    /// Whether another broker may lead the partition without this one having heard of it: the controllers do not hear
    /// this broker, and neither did the whole ISR fetch lately. As long as all of the ISR fetches in this epoch, none of
    /// them knows of an election, and nobody else can be elected; so a cluster goes on while its controllers are away.
    ///
    /// Nothing is lost by a leader that is cut off and does not know it: what it would acknowledge needs the whole ISR.
    /// Telling its clients early lets them find the new one.
    pub fn is_cut_off(&self, now_ms: i64) -> bool {
        let lately = |at: i64| now_ms.saturating_sub(at) <= self.settings.session_timeout_ms;
        let followers = self.isr.iter().filter_map(|id| self.followers.get(id));
        let silent = followers.filter(|follower| !follower.fetched_ms.is_some_and(lately)).count();
        !self.in_session && silent > 0
    }

    /// The replica that a consumer of `rack` should read from instead of this one (KIP-392): one in the ISR, in the
    /// consumer's rack, that has the offset; the most advanced of them. `None`: this one. So it is without a session too:
    /// then this leader cannot know whether the other one has one, and it would send its consumers back.
    pub fn preferred_replica<'a>(
        &self,
        rack: &str,
        fetch_offset: Offset,
        rack_of: impl Fn(BrokerId) -> Option<&'a str>,
    ) -> Option<BrokerId> {
        let is_near = |id: BrokerId| rack_of(id) == Some(rack);
        if is_near(self.me) || !self.in_session {
            return None;
        }
        let near = self
            .followers
            .iter()
            .filter(|(id, _)| self.isr.contains(id) && self.online.contains_key(id) && is_near(**id));
        let able = near.filter_map(|(id, follower)| {
            let end =
                follower.log_end.filter(|end| follower.log_start <= fetch_offset && fetch_offset <= *end)?;
            Some((end, std::cmp::Reverse(*id)))
        });
        able.max().map(|(_, std::cmp::Reverse(id))| id)
    }
}
