//! Whether the controllers hear this broker.

use std::{sync::Arc, time::Duration};

use common::MetadataVersion;
use runtime::Stop;

use crate::{follower::Follower, partition::Services};

/// From one look to the next while there is no session: clients wait for it.
const PAUSE_WITHOUT: Duration = Duration::from_millis(25);

/// Tells the partitions here how long the session lasts that the controllers grant this broker. One that is not heard may
/// have been replaced, so a session that ended begins again only with the metadata of that time.
pub(super) async fn watch(services: Arc<Services>, link: Follower, session_timeout: Duration, stop: Stop) {
    let mut session = Session::default();
    loop {
        let status = link.status();
        let left = status.heard.and_then(|at| session_timeout.checked_sub(link.ago(at)));
        // Between two looks a session may have ended and the broker may have been heard again.
        let metadata = (status.known_version, services.metadata_version());
        let left = session.look(metadata, left, !services.has_session());
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
    /// How long the session lasts, by what is `left` since the last contact; `None`: there is none. `is_over`: what was told at
    /// the last look is over. `known` is the latest version that the controllers told of, `taken_in` what partitions go by.
    fn look(
        &mut self,
        (known, taken_in): (MetadataVersion, MetadataVersion),
        left: Option<Duration>,
        is_over: bool,
    ) -> Option<Duration> {
        if left.is_none() || (self.lasts && is_over) {
            *self = Self::default();
        }
        let left = left?;
        if !self.lasts {
            // What the controllers knew when they heard this broker again: whoever was elected meanwhile is in it.
            self.lasts = taken_in >= *self.resumes_at.get_or_insert(known);
        }
        self.lasts.then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(known: u64, taken_in: u64) -> (MetadataVersion, MetadataVersion) {
        (MetadataVersion(known), MetadataVersion(taken_in))
    }

    #[test]
    fn a_session_that_ended_begins_again_with_the_metadata_of_that_time() {
        let mut session = Session::default();
        let left = Some(Duration::from_secs(1));
        assert_eq!(session.look(versions(0, 0), None, false), None);
        assert_eq!(session.look(versions(4, 0), left, true), None, "nothing is known yet");
        assert_eq!(session.look(versions(5, 4), left, true), left, "it has what there was at the contact");
        assert_eq!(session.look(versions(9, 5), left, false), left, "in a session it may be behind");
        assert_eq!(session.look(versions(9, 5), None, true), None);
        assert_eq!(session.look(versions(12, 9), left, true), None);
        assert_eq!(session.look(versions(14, 11), left, true), None);
        assert_eq!(session.look(versions(14, 12), left, true), left);
    }

    #[test]
    fn a_session_that_ended_between_two_looks_ended_all_the_same() {
        let mut session = Session::default();
        let left = Some(Duration::from_secs(1));
        assert_eq!(session.look(versions(4, 4), left, false), left);
        assert_eq!(session.look(versions(9, 4), left, true), None, "somebody else may have been elected");
        assert_eq!(session.look(versions(9, 8), left, true), None);
        assert_eq!(session.look(versions(9, 9), left, true), left);
        assert_eq!(session.look(versions(12, 9), left, false), left);
    }
}
