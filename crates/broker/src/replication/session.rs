//! Whether the controllers hear this broker.

use std::{sync::Arc, time::Duration};

use common::MetadataVersion;
use runtime::Stop;

use crate::{follower::Follower, link::LinkStatus, partition::Services};

/// From one look to the next while there is no session: clients wait for it.
const PAUSE_WITHOUT: Duration = Duration::from_millis(25);

/// Tells the partitions here how long the session lasts that the controllers grant this broker. One that is not heard may
/// have been replaced, so a session that ended begins again only with the metadata of that time.
pub(super) async fn watch(services: Arc<Services>, link: Follower, session_timeout: Duration, stop: Stop) {
    let mut session = Session::default();
    loop {
        let status = link.status();
        let left = status.heard.and_then(|at| session_timeout.checked_sub(link.ago(at)));
        let left = session.look(&status, left);
        services.set_session(left);
        let pause = if left.is_some() { session_timeout / 6 } else { PAUSE_WITHOUT.min(session_timeout / 6) };
        if stop.or(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
struct Session {
    lasts: bool,
    /// The session ended. It begins again with these metadata; `None`: it is not known yet with which.
    resumes_at: Option<MetadataVersion>,
}

impl Session {
    /// How long the session lasts, by what is `left` since the last contact; `None`: there is none.
    fn look(&mut self, link: &LinkStatus, left: Option<Duration>) -> Option<Duration> {
        let Some(left) = left else {
            *self = Self::default();
            return None;
        };
        if !self.lasts {
            // What the controllers knew when they heard this broker again: whoever was elected meanwhile is in it.
            let needed = *self.resumes_at.get_or_insert(link.known_version);
            self.lasts = link.metadata_version >= Some(needed);
        }
        self.lasts.then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use common::Term;

    use super::*;

    fn link(known: u64, have: Option<u64>) -> LinkStatus {
        LinkStatus {
            controller: None,
            term: Term(1),
            broker_epoch: None,
            broker_status: None,
            following: true,
            known_version: MetadataVersion(known),
            metadata_version: have.map(MetadataVersion),
            pull_trouble: None,
            last_success: None,
            heard: None,
            consecutive_failures: 0,
            rediscoveries: 0,
            trouble: None,
            leaving: false,
        }
    }

    #[test]
    fn a_session_that_ended_begins_again_with_the_metadata_of_that_time() {
        let mut session = Session::default();
        let left = Some(Duration::from_secs(1));
        assert_eq!(session.look(&link(0, None), None), None);
        assert_eq!(session.look(&link(4, None), left), None, "nothing is known yet");
        assert_eq!(session.look(&link(5, Some(4)), left), left, "it has what there was at the contact");
        assert_eq!(session.look(&link(9, Some(5)), left), left, "in a session it may be behind");
        assert_eq!(session.look(&link(9, Some(5)), None), None);
        assert_eq!(session.look(&link(12, Some(9)), left), None);
        assert_eq!(session.look(&link(14, Some(11)), left), None);
        assert_eq!(session.look(&link(14, Some(12)), left), left);
    }
}
