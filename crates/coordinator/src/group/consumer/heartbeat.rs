//! ConsumerGroupHeartbeat: members join, live, and learn what they are to have.

use super::{
    assignor::Assignor,
    group::ConsumerGroup,
    member::{Current, Heard, LEAVES, LEAVES_FOR_A_WHILE, Member, no_metadata},
    subscriptions::compile,
};
use crate::{
    GroupError, MemberId, Now, Settings,
    api::{ConsumerGroupHeartbeat, ConsumerGroupHeartbeatAnswer, ConsumerGroupHeartbeatReply},
    assignment::Assignment,
    context::Context,
    records::ConsumerGroupMemberMetadataValue,
    sizes,
};

/// How often a member is told what it has that has not said that it has that, in ms: as often as it comes to a calm group. Those
/// who say everything again after a lost answer hear it sooner.
const TELL_AGAIN_MS: i64 = 5_000;

/// That a heartbeat is one: what does not depend on the group. What is refused here does not make a consumer group of a classic
/// one.
pub(crate) fn check(request: &ConsumerGroupHeartbeat, settings: &Settings) -> Result<(), GroupError> {
    let refuse = |reason| Err(GroupError::InvalidRequest { reason });
    let is_empty = |id: Option<&str>| id.is_some_and(str::is_empty);
    if request.group_id.is_empty() {
        return refuse("the group id is empty");
    }
    request.group_id.check()?;
    settings.check_record(sizes::of_consumer(request))?;
    if is_empty(request.instance_id.as_ref().map(crate::InstanceId::as_str)) {
        return refuse("the instance id is empty");
    }
    if is_empty(request.rack_id.as_deref()) {
        return refuse("the rack id is empty");
    }
    match request.member_epoch {
        0 => check_join(request)?,
        LEAVES_FOR_A_WHILE if request.instance_id.is_none() => {
            return refuse("member epoch -2 is for static members, and there is no instance id");
        }
        LEAVES | LEAVES_FOR_A_WHILE | 1.. if request.member_id.is_empty() => {
            return refuse("the member id is empty");
        }
        LEAVES | LEAVES_FOR_A_WHILE | 1.. => {}
        _ => return refuse("the member epoch is below -2"),
    }
    if let Some(name) = &request.server_assignor
        && Assignor::parse(name).is_none()
    {
        return Err(GroupError::UnsupportedAssignor { name: name.clone() });
    }
    match &request.subscribed_topic_regex {
        Some(expression) if !expression.is_empty() => compile(expression).map(drop),
        _ => Ok(()),
    }
}

fn check_join(request: &ConsumerGroupHeartbeat) -> Result<(), GroupError> {
    let refuse = |reason| Err(GroupError::InvalidRequest { reason });
    if request.rebalance_timeout_ms.is_none() {
        return refuse("a member that joins has to give its rebalance timeout");
    }
    if request.topic_partitions.as_ref().is_none_or(|partitions| !partitions.is_empty()) {
        return refuse("a member that joins has to say that it has no partitions");
    }
    if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
        return refuse("a member that joins has to say what it reads");
    }
    Ok(())
}

impl ConsumerGroup {
    /// Takes a heartbeat in, that `check` has found to be one.
    pub(crate) fn heartbeat(
        &mut self,
        ctx: &mut Context<'_>,
        request: ConsumerGroupHeartbeat,
    ) -> ConsumerGroupHeartbeatReply {
        if request.member_epoch < 0 {
            return self.leave_by_heartbeat(ctx, &request);
        }
        let member_id = if request.member_id.is_empty() {
            request.fresh_id.to_string().into()
        } else {
            request.member_id.clone()
        };
        let owned = request.topic_partitions.as_deref().map(Assignment::from);
        self.admit(ctx, &request, &member_id, owned.as_ref())?;
        let reads_something_else = self.update(ctx, &member_id, |metadata| describe(metadata, &request));
        if reads_something_else || self.is_unsettled {
            self.members_changed(ctx);
        }
        let has_other_partitions = self.reconcile(ctx, &member_id, owned.as_ref());
        self.touch(ctx, &member_id);
        let is_complete = request.member_epoch == 0
            || request.rebalance_timeout_ms.is_some()
                && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
                && request.topic_partitions.is_some();
        let tells = self.tells(ctx.now, &member_id, owned.as_ref(), has_other_partitions);
        let Member { current, .. } = self.member(&member_id, None)?;
        let (member_epoch, heartbeat_interval_ms) = (current.epoch, self.heartbeat_interval_ms(ctx, current));
        let assignment = (is_complete || tells).then(|| current.assigned.to_wire());
        Ok(ConsumerGroupHeartbeatAnswer { member_id, member_epoch, heartbeat_interval_ms, assignment })
    }

