//! The teller: commands in, sentences out.

mod words;

use std::{collections::BTreeMap, fmt::Write};

use bytes::Bytes;
use common::{Offset, TopicName};
use coordinator::{
    GroupError, GroupId, GroupState, GroupType, InstanceId, MemberId, ProducerId, Reply, Request, Settings,
    Token, Topics, Transaction,
    api::{
        ConsumerGroupDescribe, ConsumerGroupDescription, ConsumerGroupHeartbeat, DeleteGroup, DescribeGroup,
        Heartbeat, JoinGroup, LeaseAck, LeaseId, LeasePlace, LeasePositions, LeaseRecords, LeaseRest,
        LeasedOffset, LeasedRead, LeaveGroup, LeavingMember, ListGroups, OffsetCommit, OffsetCommitPartition,
        OffsetCommitTopic, OffsetDelete, OffsetFetch, OffsetFetchTopic, Protocol, SyncGroup, TopicPartitions,
        TxnOffsetCommit,
    },
};
use uuid::Uuid;
use words::Words;

use crate::support::{self, Bench, START_UNIX_MS, subscription, topics};

/// What a client knows.
#[derive(Debug, Clone, Default)]
struct Client {
    member_id: MemberId,
    /// Or its member epoch.
    generation_id: i32,
    /// What it was told to have by a heartbeat.
    assigned: Vec<TopicPartitions>,
}

pub(crate) struct Story {
    bench: Bench,
    clients: BTreeMap<String, Client>,
    /// Who waits for an answer to what.
    waiting: BTreeMap<Token, String>,
    fresh: u128,
    leases: u128,
    /// Of each who has leased something, the last.
    leased: BTreeMap<String, LeaseId>,
    out: String,
}

impl Story {
    pub(crate) fn new() -> Self {
        let mut story = Self {
            bench: Bench::new(Settings::default()),
            clients: BTreeMap::new(),
            waiting: BTreeMap::new(),
            fresh: 0,
            leases: 0,
            leased: BTreeMap::new(),
            out: String::new(),
        };
        story.bench.set_topics(topics(&[("t", 1, 4), ("u", 2, 2)]));
        story
    }

    /// The text with each block's results replaced by those of now.
    pub(crate) fn retell(&mut self, told: &str) -> String {
        let mut found = String::new();
        let mut skipping = false;
        for line in told.lines() {
            match line {
                "----" => {
                    writeln!(found, "----\n{}", std::mem::take(&mut self.out).trim_end()).unwrap();
                    skipping = true;
                }
                "" => {
                    found.push('\n');
                    skipping = false;
                }
                _ if skipping => {}
                comment if comment.starts_with('#') => writeln!(found, "{comment}").unwrap(),
                command => {
                    writeln!(found, "{command}").unwrap();
                    self.step(&Words::new(command));
                    self.bench.check_log();
                }
            }
        }
        assert!(self.out.is_empty(), "commands without `----` at the end");
        found
    }

    fn step(&mut self, words: &Words<'_>) {
        match words.command() {
            "settings" => self.configure(words),
            "topics" => {
                let replies = self.bench.set_topics(topic_list(words));
                self.tell_all(replies);
            }
            "join" => self.join(words),
            "sync" => self.sync(words),
            "heartbeat" => self.heartbeat(words),
            "leave" => self.leave(words),
            "subscribe" | "beat" => self.beat(words),
            "members" => self.request(words, ConsumerGroupDescribe { group_id: group(words) }),
            "commit" => self.commit(words),
            "fetch" => self.fetch(words),
            "forget" => self.forget(words),
            "free" => self.free(words),
            "lease" => self.lease(words),
            "ack" => self.ack(words),
            "end" => self.end(words),
            "describe" => self.request(words, DescribeGroup { group_id: group(words) }),
            "list" => self.list(words),
            "delete" => self.request(words, DeleteGroup { group_id: group(words) }),
            "wait" => {
                let replies = self.bench.wait(words.at(1).parse().unwrap());
                self.tell_all(replies);
            }
            "failover" => {
                self.bench.fail_over();
                self.waiting.clear();
            }
            other => panic!("no such command: {other}"),
        }
    }

