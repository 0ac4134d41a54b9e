//! Leases that are on their way to a reader who may have hung up.

use coordinator::api::{LeaseAck, LeaseId, LeaseRest};

use crate::http::router::Context;

/// A lease that the coordinator is asked for, until its answer is there. Dropped before that, as the call is when its reader hangs
/// up, the lease is given back: nothing of it was sent to anybody. Behind that point the reader may have got the records, and
/// only time ends the lease.
pub(super) struct Promise<'a> {
    context: &'a Context,
    group_id: &'a str,
    lease: Option<LeaseId>,
}

impl<'a> Promise<'a> {
    /// Before it is asked for.
    pub(super) fn new(context: &'a Context, group_id: &'a str, lease: LeaseId) -> Self {
        Self { context, group_id, lease: Some(lease) }
    }

    /// The answer is there.
    pub(super) fn keep(mut self) {
        self.lease = None;
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        let Some(lease) = self.lease else { return };
        let release = LeaseAck {
            group_id: self.group_id.into(),
            lease,
            records: Some(Vec::new()),
            rest: LeaseRest::Release,
        };
        // Behind the request for it, in the same queue.
        self.context.groups.tell(self.group_id, release);
        self.context.lines.stir(self.group_id);
    }
}
