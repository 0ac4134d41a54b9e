//! What the answers mean.

use std::time::Duration;

use client::{CallError, Controller, DiscoveryError, LeaderHint};
use common::{BrokerStatus, Term};
use http_api::{ErrorCode, HeartbeatResponse, RegisterBrokerResponse};

use super::{
    machine::{DISCOVERY_PAUSE_MAX, DISCOVERY_PAUSE_MIN, FAILURES_MAX, Link, Registration},
    types::{Answer, End, JobId, Phase, PullFailure, Pulled, Time},
};

/// Pauses after failed registrations.
const REGISTRATION_PAUSE_MIN: Duration = Duration::from_millis(100);
const REGISTRATION_PAUSE_MAX: Duration = Duration::from_secs(1);

impl Link {
    /// Takes in what came of a job. The answer to one that was given up changes nothing.
    pub fn answer(&mut self, now: Time, id: JobId, answer: Answer) {
        if let Answer::Pulled(result) = answer {
            if self.catchup.is_under_way(id) {
                self.pulled(now, result);
            }
            return;
        }
        if self.control_job != Some(id) {
            return;
        }
        self.control_job = None;
        match answer {
            Answer::Discovered(result) => self.discovered(now, result),
            Answer::Registered(result) => self.registered(now, result),
            Answer::Heartbeat(result) => self.heartbeat(now, result),
            Answer::Pulled(_) => {}
        }
    }

    fn discovered(&mut self, now: Time, result: Result<Controller, DiscoveryError>) {
        let detail = match result {
            Ok(found) if found.term >= self.term => return self.switch_to(now, found),
            Ok(found) => format!(
                "{} is named as the controller of term {}, but term {} was seen",
                found.url, found.term, self.term
            ),
            Err(error) => error.to_string(),
        };
        if let Phase::Discovering { failed_rounds, not_before } = &mut self.phase {
            *failed_rounds = failed_rounds.saturating_add(1);
            let pause = self.random.back_off(DISCOVERY_PAUSE_MIN, DISCOVERY_PAUSE_MAX, *failed_rounds);
            *not_before = now + pause;
        }
        self.note_trouble(detail);
    }

    fn registered(&mut self, now: Time, result: Result<RegisterBrokerResponse, CallError>) {
        let Phase::Registering { controller, .. } = &self.phase else { return };
        match result {
            Ok(response) if response.controller_info.controller_term >= self.term => {
                let mut controller = controller.clone();
                controller.term = response.controller_info.controller_term;
                controller.id = response.controller_info.controller_id;
                self.registration =
                    Some(Registration { epoch: response.broker_epoch, status: BrokerStatus::Online });
                self.duplicate_since = None;
                self.was_replaced = false;
                self.catchup.learn(response.metadata_version);
                self.catchup.give_up(now);
                tracing::info!(
                    event = "link.registered",
                    broker_epoch = %response.broker_epoch, metadata_version = %response.metadata_version,
                    "registered with the controller",
                );
                self.succeeded(now, controller.term);
                let first = self.random.upper_half(self.config.heartbeat_interval);
                self.phase = Phase::Following { controller, failures: 0, next_heartbeat: now + first };
            }
            Ok(response) => self.failed(now, self.deposed(response.controller_info.controller_term)),
            Err(CallError::NotController { leader: Some(leader), url }) if leader.url != url => {
                self.follow_hint(now, leader);
            }
            Err(error) => match error.code() {
                Some(ErrorCode::DuplicateBrokerId) => self.duplicate(now, error.to_string()),
                Some(ErrorCode::WrongCluster) => self.end(End::WrongCluster { detail: error.to_string() }),
                Some(code) if is_final(code) => self.end(End::Refused { detail: error.to_string() }),
                _ => self.failed(now, error.to_string()),
            },
        }
    }

    /// Another process holds this broker's id. At the start that may be this broker's own former process, of
    /// which the controller does not know yet that it is gone; so it is waited for, but not for ever. Whoever
    /// had a registration and finds it replaced has lost, and never tries to take it back.
    fn duplicate(&mut self, now: Time, detail: String) {
        if self.was_replaced {
            return self.end(End::Fenced { detail });
        }
        let since = *self.duplicate_since.get_or_insert(now);
        if now - since > self.config.session_timeout * 2 {
            return self.end(End::DuplicateId { detail });
        }
        if let Phase::Registering { not_before, .. } = &mut self.phase {
            *not_before = now + self.random.upper_half(REGISTRATION_PAUSE_MIN * 2);
        }
        self.note_trouble(detail);
    }

