//! Whether the controllers hear this broker.

use std::{sync::Arc, time::Duration};

use runtime::Stop;

use crate::{follower::Follower, partition::Services};

/// Looks now and then whether the last heartbeat that was answered is longer ago than a session, and tells the leaders
/// here: one that is not heard may have been replaced.
pub(super) async fn watch(services: Arc<Services>, link: Follower, session_timeout: Duration, stop: Stop) {
    let mut interval = tokio::time::interval((session_timeout / 6).max(Duration::from_millis(10)));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.or(interval.tick()).await.is_some() {
        let last = link.status().last_success;
        services.set_in_session(last.is_some_and(|at| link.ago(at) <= session_timeout));
    }
}
