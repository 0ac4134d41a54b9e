//! One term of office. Everything it has under way is a future that it owns, so that dropping it ends all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use common::{Broker, BrokerEpoch, BrokerId, BrokerStatus, Term};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use metadata_core::{Command, Proposal, State, command::FEATURE_LEVEL_MAX};
use runtime::clock;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    handle::{Request, Shared},
    push::Pushes,
    vigil::{self, Met},
};
use crate::raft::{LeaderHint, ProposeError};

/// Changes of the metadata within this time are looked at together.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A proposal that got no outcome is made again after so long.
const PROPOSE_PAUSE: Duration = Duration::from_millis(100);

/// A registration: a later one of the same broker is another.
type Registration = (BrokerId, BrokerEpoch);

/// Partitions that are given back in one go; the rest follows at once.
const GIVEN_BACK_MAX: usize = 1_000;

/// One term of office.
pub(super) struct Reign {
    shared: Arc<Shared>,
    term: Term,
    watched: BTreeMap<BrokerId, Watched>,
    /// One per watched registration, and one per check.
    vigils: FuturesUnordered<BoxFuture<'static, Option<(Registration, String)>>>,
    /// Who is to be fenced with the next proposal.
    to_fence: BTreeSet<Registration>,
    /// Who is being fenced: one proposal at a time.
    fencing: BTreeSet<Registration>,
    unfencing: BTreeSet<Registration>,
    proposals: FuturesUnordered<BoxFuture<'static, Proposed>>,
    pushes: Pushes,
    /// A quorum has confirmed this term after it began; before that nothing is pushed (F10: a deposed controller that
    /// does not know it yet must not tell brokers to follow it).
    confirmed: bool,
    /// When to look for partitions that their preferred leaders could lead again; `None` while some are given back, and
    /// if it is never done.
    next_balance: Option<Instant>,
    /// The metadata may have changed since it was last looked at.
    stale: bool,
    /// It is not looked at again before this.
    next_look: Instant,
    /// When this task last ran.
    last_step: Instant,
}

/// A registration that is watched.
struct Watched {
    epoch: BrokerEpoch,
    met: Met,
    /// Ends the vigil when this is dropped.
    _vigil: DropGuard,
}

/// A proposal of the controller itself has ended.
enum Proposed {
    Fenced { done: bool },
    Unfenced { who: Registration },
    Balanced { all: bool },
    Raised { done: bool },
}

impl Reign {
    pub(super) fn begin(shared: Arc<Shared>, hint: &LeaderHint) -> Self {
        let me = hint.leader.clone().expect("a node that leads is the leader that it knows");
        shared.contacts.begin(hint.term, &shared.consensus);
        shared.metrics.controller.reigns.inc();
        tracing::info!(event = "controller.elected", term = %hint.term, "this node leads");
        let interval = shared.options.leader_rebalance;
        Self {
            next_balance: (!interval.is_zero()).then(|| Instant::now() + interval),
            shared,
            term: hint.term,
            watched: BTreeMap::new(),
            vigils: FuturesUnordered::new(),
            to_fence: BTreeSet::new(),
            fencing: BTreeSet::new(),
            unfencing: BTreeSet::new(),
            proposals: FuturesUnordered::new(),
            pushes: Pushes::new(me, hint.term),
            confirmed: false,
            stale: true,
            next_look: Instant::now(),
            last_step: Instant::now(),
        }
    }

