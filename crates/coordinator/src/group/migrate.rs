//! From one protocol to the other while the members are at work (KIP-848, `group.consumer.migration.policy`).
//!
//! The first consumer that joins a classic group by heartbeat makes it a consumer group: the others stay members of it by the
//! classic protocol, with what they have. When the last one that sends heartbeats goes, the group is a classic one again. Numbers
//! of generations and epochs go on, so that they only rise.

use std::{collections::BTreeSet, mem};

use super::{
    ClassicGroup, ConsumerGroup,
    classic::{Member, Phase, distinct, refuse_join},
    consumer::Current,
};
use crate::{
    GroupError, MigrationPolicy, Record, Reply, Settings,
    assignment::Assignment,
    context::Context,
    embedded::{Subscription, assigned_partitions, encode_assignment, has_user_data},
    records::{ClassicMemberMetadata, ConsumerGroupMemberMetadataValue},
    sizes,
    timers::Timer,
};

/// Whether a consumer may join a classic group by heartbeat. Not where an assignor of the members' own keeps data beside the
/// partitions, as that of Kafka Streams does: the broker's assignors would lose it.
pub(crate) fn can_upgrade(group: &ClassicGroup, settings: &Settings) -> bool {
    use MigrationPolicy::{Bidirectional, Upgrade};
    let policy = settings.group_consumer_migration_policy;
    let says_what_it_reads = |member: &Member| {
        member.protocols.first().is_some_and(|protocol| Subscription::parse(&protocol.metadata).is_some())
    };
    let has_a_record =
        |member: &Member| settings.check_record(sizes::of_protocols(&member.protocols)).is_ok();
    group.is_empty()
        || matches!(policy, Bidirectional | Upgrade)
            && group.has_consumers()
            && group.members.len() < settings.group_consumer_max_size
            && group.members.values().all(|member| {
                says_what_it_reads(member) && has_a_record(member) && !has_user_data(&member.assignment)
            })
}

/// Makes a consumer group of a classic one. Whoever waits for an answer of that is told to join anew.
pub(crate) fn upgrade(ctx: &mut Context<'_>, mut classic: ClassicGroup) -> ConsumerGroup {
    ctx.timers.cancel(Timer::Join(classic.id.clone()));
    ctx.timers.cancel(Timer::Sync(classic.id.clone()));
    for member_id in classic.pending_members.iter().chain(classic.members.keys()) {
        ctx.timers.cancel(Timer::Session(classic.id.clone(), member_id.clone()));
    }
    for (member_id, token) in mem::take(&mut classic.parked_joins) {
        refuse_join(ctx, token, member_id, GroupError::RebalanceInProgress);
    }
    for (_, token) in mem::take(&mut classic.parked_syncs) {
        ctx.reply(token, Reply::SyncGroup(Err(GroupError::RebalanceInProgress)));
    }
    if classic.is_stored {
        ctx.outcome.records.push(Record::GroupMetadata { group_id: classic.id.clone(), value: None });
    }
    let mut group = ConsumerGroup::new(classic.id, ctx.now.unix_ms);
    let mut taken = BTreeSet::new();
    // A new member does not know its id, and will come under another one.
    for (member_id, member) in classic.members.into_iter().filter(|(_, member)| !member.is_new) {
        let shared = assigned_partitions(&member.assignment, ctx.topics);
        // Whatever the leader has done: no partition is in two hands.
        let assigned: Assignment = shared.iter().filter(|partition| taken.insert(*partition)).collect();
        group.adopt(ctx, &member_id, metadata(member), assigned, classic.generation_id);
    }
    group.begin_at(ctx, classic.generation_id);
    group
}