    fn configure(&mut self, words: &Words<'_>) {
        let settings = &mut self.bench.settings;
        for (key, value) in words.pairs() {
            let number: i64 = value.parse().unwrap();
            match key {
                "initial-delay" => settings.group_initial_rebalance_delay_ms = number.try_into().unwrap(),
                "max-size" => settings.group_max_size = number.try_into().unwrap(),
                "retention" => settings.offsets_retention_ms = number,
                "retention-check" => settings.offsets_retention_check_interval_ms = number,
                "record-max" => settings.record_bytes_max = number.try_into().unwrap(),
                "metadata-max" => settings.offset_metadata_max_bytes = number.try_into().unwrap(),
                other => panic!("no such setting: {other}"),
            }
        }
        self.bench.coordinator.set_settings(self.bench.settings.clone());
    }

    fn fresh(&mut self) -> Uuid {
        self.fresh += 1;
        Uuid::from_u128(self.fresh)
    }

    /// A member id as it is told: `a#1` instead of `a-00000000-0000-0000-0000-000000000001`.
    fn short(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for number in 1..=self.fresh {
            text = text.replace(&format!("-{}", Uuid::from_u128(number)), &format!("#{number}"));
        }
        text
    }

    /// The other way round.
    fn long(id: &str) -> MemberId {
        match id.split_once('#') {
            Some((name, number)) => format!("{name}-{}", Uuid::from_u128(number.parse().unwrap())).into(),
            None => id.into(),
        }
    }

    fn client(&self, words: &Words<'_>) -> Client {
        let mut client = self.clients.get(words.at(1)).cloned().unwrap_or_default();
        if let Some(id) = words.get("member") {
            client.member_id = Self::long(id);
        }
        if let Some(generation) = words.get("generation") {
            client.generation_id = generation.parse().unwrap();
        }
        client
    }

    fn request(&mut self, words: &Words<'_>, request: impl Into<Request>) {
        let (token, replies) = self.bench.send(request);
        self.waiting.insert(token, words.at(1).to_owned());
        self.tell_all(replies);
    }

    /// `join NAME [member=ID] [instance=ID] [protocols=a,b] [topics=t,u] [owned=t-0] [session=MS] [rebalance=MS] [v=N]`
    fn join(&mut self, words: &Words<'_>) {
        let version: i16 = words.get("v").map_or(9, |version| version.parse().unwrap());
        let read: Vec<&str> = words.get("topics").unwrap_or("t").split(',').collect();
        let owned: Vec<_> = words.get("owned").into_iter().flat_map(|list| list.split(',')).collect();
        let owned: Vec<_> = owned.into_iter().filter_map(words::partition).collect();
        let metadata = subscription(&read, &owned);
        let protocol = |name: &str| Protocol { name: name.to_owned(), metadata: metadata.clone() };
        let protocols = words.get("protocols").unwrap_or("range").split(',').filter(|name| !name.is_empty());
        let number = |key: &str, default: i32| words.get(key).map_or(default, |ms| ms.parse().unwrap());
        let request = JoinGroup {
            group_id: group(words),
            member_id: self.client(words).member_id,
            group_instance_id: words.get("instance").map(InstanceId::from),
            client_id: words.at(1).to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: number("session", 10_000),
            rebalance_timeout_ms: number("rebalance", 60_000),
            protocol_type: words.get("type").unwrap_or("consumer").to_owned(),
            protocols: protocols.map(protocol).collect(),
            require_known_member_id: version >= 4,
            supports_skip_assignment: version >= 9,
            fresh_id: self.fresh(),
        };
        self.request(words, request);
    }