    /// Whether the answer is to say what the member has: if that is something else than before; and now and then until the
    /// member says that it has that. Kafka tells it once, and leaves it to clients to say everything again if an answer was
    /// lost; not all do (librdkafka repeats the heartbeat as it was).
    fn tells(&mut self, now: Now, member_id: &MemberId, owned: Option<&Assignment>, is_new: bool) -> bool {
        let Some(member) = self.members.get_mut(member_id) else { return is_new };
        if !is_new && owned == Some(&member.current.assigned) {
            member.heard = Heard::Yes;
        }
        let is_due = match member.heard {
            Heard::No => true,
            Heard::Told(at_ms) => now.monotonic_ms.saturating_sub(at_ms) >= TELL_AGAIN_MS,
            Heard::Yes => false,
        };
        let tells = is_new || is_due;
        if tells {
            member.heard = Heard::Told(now.monotonic_ms);
        }
        tells
    }

    /// Lets a member in, or finds it. A static member that comes back takes the place of its former self.
    fn admit(
        &mut self,
        ctx: &mut Context<'_>,
        request: &ConsumerGroupHeartbeat,
        member_id: &MemberId,
        owned: Option<&Assignment>,
    ) -> Result<(), GroupError> {
        if request.member_epoch > 0 {
            let member = self.member(member_id, request.instance_id.as_ref())?;
            return check_epoch(&member.current, request.member_epoch, owned);
        }
        let former = request.instance_id.as_ref().and_then(|id| self.static_members.get(id)).cloned();
        match former {
            // A member that was fenced comes back under its id, without any partitions.
            Some(former) if former == *member_id => Ok(()),
            Some(former) => {
                let has_left = self
                    .members
                    .get(&former)
                    .is_some_and(|member| member.is_classic() || member.current.epoch == LEAVES_FOR_A_WHILE);
                if !has_left {
                    return Err(GroupError::UnreleasedInstanceId);
                }
                self.replace(ctx, &former, member_id);
                Ok(())
            }
            None => self.check_room(member_id, ctx.settings.group_consumer_max_size),
        }
    }

    pub(super) fn check_room(&self, member_id: &MemberId, max: usize) -> Result<(), GroupError> {
        if self.members.contains_key(member_id) || self.members.len() < max {
            return Ok(());
        }
        Err(GroupError::GroupMaxSizeReached { max })
    }

    /// Everything of the former member is the new one's, which has to hear of it first.
    pub(super) fn replace(&mut self, ctx: &mut Context<'_>, former: &MemberId, member_id: &MemberId) {
        let Some(Member { metadata, current, .. }) = self.members.get(former).cloned() else { return };
        let target = self.target(former);
        self.end_timers(ctx, former);
        self.write_gone(ctx, former);
        self.write_metadata(ctx, member_id, metadata);
        self.write_target(ctx, member_id, &target);
        let current = Current { epoch: 0, previous_epoch: 0, ..current };
        self.write_current(ctx, member_id, &current);
    }

    /// Takes over what a member says of itself. Gives whether it is new or reads something else.
    pub(super) fn update(
        &mut self,
        ctx: &mut Context<'_>,
        member_id: &MemberId,
        describe: impl Fn(&mut ConsumerGroupMemberMetadataValue),
    ) -> bool {
        let known = self.members.get(member_id).map(|member| &member.metadata);
        let mut metadata = known.cloned().unwrap_or_else(no_metadata);
        describe(&mut metadata);
        if known == Some(&metadata) {
            return false;
        }
        let reads_the_same = known.is_some_and(|known| {
            known.subscribed_topic_names == metadata.subscribed_topic_names
                && known.subscribed_topic_regex == metadata.subscribed_topic_regex
        });
        self.write_metadata(ctx, member_id, metadata);
        !reads_the_same
    }
}

fn describe(metadata: &mut ConsumerGroupMemberMetadataValue, request: &ConsumerGroupHeartbeat) {
    metadata.instance_id.clone_from(&request.instance_id.clone().or_else(|| metadata.instance_id.clone()));
    if request.rack_id.is_some() {
        metadata.rack_id.clone_from(&request.rack_id);
    }
    if let Some(timeout_ms) = request.rebalance_timeout_ms {
        metadata.rebalance_timeout_ms = timeout_ms;
    }
    if let Some(names) = &request.subscribed_topic_names {
        metadata.subscribed_topic_names = distinct(names.clone());
    }
    if let Some(expression) = &request.subscribed_topic_regex {
        metadata.subscribed_topic_regex =
            Some(expression.clone()).filter(|expression| !expression.is_empty());
    }
    if request.server_assignor.is_some() {
        metadata.server_assignor.clone_from(&request.server_assignor);
    }
    metadata.client_id.clone_from(&request.client_id);
    metadata.client_host.clone_from(&request.client_host);
    metadata.classic_member_metadata = None;
}

/// Ascending, none twice.
pub(super) fn distinct(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}

/// A member that is behind has to begin anew, unless only the last answer was lost: then it has nothing that it may not have.
fn check_epoch(current: &Current, asked: i32, owned: Option<&Assignment>) -> Result<(), GroupError> {
    let has_missed_an_answer =
        asked == current.previous_epoch && owned.is_some_and(|owned| owned.is_subset_of(&current.assigned));
    if asked == current.epoch || asked < current.epoch && has_missed_an_answer {
        return Ok(());
    }
    Err(GroupError::FencedMemberEpoch { asked, current: current.epoch })
}
