//! The task that owns the groups of one partition of `__consumer_offsets`, for as long as this broker leads it in one epoch:
//! it loads, serves, and loads anew if what it decided cannot be made durable.

use std::{sync::Arc, time::Duration};

use common::LeaderEpoch;
use coordinator::{LeaseBudget, Reply, Request, Topics};
use runtime::{Stop, clock::Monotonic};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{Unavailable, load::load, serve::Serving, stage::Stage};
use crate::partition::Partition;

/// Requests that wait for an owner. Whoever has more to ask waits with it.
pub(super) const QUEUE_LENGTH: usize = 1024;

/// From a failure to the next attempt to load; doubles each time, up to the second value.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];

/// A request and the way back.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) request: Request,
    pub(super) answer: Answer,
}

/// Where a reply goes. Dropped without one: the owner has lost what it knew, which is [`Unavailable::InDoubt`].
pub(super) type Answer = oneshot::Sender<Result<Reply, Unavailable>>;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) partition: Arc<Partition>,
    pub(super) epoch: LeaderEpoch,
    pub(super) settings: watch::Receiver<coordinator::Settings>,
    pub(super) topics: watch::Receiver<Arc<Topics>>,
    pub(super) queue: mpsc::Receiver<Command>,
    pub(super) stage: Stage,
    pub(super) clock: Monotonic,
    /// What the leases of all owners here may take.
    pub(super) lease_budget: LeaseBudget,
}

impl Owner {
    /// Until it is told to stop, or dropped because the leadership is lost.
    pub(super) async fn run(mut self, stop: Stop) {
        let _ = stop.or(self.own()).await;
    }

    async fn own(&mut self) {
        let [mut pause, pause_max] = PAUSES;
        loop {
            let since = Instant::now();
            let partition = self.partition.name().clone();
            let settings = self.settings.borrow_and_update().clone();
            match load(&self.partition, self.epoch, settings).await {
                Ok((coordinator, records)) => {
                    let ms = runtime::clock::as_ms(since.elapsed());
                    let epoch = self.epoch;
                    tracing::info!(event = "coordinator.loaded", %partition, %epoch, records, ms, "coordinates its groups");
                    let coordinator = coordinator.with_lease_budget(self.lease_budget.clone());
                    let served = Instant::now();
                    let why = Serving::new(self, coordinator).run().await;
                    tracing::warn!(event = "coordinator.lost", %partition, "what was not committed is forgotten: {why}");
                    if served.elapsed() > pause_max {
                        [pause, _] = PAUSES;
                    }
                }
                Err(error) => {
                    tracing::error!(
                        event = "coordinator.not_loaded", %partition,
                        "its groups are not served, and it is tried again: {error}",
                    );
                    self.stage.fail(error.to_string());
                }
            }
            self.forget();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(pause_max);
        }
    }

    /// Nobody is answered before it is loaded again.
    fn forget(&mut self) {
        self.stage.load();
        while self.queue.try_recv().is_ok() {}
    }
}
