//! A coordinator whose log is kept in memory, so that it can be loaded again at any time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic here is a failed test")]
#![allow(dead_code, reason = "each test uses some of it")]

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use common::{TopicId, TopicName};
use coordinator::{
    Call, Coordinator, GroupId, GroupState, Now, Outcome, Record, Reply, Request, Settings, Token, TopicInfo,
    Topics, Transaction,
    api::{
        ConsumerGroupDescribe, ConsumerGroupHeartbeat, DescribeGroup, GroupDescription, ListGroups,
        OffsetFetch, TopicPartitions,
    },
};
use uuid::Uuid;

/// Past which the wall clock of the tests is; the monotonic one begins at 0.
pub(crate) const START_UNIX_MS: i64 = 1_000_000;

/// After how long consumer groups look at topics that changed.
const TOPICS_WAIT_MS: i64 = 1_000;

/// What stands in the log.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Record(Option<Transaction>, Box<Record>),
    End(Transaction, bool),
}

pub(crate) struct Bench {
    pub(crate) coordinator: Coordinator,
    pub(crate) log: Vec<Entry>,
    pub(crate) settings: Settings,
    pub(crate) topics: Arc<Topics>,
    pub(crate) now_ms: i64,
    /// When consumer groups have looked at these topics.
    looked_at_ms: i64,
    tokens: u64,
}

impl Bench {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut bench = Self {
            coordinator: Coordinator::new(settings.clone()),
            log: Vec::new(),
            settings,
            topics: Arc::default(),
            now_ms: 0,
            looked_at_ms: 0,
            tokens: 0,
        };
        bench.activate();
        bench
    }

    pub(crate) fn now(&self) -> Now {
        Now { monotonic_ms: self.now_ms, unix_ms: START_UNIX_MS + self.now_ms }
    }

    fn activate(&mut self) -> Vec<(Token, Reply)> {
        self.wait_with_topics();
        let outcome = self.coordinator.activate(Arc::clone(&self.topics), self.now());
        self.take(outcome)
    }

    /// Writes the records down and gives the replies.
    fn take(&mut self, outcome: Outcome) -> Vec<(Token, Reply)> {
        let transaction = outcome.transaction;
        self.log
            .extend(outcome.records.into_iter().map(|record| Entry::Record(transaction, Box::new(record))));
        outcome.replies
    }

    /// Groups, if there are any, are about to look at the topics.
    fn wait_with_topics(&mut self) {
        if !self.log.is_empty() {
            self.looked_at_ms = self.now_ms + TOPICS_WAIT_MS;
        }
    }

    pub(crate) fn send(&mut self, request: impl Into<Request>) -> (Token, Vec<(Token, Reply)>) {
        self.tokens += 1;
        let token = Token(self.tokens);
        let outcome = self.coordinator.handle(token, request.into(), self.now());
        (token, self.take(outcome))
    }

    /// A request that is answered at once.
    pub(crate) fn ask<C: Call>(&mut self, call: C) -> C::Reply {
        let (token, replies) = self.send(call);
        let reply = replies.into_iter().find(|(to, _)| *to == token).unwrap().1;
        C::reply(reply).unwrap()
    }

    pub(crate) fn set_topics(&mut self, topics: Topics) -> Vec<(Token, Reply)> {
        self.topics = Arc::new(topics);
        self.wait_with_topics();
        let outcome = self.coordinator.set_topics(Arc::clone(&self.topics), self.now());
        self.take(outcome)
    }

    pub(crate) fn end(&mut self, transaction: Transaction, committed: bool) {
        self.log.push(Entry::End(transaction, committed));
        self.coordinator.end_transaction(transaction.producer_id, committed);
    }

    /// Lets time pass, and everything happen when it is due.
    pub(crate) fn wait(&mut self, ms: i64) -> Vec<(Token, Reply)> {
        let until = self.now_ms + ms;
        let mut replies = Vec::new();
        while let Some(due) = self.coordinator.next_deadline().filter(|due| *due <= until) {
            self.now_ms = self.now_ms.max(due);
            replies.extend(self.tick());
        }
        self.now_ms = until;
        replies
    }

    pub(crate) fn tick(&mut self) -> Vec<(Token, Reply)> {
        let outcome = self.coordinator.tick(self.now());
        self.take(outcome)
    }

    /// Another coordinator, from the log.
    pub(crate) fn loaded(&self) -> Coordinator {
        let mut coordinator = Coordinator::new(self.settings.clone());
        for entry in self.log.clone() {
            match entry {
                Entry::Record(None, record) => coordinator.replay(*record),
                Entry::Record(Some(transaction), record) => {
                    coordinator.replay_transactional(transaction.producer_id, *record);
                }
                Entry::End(transaction, committed) => {
                    coordinator.end_transaction(transaction.producer_id, committed);
                }
            }
        }
        coordinator
    }

    /// The coordinator fails and is loaded again. Whoever waits for an answer is forgotten.
    pub(crate) fn fail_over(&mut self) {
        self.coordinator = self.loaded();
        self.activate();
    }

    /// That a coordinator loaded from the log knows what this one has written.
    pub(crate) fn check_log(&mut self) {
        let now = self.now();
        let mut loaded = self.loaded();
        loaded.activate(Arc::clone(&self.topics), now);
        if self.now_ms >= self.looked_at_ms {
            // The other one looks at them, too, and finds them as they were.
            loaded.tick(Now { monotonic_ms: now.monotonic_ms + TOPICS_WAIT_MS, ..now });
        }
        let live = written(&mut self.coordinator, now);
        let again = written(&mut loaded, now);
        for (group_id, live) in live {
            let again = again.iter().find(|(id, _)| *id == group_id).map(|(_, again)| again);
            // A rebalance that is under way is not written.
            let is_between =
                matches!(live.group.state, GroupState::PreparingRebalance | GroupState::CompletingRebalance)
                    || live.group.generation_id == 0;
            match again {
                Some(again) if is_between => assert_eq!(again.offsets, live.offsets, "offsets of {group_id}"),
                Some(again) => assert_eq!(again, &live, "group {group_id}"),
                None => assert!(is_between, "group {group_id} is lost: {live:?}"),
            }
        }
    }
}

