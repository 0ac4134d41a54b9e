//! Applying a committed command: decide, evolve, and remember the request.

use std::sync::Arc;

use common::MetadataVersion;

use crate::{Applied, Change, Proposal, Rejection, State, state::Remembered};

impl State {
    /// Applies the command at Raft index `index`: decides, evolves, and remembers the request id.
    ///
    /// A repeated request id changes nothing: it gets the recorded answer if it comes with the same command, and
    /// [`Rejection::IdempotencyKeyReused`] otherwise.
    pub fn apply(&mut self, index: MetadataVersion, proposal: &Proposal) -> Applied {
        let request = proposal.request_id.map(|id| (id, proposal.command.fingerprint()));
        if let Some((request_id, fingerprint)) = request
            && let Some(known) = self.requests.get(request_id)
        {
            let same = known.fingerprint == fingerprint;
            let reused = || Err(Rejection::IdempotencyKeyReused { request_id });
            let result = if same { known.result.clone() } else { reused() };
            return Applied { result, version: self.version, changes: Vec::new() };
        }

        let (result, events) = match self.decide(index, &proposal.command) {
            Ok((outcome, events)) => (Ok(outcome), events),
            Err(rejection) => (Err(rejection), Vec::new()),
        };
        let author: Arc<str> = proposal.author.as_str().into();
        let changes = (0..).zip(events).map(|(seq, event)| Change {
            version: index,
            seq,
            time_ms: proposal.time_ms,
            author: Arc::clone(&author),
            request_id: proposal.request_id,
            before: self.replace(index, &event),
            event: Arc::new(event),
        });
        let changes = changes.collect();
        if let Some((request_id, fingerprint)) = request {
            let result = result.clone();
            self.requests.remember(Remembered { request_id, time_ms: proposal.time_ms, fingerprint, result });
        }
        Applied { result, version: self.version, changes }
    }
}
