//! What both protocols share: what the member owns, how long it may believe so, and how its user hears of changes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kafka_wire::{ErrorCode, Request};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout_at},
};

use super::{Change, ChangeKind, GroupError, GroupOptions, Partitions, error::passes, link::Link};
use crate::cluster::Cluster;

/// Who the member is to its coordinator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// Empty: it has none yet.
    pub(super) member_id: String,
    /// Its generation or member epoch; -1: it is in none.
    pub(super) epoch: i32,
}

/// The identity, for the task that changes it and the handle that commits under it.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedIdentity(Arc<Mutex<Identity>>);

impl SharedIdentity {
    pub(super) fn lock(&self) -> MutexGuard<'_, Identity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> Identity {
        self.lock().clone()
    }
}

/// Why a member does not go on as it was about to.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// It owns nothing any more, and joins anew.
    Anew,
    /// It has ended.
    Ended(GroupError),
}

/// A member at work.
pub(super) struct Session {
    pub(super) cluster: Cluster,
    pub(super) options: GroupOptions,
    pub(super) identity: SharedIdentity,
    pub(super) owned: Partitions,
    pub(super) link: Link,
    pub(super) changes: mpsc::Sender<Change>,
    /// Until when what it owns is its own, if it hears nothing.
    pub(super) lease_until: Instant,
}

/// How long a request may wait at the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// It is answered at once.
    None,
    /// It is parked until the others have come; meanwhile the member lives.
    Rebalance,
}

/// On top of the rebalance timeout, for whoever waits for a rebalance to end.
const REBALANCE_SLACK: Duration = Duration::from_secs(5);

impl Session {
    /// Asks the coordinator until it answers as one, and gives that answer. `request` is told whether an earlier one may have
    /// been carried out.
    pub(super) async fn ask<R: Request>(
        &mut self,
        wait: Wait,
        request: impl Fn(&Self, bool) -> R,
        told: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, Interrupted> {
        let patience = match wait {
            Wait::None => Duration::ZERO,
            Wait::Rebalance => self.options.rebalance_timeout + REBALANCE_SLACK,
        };
        let mut again = false;
        loop {
            let (begun, built) = (Instant::now(), request(self, again));
            let asked = self.link.call(&built, i16::MAX, patience, &told);
            let answered = if wait == Wait::None && !self.owned.is_empty() {
                timeout_at(self.lease_until, asked).await
            } else {
                Ok(asked.await)
            };
            match answered {
                Ok(Ok(response)) if !passes(told(&response)) => {
                    // Who is parked is heard of when the answer leaves.
                    let heard = if wait == Wait::None { begun } else { Instant::now() };
                    self.lease_until = self.lease_until.max(heard + self.options.session_timeout);
                    return Ok(response);
                }
                Ok(Err(error)) if !error.is_retriable() => return Err(Interrupted::Ended(error)),
                Ok(_) | Err(_) => again = true,
            }
            if !self.owned.is_empty() && Instant::now() >= self.lease_until {
                return Err(self.lose().await);
            }
            sleep(self.cluster.options().retry_backoff).await;
        }
    }

    /// What it owns now is its own no longer. Waits until its user knows.
    pub(super) async fn lose(&mut self) -> Interrupted {
        self.identity.lock().epoch = -1;
        let lost = std::mem::take(&mut self.owned);
        if !lost.is_empty() {
            let _ = self.announce(ChangeKind::Lost, lost).await.await;
        }
        Interrupted::Anew
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
        let epoch = self.identity.lock().epoch;
        // Who does not listen any more has dropped the handle, and with it this task.
        let _ = self.changes.send(Change { kind, partitions, epoch, _done: done }).await;
        is_done
    }

    /// A refusal that ends the member.
    pub(super) fn refused(&self, what: &'static str, code: ErrorCode) -> Interrupted {
        Interrupted::Ended(GroupError::Refused { group_id: self.options.group_id.clone(), what, code })
    }
}
