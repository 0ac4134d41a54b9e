//! Members that are not heard of any more.

use std::mem;

use super::group::{ClassicGroup, Phase};
use crate::{MemberId, context::Context};

impl ClassicGroup {
    /// A session ended. Who waits for an answer lives, unless it is new: then its client may be gone, and nothing would tell.
    pub(crate) fn session_timed_out(&mut self, ctx: &mut Context<'_>, member_id: &MemberId) {
        if self.pending_members.remove(member_id) {
            return self.complete_join_if_all_are_there(ctx);
        }
        let Some(member) = self.members.get(member_id) else { return };
        let waits = self.parked_joins.contains_key(member_id) || self.parked_syncs.contains_key(member_id);
        if waits && !member.is_new {
            return self.touch(ctx, member_id);
        }
        self.remove_member(ctx, member_id);
        self.rebalance(ctx);
    }

    /// The sync timer ended: whoever did not come for its share is gone.
    pub(crate) fn sync_timed_out(&mut self, ctx: &mut Context<'_>) {
        if !matches!(self.phase, Phase::Completing | Phase::Stable) || self.pending_syncs.is_empty() {
            return;
        }
        for member_id in mem::take(&mut self.pending_syncs) {
            self.remove_member(ctx, &member_id);
        }
        self.rebalance(ctx);
    }

    /// Loading is over: every member gets a full session timeout to be heard. A rebalance that was under way begins anew.
    pub(crate) fn activate(&mut self, ctx: &mut Context<'_>) {
        for member_id in self.members.keys() {
            self.touch(ctx, member_id);
        }
        if self.was_rebalancing() {
            self.rebalance(ctx);
        }
    }
}
