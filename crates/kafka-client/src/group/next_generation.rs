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
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::{
    ChangeKind, GroupError, Partitions,
    session::{Interrupted, Session, Wait},
};
use crate::offsets::TopicPartition;

/// The epoch of a member that joins.
const JOINS: i32 = 0;

/// What is known of the coordinator's will, and what it knows of ours.
struct Standing {
    epoch: i32,
    interval: Duration,
    /// What the member is to have; `None`: it was not told yet.
    target: Option<Partitions>,
    /// What the coordinator was told that it has; `None`: nothing, or nobody knows.
    told: Option<Partitions>,
    /// By id, as far as they were looked up.
    topics: BTreeMap<Uuid, String>,
}

/// Lives as a member, until it cannot go on.
pub(super) async fn run(session: &mut Session) -> GroupError {
    if session.identity.get().member_id.is_empty() {
        session.identity.lock().member_id = Uuid::new_v4().to_string();
    }
    loop {
        let mut standing = Standing {
            epoch: JOINS,
            interval: session.options.heartbeat_interval,
            target: None,
            told: None,
            topics: BTreeMap::new(),
        };
        match life(session, &mut standing).await {
            Interrupted::Anew => {}
            Interrupted::Ended(error) => {
                session.lose().await;
                return error;
            }
        }
    }
}

/// From joining until the member is lost.
async fn life(session: &mut Session, standing: &mut Standing) -> Interrupted {
    loop {
        match step(session, standing).await {
            Ok(()) => {}
            Err(interrupted) => return interrupted,
        }
    }
}

/// A heartbeat, and what comes of it. The next one is at once if there is something to tell.
async fn step(session: &mut Session, standing: &mut Standing) -> Result<(), Interrupted> {
    let next = beat(session, standing).await?;
    let Some(target) = standing.target.clone() else {
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
    session: &mut Session,
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
async fn beat(session: &mut Session, standing: &mut Standing) -> Result<Instant, Interrupted> {
    loop {
        // Until there is an answer, nobody knows what the coordinator knows.
        let told = standing.told.take();
        let response = {
            let standing = &*standing;
            let build =
                |session: &Session, again: bool| request(session, standing, told.as_ref().filter(|_| !again));
            session.ask(Wait::None, build, |told| told.error_code).await?
        };
        match response.error_code {
            ErrorCode::NONE => {
                take_in(session, standing, response).await;
                return Ok(Instant::now() + standing.interval);
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_MEMBER_EPOCH => {
                return Err(session.lose().await);
            }
            // The former self of a static member is still there.
            ErrorCode::UNRELEASED_INSTANCE_ID => sleep(session.cluster.options().retry_backoff).await,
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
        member_id: session.identity.get().member_id,
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

async fn take_in(session: &mut Session, standing: &mut Standing, response: ConsumerGroupHeartbeatResponse) {
    standing.told = Some(session.owned.clone());
    standing.epoch = response.member_epoch;
    standing.interval = Duration::from_millis(u64::try_from(response.heartbeat_interval_ms).unwrap_or(0));
    {
        let mut identity = session.identity.lock();
        identity.epoch = response.member_epoch;
        if let Some(member_id) = response.member_id {
            identity.member_id = member_id;
        }
    }
    if let Some(assignment) = response.assignment {
        standing.target = Some(by_name(session, standing, &assignment).await);
    }
}

/// Partitions of topics that are not known are left out: the coordinator goes on to want them taken.
async fn by_name(session: &Session, standing: &mut Standing, assignment: &Assignment) -> Partitions {
    let mut named = Partitions::new();
    for of_topic in &assignment.topic_partitions {
        if !standing.topics.contains_key(&of_topic.topic_id) {
            for topic in &session.options.topics {
                if let Ok(known) = session.cluster.look_up(topic).await {
                    standing.topics.insert(known.id, topic.clone());
                }
            }
        }
        let Some(topic) = standing.topics.get(&of_topic.topic_id) else { continue };
        named.extend(of_topic.partitions.iter().map(|id| TopicPartition::new(topic, PartitionId(*id))));
    }
    named
}

fn by_id(owned: &Partitions, topics: &BTreeMap<Uuid, String>) -> Vec<RequestTopicPartitions> {
    let of_topic = |(id, name): (&Uuid, &String)| {
        let places = owned.iter().filter(|place| place.topic == *name);
        let partitions: Vec<i32> = places.map(|place| place.partition.0).collect();
        (!partitions.is_empty()).then_some(RequestTopicPartitions { topic_id: *id, partitions })
    };
    topics.iter().filter_map(of_topic).collect()
}
