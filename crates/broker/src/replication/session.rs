//! Whether the controllers hear this broker.

use std::{sync::Arc, time::Duration};

use common::MetadataVersion;
use runtime::Stop;
use tokio::time::Instant;

use crate::{follower::Follower, partition::Services};

/// From one look to the next while there is no session: clients wait for it.
const PAUSE_WITHOUT: Duration = Duration::from_millis(25);

/// Tells the partitions here until when the session lasts that the controllers grant this broker. It is counted from before the
/// request was sent that they took last, so they count it from later. One that is not heard may have been replaced, so a
/// session that ended begins again only with the metadata of that time.
pub(super) async fn watch(services: Arc<Services>, link: Follower, session_timeout: Duration, stop: Stop) {
    let mut session = Session::default();
    loop {
        let status = link.status();
        let ends = status.heard.map(|sent| link.moment(sent) + session_timeout);
        let ends = ends.filter(|ends| *ends > Instant::now());
        // Between two looks a session may have ended and the broker may have been heard again.
        let metadata = (status.known_version, services.metadata_version());
        let ends = session.look(metadata, ends, !services.has_session());
        services.set_session(ends);
        let pause = if ends.is_some() { session_timeout / 6 } else { PAUSE_WITHOUT.min(session_timeout / 6) };
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
    /// Until when the session lasts, if by the last contact it `ends` then; `None`: there is none. `is_over`: what was told at
    /// the last look is over. `known` is the latest version that the controllers told of, `taken_in` what partitions go by.
    fn look(
        &mut self,
        (known, taken_in): (MetadataVersion, MetadataVersion),
        ends: Option<Instant>,
        is_over: bool,
    ) -> Option<Instant> {
        if ends.is_none() || (self.lasts && is_over) {
            *self = Self::default();
        }
        let ends = ends?;
        if !self.lasts {
            // What the controllers knew when they heard this broker again: whoever was elected meanwhile is in it.
            self.lasts = taken_in >= *self.resumes_at.get_or_insert(known);
        }
        self.lasts.then_some(ends)
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
        let ends = Some(Instant::now());
        assert_eq!(session.look(versions(0, 0), None, false), None);
        assert_eq!(session.look(versions(4, 0), ends, true), None, "nothing is known yet");
        assert_eq!(session.look(versions(5, 4), ends, true), ends, "it has what there was at the contact");
        assert_eq!(session.look(versions(9, 5), ends, false), ends, "in a session it may be behind");
        assert_eq!(session.look(versions(9, 5), None, true), None);
        assert_eq!(session.look(versions(12, 9), ends, true), None);
        assert_eq!(session.look(versions(14, 11), ends, true), None);
        assert_eq!(session.look(versions(14, 12), ends, true), ends);
    }

    #[test]
    fn a_session_that_ended_between_two_looks_ended_all_the_same() {
        let mut session = Session::default();
        let ends = Some(Instant::now());
        assert_eq!(session.look(versions(4, 4), ends, false), ends);
        assert_eq!(session.look(versions(9, 4), ends, true), None, "somebody else may have been elected");
        assert_eq!(session.look(versions(9, 8), ends, true), None);
        assert_eq!(session.look(versions(9, 9), ends, true), ends);
        assert_eq!(session.look(versions(12, 9), ends, false), ends);
    }
}
