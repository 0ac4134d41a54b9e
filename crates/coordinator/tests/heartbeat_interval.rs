//! How soon members of a consumer group are told to come again.

use std::sync::Arc;

use common::{TopicId, TopicName};
use coordinator::{
    Coordinator, Now, Reply, Settings, Token, TopicInfo,
    api::{ConsumerGroupHeartbeat, ConsumerGroupHeartbeatAnswer, TopicPartitions},
};
use uuid::Uuid;

const USUAL_MS: i32 = 5_000;
const BUSY_MS: i32 = 200;

fn at(monotonic_ms: i64) -> Now {
    Now { monotonic_ms, unix_ms: monotonic_ms }
}

/// A coordinator of a topic with two partitions.
fn coordinator() -> Coordinator {
    let settings = Settings { group_consumer_heartbeat_interval_ms: USUAL_MS, ..Settings::default() };
    let mut coordinator = Coordinator::new(settings);
    let info = TopicInfo { id: TopicId(Uuid::from_u128(1)), partitions: 2 };
    let topics = [(TopicName::new("t").expect("the name obeys the grammar"), info)].into_iter().collect();
    coordinator.activate(Arc::new(topics), at(0));
    coordinator
}

fn beat(
    coordinator: &mut Coordinator,
    now_ms: i64,
    member: &str,
    epoch: i32,
    has: &[i32],
) -> ConsumerGroupHeartbeatAnswer {
    let joins = epoch == 0;
    let has = TopicPartitions { topic_id: TopicId(Uuid::from_u128(1)), partitions: has.to_vec() };
    let request = ConsumerGroupHeartbeat {
        group_id: "g".into(),
        member_id: member.into(),
        member_epoch: epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: joins.then_some(60_000),
        subscribed_topic_names: joins.then(|| vec!["t".to_owned()]),
        subscribed_topic_regex: None,
        server_assignor: None,
        topic_partitions: Some(if has.partitions.is_empty() { Vec::new() } else { vec![has] }),
        client_id: String::new(),
        client_host: String::new(),
        fresh_id: Uuid::nil(),
    };
    let outcome = coordinator.handle(Token(0), request.into(), at(now_ms));
    match outcome.replies.into_iter().next() {
        Some((_, Reply::ConsumerGroupHeartbeat(Ok(answer)))) => answer,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn members_come_soon_while_their_group_changes_and_seldom_once_it_has_settled() {
    let mut coordinator = coordinator();
    let mut interval = |now_ms, member, epoch, has: &[i32]| {
        beat(&mut coordinator, now_ms, member, epoch, has).heartbeat_interval_ms
    };
    assert_eq!(interval(0, "a", 0, &[]), BUSY_MS, "others may start along with it");
    assert_eq!(interval(4_999, "a", 1, &[0, 1]), BUSY_MS);
    assert_eq!(interval(5_000, "a", 1, &[0, 1]), USUAL_MS, "nobody came for an interval");
    assert_eq!(interval(60_000, "b", 0, &[]), BUSY_MS);
    assert_eq!(interval(66_000, "a", 1, &[0, 1]), BUSY_MS, "it is to give a partition up");
    assert_eq!(interval(66_000, "b", 2, &[]), BUSY_MS, "it waits for that, however long");
    assert_eq!(interval(66_010, "a", 1, &[0]), USUAL_MS, "it has, and the group changed long ago");
    assert_eq!(interval(66_200, "b", 2, &[]), USUAL_MS, "it has what it waited for");
}

#[test]
fn a_large_group_is_not_told_to_come_more_often_than_a_coordinator_likes() {
    let mut coordinator = coordinator();
    let answers: Vec<i32> = (0..1_000)
        .map(|number| beat(&mut coordinator, 0, &format!("m{number}"), 0, &[]).heartbeat_interval_ms)
        .collect();
    assert_eq!((answers[0], answers[399], answers[999]), (200, 200, 500));
}
