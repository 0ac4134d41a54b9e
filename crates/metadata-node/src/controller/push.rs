//! Pushes to brokers. They only save time: a broker that misses one learns the same from its next heartbeat.

use std::{collections::BTreeMap, time::Duration};

use client::HttpRequest;
use common::{Broker, BrokerId, BrokerStatus, MetadataVersion, Term};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http_api::{MetadataPush, UpdateType, paths};
use runtime::clock;
use tokio::time::Instant;

use super::handle::Shared;
use crate::raft::LeaderAddress;

/// How long one may take.
const PUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// So many are under way at a time.
const PUSHES_MAX: usize = 64;

/// Changes within this time after a push are told together.
const PUSH_PAUSE: Duration = Duration::from_millis(50);

/// The pushes of one reign: to each broker CONTROLLER_CHANGED first, then METADATA_CHANGED when there is something new,
/// one at a time.
pub(super) struct Pushes {
    me: LeaderAddress,
    term: Term,
    told: BTreeMap<BrokerId, Told>,
    under_way: FuturesUnordered<BoxFuture<'static, (BrokerId, bool)>>,
    /// Not before this.
    next: Instant,
}

#[derive(Default)]
struct Told {
    /// The newest version it was told, whether it arrived or not; `None`: not even who leads.
    version: Option<MetadataVersion>,
    under_way: bool,
}

impl Pushes {
    pub(super) fn new(me: LeaderAddress, term: Term) -> Self {
        Self { me, term, told: BTreeMap::new(), under_way: FuturesUnordered::new(), next: Instant::now() }
    }

    /// Starts what is due and returns when to ask again, if that is known now.
    pub(super) fn step(&mut self, shared: &Shared) -> Option<Instant> {
        let (version, due) = shared.consensus.read(|state| {
            let due = state.brokers().filter(|broker| self.is_due(broker, state.version()));
            (state.version(), due.cloned().collect::<Vec<_>>())
        });
        if due.is_empty() {
            return None;
        }
        let now = Instant::now();
        if now < self.next {
            return Some(self.next);
        }
        self.next = now + PUSH_PAUSE;
        let room = PUSHES_MAX.saturating_sub(self.under_way.len());
        for broker in due.into_iter().take(room) {
            self.begin(shared, &broker, version);
        }
        None
    }

    /// Waits until one has ended, however it ended. Never returns while none is under way.
    pub(super) async fn ended(&mut self) -> bool {
        match self.under_way.next().await {
            Some((broker, arrived)) => {
                if let Some(told) = self.told.get_mut(&broker) {
                    told.under_way = false;
                }
                arrived
            }
            None => std::future::pending().await,
        }
    }

    /// OFFLINE brokers are told who leads, in case they live; the rest they learn when they are back.
    fn is_due(&self, broker: &Broker, version: MetadataVersion) -> bool {
        match self.told.get(&broker.broker_id) {
            None => true,
            Some(told) => {
                let is_live = broker.status != BrokerStatus::Offline;
                !told.under_way && is_live && told.version < Some(version)
            }
        }
    }

    fn begin(&mut self, shared: &Shared, broker: &Broker, version: MetadataVersion) {
        let told = self.told.entry(broker.broker_id).or_default();
        let update_type = match told.version {
            None => UpdateType::ControllerChanged,
            Some(_) => UpdateType::MetadataChanged,
        };
        *told = Told { version: Some(version), under_way: true };
        let push = MetadataPush {
            update_type,
            version,
            controller_id: self.me.id,
            controller_url: self.me.url.to_string(),
            controller_term: self.term,
            timestamp: clock::unix_ms(),
        };
        let url = format!("{}{}", broker.url(), paths::STORAGE_METADATA);
        let request = HttpRequest::post_json(url, &push).timeout(PUSH_TIMEOUT);
        let (http, id) = (shared.http.clone(), broker.broker_id);
        self.under_way.push(Box::pin(async move {
            let arrived = match http.send(request).await {
                Ok(reply) => reply.status.is_success(),
                Err(error) => {
                    tracing::debug!(event = "push.failed", broker = %id, %error, "push did not arrive");
                    false
                }
            };
            (id, arrived)
        }));
    }
}
