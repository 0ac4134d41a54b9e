//! Carries out what the [`Link`](crate::link::Link) decides: requests, timers, and taking metadata in.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use client::{ControllerDiscovery, HttpClient, api};
use common::{BrokerId, MetadataVersion};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use http_api::{
    ClusterMetadata, MetadataPush, RegisterBrokerRequest,
    suspicions::{Reporter, SuspicionRequest},
};
use runtime::{TaskKind, Tasks};
use tokio::{sync::Notify, time::Instant};

use crate::{
    image::{Changes, ImageError, SharedImage},
    link::{Action, Answer, End, Job, JobId, Link, LinkConfig, LinkStatus, PullFailure, Pulled, Time},
    metrics::{LinkMetrics, PullKind},
    partition::Partitions,
    replicas::Replicas,
};

/// How long a pull may take: a full image of a large cluster needs its time.
const PULL_TIMEOUT: Duration = Duration::from_secs(30);

/// The link of a running broker, for those who push to it, look at it or end it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Follower {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    link: Mutex<Link>,
    /// Rung when the link may have something to do that its task does not know of.
    wake: Notify,
    origin: Instant,
    metrics: LinkMetrics,
}

impl Follower {
    /// A link that nobody runs yet. `seed` spreads its pauses.
    pub fn new(config: LinkConfig, seed: u64, metrics: LinkMetrics) -> Self {
        let link = Mutex::new(Link::new(config, seed));
        Self { shared: Arc::new(Shared { link, wake: Notify::new(), origin: Instant::now(), metrics }) }
    }

    /// Takes a push of the controller in. True if it told anything new.
    pub fn push(&self, push: &MetadataPush) -> bool {
        let applied = self.link().push(self.now(), push);
        self.shared.metrics.push(applied);
        if applied {
            self.shared.wake.notify_one();
        }
        applied
    }

    /// What the link knows.
    pub fn status(&self) -> LinkStatus {
        self.link().status()
    }

    /// How long ago something was that [`LinkStatus`] gives the time of.
    pub fn ago(&self, time: Time) -> Duration {
        self.now().saturating_sub(time)
    }

    /// The moment that is so far behind the start of this link.
    pub fn moment(&self, time: Time) -> Instant {
        self.shared.origin + time
    }

    /// Begins to leave the cluster; the link's task ends when that is done.
    pub fn leave(&self) {
        self.link().leave(self.now());
        self.shared.wake.notify_one();
    }