#[derive(Debug, PartialEq)]
struct Written {
    group: GroupDescription,
    consumer_group: coordinator::api::ConsumerGroupDescribeReply,
    offsets: coordinator::api::OffsetFetchReply,
    stable: coordinator::api::OffsetFetchReply,
}

/// Everything that has to be in the log.
fn written(coordinator: &mut Coordinator, now: Now) -> Vec<(GroupId, Written)> {
    let listed = ask(coordinator, ListGroups::default(), now);
    let told = listed.into_iter().map(|listed| {
        let group_id = listed.group_id;
        let mut group = ask(coordinator, DescribeGroup { group_id: group_id.clone() }, now).unwrap();
        group.state_age_ms = 0;
        group.waiting_for.clear();
        let describe = ConsumerGroupDescribe { group_id: group_id.clone() };
        let consumer_group = ask(coordinator, describe, now);
        let fetch = |require_stable| OffsetFetch {
            group_id: group_id.clone(),
            member_id: None,
            member_epoch: -1,
            topics: None,
            require_stable,
        };
        let offsets = ask(coordinator, fetch(false), now);
        let stable = ask(coordinator, fetch(true), now);
        (group_id.clone(), Written { group, consumer_group, offsets, stable })
    });
    told.collect()
}

fn ask<C: Call>(coordinator: &mut Coordinator, call: C, now: Now) -> C::Reply {
    let outcome = coordinator.handle(Token(0), call.into(), now);
    assert!(outcome.records.is_empty(), "reading writes nothing");
    let (_, reply) = outcome.replies.into_iter().next().unwrap();
    C::reply(reply).unwrap()
}

/// Topics, by name, number of their id, and partitions.
pub(crate) fn topics(listed: &[(&str, u128, i32)]) -> Topics {
    let named = listed.iter().map(|(name, id, partitions)| {
        let id = TopicId(Uuid::from_u128(*id));
        (TopicName::new(name).unwrap(), TopicInfo { id, partitions: *partitions })
    });
    named.collect()
}

/// What a member of group `g` says that reads topic `t`, whose id is number 1, and has these partitions of it. Epoch 0: it joins.
pub(crate) fn heartbeat(member_id: &str, member_epoch: i32, has: &[i32]) -> ConsumerGroupHeartbeat {
    let joins = member_epoch == 0;
    let has = TopicPartitions { topic_id: TopicId(Uuid::from_u128(1)), partitions: has.to_vec() };
    ConsumerGroupHeartbeat {
        group_id: "g".into(),
        member_id: member_id.into(),
        member_epoch,
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
    }
}

/// What a consumer says under a protocol: version 1, the topics, no user data, what it has.
pub(crate) fn subscription(topics: &[&str], owned: &[(&str, i32)]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    put_array(&mut bytes, topics, |bytes, topic| put_string(bytes, topic));
    bytes.put_i32(-1);
    put_partitions(&mut bytes, owned);
    bytes.freeze()
}

/// What a leader assigns: version 0.
pub(crate) fn share(partitions: &[(&str, i32)]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    put_partitions(&mut bytes, partitions);
    bytes.put_i32(-1);
    bytes.freeze()
}

/// Each partition under a topic of its own, which is as good.
fn put_partitions(bytes: &mut BytesMut, partitions: &[(&str, i32)]) {
    put_array(bytes, partitions, |bytes, (topic, partition)| {
        put_string(bytes, topic);
        put_array(bytes, &[*partition], |bytes, partition| bytes.put_i32(*partition));
    });
}

fn put_array<T>(bytes: &mut BytesMut, items: &[T], put: impl Fn(&mut BytesMut, &T)) {
    bytes.put_i32(items.len().try_into().unwrap());
    items.iter().for_each(|item| put(bytes, item));
}

fn put_string(bytes: &mut BytesMut, text: &str) {
    bytes.put_i16(text.len().try_into().unwrap());
    bytes.put_slice(text.as_bytes());
}
