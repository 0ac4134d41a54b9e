//! What a group is given along with a request.

use crate::{
    GroupId, InstanceId, MemberId, Now, Outcome, Reply, Settings, Token, Topics,
    timers::{Timer, Timers},
};

/// The surroundings of one step of one group.
pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
    pub(crate) topics: &'a Topics,
    pub(crate) timers: &'a mut Timers,
    pub(crate) outcome: &'a mut Outcome,
}

impl Context<'_> {
    pub(crate) fn reply(&mut self, token: Token, reply: Reply) {
        self.outcome.replies.push((token, reply));
    }

    /// Sets a timer to so many ms from now.
    pub(crate) fn after(&mut self, timer: Timer, delay_ms: i32) {
        self.timers.set(timer, self.now.monotonic_ms.saturating_add(i64::from(delay_ms.max(0))));
    }

    /// A member has a full session timeout from now on.
    pub(crate) fn touch(&mut self, group_id: &GroupId, member_id: &MemberId, session_timeout_ms: i32) {
        self.after(Timer::Session(group_id.clone(), member_id.clone()), session_timeout_ms);
    }
}

/// As Kafka names members: after their instance id, or else their client.
pub(crate) fn new_member_id(
    client_id: &str,
    instance_id: Option<&InstanceId>,
    fresh: uuid::Uuid,
) -> MemberId {
    format!("{}-{fresh}", instance_id.map_or(client_id, InstanceId::as_str)).into()
}
