//! When to pull metadata, and from which version on.

use std::time::Duration;

use common::MetadataVersion;

use super::{
    random::Random,
    types::{JobId, PullFailure, Pulled, Time},
};

/// Pauses after failed pulls.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// How far the broker's metadata has come.
#[derive(Debug, Clone)]
pub(super) struct Catchup {
    /// The version the broker has; `None` before the first pull. Only grows.
    have: Option<MetadataVersion>,
    /// Partitions that this broker leads at version `have`.
    led_partitions: usize,
    /// The newest version known to exist. Only grows; at least `have`.
    known: MetadataVersion,
    /// The pull under way.
    job: Option<JobId>,
    /// No pull before this, after a failure.
    not_before: Time,
    /// Pulls in a row that brought nothing newer although something newer exists.
    failures: u32,
    /// Why the last pull failed, if none has succeeded since.
    trouble: Option<String>,
    /// When to pull although nothing is known to have changed.
    next_refresh: Time,
    /// The next pull asks for everything: deltas did not fit.
    full: bool,
}

impl Catchup {
    pub(super) fn new() -> Self {
        Self {
            have: None,
            led_partitions: 0,
            known: MetadataVersion(0),
            job: None,
            not_before: Time::ZERO,
            failures: 0,
            trouble: None,
            next_refresh: Time::ZERO,
            full: false,
        }
    }

    pub(super) fn have(&self) -> Option<MetadataVersion> {
        self.have
    }

    pub(super) fn known(&self) -> MetadataVersion {
        self.known
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Whether the broker knows the metadata at `version`, and leads nothing there.
    pub(super) fn leads_nothing_at(&self, version: MetadataVersion) -> bool {
        self.have >= Some(version) && self.led_partitions == 0
    }

    /// Notes that `version` exists. True if that is news.
    pub(super) fn learn(&mut self, version: MetadataVersion) -> bool {
        let news = version > self.known;
        self.known = self.known.max(version);
        news
    }

    /// When the next pull is due; `None` while one is under way.
    pub(super) fn due(&self) -> Option<Time> {
        if self.job.is_some() {
            return None;
        }
        let is_behind = self.full || self.have.is_none_or(|have| have < self.known);
        Some(if is_behind { self.not_before } else { self.next_refresh.max(self.not_before) })
    }

    /// A pull begins. Returns what it asks for.
    pub(super) fn begin(&mut self, job: JobId) -> Option<MetadataVersion> {
        self.job = Some(job);
        if self.full { None } else { self.have }
    }

    /// Another node is followed now: what the former one would answer is not waited for.
    pub(super) fn give_up(&mut self, now: Time) {
        self.job = None;
        self.not_before = now;
        self.failures = 0;
    }

    pub(super) fn is_under_way(&self, job: JobId) -> bool {
        self.job == Some(job)
    }

    /// The pull under way ended.
    pub(super) fn end(
        &mut self,
        now: Time,
        refresh: Duration,
        random: &mut Random,
        result: Result<Pulled, &PullFailure>,
    ) {
        self.job = None;
        self.trouble = match result {
            Ok(_) | Err(PullFailure::WrongCluster { .. }) => None,
            Err(PullFailure::Failed { detail } | PullFailure::Gap { detail }) => Some(detail.clone()),
        };
        let progress = match result {
            Ok(pulled) => {
                let progress = self.have.is_none_or(|have| pulled.version > have) || self.full;
                self.have = self.have.max(Some(pulled.version));
                self.led_partitions = pulled.led_partitions;
                self.known = self.known.max(pulled.version);
                self.next_refresh = now + random.upper_half(refresh);
                self.full = false;
                progress || self.have >= Some(self.known)
            }
            Err(PullFailure::Gap { .. }) => {
                // Once at once; if the full image does not help either, slowly.
                let progress = !self.full;
                self.full = true;
                progress
            }
            Err(_) => false,
        };
        if progress {
            self.failures = 0;
            self.not_before = now;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.not_before = now + random.back_off(PAUSE_MIN, PAUSE_MAX, self.failures);
        }
    }
}
