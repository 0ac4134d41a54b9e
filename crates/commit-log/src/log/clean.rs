//! The mark of a clean shutdown. It goes before the first change, durably, which takes two syncs: a job that needs no borrow of
//! the log, for those who cannot wait so long with it in hand. Without the job, the first change does it.

use std::sync::Arc;

use super::{Log, owned::Shared};
use crate::{checkpoint::State, error::LogError};

/// Takes the mark away. To be run anywhere, then given to [`Log::mark_removed`].
#[derive(Debug)]
pub struct UnmarkJob {
    shared: Arc<Shared>,
    generation: u64,
}

/// What came of an [`UnmarkJob`].
#[derive(Debug)]
#[must_use = "the log does not know of it before `mark_removed`"]
pub struct Unmarked {
    shared: Arc<Shared>,
}

impl UnmarkJob {
    /// Does it. `None`: the log was cut meanwhile, which has done it too. A failure fences the log at once, for good.
    pub fn run(self) -> Result<Option<Unmarked>, LogError> {
        self.shared.check()?;
        let Self { shared, generation } = self;
        let written = shared.checkpoint.write_of(generation, || Ok(()), |next| next.state = State::Open);
        let written = written.map_err(|error| shared.fence(error))?;
        Ok(written.then_some(Unmarked { shared }))
    }
}

impl Log {
    /// Whether nothing was changed since a clean shutdown.
    pub fn is_clean(&self) -> bool {
        self.clean
    }

    /// A job that does what the first change would have to do first; `None` if there is nothing to do.
    pub fn plan_unmark(&self) -> Option<UnmarkJob> {
        let generation = self.shared.checkpoint.generation();
        self.clean.then(|| UnmarkJob { shared: Arc::clone(&self.shared), generation })
    }

    /// Takes the result of a job: changes need not wait for it any more.
    pub fn mark_removed(&mut self, done: Unmarked) {
        self.clean &= !Arc::ptr_eq(&self.shared, &done.shared);
    }
}
