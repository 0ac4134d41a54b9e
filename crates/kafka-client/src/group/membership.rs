//! Who a member is to its coordinator, and until when.
//!
//! The coordinator counts a session timeout from when it heard of the member last, and then gives what the member had to others.
//! The member counts the same time from when it *sent* what was answered last, which is earlier. So it stops before others
//! begin, whatever the network keeps, unless clocks pass differently fast. A process that is stopped (SIGSTOP, a debugger, a frozen
//! container) does not stop this clock: what it was is over when it goes on, before anybody has told it so.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

/// Who a member is to its coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// Empty: it has none yet.
    pub(super) member_id: String,
    /// Its generation or member epoch; -1: it is in none.
    pub(super) epoch: i32,
}

impl Identity {
    /// Of somebody who is in no group.
    pub(super) const NOBODY: Self = Self { member_id: String::new(), epoch: -1 };
}

/// A membership, for the task that lives it and the handle that commits under it.
#[derive(Debug)]
pub(super) struct Membership {
    state: watch::Sender<State>,
    session_timeout: Duration,
}

#[derive(Debug)]
struct State {
    identity: Identity,
    /// Until when the coordinator gives nothing of the member's to others, if it is in an epoch.
    until: Instant,
    /// Counts how often it has lost everything.
    life: u64,
}

impl Membership {
    /// Of nobody yet.
    pub(super) fn new(session_timeout: Duration) -> Self {
        let state = State { identity: Identity::NOBODY, until: Instant::now(), life: 0 };
        Self { state: watch::Sender::new(state), session_timeout }
    }

    /// Who it is.
    pub(super) fn identity(&self) -> Identity {
        self.state.borrow().identity.clone()
    }

    /// Who it is, if it is in its group at this moment.
    pub(super) fn in_group(&self) -> Option<Identity> {
        let state = self.state.borrow();
        let is_in = state.identity.epoch >= 0 && Instant::now() < state.until;
        is_in.then(|| state.identity.clone())
    }

    /// In which of its lives it is.
    pub(super) fn life(&self) -> u64 {
        self.state.borrow().life
    }

    /// Whether this life goes on at this moment.
    pub(super) fn lives(&self, life: u64) -> bool {
        self.life() == life && self.in_group().is_some()
    }

    /// This life is over.
    pub(super) fn end(&self) {
        self.state.send_modify(|state| (state.identity.epoch, state.life) = (-1, state.life + 1));
    }

    /// It is somebody else from now on, or in another epoch.
    pub(super) fn change(&self, change: impl FnOnce(&mut Identity)) {
        self.state.send_modify(|state| change(&mut state.identity));
    }

    /// The coordinator has answered, as it does to a member that lives, what was sent at that time.
    pub(super) fn renew(&self, sent: Instant) {
        self.state.send_modify(|state| state.until = state.until.max(sent + self.session_timeout));
    }

    /// Ends when nothing was heard for a session timeout. Not while it is in no epoch.
    pub(super) async fn over(&self) {
        let mut state = self.state.subscribe();
        loop {
            let until = {
                let state = state.borrow_and_update();
                (state.identity.epoch >= 0).then_some(state.until)
            };
            // The sender is here, so it only ends with a change.
            let changed = async { drop(state.changed().await) };
            match until {
                None => changed.await,
                Some(until) => {
                    if timeout_at(until, changed).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::time::timeout;

    use super::*;

    const SESSION: Duration = Duration::from_secs(3600);
    const DEADLINE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn it_lasts_a_session_from_when_was_sent_what_was_answered_last() {
        let (membership, sent) = (Membership::new(SESSION), Instant::now());
        let mut over = std::pin::pin!(membership.over());
        assert!(poll!(&mut over).is_pending());
        membership.change(|identity| identity.epoch = 3);
        membership.renew(sent + DEADLINE);
        // An earlier request that is answered later shortens nothing.
        membership.renew(sent);
        assert_eq!(membership.state.borrow().until, sent + DEADLINE + SESSION);
        assert_eq!(membership.in_group().unwrap().epoch, 3);
        assert!(poll!(&mut over).is_pending());
    }

    #[tokio::test]
    async fn it_ends_by_the_clock_and_not_while_it_is_in_no_epoch() {
        let membership = Membership::new(Duration::ZERO);
        membership.renew(Instant::now());
        let mut over = std::pin::pin!(membership.over());
        assert!(poll!(&mut over).is_pending(), "nothing could end");
        membership.change(|identity| identity.epoch = 3);
        assert_eq!(membership.in_group(), None, "whether anybody has looked or not");
        timeout(DEADLINE, over).await.expect("it is over");
    }

    #[tokio::test]
    async fn a_life_that_is_over_does_not_come_back() {
        let membership = Membership::new(SESSION);
        let join = |epoch| {
            membership.change(|identity| identity.epoch = epoch);
            membership.renew(Instant::now());
        };
        join(3);
        assert!(membership.lives(0) && !membership.lives(1));
        membership.end();
        assert!(!membership.lives(0) && !membership.lives(1));
        join(4);
        assert!(!membership.lives(0) && membership.lives(1));
    }
}
