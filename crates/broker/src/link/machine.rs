//! The machine: its state, what it wants done next, and when.

use std::time::Duration;

use client::Controller;
use common::{BrokerEpoch, BrokerStatus, MetadataVersion, Term};
use http_api::HeartbeatRequest;

use super::{
    catchup::Catchup,
    random::Random,
    types::{Action, End, Job, JobId, LinkConfig, LinkStatus, Phase, Time},
};

/// Failures in a row after which the controller is looked for anew.
pub(super) const FAILURES_MAX: u32 = 3;

/// Pauses between rounds of discovery: 1, 2, 4, 8, 8, ... seconds, jittered.
pub(super) const DISCOVERY_PAUSE_MIN: Duration = Duration::from_secs(1);
pub(super) const DISCOVERY_PAUSE_MAX: Duration = Duration::from_secs(8);

/// While leaving, heartbeats come faster than that, so that nobody waits for an interval to pass.
pub(super) const LEAVING_HEARTBEAT_INTERVAL: Duration = Duration::from_millis(50);

/// See the [module](super).
#[derive(Debug, Clone)]
pub struct Link {
    pub(super) config: LinkConfig,
    pub(super) random: Random,
    pub(super) phase: Phase,
    /// The highest term seen in any answer or push. Only grows.
    pub(super) term: Term,
    /// The registration that holds, as far as is known. Kept when the controller changes.
    pub(super) registration: Option<Registration>,
    pub(super) catchup: Catchup,
    /// The discovery, registration or heartbeat under way.
    pub(super) control_job: Option<JobId>,
    jobs: u64,
    pub(super) leaving: Option<Leaving>,
    /// The controller said that a newer registration of this broker's id exists.
    pub(super) was_replaced: bool,
    /// Since when another process has been holding this broker's id.
    pub(super) duplicate_since: Option<Time>,
    pub(super) last_success: Option<Time>,
    /// When what is under way with the controller was sent, and when the last of it was that the controller took.
    pub(super) sent: Time,
    pub(super) heard: Option<Time>,
    pub(super) consecutive_failures: u32,
    pub(super) rediscoveries: u64,
    pub(super) trouble: Option<String>,
}

/// What the controllers hold of this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registration {
    pub(super) epoch: BrokerEpoch,
    pub(super) status: BrokerStatus,
}

/// A shutdown under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    /// After this the broker goes, whatever it still leads.
    pub(super) deadline: Time,
    /// The version at which the controller said that the broker is DRAINING.
    pub(super) draining_at: Option<MetadataVersion>,
}

