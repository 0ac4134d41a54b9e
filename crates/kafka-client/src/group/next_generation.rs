//! The protocol of KIP-848: one heartbeat for everything; the coordinator says what the member is to have.

use std::{collections::BTreeMap, time::Duration};

use common::PartitionId;
use kafka_wire::{
    ErrorCode,
    messages::{
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        consumer_group_heartbeat::{Assignment, RequestTopicPartitions},
    },
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use uuid::Uuid;

use super::{
    ChangeKind, Partitions,
    session::{Interrupted, Session},
};
use crate::offsets::TopicPartition;

/// The epoch of a member that joins.
const JOINS: i32 = 0;

/// What is known of the coordinator's will, and what it knows of ours.
struct Standing {
    epoch: i32,
    interval: Duration,
    /// What the member is to have, as it was told last; `None`: it was not told yet.
    assignment: Option<Assignment>,
    /// What the coordinator was told that it has; `None`: nothing, or nobody knows.
    told: Option<Partitions>,
    /// By id, as far as they were looked up.
    topics: BTreeMap<Uuid, String>,
}

/// From joining until the member cannot go on.
pub(super) async fn live(session: &mut Session) -> Interrupted {
    if session.membership.identity().member_id.is_empty() {
        session.membership.change(|identity| identity.member_id = Uuid::new_v4().to_string());
    }
    let mut standing = Standing {
        epoch: JOINS,
        interval: session.options.heartbeat_interval,
        assignment: None,
        told: None,
        topics: BTreeMap::new(),
    };
    loop {
        if let Err(interrupted) = step(session, &mut standing).await {
            return interrupted;
        }
    }
}

/// A heartbeat, and what comes of it. The next one is at once if there is something to tell.
async fn step(session: &mut Session, standing: &mut Standing) -> Result<(), Interrupted> {
    let next = beat(session, standing).await?;
    // Its heartbeats do not wait for the names of topics.
    let _ = timeout_at(next, learn_topics(session, standing)).await;
    let Some(target) = target(standing) else {
        sleep_until(next).await;
        return Ok(());
    };
    let revoked: Partitions = session.owned.difference(&target).cloned().collect();
    if !revoked.is_empty() {
        let mut done = session.announce(ChangeKind::Revoked, revoked.clone()).await;
        until_done(session, standing, next, &mut done).await?;
        session.owned.retain(|place| !revoked.contains(place));
        return Ok(());
    }
    let assigned: Partitions = target.difference(&session.owned).cloned().collect();
    session.take(assigned).await;
    if standing.told.as_ref() == Some(&session.owned) {
        sleep_until(next).await;
    }
    Ok(())
}

/// Lives on while the user gives partitions up.
async fn until_done(
    session: &Session,
    standing: &mut Standing,
    mut next: Instant,
    done: &mut oneshot::Receiver<()>,
) -> Result<(), Interrupted> {
    loop {
        let beats = async {
            sleep_until(next).await;
            beat(session, standing).await
        };
        tokio::select! {
            _ = &mut *done => return Ok(()),
            beaten = beats => next = beaten?,
        }
    }
}

/// One heartbeat; tells when the next one is due.
async fn beat(session: &Session, standing: &mut Standing) -> Result<Instant, Interrupted> {
    let mut failures = 0;
    loop {
        // Until there is an answer, nobody knows what the coordinator knows.
        let told = standing.told.take();
        let build = |again: bool| request(session, standing, told.as_ref().filter(|_| !again));
        let response = session.ask(build, |told| told.error_code).await?;
        match response.error_code {
            ErrorCode::NONE => {
                take_in(session, standing, response);
                return Ok(Instant::now() + session.heartbeat_interval(standing.interval));
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_MEMBER_EPOCH => return Err(Interrupted::Anew),
            // The former self of a static member is still there.
            ErrorCode::UNRELEASED_INSTANCE_ID => {
                failures += 1;
                sleep(session.cluster.backoff(failures)).await;
            }
            code => return Err(session.refused("heartbeat", code)),
        }
    }
}

/// Everything, if nobody knows what the coordinator was told; else only what has changed since.
fn request(
    session: &Session,
    standing: &Standing,
    told: Option<&Partitions>,
) -> ConsumerGroupHeartbeatRequest {
    let options = &session.options;
    let mut request = ConsumerGroupHeartbeatRequest {
        group_id: options.group_id.clone(),
        member_id: session.membership.identity().member_id,
        member_epoch: standing.epoch,
        instance_id: options.instance_id.clone(),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    if told.is_none() {
        let ms = options.rebalance_timeout.as_millis();
        request.rebalance_timeout_ms = i32::try_from(ms).unwrap_or(i32::MAX);
        request.subscribed_topic_names = Some(options.topics.clone());
    }
    if told != Some(&session.owned) {
        request.topic_partitions = Some(by_id(&session.owned, &standing.topics));
    }
    request
}

fn take_in(session: &Session, standing: &mut Standing, response: ConsumerGroupHeartbeatResponse) {
    standing.told = Some(session.owned.clone());
    standing.epoch = response.member_epoch;
    standing.interval = Duration::from_millis(u64::try_from(response.heartbeat_interval_ms).unwrap_or(0));
    if let Some(assignment) = response.assignment {
        standing.assignment = Some(assignment);
    }
    session.membership.change(|identity| {
        identity.epoch = response.member_epoch;
        if let Some(member_id) = response.member_id {
            identity.member_id = member_id;
        }
    });
}

/// Learns the names of the topics that the member is to have something of. What is known of them may be of a time before they
/// were made.
async fn learn_topics(session: &Session, standing: &mut Standing) {
    for is_asked in [false, true] {
        let of_topics = standing.assignment.iter().flat_map(|assignment| &assignment.topic_partitions);
        if of_topics.map(|of_topic| of_topic.topic_id).all(|id| standing.topics.contains_key(&id)) {
            return;
        }
        let topics = &session.options.topics;
        if is_asked {
            let seen = session.cluster.generation();
            // Those that are not known now are looked for again with the next heartbeat.
            let _ = session.cluster.refresh(topics.iter().map(String::as_str), seen).await;
        }
        let known = topics.iter().filter_map(|topic| Some((session.cluster.known_topic(topic)?.id, topic)));
        standing.topics.extend(known.map(|(id, topic)| (id, topic.clone())));
    }
}

/// What the member is to have. Partitions of topics whose names are not known are left out: it does not have them yet.
fn target(standing: &Standing) -> Option<Partitions> {
    let of_topics = standing.assignment.as_ref()?.topic_partitions.iter();
    let named = of_topics.filter_map(|of_topic| {
        let topic = standing.topics.get(&of_topic.topic_id)?;
        Some(of_topic.partitions.iter().map(move |id| TopicPartition::new(topic, PartitionId(*id))))
    });
    Some(named.flatten().collect())
}

fn by_id(owned: &Partitions, topics: &BTreeMap<Uuid, String>) -> Vec<RequestTopicPartitions> {
    let of_topic = |(id, name): (&Uuid, &String)| {
        let places = owned.iter().filter(|place| place.topic == *name);
        let partitions: Vec<i32> = places.map(|place| place.partition.0).collect();
        (!partitions.is_empty()).then_some(RequestTopicPartitions { topic_id: *id, partitions })
    };
    topics.iter().filter_map(of_topic).collect()
}
