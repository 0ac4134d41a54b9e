//! What both protocols share: what the member owns, how it asks its coordinator, and how its user hears of changes.

use std::{sync::Arc, time::Duration};

use kafka_wire::{ErrorCode, Request};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};

use super::{
    Change, ChangeKind, GroupError, GroupOptions, GroupProtocol, Partitions, classic, error::passes,
    link::Link, membership::Membership, next_generation,
};
use crate::cluster::Cluster;

/// Heartbeats in a session at least, so that one that is lost does not end it.
const HEARTBEATS_PER_SESSION: u32 = 3;

/// Why a member does not go on as it was about to.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// It is in its group no longer, and joins anew.
    Anew,
    /// It has ended.
    Ended(GroupError),
}

/// A member at work.
pub(super) struct Session {
    pub(super) cluster: Cluster,
    pub(super) options: GroupOptions,
    pub(super) membership: Arc<Membership>,
    pub(super) owned: Partitions,
    /// For what the coordinator answers at once.
    pub(super) link: Link,
    /// For what it keeps until the others have come: nothing behind that is answered.
    pub(super) parking: Link,
    pub(super) changes: mpsc::Sender<Change>,
}

impl Session {
    /// Lives by its protocol, joining again whenever the coordinator has lost it or is not heard of, until it cannot go on.
    pub(super) async fn run(mut self) -> GroupError {
        let mut failures = 0;
        loop {
            let membership = Arc::clone(&self.membership);
            let interrupted = tokio::select! {
                // First: a process that was stopped for long does nothing as the member that it was.
                biased;
                () = membership.over() => {
                    // Whoever coordinates now is somewhere else, or cannot be reached this way.
                    self.link.forget();
                    self.parking.forget();
                    Interrupted::Anew
                }
                interrupted = self.live() => interrupted,
            };
            let was_in = membership.identity().epoch >= 0;
            failures = if was_in { 1 } else { failures + 1 };
            self.lose().await;
            match interrupted {
                Interrupted::Anew => sleep(self.cluster.backoff(failures)).await,
                Interrupted::Ended(error) => return error,
            }
        }
    }

    async fn live(&mut self) -> Interrupted {
        match self.options.protocol {
            GroupProtocol::Classic(assignor) => classic::live(self, assignor).await,
            GroupProtocol::Consumer => next_generation::live(self).await,
        }
    }

    /// What it owns now is its own no longer. Waits until its user knows.
    async fn lose(&mut self) {
        self.membership.end();
        let lost = std::mem::take(&mut self.owned);
        if !lost.is_empty() {
            let _ = self.announce(ChangeKind::Lost, lost).await.await;
        }
    }

    /// Asks the coordinator until it answers as one, and gives that answer. `request` is told whether an earlier one may have
    /// been carried out.
    pub(super) async fn ask<R: Request>(
        &self,
        request: impl Fn(bool) -> R,
        told: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, Interrupted> {
        let mut failures = 0;
        loop {
            let (sent, request) = (Instant::now(), request(failures > 0));
            let answered = self.link.call(&request, i16::MAX, Duration::ZERO, &told).await;
            if let Some(response) = self.heard(sent, answered, &told)? {
                return Ok(response);
            }
            failures += 1;
            sleep(self.cluster.backoff(failures)).await;
        }
    }

    /// The answer to what was `sent` at that time, if it is one of a coordinator.
    pub(super) fn heard<T>(
        &self,
        sent: Instant,
        answered: Result<T, GroupError>,
        told: impl Fn(&T) -> ErrorCode,
    ) -> Result<Option<T>, Interrupted> {
        match answered {
            Ok(response) => {
                let code = told(&response);
                if matches!(code, ErrorCode::NONE | ErrorCode::REBALANCE_IN_PROGRESS) {
                    self.membership.renew(sent);
                }
                Ok((!passes(code)).then_some(response))
            }
            Err(error) if error.is_retriable() => Ok(None),
            Err(error) => Err(Interrupted::Ended(error)),
        }
    }

    /// How long to wait from one heartbeat to the next, where this is wanted: often enough for a session to last, and not at once.
    pub(super) fn heartbeat_interval(&self, wanted: Duration) -> Duration {
        let longest = self.options.session_timeout / HEARTBEATS_PER_SESSION;
        wanted.max(self.cluster.options().retry_backoff).min(longest)
    }

    /// These are its own from now on.
    pub(super) async fn take(&mut self, assigned: Partitions) {
        if assigned.is_empty() {
            return;
        }
        self.owned.extend(assigned.iter().cloned());
        // Nothing waits for the user: it may begin when it likes.
        drop(self.announce(ChangeKind::Assigned, assigned).await);
    }

    /// Tells the user; what comes back ends when it is done with it.
    pub(super) async fn announce(&self, kind: ChangeKind, partitions: Partitions) -> oneshot::Receiver<()> {
        let (done, is_done) = oneshot::channel();
        let (life, epoch) = (self.membership.life(), self.membership.identity().epoch);
        // Who does not listen any more has dropped the handle, and with it this task.
        let _ = self.changes.send(Change { kind, partitions, epoch, life, _done: done }).await;
        is_done
    }

    /// A refusal that ends the member.
    pub(super) fn refused(&self, what: &'static str, code: ErrorCode) -> Interrupted {
        Interrupted::Ended(GroupError::Refused { group_id: self.options.group_id.clone(), what, code })
    }
}