fn metadata(member: Member) -> ConsumerGroupMemberMetadataValue {
    let bytes = member.protocols.first().map(|protocol| protocol.metadata.clone()).unwrap_or_default();
    let subscription = Subscription::parse(&bytes).unwrap_or_default();
    let names: BTreeSet<String> = subscription.topics.iter().copied().map(str::to_owned).collect();
    ConsumerGroupMemberMetadataValue {
        instance_id: member.instance_id,
        rack_id: subscription.rack_id.map(str::to_owned),
        client_id: member.client_id,
        client_host: member.client_host,
        subscribed_topic_names: names.into_iter().collect(),
        subscribed_topic_regex: None,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        server_assignor: None,
        classic_member_metadata: Some(ClassicMemberMetadata {
            session_timeout_ms: member.session_timeout_ms,
            supported_protocols: member.protocols,
        }),
    }
}

/// Whether a consumer group is to be a classic one: nobody in it sends heartbeats.
pub(crate) fn can_downgrade(group: &ConsumerGroup, settings: &Settings) -> bool {
    use MigrationPolicy::{Bidirectional, Downgrade};
    matches!(settings.group_consumer_migration_policy, Bidirectional | Downgrade)
        && group.is_all_classic()
        && group.members.len() <= settings.group_max_size
        && settings.check_record(as_one_record(group)).is_ok()
}

/// What the record of the classic group would take, at most.
fn as_one_record(group: &ConsumerGroup) -> usize {
    let members = group.members.values().map(|member| {
        let classic = member.metadata.classic_member_metadata.as_ref();
        let said = classic.map_or(0, |classic| sizes::of_protocols(&classic.supported_protocols));
        let Current { assigned, revoking, .. } = &member.current;
        said + sizes::of_share(assigned) + sizes::of_share(revoking)
    });
    members.sum()
}

/// Makes a classic group of a consumer group. Its members go on as they are if everybody has what it is to have, as when the last
/// one that sent heartbeats was a static member and has come back by the classic protocol; else all are asked to join.
pub(crate) fn downgrade(ctx: &mut Context<'_>, mut group: ConsumerGroup) -> ClassicGroup {
    let is_settled = group.is_settled();
    let mut classic = ClassicGroup::new(group.id(), ctx.now.unix_ms);
    classic.generation_id = group.epoch;
    classic.protocol_type = Some("consumer".to_owned());
    for (member_id, member) in &group.members {
        let share_version = member.share_version();
        let metadata = member.metadata.clone();
        let Some(spoken) = metadata.classic_member_metadata else { continue };
        let Current { assigned, revoking, .. } = &member.current;
        let has: Assignment = assigned.iter().chain(revoking.iter()).collect();
        if let Some(instance_id) = &metadata.instance_id {
            classic.static_members.insert(instance_id.clone(), member_id.clone());
        }
        let member = Member {
            instance_id: metadata.instance_id,
            client_id: metadata.client_id,
            client_host: metadata.client_host,
            session_timeout_ms: spoken.session_timeout_ms,
            rebalance_timeout_ms: metadata.rebalance_timeout_ms,
            protocols: distinct(spoken.supported_protocols),
            assignment: encode_assignment(share_version, &has, ctx.topics),
            is_new: false,
        };
        classic.protocols.add(&member);
        classic.members.insert(member_id.clone(), member);
    }
    group.end_all_timers(ctx);
    group.write_end(ctx);
    if classic.members.is_empty() {
        classic.store(ctx);
        return classic;
    }
    classic.leader = classic.members.keys().next().cloned();
    classic.protocol_name = classic.select_protocol();
    classic.subscribed_topics = classic.subscriptions();
    classic.enter(Phase::Stable, ctx.now);
    if !(is_settled && all_were_told(&classic)) {
        // A group without a leader is to rebalance. Whoever loads what is written here knows that, too: what the member that
        // went had is with nobody, and the others would not ask for it.
        classic.leader = None;
    }
    classic.store(ctx);
    classic.activate(ctx);
    classic
}

/// Whether the protocol of the group is the one that its members believe in. As members of a consumer group each was told its own
/// first one.
fn all_were_told(classic: &ClassicGroup) -> bool {
    let name = classic.protocol_name.as_deref();
    classic.members.values().all(|member| member.protocols.first().map(|first| first.name.as_str()) == name)
}
