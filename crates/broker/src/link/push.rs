//! Pushes of the controller. They only save time: what they say would be found out anyway, by the next heartbeat
//! or by discovery. So whatever is old or strange is acknowledged and ignored (KIP-570 is the warning).

use client::Controller;
use http_api::MetadataPush;

use super::{
    machine::Link,
    types::{Phase, Time},
};

impl Link {
    /// Takes a push in. True if it told anything new.
    pub fn push(&mut self, now: Time, push: &MetadataPush) -> bool {
        if push.controller_term < self.term || matches!(self.phase, Phase::Ended(_)) {
            return false;
        }
        let is_newer_version = self.catchup.learn(push.version);
        let sender = Controller {
            id: push.controller_id,
            url: push.controller_url.trim_end_matches('/').to_owned(),
            term: push.controller_term,
        };
        // Whoever is followed on hearsay has term 0 until it answers: the leader of a term knows better.
        let is_newer_controller = self.controller().is_none_or(|followed| followed.term < sender.term);
        if is_newer_controller {
            self.switch_to(now, sender);
        }
        is_newer_controller || is_newer_version
    }
}