    fn now(&self) -> Time {
        self.shared.origin.elapsed()
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.shared.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task of a link needs.
#[derive(Debug, Clone)]
pub struct FollowerTask {
    /// The link to run.
    pub follower: Follower,
    /// Connections.
    pub http: HttpClient,
    /// How the controller is found.
    pub discovery: ControllerDiscovery,
    /// The same settings that the link has.
    pub config: LinkConfig,
    /// What the broker says of itself.
    pub registration: RegisterBrokerRequest,
    /// Where metadata goes.
    pub image: SharedImage,
    /// Who is told what changed: those who keep the directories ...
    pub replicas: Replicas,
    /// ... and those who work with what is in them.
    pub partitions: Partitions,
    /// What is counted.
    pub metrics: LinkMetrics,
}

type Running = Pin<Box<dyn Future<Output = (JobId, Answer)> + Send>>;

impl FollowerTask {
    /// Follows the controller until the link ends, and says why it did.
    pub async fn run(self) -> End {
        let mut running: FuturesUnordered<Running> = FuturesUnordered::new();
        loop {
            let deadline = {
                let mut link = self.follower.link();
                let now = self.follower.now();
                while let Some(job) = link.poll(now) {
                    running.push(self.clone().carry_out(job).boxed());
                }
                if let Some(end) = link.ended() {
                    return end.clone();
                }
                link.deadline()
            };
            tokio::select! {
                Some((id, answer)) = running.next(), if !running.is_empty() => {
                    self.follower.link().answer(self.follower.now(), id, answer);
                }
                () = self.follower.shared.wake.notified() => {}
                () = sleep_until(self.follower.shared.origin, deadline) => {}
            }
        }
    }

    async fn carry_out(self, job: Job) -> (JobId, Answer) {
        let answer = match job.action {
            Action::Discover => {
                let result = self.discovery.find().await;
                self.metrics.discovery(result.is_ok());
                Answer::Discovered(result)
            }
            Action::Register { url } => {
                let timeout = self.config.session_timeout / 2;
                let call = api::register_broker(&self.registration);
                Answer::Registered(call.send_within(&self.http, &url, timeout).await)
            }
            Action::Heartbeat { url, request } => {
                let begun = Instant::now();
                let call = api::heartbeat(self.config.broker_id, &request);
                let result = call.send_within(&self.http, &url, self.config.request_timeout).await;
                self.metrics.heartbeat(result.is_ok(), begun.elapsed());
                Answer::Heartbeat(result)
            }
            Action::Pull { url, since } => {
                let begun = Instant::now();
                let result = self.pull(&url, since).await;
                let kind = result.as_ref().map_or(PullKind::Failed, |(kind, _)| *kind);
                self.metrics.pull(kind, begun.elapsed());
                Answer::Pulled(result.map(|(_, pulled)| pulled))
            }
        };
        (job.id, answer)
    }

    /// Gets newer metadata and takes it in.
    async fn pull(
        &self,
        url: &str,
        since: Option<MetadataVersion>,
    ) -> Result<(PullKind, Pulled), PullFailure> {
        let answer = match since {
            Some(since) => api::cluster_since(since).send_within(&self.http, url, PULL_TIMEOUT).await,
            None => {
                let image = api::cluster().send_within(&self.http, url, PULL_TIMEOUT).await;
                image.map(|image| ClusterMetadata::Full(Box::new(image)))
            }
        };
        let metadata = answer.map_err(|error| PullFailure::Failed { detail: error.to_string() })?;
        let kind = match &metadata {
            ClusterMetadata::Full(_) => PullKind::Full,
            ClusterMetadata::Deltas(_) => PullKind::Delta,
        };
        let changes = self.take_in(metadata).await?;
        let version = self.image.version();
        self.partitions.changed(changes.clone(), version);
        self.replicas.changed(changes);
        let led_partitions = self.image.read(|state| state.leader_partitions(self.config.broker_id));
        tracing::debug!(event = "metadata.pulled", ?kind, %version, "took metadata in");
        Ok((kind, Pulled { version, led_partitions }))
    }

    /// A full image of many partitions takes a while to build; heartbeats are not to wait for that.
    async fn take_in(&self, metadata: ClusterMetadata) -> Result<Changes, PullFailure> {
        if matches!(&metadata, ClusterMetadata::Deltas(set) if set.deltas.len() <= SMALL_DELTAS) {
            return self.image.take_in(metadata).map_err(pull_failure);
        }
        let image = Arc::clone(&self.image);
        match tokio::task::spawn_blocking(move || image.take_in(metadata)).await {
            Ok(result) => result.map_err(pull_failure),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(PullFailure::Failed { detail: "the process is ending".into() }),
        }
    }
}

/// Deltas that are no more than this are taken in on the spot.
const SMALL_DELTAS: usize = 256;

fn pull_failure(error: ImageError) -> PullFailure {
    let detail = error.to_string();
    match error {
        ImageError::WrongCluster { .. } => PullFailure::WrongCluster { detail },
        ImageError::Gap { .. } => PullFailure::Gap { detail },
        ImageError::Older { .. } => PullFailure::Failed { detail },
    }
}

async fn sleep_until(origin: Instant, time: Option<Time>) {
    match time {
        Some(time) => tokio::time::sleep_until(origin + time).await,
        None => std::future::pending().await,
    }
}

/// Tells the controller about peers that look dead, so that it looks for itself at once instead of waiting for
/// their session to end. Whoever talks to other brokers calls this when a connection breaks.
#[derive(Debug, Clone)]
pub struct SuspicionReporter {
    /// Who reports.
    pub broker_id: BrokerId,
    /// Knows the controller.
    pub follower: Follower,
    /// Connections.
    pub http: HttpClient,
    /// Where the report is sent from.
    pub tasks: Tasks,
}

impl SuspicionReporter {
    /// Reports, in the background and once: if it does not arrive, the session timeout finds out all the same.
    pub fn report(&self, suspect: BrokerId, reason: impl Into<String>) {
        let Some(controller) = self.follower.status().controller else { return };
        let request =
            SuspicionRequest { suspect, reporter: Reporter::Broker(self.broker_id), reason: reason.into() };
        let http = self.http.clone();
        self.tasks.spawn(TaskKind::Background, "suspicion.report", move |_stop| async move {
            let result = api::suspect(&request).send(&http, &controller.url).await;
            result.map(|_| ())
        });
    }
}
