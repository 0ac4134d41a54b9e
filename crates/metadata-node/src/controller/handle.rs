//! [`Controller`]: what the REST handlers tell the leader's task and ask it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use client::{HttpClient, HttpOptions, PeerWatch, PeerWatchOptions};
use common::{Broker, BrokerEpoch, BrokerId, BrokerStatus, MetadataVersion, Term};
use runtime::{Stop, TaskKind, Tasks};
use tokio::{sync::mpsc, time::Instant};

use super::{
    contacts::{Contacts, Heartbeat},
    probe::{Finding, probe},
    reign::Reign,
};
use crate::{metrics::Metrics, raft::Consensus};

/// Requests to the leader's task that may wait. Each stands for a broker, and is dropped if there is no room: a
/// broker that is back says so again with its next heartbeat, and one that is dead is found out anyway.
const REQUESTS_MAX: usize = 4_096;

/// One suspect is checked at most so often.
const SUSPICION_PAUSE: Duration = Duration::from_millis(200);

/// How long a broker may take to answer a direct question, at most.
const PROBE_TIMEOUT_MAX: Duration = Duration::from_millis(500);

/// How the leader treats brokers and what they lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControllerOptions {
    /// A broker that is silent for so long is OFFLINE.
    pub session_timeout: Duration,
    /// Partitions are given back to their preferred leaders so often; zero: never.
    pub leader_rebalance: Duration,
}

/// The leader's side of liveness and pushes. Cheap to clone; all clones are one. On a node that does not lead it
/// does nothing.
#[derive(Clone)]
pub struct Controller {
    pub(super) shared: Arc<Shared>,
}

/// What the handle and the leader's task share.
pub(super) struct Shared {
    pub(super) consensus: Consensus,
    pub(super) metrics: Arc<Metrics>,
    pub(super) contacts: Contacts,
    pub(super) http: HttpClient,
    pub(super) peers: PeerWatch,
    pub(super) options: ControllerOptions,
    requests: mpsc::Sender<Request>,
    /// When each suspect was last checked.
    suspicions: Mutex<BTreeMap<BrokerId, Instant>>,
}

/// What a handler wants of the leader's task.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    /// An OFFLINE broker heartbeats again.
    CameBack(BrokerId, BrokerEpoch),
    /// A broker was reported dead.
    Check(BrokerId, BrokerEpoch),
}

impl Controller {
    /// Starts the leader's task, which waits until this node leads.
    pub fn start(
        consensus: Consensus,
        metrics: Arc<Metrics>,
        options: ControllerOptions,
        tasks: &Tasks,
    ) -> Self {
        let (requests, mut waiting) = mpsc::channel(REQUESTS_MAX);
        let http_options = HttpOptions {
            connect_timeout: PROBE_TIMEOUT_MAX,
            cluster_id: Some(consensus.cluster_id().clone()),
            ..HttpOptions::default()
        };
        let shared = Arc::new(Shared {
            contacts: Contacts::new(options.session_timeout),
            consensus,
            metrics,
            http: HttpClient::new(http_options),
            peers: PeerWatch::new(PeerWatchOptions::default()),
            options,
            requests,
            suspicions: Mutex::default(),
        });
        let task = Arc::clone(&shared);
        tasks.spawn(TaskKind::Coordinator, "controller", |stop| async move {
            task.run(&mut waiting, stop).await;
        });
        Self { shared }
    }

    /// A broker was heard of, in `term`, under its current epoch. It has `metadata_version`, if it says so; `newest` is the newest.
    pub(crate) fn contact(
        &self,
        term: Term,
        (broker, epoch): (BrokerId, BrokerEpoch),
        metadata_version: Option<MetadataVersion>,
        newest: MetadataVersion,
    ) {
        self.shared.contacts.begin(term, &self.shared.consensus);
        self.shared.contacts.heard_of(broker, epoch, metadata_version, newest);
        self.shared.metrics.controller.heartbeats.inc();
    }

    /// The last heartbeat of `broker`; `None` on a node that does not lead.
    pub(crate) fn last_heartbeat(&self, broker: BrokerId) -> Option<Heartbeat> {
        let leads = self.shared.consensus.leader().is_self;
        self.shared.contacts.last_heartbeat(broker).filter(|_| leads)
    }

    /// An OFFLINE broker heartbeats again: it is unfenced soon.
    pub(crate) fn came_back(&self, broker: BrokerId, epoch: BrokerEpoch) {
        // Full: the next heartbeat says so again.
        let _ = self.shared.requests.try_send(Request::CameBack(broker, epoch));
    }

    /// Somebody reports that `broker` may be dead: it is asked directly. Returns whether that is done now; a suspect
    /// that was checked a moment ago, or is OFFLINE already, is not.
    pub(crate) fn suspect(&self, broker: &Broker) -> bool {
        if broker.status == BrokerStatus::Offline {
            return false;
        }
        let now = Instant::now();
        let mut suspicions = self.shared.suspicions.lock().unwrap_or_else(PoisonError::into_inner);
        suspicions.retain(|_, checked| now.duration_since(*checked) < SUSPICION_PAUSE);
        if suspicions.contains_key(&broker.broker_id) {
            return false;
        }
        let request = Request::Check(broker.broker_id, broker.broker_epoch);
        let accepted = self.shared.requests.try_send(request).is_ok();
        if accepted {
            suspicions.insert(broker.broker_id, now);
        }
        accepted
    }

    /// Whether the process behind a registration is gone, so that another may take its id (F5, F7): its session ran
    /// out, or its address refuses, or another process answers there. No answer at all proves nothing; then the
    /// newcomer has to wait for the end of the session.
    pub(crate) async fn is_gone(&self, term: Term, former: &Broker) -> bool {
        self.shared.contacts.begin(term, &self.shared.consensus);
        let silence = self.shared.contacts.silence(former.broker_id);
        if former.status == BrokerStatus::Offline
            || silence.is_some_and(|silence| silence >= self.shared.options.session_timeout)
        {
            return true;
        }
        matches!(self.shared.ask(former).await, Finding::Gone(_))
    }
}

impl Shared {
    /// Asks the process behind a registration whether it is still there.
    pub(super) async fn ask(&self, broker: &Broker) -> Finding {
        let timeout = PROBE_TIMEOUT_MAX.min(self.options.session_timeout / 2);
        probe(&self.http, broker, timeout).await
    }

    /// Reigns while this node leads.
    async fn run(self: Arc<Self>, requests: &mut mpsc::Receiver<Request>, stop: Stop) {
        let mut hints = self.consensus.watch_leader();
        while !stop.is_requested() {
            let hint = hints.borrow_and_update().clone();
            // What was asked of an earlier reign is void.
            while requests.try_recv().is_ok() {}
            let ended = async {
                // Another term, or the end of this one, both change the hint.
                while hints.changed().await.is_ok() {
                    let now = hints.borrow_and_update();
                    if (now.is_self, now.term) != (hint.is_self, hint.term) {
                        return;
                    }
                }
                std::future::pending().await
            };
            if hint.is_self {
                let reign = Reign::begin(Arc::clone(&self), &hint);
                tokio::select! {
                    () = reign.run(requests) => {}
                    () = ended => {
                        // It may lead again in the same term, once its quorum is back. It was deaf until then.
                        self.contacts.end();
                        tracing::info!(event = "controller.deposed", term = %hint.term, "this node leads no more");
                    }
                    () = stop.requested() => {}
                }
            } else {
                let _ = stop.or(ended).await;
            }
        }
    }
}