    /// `sync NAME [a=SHARE] ...`: shares are for the members with these names; text, or partitions: `t-0+t-1`.
    fn sync(&mut self, words: &Words<'_>) {
        let client = self.client(words);
        let shares = words.pairs().filter_map(|(name, share)| {
            let member_id = self.clients.get(name)?.member_id.clone();
            let partitions: Option<Vec<_>> = share.split('+').map(words::partition).collect();
            let text = || Bytes::copy_from_slice(share.as_bytes());
            Some((member_id, partitions.map_or_else(text, |partitions| support::share(&partitions))))
        });
        let request = SyncGroup {
            group_id: group(words),
            member_id: client.member_id,
            group_instance_id: words.get("instance").map(InstanceId::from),
            generation_id: client.generation_id,
            protocol_type: words.get("type").map(str::to_owned),
            protocol_name: words.get("protocol").map(str::to_owned),
            assignments: shares.collect(),
        };
        self.request(words, request);
    }

    fn heartbeat(&mut self, words: &Words<'_>) {
        let client = self.client(words);
        let request = Heartbeat {
            group_id: group(words),
            member_id: client.member_id,
            group_instance_id: words.get("instance").map(InstanceId::from),
            generation_id: client.generation_id,
        };
        self.request(words, request);
    }

    fn leave(&mut self, words: &Words<'_>) {
        let member = LeavingMember {
            member_id: self.client(words).member_id,
            group_instance_id: words.get("instance").map(InstanceId::from),
        };
        self.request(words, LeaveGroup { group_id: group(words), members: vec![member] });
    }

    /// `subscribe NAME [topics=t,u] [regex=X] ...` joins; `beat NAME [owns] ...` goes on, and `owns` says that it has what it
    /// was told to have and nothing else.
    fn beat(&mut self, words: &Words<'_>) {
        let mut client = self.client(words);
        let joins = words.command() == "subscribe";
        if joins {
            client.generation_id = words.get("generation").map_or(0, |epoch| epoch.parse().unwrap());
        }
        if client.member_id.is_empty() {
            client.member_id = format!("{}-{}", words.at(1), self.fresh()).into();
        }
        let topics = words.get("topics").or_else(|| words.get("regex").is_none().then_some("t"));
        let topics = topics.filter(|_| joins || words.get("topics").is_some());
        let owned = if joins { Some(Vec::new()) } else { words.has("owns").then(|| client.assigned.clone()) };
        let request = ConsumerGroupHeartbeat {
            group_id: group(words),
            member_id: client.member_id,
            member_epoch: client.generation_id,
            instance_id: words.get("instance").map(InstanceId::from),
            rack_id: None,
            rebalance_timeout_ms: joins
                .then(|| words.get("rebalance").map_or(60_000, |ms| ms.parse().unwrap())),
            subscribed_topic_names: topics.map(|list| list.split(',').map(str::to_owned).collect()),
            subscribed_topic_regex: words.get("regex").map(str::to_owned),
            server_assignor: words.get("assignor").map(str::to_owned),
            topic_partitions: owned,
            client_id: words.at(1).to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            fresh_id: Uuid::nil(),
        };
        self.request(words, request);
    }

    /// `t-0 t-1`, by the names that topics have now.
    fn partitions(&self, topics: &[TopicPartitions]) -> String {
        let each = topics.iter().flat_map(|topic| {
            let name = self.bench.topics.name_of(topic.topic_id).map_or("?", |name| name.as_str());
            topic.partitions.iter().map(move |partition| format!("{name}-{partition}"))
        });
        let each: Vec<_> = each.collect();
        if each.is_empty() { "nothing".to_owned() } else { each.join(" ") }
    }