    /// Reigns until it is dropped.
    pub(super) async fn run(mut self, requests: &mut mpsc::Receiver<Request>) {
        let mut versions = self.shared.consensus.watch_version();
        let confirmation = confirm(Arc::clone(&self.shared), self.term);
        let mut confirmation = std::pin::pin!(confirmation);
        if self.shared.consensus.has_founded() {
            self.raise_feature_level();
        }
        loop {
            let wake = self.step();
            tokio::select! {
                Some(found) = self.vigils.next(), if !self.vigils.is_empty() => self.found(found),
                Some(proposed) = self.proposals.next(), if !self.proposals.is_empty() => self.proposed(proposed),
                arrived = self.pushes.ended() => self.pushed(arrived),
                () = confirmation.as_mut(), if !self.confirmed => self.confirmed = true,
                // While it is known to have changed, only the time of the next look matters.
                Ok(()) = versions.changed(), if !self.stale => self.stale = true,
                Some(request) = requests.recv() => self.asked(request),
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Does what is due; returns when to come back.
    fn step(&mut self) -> Instant {
        let now = Instant::now();
        let session_timeout = self.shared.options.session_timeout;
        if now.duration_since(self.last_step) > session_timeout / 2 {
            // Whoever was not heard of may only not have been listened to.
            tracing::warn!(
                event = "controller.held_up",
                "this node was held up: sessions of brokers begin anew"
            );
            self.shared.contacts.forgive(&self.shared.consensus);
        }
        self.last_step = now;
        let deadline =
            self.shared.contacts.next_deadline().map(|deadline| self.shared.contacts.instant(deadline));
        let session_ended = deadline.is_some_and(|deadline| deadline <= now);
        if session_ended || (self.stale && self.next_look <= now) {
            self.stale = false;
            self.next_look = now + LOOK_PAUSE;
            self.look();
        }
        self.fence();
        if self.next_balance.is_some_and(|at| at <= now) {
            self.balance(now);
        }
        let next_push = if self.confirmed { self.pushes.step(&self.shared) } else { None };
        let next_look = self.stale.then_some(self.next_look);
        let next_deadline =
            self.shared.contacts.next_deadline().map(|deadline| self.shared.contacts.instant(deadline));
        // In time to notice that this task was held up.
        let idle = now + session_timeout / 4;
        [next_push, next_look, next_deadline, self.next_balance]
            .into_iter()
            .flatten()
            .fold(idle, Instant::min)
    }

    /// Follows the applied metadata: whose session is over, whom to watch.
    fn look(&mut self) {
        let watched = &self.watched;
        let (expired, live, new) = self.shared.consensus.read(|state| {
            let expired = self.shared.contacts.expired(state);
            let live = state.brokers().filter(|broker| broker.status != BrokerStatus::Offline);
            let live: BTreeSet<Registration> =
                live.map(|broker| (broker.broker_id, broker.broker_epoch)).collect();
            let is_new =
                |(id, epoch): &&Registration| watched.get(id).is_none_or(|known| known.epoch != *epoch);
            let new: Vec<Broker> =
                live.iter().filter(is_new).filter_map(|(id, _)| state.broker(*id).cloned()).collect();
            (expired, live, new)
        });
        for who in expired {
            if !self.fencing.contains(&who) && self.to_fence.insert(who) {
                self.shared.metrics.controller.fenced_silent.inc();
                let session_ms = clock::as_ms(self.shared.options.session_timeout);
                tracing::warn!(event = "broker.silent", broker = %who.0, epoch = %who.1, session_ms, "session timed out");
            }
        }
        self.watched.retain(|id, watched| live.contains(&(*id, watched.epoch)));
        for broker in new {
            let met = Met::default();
            let given_up = CancellationToken::new();
            let watched = Watched {
                epoch: broker.broker_epoch,
                met: met.clone(),
                _vigil: given_up.clone().drop_guard(),
            };
            self.watched.insert(broker.broker_id, watched);
            let shared = Arc::clone(&self.shared);
            self.vigils.push(Box::pin(async move {
                let gone = vigil::gone(&shared, &broker, &met);
                let proof = given_up.run_until_cancelled_owned(gone).await?;
                Some(((broker.broker_id, broker.broker_epoch), proof))
            }));
        }
    }

    /// A vigil or a check has ended.
    fn found(&mut self, found: Option<(Registration, String)>) {
        let Some((who, proof)) = found else { return };
        let is_watched = self.watched.get(&who.0).is_some_and(|watched| watched.epoch == who.1);
        if is_watched && !self.fencing.contains(&who) && self.to_fence.insert(who) {
            self.shared.metrics.controller.fenced_gone.inc();
            tracing::warn!(event = "broker.gone", broker = %who.0, epoch = %who.1, %proof, "broker process is gone");
        }
    }

    /// Proposes to fence those that are to be fenced, all in one command.
    fn fence(&mut self) {
        if self.to_fence.is_empty() || !self.fencing.is_empty() {
            return;
        }
        self.fencing = std::mem::take(&mut self.to_fence);
        let command = Command::FenceBrokers { brokers: self.fencing.iter().copied().collect() };
        let shared = Arc::clone(&self.shared);
        self.proposals.push(Box::pin(async move {
            let done = shared.propose(command).await;
            if !done {
                sleep(PROPOSE_PAUSE).await;
            }
            Proposed::Fenced { done }
        }));
    }

    /// Gives partitions back to their preferred leaders where these are in sync and ONLINE again, so that a broker that
    /// was away does not stay idle.
    fn balance(&mut self, now: Instant) {
        let partitions = self.shared.consensus.read(|state| state.returnable_leaders(GIVEN_BACK_MAX));
        if partitions.is_empty() {
            self.next_balance = Some(now + self.shared.options.leader_rebalance);
            return;
        }
        self.next_balance = None;
        let all = partitions.len() < GIVEN_BACK_MAX;
        tracing::info!(
            event = "leaders.given_back",
            partitions = partitions.len(),
            "preferred leaders lead again"
        );
        let shared = Arc::clone(&self.shared);
        self.proposals.push(Box::pin(async move {
            let done = shared.propose(Command::ElectPreferredLeaders { partitions }).await;
            Proposed::Balanced { all: all || !done }
        }));
    }

    /// A new cluster is to have all that this build can do. One that is upgraded keeps its level until its operator says that
    /// no older node is left.
    fn raise_feature_level(&mut self) {
        let level = FEATURE_LEVEL_MAX;
        if self.shared.consensus.read(State::feature_level) >= level {
            return;
        }
        let shared = Arc::clone(&self.shared);
        self.proposals.push(Box::pin(async move {
            let done = shared.propose(Command::SetFeatureLevel { level, level_max: level }).await;
            if !done {
                sleep(PROPOSE_PAUSE).await;
            }
            Proposed::Raised { done }
        }));
    }

    fn proposed(&mut self, proposed: Proposed) {
        match proposed {
            Proposed::Raised { done: true } => {}
            Proposed::Raised { done: false } => self.raise_feature_level(),
            Proposed::Fenced { done: true } => self.fencing.clear(),
            // Fencing again one who is fenced already changes nothing.
            Proposed::Fenced { done: false } => self.to_fence.append(&mut self.fencing),
            Proposed::Unfenced { who } => {
                self.unfencing.remove(&who);
            }
            Proposed::Balanced { all } => {
                let pause = if all { self.shared.options.leader_rebalance } else { Duration::ZERO };
                self.next_balance = Some(Instant::now() + pause);
            }
        }
    }

    fn pushed(&mut self, arrived: bool) {
        let counters = &self.shared.metrics.controller;
        if arrived {
            counters.pushes.inc()
        } else {
            counters.pushes_failed.inc()
        };
    }

    fn asked(&mut self, request: Request) {
        let shared = Arc::clone(&self.shared);
        match request {
            Request::CameBack(broker_id, broker_epoch) => {
                let who = (broker_id, broker_epoch);
                if self.unfencing.insert(who) {
                    self.proposals.push(Box::pin(async move {
                        // Lost or refused: the next heartbeat asks again.
                        shared.propose(Command::UnfenceBroker { broker_id, broker_epoch }).await;
                        Proposed::Unfenced { who }
                    }));
                }
            }
            Request::Check(id, epoch) => {
                let broker = shared.consensus.read(|state| state.broker(id).cloned());
                let broker = broker.filter(|broker| broker.broker_epoch == epoch);
                let met = self.watched.get(&id).map(|watched| watched.met.clone());
                if let (Some(broker), Some(met)) = (broker, met) {
                    self.vigils.push(Box::pin(async move {
                        let proof = vigil::check(&shared, &broker, &met).await?;
                        Some(((id, epoch), proof))
                    }));
                }
            }
        }
    }
}

/// Resolves once a quorum has confirmed that `term` is still led by this node.
async fn confirm(shared: Arc<Shared>, term: Term) {
    loop {
        let current = shared.consensus.linearizable().await.is_ok();
        // A follower's read is confirmed by the leader: it has to be this node, in this very term.
        let hint = shared.consensus.leader();
        if current && hint.is_self && hint.term == term {
            return;
        }
        sleep(PROPOSE_PAUSE).await;
    }
}

impl Shared {
    /// Proposes on the controller's own behalf. False: it got no outcome.
    async fn propose(&self, command: Command) -> bool {
        let proposal = Proposal {
            time_ms: clock::unix_ms(),
            author: format!("controller:{}", self.consensus.node_id()),
            request_id: None,
            command,
        };
        match self.consensus.propose(proposal).await {
            Ok(decided) => {
                if let Err(rejection) = decided.result {
                    tracing::info!(event = "controller.rejected", %rejection, "the command came too late");
                }
                true
            }
            // The reign is about to end.
            Err(ProposeError::NotController(_)) => false,
            Err(error) => {
                tracing::warn!(event = "controller.no_outcome", %error, "a proposal of the controller got no outcome");
                false
            }
        }
    }
}