    fn heartbeat(&mut self, now: Time, result: Result<HeartbeatResponse, CallError>) {
        match result {
            Ok(response) if response.controller_term >= self.term => {
                if let Phase::Following { controller, failures, .. } = &mut self.phase {
                    *failures = 0;
                    controller.id = response.controller_id;
                    controller.term = response.controller_term;
                }
                self.catchup.learn(response.metadata_version);
                if let Some(registration) = &mut self.registration {
                    registration.status = response.broker_status;
                }
                self.succeeded(now, response.controller_term);
                if let Some(leaving) = &mut self.leaving
                    && response.broker_status == BrokerStatus::Draining
                {
                    leaving.draining_at = leaving.draining_at.max(Some(response.metadata_version));
                }
                self.leave_if_handed_over();
            }
            Ok(response) => self.failed(now, self.deposed(response.controller_term)),
            Err(CallError::NotController { leader: Some(leader), url }) if leader.url != url => {
                self.follow_hint(now, leader);
            }
            Err(error) => match error.code() {
                Some(code @ (ErrorCode::UnknownBroker | ErrorCode::StaleBrokerEpoch)) => {
                    self.register_again(now, code, error.to_string());
                }
                Some(ErrorCode::WrongCluster) => self.end(End::WrongCluster { detail: error.to_string() }),
                _ => self.failed(now, error.to_string()),
            },
        }
    }

    /// The registration does not hold any more.
    fn register_again(&mut self, now: Time, code: ErrorCode, detail: String) {
        if self.leaving.is_some() {
            return self.end(End::Left { handed_over: false });
        }
        tracing::warn!(event = "link.registration_lost", %code, "registering again: {detail}");
        self.note_trouble(detail);
        self.was_replaced = code == ErrorCode::StaleBrokerEpoch;
        self.registration = None;
        if let Phase::Following { controller, .. } = &self.phase {
            self.phase = Phase::Registering { controller: controller.clone(), failures: 0, not_before: now };
        }
    }

    fn pulled(&mut self, now: Time, result: Result<Pulled, PullFailure>) {
        if let Err(PullFailure::WrongCluster { detail }) = result {
            return self.end(End::WrongCluster { detail });
        }
        if let Err(PullFailure::Failed { detail } | PullFailure::Gap { detail }) = &result {
            tracing::warn!(event = "link.pull_failed", "metadata could not be pulled: {detail}");
        }
        let refresh = self.config.metadata_refresh;
        self.catchup.end(now, refresh, &mut self.random, result.as_ref().copied());
        self.leave_if_handed_over();
    }

    /// A node that is not the leader named one: that one is asked at once. It counts as a failure all the same,
    /// so that nodes which name each other are not followed around for ever.
    fn follow_hint(&mut self, now: Time, leader: LeaderHint) {
        self.failed(now, format!("the controller is now {}", leader.url));
        match &mut self.phase {
            Phase::Registering { controller, not_before: at, .. }
            | Phase::Following { controller, next_heartbeat: at, .. } => {
                // Its term is not known before it answers: any push of that term's leader may correct the hint.
                let id = leader.id.unwrap_or(controller.id);
                *controller = Controller { id, url: leader.url, term: Term(0) };
                *at = now;
                self.catchup.give_up(now);
            }
            Phase::Discovering { .. } | Phase::Ended(_) => {}
        }
    }

    fn succeeded(&mut self, now: Time, term: Term) {
        self.term = self.term.max(term);
        self.last_success = Some(now);
        self.heard = Some(self.sent);
        self.consecutive_failures = 0;
        self.trouble = None;
    }

    /// A registration or heartbeat failed: three in a row, and the controller is looked for anew.
    fn failed(&mut self, now: Time, detail: String) {
        self.note_trouble(detail);
        let in_a_row = match &mut self.phase {
            Phase::Registering { failures, not_before, .. } => {
                *failures += 1;
                *not_before =
                    now + self.random.back_off(REGISTRATION_PAUSE_MIN, REGISTRATION_PAUSE_MAX, *failures);
                *failures
            }
            Phase::Following { failures, .. } => {
                *failures += 1;
                *failures
            }
            Phase::Discovering { .. } | Phase::Ended(_) => return,
        };
        if in_a_row >= FAILURES_MAX {
            self.rediscover(now);
        }
    }

    fn note_trouble(&mut self, detail: String) {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        // One line per kind of trouble, not one per attempt.
        if self.trouble.as_ref() != Some(&detail) {
            tracing::warn!(event = "link.trouble", failures = self.consecutive_failures, "{detail}");
        }
        self.trouble = Some(detail);
    }

    fn deposed(&self, term: Term) -> String {
        format!("a controller of term {term} answered, but term {} was seen", self.term)
    }

    /// Done once the controller says DRAINING, and the metadata of that moment shows that nothing is led.
    fn leave_if_handed_over(&mut self) {
        if let Some(draining_at) = self.leaving.and_then(|leaving| leaving.draining_at)
            && self.catchup.leads_nothing_at(draining_at)
        {
            self.end(End::Left { handed_over: true });
        }
    }
}

/// Whether a registration that was refused so will always be refused.
fn is_final(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::InvalidRegistration | ErrorCode::InvalidRequest | ErrorCode::LimitExceeded)
}