    fn tell_members(&self, group: &ConsumerGroupDescription) -> String {
        let mut lines = vec![format!(
            "{}, epoch {}, assigned for {} by {}",
            group.state, group.group_epoch, group.assignment_epoch, group.assignor_name
        )];
        for member in &group.members {
            let (has, wants) =
                (self.partitions(&member.assignment), self.partitions(&member.target_assignment));
            let is_to_have = if has == wants { String::new() } else { format!(", is to have {wants}") };
            let classic = if member.is_classic { ", classic" } else { "" };
            lines.push(format!(
                "  {} at {}{classic} has {has}{is_to_have}",
                member.member_id, member.member_epoch
            ));
        }
        lines.join("\n")
    }

    /// `commit NAME t-0=OFFSET[:NOTE] ... [producer=ID] [outside]`
    fn commit(&mut self, words: &Words<'_>) {
        let mut client = self.client(words);
        if words.has("outside") {
            client = Client { generation_id: -1, ..Client::default() };
        }
        let mut topics: Vec<OffsetCommitTopic> = Vec::new();
        for (key, value) in words.pairs() {
            let Some((topic, partition)) = key.rsplit_once('-') else { continue };
            let (offset, metadata) = value.split_once(':').unwrap_or((value, ""));
            topics.push(OffsetCommitTopic {
                name: TopicName::new(topic).unwrap(),
                topic_id: self.bench.topics.get(topic).map(|info| info.id),
                partitions: vec![OffsetCommitPartition {
                    partition: partition.parse().unwrap(),
                    offset: Offset(offset.parse().unwrap()),
                    leader_epoch: -1,
                    metadata: metadata.to_owned(),
                }],
            });
        }
        let group_instance_id = words.get("instance").map(InstanceId::from);
        let group_id = group(words);
        match words.get("producer") {
            None => {
                let request = OffsetCommit {
                    group_id,
                    member_id: client.member_id,
                    group_instance_id,
                    generation_id_or_member_epoch: client.generation_id,
                    supports_member_epochs: true,
                    retention_time_ms: words.get("retention").map(|ms| ms.parse().unwrap()),
                    topics,
                };
                self.request(words, request);
            }
            Some(producer) => {
                let request = TxnOffsetCommit {
                    group_id,
                    transaction: transaction(producer),
                    member_id: client.member_id,
                    group_instance_id,
                    generation_id_or_member_epoch: client.generation_id,
                    topics,
                };
                self.request(words, request);
            }
        }
    }

    /// `end PRODUCER commit|abort`
    fn end(&mut self, words: &Words<'_>) {
        self.bench.end(transaction(words.at(1)), words.at(2) == "commit");
    }

    /// `fetch GROUP|NAME [t-0] ... [stable] [checked]`; no partitions: all.
    fn fetch(&mut self, words: &Words<'_>) {
        let asked = partitions(words);
        let member = words.has("checked").then(|| self.client(words));
        let request = OffsetFetch {
            group_id: group(words),
            member_epoch: member.as_ref().map_or(-1, |member| member.generation_id),
            member_id: member.map(|member| member.member_id),
            topics: (!asked.is_empty()).then_some(asked),
            require_stable: words.has("stable"),
        };
        self.request(words, request);
    }

    /// `forget NAME t-0 ...`
    fn forget(&mut self, words: &Words<'_>) {
        self.request(words, OffsetDelete { group_id: group(words), topics: partitions(words) });
    }

    /// `free NAME t-0 ... [start=OFFSET]`: where records are that nobody has.
    fn free(&mut self, words: &Words<'_>) {
        let start = words.get("start").map(|offset| Offset(offset.parse().unwrap()));
        let places = partitions(words).into_iter().flat_map(|topic| {
            let place = move |partition| LeasePlace { topic: topic.name.clone(), partition, start };
            topic.partitions.into_iter().map(place)
        });
        self.request(words, LeasePositions { group_id: group(words), places: places.collect() });
    }