impl Link {
    /// A link that begins to look for the controller at once. `seed` spreads its pauses.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            phase: Phase::Discovering { failed_rounds: 0, not_before: Time::ZERO },
            term: Term(0),
            registration: None,
            catchup: Catchup::new(),
            control_job: None,
            jobs: 0,
            leaving: None,
            was_replaced: false,
            duplicate_since: None,
            last_success: None,
            sent: Time::ZERO,
            heard: None,
            consecutive_failures: 0,
            rediscoveries: 0,
            trouble: None,
        }
    }

    /// The next thing to be done at `now`, if any. Call until it returns `None`.
    pub fn poll(&mut self, now: Time) -> Option<Job> {
        if self.leaving.is_some_and(|leaving| now >= leaving.deadline) {
            self.end(End::Left { handed_over: false });
        }
        self.poll_control(now).or_else(|| self.poll_pull(now))
    }

    /// When to call [`Link::poll`] again at the latest; `None`: only after an answer, a push or a shutdown.
    pub fn deadline(&self) -> Option<Time> {
        let control = match (&self.phase, self.control_job) {
            (Phase::Ended(_), _) => return None,
            (_, Some(_)) => None,
            (Phase::Discovering { not_before, .. } | Phase::Registering { not_before, .. }, None) => {
                Some(*not_before)
            }
            (Phase::Following { next_heartbeat, .. }, None) => Some(*next_heartbeat),
        };
        let pull = match self.phase {
            Phase::Following { .. } => self.catchup.due(),
            _ => None,
        };
        let leaving = self.leaving.map(|leaving| leaving.deadline);
        [control, pull, leaving].into_iter().flatten().min()
    }

    /// Whether and how the link ended.
    pub fn ended(&self) -> Option<&End> {
        match &self.phase {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Where the machine stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether an answer to this job would still be heard.
    pub fn is_under_way(&self, job: JobId) -> bool {
        self.control_job == Some(job) || self.catchup.is_under_way(job)
    }

    /// The process was asked to end: hand leaderships over, then leave. Without a controller, leave at once.
    pub fn leave(&mut self, now: Time) {
        if self.leaving.is_some() {
            return;
        }
        match &mut self.phase {
            Phase::Following { next_heartbeat, .. } => {
                *next_heartbeat = now;
                let deadline = now + self.config.shutdown_timeout;
                self.leaving = Some(Leaving { deadline, draining_at: None });
            }
            Phase::Discovering { .. } | Phase::Registering { .. } => {
                self.end(End::Left { handed_over: false });
            }
            Phase::Ended(_) => {}
        }
    }

    /// What others may know.
    pub fn status(&self) -> LinkStatus {
        LinkStatus {
            controller: self.controller().cloned(),
            term: self.term,
            broker_epoch: self.registration.map(|registration| registration.epoch),
            broker_status: self.registration.map(|registration| registration.status),
            following: matches!(self.phase, Phase::Following { .. }),
            known_version: self.catchup.known(),
            metadata_version: self.catchup.have(),
            pull_trouble: self.catchup.trouble().map(str::to_owned),
            last_success: self.last_success,
            heard: self.heard,
            consecutive_failures: self.consecutive_failures,
            rediscoveries: self.rediscoveries,
            trouble: self.trouble.clone(),
            leaving: self.leaving.is_some(),
        }
    }

    pub(super) fn controller(&self) -> Option<&Controller> {
        match &self.phase {
            Phase::Registering { controller, .. } | Phase::Following { controller, .. } => Some(controller),
            Phase::Discovering { .. } | Phase::Ended(_) => None,
        }
    }

    pub(super) fn end(&mut self, end: End) {
        tracing::info!(event = "link.ended", "{end}");
        self.control_job = None;
        self.phase = Phase::Ended(end);
    }

    /// Follows `controller` from now on: with the registration that holds, else by registering.
    pub(super) fn switch_to(&mut self, now: Time, controller: Controller) {
        tracing::info!(
            event = "link.controller",
            controller_id = %controller.id, url = %controller.url, term = %self.term.max(controller.term),
            registered = self.registration.is_some(), "following another controller",
        );
        self.term = self.term.max(controller.term);
        self.control_job = None;
        self.catchup.give_up(now);
        self.phase = if self.registration.is_some() {
            Phase::Following { controller, failures: 0, next_heartbeat: now }
        } else {
            Phase::Registering { controller, failures: 0, not_before: now }
        };
    }

    /// Looks for the controller anew; who is leaving does not wait for that.
    pub(super) fn rediscover(&mut self, now: Time) {
        if self.leaving.is_some() {
            return self.end(End::Left { handed_over: false });
        }
        tracing::info!(
            event = "link.rediscover",
            trouble = self.trouble.as_deref(),
            "looking for the controller anew"
        );
        self.rediscoveries += 1;
        self.control_job = None;
        self.phase = Phase::Discovering { failed_rounds: 0, not_before: now };
    }

    fn begin(&mut self) -> JobId {
        self.jobs += 1;
        JobId(self.jobs)
    }

    fn poll_control(&mut self, now: Time) -> Option<Job> {
        if self.control_job.is_some() {
            return None;
        }
        let want_shutdown = self.leaving.is_some();
        let interval =
            if want_shutdown { LEAVING_HEARTBEAT_INTERVAL } else { self.config.heartbeat_interval };
        let action = match &mut self.phase {
            Phase::Discovering { not_before, .. } if now >= *not_before => Action::Discover,
            Phase::Registering { controller, not_before, .. } if now >= *not_before => {
                Action::Register { url: controller.url.clone() }
            }
            Phase::Following { controller, next_heartbeat, .. } if now >= *next_heartbeat => {
                // From the schedule, so that delays do not add up; but no burst after a long pause.
                let scheduled = *next_heartbeat + interval;
                *next_heartbeat = if scheduled > now { scheduled } else { now + interval };
                // A link follows only with a registration: `switch_to` and `registered` see to that.
                let broker_epoch = self.registration?.epoch;
                let request = HeartbeatRequest {
                    broker_epoch,
                    metadata_version: self.catchup.have(),
                    want_shutdown,
                    partitions: None,
                };
                Action::Heartbeat { url: controller.url.clone(), request }
            }
            _ => return None,
        };
        let id = self.begin();
        self.control_job = Some(id);
        self.sent = now;
        Some(Job { id, action })
    }

    fn poll_pull(&mut self, now: Time) -> Option<Job> {
        let Phase::Following { controller, .. } = &self.phase else { return None };
        if self.catchup.due().is_none_or(|due| now < due) {
            return None;
        }
        let url = controller.url.clone();
        let id = self.begin();
        let since = self.catchup.begin(id);
        Some(Job { id, action: Action::Pull { url, since } })
    }
}
