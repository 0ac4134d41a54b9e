//! Watching one broker's process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use client::PeerLost;
use common::Broker;
use tokio::time::sleep;

use super::{handle::Shared, probe::Finding};

/// A broker that says that it is leaving is asked so often whether it is gone.
const LEAVING_PAUSE: Duration = Duration::from_millis(20);

/// A broker that does not answer is asked again after so long; the session timeout judges it meanwhile.
const UNCLEAR_PAUSE: Duration = Duration::from_millis(500);

/// A silence of this part of a session makes a refusal by an address that never answered before believable.
const BELIEVABLE_PART: u32 = 3;

/// Whether the process of a registration was met at its address since this reign began. Only then does a refusal
/// there prove that the process is gone: an address that never answered may just be out of reach from here (another
/// network, a broker that listens late, somebody who registers a broker by hand), and its heartbeats count.
#[derive(Debug, Clone, Default)]
pub(super) struct Met(Arc<AtomicBool>);

impl Met {
    fn remember(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_true(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Resolves when the process that made the registration `broker` is proven to be gone; says what proves it.
pub(super) async fn gone(shared: &Shared, broker: &Broker, met: &Met) -> String {
    loop {
        let pause = match shared.ask(broker).await {
            Finding::Alive => {
                met.remember();
                match shared.peers.lost(&broker.url(), Some(broker.incarnation_id)).await {
                    lost if lost.process_is_gone() => return lost.to_string(),
                    PeerLost::Left { .. } => LEAVING_PAUSE,
                    _ => UNCLEAR_PAUSE,
                }
            }
            Finding::Gone(proof) if is_believable(shared, broker, met) => return proof,
            // It may be gone; a while of silence will tell.
            Finding::Gone(_) => LEAVING_PAUSE * 5,
            Finding::Unclear(_) => UNCLEAR_PAUSE,
        };
        sleep(pause).await;
    }
}

/// Asks once; `Some` says what proves that the process is gone.
pub(super) async fn check(shared: &Shared, broker: &Broker, met: &Met) -> Option<String> {
    match shared.ask(broker).await {
        Finding::Gone(proof) if is_believable(shared, broker, met) => Some(proof),
        Finding::Gone(_) | Finding::Alive | Finding::Unclear(_) => None,
    }
}

fn is_believable(shared: &Shared, broker: &Broker, met: &Met) -> bool {
    let long_enough = shared.options.session_timeout / BELIEVABLE_PART;
    met.is_true() || shared.contacts.silence(broker.broker_id).is_none_or(|silence| silence >= long_enough)
}