    /// `lease NAME t-0=FROM..TO[:OFFSET,OFFSET] ... [ms=MS]`: there are records at all offsets, or at these.
    fn lease(&mut self, words: &Words<'_>) {
        self.leases += 1;
        let lease = LeaseId(Uuid::from_u128(self.leases));
        self.leased.insert(words.at(1).to_owned(), lease);
        let reads = words.pairs().filter_map(|(place, read)| {
            let (topic, partition) = words::partition(place)?;
            let (range, offsets) = read.split_once(':').unwrap_or((read, ""));
            let (from, to) = range.split_once("..")?;
            let (from, to): (i64, i64) = (from.parse().unwrap(), to.parse().unwrap());
            let named = offsets.split(',').filter(|offset| !offset.is_empty());
            let named: Vec<i64> = named.map(|offset| offset.parse().unwrap()).collect();
            let offsets = if named.is_empty() { (from..to).collect() } else { named };
            Some(LeasedRead {
                topic: TopicName::new(topic).unwrap(),
                partition,
                from: Offset(from),
                to: Offset(to),
                offsets: offsets.into_iter().map(Offset).collect(),
            })
        });
        let lease_ms = words.get("ms").map_or(30_000, |ms| ms.parse().unwrap());
        let request = LeaseRecords { group_id: group(words), lease, lease_ms, reads: reads.collect() };
        self.request(words, request);
    }

    /// `ack NAME [t-0=OFFSET,OFFSET] ... [release] [extend=MS]`: what it leased last, or these records of it.
    fn ack(&mut self, words: &Words<'_>) {
        let records = words.pairs().filter_map(|(place, offsets)| {
            let (topic, partition) = words::partition(place)?;
            let record = move |offset: &str| LeasedOffset {
                topic: TopicName::new(topic).unwrap(),
                partition,
                offset: Offset(offset.parse().unwrap()),
            };
            Some(offsets.split(',').map(record))
        });
        let records: Vec<_> = records.flatten().collect();
        let rest = match words.get("extend") {
            Some(ms) => LeaseRest::Extend(ms.parse().unwrap()),
            None if words.has("release") => LeaseRest::Release,
            None => LeaseRest::Stay,
        };
        let request = LeaseAck {
            group_id: group(words),
            lease: self.leased.get(words.at(1)).copied().unwrap_or(LeaseId(Uuid::nil())),
            records: (!records.is_empty()).then_some(records),
            rest,
        };
        self.request(words, request);
    }

    fn list(&mut self, words: &Words<'_>) {
        let each = |key: &str| words.get(key).into_iter().flat_map(|list| list.split(','));
        let request = ListGroups {
            states: each("states").filter_map(GroupState::parse).collect(),
            types: each("types").filter_map(GroupType::parse).collect(),
        };
        self.request(words, request);
    }

    fn tell_all(&mut self, replies: Vec<(Token, Reply)>) {
        for (token, reply) in replies {
            let name = self.waiting.remove(&token).expect("a reply to a request that waits");
            let line = self.tell(&name, reply);
            let line = self.short(&line);
            writeln!(self.out, "{line}").unwrap();
        }
    }

    /// As clients do: who is told that nobody knows it, or has left, joins without an id the next time.
    fn forget_member_id(&mut self, name: &str, reply: &Reply) {
        let error = match reply {
            Reply::JoinGroup(Err(refused)) => Some(&refused.error),
            Reply::SyncGroup(Err(error)) | Reply::Heartbeat(Err(error)) => Some(error),
            Reply::ConsumerGroupHeartbeat(Err(error)) => Some(error),
            _ => None,
        };
        let has_left =
            matches!(reply, Reply::LeaveGroup(Ok(left)) if left.iter().all(|left| left.result.is_ok()));
        if has_left || error == Some(&GroupError::UnknownMemberId) {
            self.clients.remove(name);
        }
    }

