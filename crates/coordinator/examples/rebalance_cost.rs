//! What a rebalance costs the coordinator itself, without log and network: members join a consumer group one after the other,
//! and send heartbeats until everybody has its share.
//!
//! `cargo run --release -p coordinator --example rebalance_cost`

#![allow(clippy::print_stdout, reason = "this is what it is for")]

use std::{sync::Arc, time::Instant};

use common::{TopicId, TopicName};
use coordinator::{
    Coordinator, GroupState, Now, Reply, Settings, Token, TopicInfo, Topics,
    api::{ConsumerGroupDescribe, ConsumerGroupHeartbeat, TopicPartitions},
};
use uuid::Uuid;

const NOW: Now = Now { monotonic_ms: 0, unix_ms: 0 };

fn main() {
    println!(
        "topics x partitions  members  subscriptions  joins ms  settle ms  heartbeats  slowest join ms  records"
    );
    for (topics, partitions, members) in [(1, 1_000, 100), (100, 10, 100), (1, 10_000, 1_000)] {
        for differing in [false, true] {
            measure(topics, partitions, members, differing);
        }
    }
}

/// A client that does what it is told.
struct Client {
    epoch: i32,
    has: Option<Vec<TopicPartitions>>,
}

fn measure(topics: i32, partitions: i32, members: usize, differing: bool) {
    let names: Vec<String> = (0..topics).map(|number| format!("topic-{number:04}")).collect();
    let mut coordinator = Coordinator::new(Settings::default());
    coordinator.activate(Arc::new(all_topics(&names, partitions)), NOW);
    let mut clients: Vec<Client> = (0..members).map(|_| Client { epoch: 0, has: None }).collect();

    let began = Instant::now();
    let mut slowest = 0.0_f64;
    let mut records = 0;
    for (number, client) in clients.iter_mut().enumerate() {
        // Every other one reads something besides, so that subscriptions differ.
        let besides = (differing && number % 2 == 0).then(|| "no-such-topic".to_owned());
        let read = names.iter().cloned().chain(besides).collect();
        let join = Instant::now();
        records += beat(&mut coordinator, number, client, Some(read));
        slowest = slowest.max(join.elapsed().as_secs_f64());
    }
    let joined = began.elapsed();
    let mut heartbeats = 0;
    while describe(&mut coordinator) != GroupState::Stable {
        for (number, client) in clients.iter_mut().enumerate() {
            records += beat(&mut coordinator, number, client, None);
            heartbeats += 1;
        }
    }
    println!(
        "{:>20} {members:>8} {:>14} {:>9.1} {:>10.1} {heartbeats:>11} {:>16.2} {records:>8}",
        format!("{topics} x {partitions}"),
        if differing { "two" } else { "one" },
        joined.as_secs_f64() * 1e3,
        (began.elapsed() - joined).as_secs_f64() * 1e3,
        slowest * 1e3,
    );
}

fn all_topics(names: &[String], partitions: i32) -> Topics {
    let named = (1_u128..).zip(names).filter_map(|(number, name)| {
        let info = TopicInfo { id: TopicId(Uuid::from_u128(number)), partitions };
        Some((TopicName::new(name).ok()?, info))
    });
    named.collect()
}

fn beat(
    coordinator: &mut Coordinator,
    number: usize,
    client: &mut Client,
    joins: Option<Vec<String>>,
) -> usize {
    let is_joining = joins.is_some();
    let request = ConsumerGroupHeartbeat {
        group_id: "g".into(),
        member_id: format!("member-{number:05}").into(),
        member_epoch: client.epoch,
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: is_joining.then_some(60_000),
        subscribed_topic_names: joins,
        subscribed_topic_regex: None,
        server_assignor: None,
        topic_partitions: if is_joining { Some(Vec::new()) } else { client.has.clone() },
        client_id: String::new(),
        client_host: String::new(),
        fresh_id: Uuid::nil(),
    };
    let outcome = coordinator.handle(Token(0), request.into(), NOW);
    for (_, reply) in outcome.replies {
        if let Reply::ConsumerGroupHeartbeat(Ok(answer)) = reply {
            client.epoch = answer.member_epoch;
            client.has = answer.assignment.or_else(|| client.has.take());
        }
    }
    outcome.records.len()
}

fn describe(coordinator: &mut Coordinator) -> GroupState {
    let request = ConsumerGroupDescribe { group_id: "g".into() };
    let outcome = coordinator.handle(Token(0), request.into(), NOW);
    match outcome.replies.into_iter().next() {
        Some((_, Reply::ConsumerGroupDescribe(Ok(group)))) => group.state,
        _ => GroupState::Dead,
    }
}