    fn tell(&mut self, name: &str, reply: Reply) -> String {
        self.forget_member_id(name, &reply);
        match reply {
            Reply::JoinGroup(Ok(joined)) => {
                let client = self.clients.entry(name.to_owned()).or_default();
                client.member_id = joined.member_id.clone();
                client.generation_id = joined.generation_id;
                let role = if joined.is_leader() { "leads" } else { "is in" };
                let mut line = format!(
                    "{name} {role} generation {} as {} by {}",
                    joined.generation_id, joined.member_id, joined.protocol_name
                );
                if !joined.members.is_empty() {
                    let members: Vec<_> =
                        joined.members.iter().map(|member| member.member_id.to_string()).collect();
                    write!(line, ", with {}", members.join(" ")).unwrap();
                }
                if joined.skip_assignment {
                    line.push_str(", nothing to assign");
                }
                line
            }
            Reply::JoinGroup(Err(refused)) => {
                if refused.error == GroupError::MemberIdRequired {
                    self.clients.entry(name.to_owned()).or_default().member_id = refused.member_id.clone();
                }
                format!("{name} cannot join as `{}`: {}", refused.member_id, refused.error)
            }
            Reply::SyncGroup(Err(error)) => format!("{name} has nothing: {error}"),
            Reply::Heartbeat(Ok(())) => format!("{name} lives"),
            Reply::Heartbeat(Err(error)) => format!("{name} hears: {error}"),
            Reply::LeaveGroup(Ok(left)) => {
                let each = left.into_iter().map(|left| match left.result {
                    Ok(()) => format!("{name} has left"),
                    Err(error) => format!("{name} cannot leave: {error}"),
                });
                each.collect::<Vec<_>>().join("\n")
            }
            Reply::LeaveGroup(Err(error)) => format!("{name} cannot leave: {error}"),
            Reply::ConsumerGroupHeartbeat(Ok(answer)) => {
                let has = answer.assignment.as_ref().map(|assigned| self.partitions(assigned));
                if answer.member_epoch < 0 {
                    return format!("{name} has left with {}", answer.member_epoch);
                }
                let client = self.clients.entry(name.to_owned()).or_default();
                client.member_id = answer.member_id.clone();
                client.generation_id = answer.member_epoch;
                client.assigned = answer.assignment.unwrap_or_else(|| std::mem::take(&mut client.assigned));
                let has = has.map_or_else(String::new, |has| format!(", is to have {has}"));
                format!("{name} is at {}{has}", answer.member_epoch)
            }
            Reply::ConsumerGroupHeartbeat(Err(error)) => format!("{name} hears: {error}"),
            Reply::ConsumerGroupDescribe(Ok(group)) => self.tell_members(&group),
            Reply::ConsumerGroupDescribe(Err(error)) => error.to_string(),
            Reply::SyncGroup(Ok(synced)) => format!("{name} has `{}`", words::share(&synced.assignment)),
            other => words::tell_data(name, other),
        }
    }
}

fn group(words: &Words<'_>) -> GroupId {
    words.get("group").unwrap_or("g").into()
}

fn transaction(producer: &str) -> Transaction {
    Transaction { producer_id: ProducerId(producer.parse().unwrap()), producer_epoch: 0 }
}

/// `topics t:1:4 u:2:2`: name, id, partitions.
fn topic_list(words: &Words<'_>) -> Topics {
    let listed = words.rest().map(|word| {
        let parts: Vec<&str> = word.split(':').collect();
        (parts[0], parts[1].parse().unwrap(), parts[2].parse().unwrap())
    });
    topics(&listed.collect::<Vec<_>>())
}

/// `t-0 t-1`
fn partitions(words: &Words<'_>) -> Vec<OffsetFetchTopic> {
    let named = words.rest().skip(1).filter(|word| !word.contains('=')).filter_map(|word| {
        let (topic, partition) = word.rsplit_once('-')?;
        Some(OffsetFetchTopic {
            name: TopicName::new(topic).unwrap(),
            partitions: vec![partition.parse().unwrap()],
        })
    });
    named.collect()
}

pub(crate) fn since(unix_ms: i64) -> i64 {
    unix_ms - START_UNIX_MS
}
