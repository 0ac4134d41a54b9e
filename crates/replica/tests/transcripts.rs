//! Stories of three replicas, told in `testdata/*.txt`: what happens, a line `----`, and what came of it, up to a blank
//! line. `UPDATE_FIXTURES=1 cargo test -p replica --test transcripts` writes what comes of it now; read the difference
//! as you would a change of behaviour.
//!
//! Brokers 1, 2 and 3 have replicas. What the controllers say is told by `metadata`, and reaches a broker by `learn`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a failed test"
)]

mod support;

use std::{collections::BTreeMap, env, fmt::Write, fs, path::Path};

use common::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, Partition, PartitionEpoch, PartitionId};
use replica::{
    Acks, Assignment, Effects, FetchAnswer, FetchPosition, FetchRefused, Fetched, FollowerFetch, Isolation,
    IsrAnswer, Leader, Replica, ReplicaLog, Settings, Step,
};
use support::{MemoryLog, Record};

#[test]
fn stories() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut stories: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    stories.sort();
    for path in stories {
        let told = fs::read_to_string(&path).unwrap();
        let found = Story::new().retell(&told);
        if env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, &found).unwrap();
        } else {
            assert!(found == told, "{} goes otherwise now:\n{found}", path.display());
        }
    }
}

#[derive(Default)]
struct Node {
    log: MemoryLog,
    replica: Option<Replica>,
    noted: Offset,
}

struct Story {
    settings: Settings,
    assignment: Assignment,
    nodes: BTreeMap<i32, Node>,
    /// Fetches that wait to be sent again.
    kept: BTreeMap<i32, FetchPosition>,
    now_ms: i64,
    values: u64,
    out: String,
}

impl Story {
    fn new() -> Self {
        let ids = [1, 2, 3].map(BrokerId);
        let partition = Partition {
            id: PartitionId(0),
            leader: Some(BrokerId(1)),
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            replicas: ids.to_vec(),
            isr: ids.to_vec(),
            ..Partition::default()
        };
        let online = ids.iter().map(|id| (*id, BrokerEpoch(i64::from(id.0) + 10))).collect();
        Self {
            settings: Settings {
                min_insync_replicas: 2,
                replica_lag_time_max_ms: 10_000,
                session_timeout_ms: 3_000,
                committed_may_be_lost: false,
            },
            assignment: Assignment { partition, online },
            nodes: [1, 2, 3].map(|id| (id, Node::default())).into(),
            kept: BTreeMap::new(),
            now_ms: 0,
            values: 0,
            out: String::new(),
        }
    }

    /// The text with each block's results replaced by those of now.
    fn retell(&mut self, told: &str) -> String {
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
                    self.step(command);
                }
            }
        }
        assert!(self.out.is_empty(), "commands without `----` at the end");
        found
    }

    fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at).map_or(0, |word| word.parse::<i64>().unwrap());
        let each = || words[1..].iter().map(|word| word.parse::<i32>().unwrap());
        let id = || words[1].parse::<i32>().unwrap();
        match words[0] {
            "settings" => self.configure(&words),
            "metadata" => self.metadata(&words),
            "start" => each().for_each(|id| self.start(id)),
            "learn" => each().for_each(|id| self.learn(id)),
            "crash" => self.crash(id(), number(2)),
            "wipe" => self.nodes.insert(id(), Node::default()).map_or((), drop),
            "produce" => self.produce(id(), number(2)),
            "flush" => each().for_each(|id| self.flush(id)),
            "fetch" => self.fetch(id(), words.get(2).copied()),
            "break" => self.nodes.get_mut(&id()).unwrap().log.broken = true,
            "mend" => self.mend(id()),
            "leave" => self.leave(id()),
            "commit" => self.commit(id()),
            "refuse" => self.answer_isr(id(), IsrAnswer::Refused),
            "outdated" => self.answer_isr(id(), IsrAnswer::OutOfDate),
            "wait" => self.now_ms += number(1),
            "tick" => self.tell_leader(id(), Leader::tick),
            "delete" => self.delete(id(), number(2)),
            "session" => self.leader(id()).set_in_session(words[2] == "on"),
            "produce?" => self.ask_produce(id()),
            "ack?" => {
                let ack = self.leader(id()).ack(Offset(number(2)));
                self.tell(format_args!("{id}: offset {} is {ack:?}", number(2), id = id()));
            }
            "latest?" => self.ask_latest(id()),
            "epoch?" => self.ask_epoch(id(), LeaderEpoch(words[2].parse().unwrap())),
            "near?" => self.ask_near(id(), words[2], Offset(number(3))),
            "show" => self.show(),
            other => panic!("no such command: {other}"),
        }
    }

    fn tell(&mut self, line: impl std::fmt::Display) {
        writeln!(self.out, "{line}").unwrap();
    }

    /// `settings [min=N] [lost=ok]`
    fn configure(&mut self, words: &[&str]) {
        for (key, value) in words.iter().filter_map(|word| word.split_once('=')) {
            match key {
                "min" => self.settings.min_insync_replicas = value.parse().unwrap(),
                "lost" => self.settings.committed_may_be_lost = value == "ok",
                other => panic!("no such setting: {other}"),
            }
        }
    }

    /// `metadata [leader=N|none] [isr=1,2] [online=1,2@15]`; epochs rise as they do at the controllers.
    fn metadata(&mut self, words: &[&str]) {
        let partition = &mut self.assignment.partition;
        partition.partition_epoch = partition.partition_epoch.next();
        for (key, value) in words.iter().filter_map(|word| word.split_once('=')) {
            match key {
                "leader" => {
                    partition.leader = value.parse().ok().map(BrokerId);
                    partition.leader_epoch = partition.leader_epoch.next();
                }
                "isr" => partition.isr = value.split(',').map(|id| BrokerId(id.parse().unwrap())).collect(),
                "online" => self.assignment.online = value.split(',').map(online).collect(),
                other => panic!("no such word: {other}"),
            }
        }
    }

    fn start(&mut self, id: i32) {
        let node = self.nodes.get_mut(&id).unwrap();
        let assignment = self.assignment.clone();
        let (replica, effects) =
            Replica::new(BrokerId(id), self.settings, assignment, &node.log, node.noted, self.now_ms);
        node.replica = Some(replica);
        self.carry_out(id, &effects);
    }

    fn learn(&mut self, id: i32) {
        let node = self.nodes.get_mut(&id).unwrap();
        let assignment = self.assignment.clone();
        let replica = node.replica.as_mut().unwrap();
        let (change, effects) =
            replica.update(BrokerId(id), self.settings, assignment, &node.log, self.now_ms);
        self.tell(format_args!("{id}: {change:?}"));
        self.carry_out(id, &effects);
    }

    /// `crash ID [RECORDS]`: of what was not flushed, so many records are kept.
    fn crash(&mut self, id: i32, kept: i64) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.noted = node.replica.take().unwrap().high_watermark();
        node.log.crash(usize::try_from(kept).unwrap());
    }

    fn carry_out(&mut self, id: i32, effects: &Effects) {
        if let Some(high_watermark) = effects.high_watermark {
            self.tell(format_args!("{id}: high watermark {high_watermark}"));
        }
        if effects.became_ready {
            self.tell(format_args!("{id}: ready"));
        }
        if let Some(proposal) = &effects.proposal {
            let members = proposal.new_isr.iter().map(|m| format!("{}@{}", m.broker_id, m.broker_epoch));
            let members = members.collect::<Vec<_>>().join(",");
            self.tell(format_args!(
                "{id}: wants ISR {members} (leader epoch {}, partition epoch {})",
                proposal.leader_epoch, proposal.partition_epoch
            ));
        }
    }

    fn leader(&mut self, id: i32) -> &mut Leader {
        self.nodes.get_mut(&id).unwrap().replica.as_mut().unwrap().as_leader().unwrap()
    }

    fn tell_leader(&mut self, id: i32, tell: impl Fn(&mut Leader, &MemoryLog, i64) -> Effects) {
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(leader) = node.replica.as_mut().unwrap().as_leader() else { return };
        let effects = tell(leader, &node.log, self.now_ms);
        self.carry_out(id, &effects);
    }

    fn produce(&mut self, id: i32, records: i64) {
        let node = self.nodes.get_mut(&id).unwrap();
        let epoch = node.replica.as_ref().unwrap().leader_epoch();
        for _ in 0..records {
            self.values += 1;
            node.log.append((epoch, self.values));
        }
    }

    fn flush(&mut self, id: i32) {
        self.nodes.get_mut(&id).unwrap().log.confirm();
        self.tell_leader(id, Leader::log_changed);
    }

    /// `delete ID OFFSET`: its log starts there from now on.
    fn delete(&mut self, id: i32, start: i64) {
        self.nodes.get_mut(&id).unwrap().log.start_at(Offset(start));
        self.tell_leader(id, Leader::log_changed);
    }

    /// `fetch ID [keep|again|lost]`: keep the request and send it later; send the kept one; lose the answer.
    fn fetch(&mut self, id: i32, how: Option<&str>) {
        let node = &self.nodes[&id];
        let Some(Replica::Follower(follower)) = &node.replica else {
            return self.tell(format_args!("{id}: follows nobody"));
        };
        let asked = match how {
            Some("again") => self.kept.remove(&id),
            _ => follower.next_fetch(&node.log),
        };
        let Some(asked) = asked else { return self.tell(format_args!("{id}: has nothing to ask")) };
        if how == Some("keep") {
            self.kept.insert(id, asked);
            return;
        }
        let after =
            asked.last_fetched_epoch.map_or_else(String::new, |epoch| format!(" after epoch {epoch}"));
        self.tell(format_args!(
            "{id} asks {} in epoch {} for {}{after}",
            asked.leader, asked.leader_epoch, asked.fetch_offset
        ));
        let Some((answer, records)) = self.answer(id, &asked) else { return };
        if how != Some("lost") {
            self.answered(id, &asked, &answer, &records);
        }
    }

    fn answer(&mut self, id: i32, asked: &FetchPosition) -> Option<(FetchAnswer, Vec<Record>)> {
        let node = self.nodes.get_mut(&asked.leader.0).unwrap();
        let (leader_id, broker_id) = (asked.leader.0, BrokerId(id));
        let Some(Replica::Leader(leader)) = &mut node.replica else {
            self.tell(format_args!("{leader_id} does not lead"));
            return None;
        };
        let fetch = FollowerFetch {
            broker_id,
            broker_epoch: self.assignment.online.get(&broker_id).copied().unwrap_or(BrokerEpoch(0)),
            leader_epoch: asked.leader_epoch,
            fetch_offset: asked.fetch_offset,
            last_fetched_epoch: asked.last_fetched_epoch,
            log_start: asked.log_start,
            high_watermark: asked.high_watermark,
        };
        let log_start = node.log.log_start();
        match leader.follower_fetched(&fetch, &node.log, self.now_ms) {
            Ok(Fetched::Read { high_watermark, effects, .. }) => {
                let records = node.log.read(asked.fetch_offset, usize::MAX);
                let count = records.len();
                self.carry_out(leader_id, &effects);
                self.tell(format_args!(
                    "{leader_id} answers {count} records, high watermark {high_watermark}"
                ));
                Some((FetchAnswer::Records { high_watermark, log_start }, records))
            }
            Ok(Fetched::Diverged(end)) => {
                self.tell(format_args!("{leader_id} answers: epoch {} ends at {}", end.epoch, end.end));
                Some((FetchAnswer::Diverged(end), Vec::new()))
            }
            Err(refused) => {
                self.tell(format_args!("{leader_id} refuses: {refused}"));
                matches!(refused, FetchRefused::OutOfRange { .. })
                    .then_some((FetchAnswer::OutOfRange { log_start }, Vec::new()))
            }
        }
    }

    fn answered(&mut self, id: i32, asked: &FetchPosition, answer: &FetchAnswer, records: &[Record]) {
        let node = self.nodes.get_mut(&id).unwrap();
        let follower = node.replica.as_mut().unwrap().as_follower().unwrap();
        let step = follower.fetched(asked, answer, &node.log);
        match step {
            Step::Append => {
                records.iter().for_each(|record| node.log.append(*record));
                let FetchAnswer::Records { high_watermark, log_start } = *answer else { unreachable!() };
                let progress = follower.appended(high_watermark, log_start, &node.log);
                if let Some(start) = progress.log_start {
                    node.log.start_at(start);
                }
                let told = [
                    progress
                        .high_watermark
                        .map(|high_watermark| format!("{id}: high watermark {high_watermark}")),
                    progress.log_start.map(|start| format!("{id}: log start {start}")),
                ];
                told.into_iter().flatten().for_each(|line| self.tell(line));
                return;
            }
            Step::Truncate { to } => {
                node.log.truncate(to);
                follower.truncated(&node.log);
            }
            Step::Reset { to } => {
                node.log.reset(to);
                follower.truncated(&node.log);
            }
            Step::CommittedLost { .. } | Step::Nothing => {}
        }
        self.tell(format_args!("{id}: {step:?}"));
    }

    /// The disk works again; all of the log is there.
    fn mend(&mut self, id: i32) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.log.mend();
        if let Some(follower) = node.replica.as_mut().and_then(Replica::as_follower) {
            follower.truncated(&node.log);
        }
    }

    /// A broker whose disk is given up takes itself out of the ISR, and the controllers do that, in a new leader epoch.
    fn leave(&mut self, id: i32) {
        let Some(proposal) = self.assignment.without(BrokerId(id)) else {
            return self.tell(format_args!("{id} stays: it is not in the ISR, or the last one"));
        };
        let partition = &mut self.assignment.partition;
        partition.isr = proposal.new_isr.iter().map(|member| member.broker_id).collect();
        partition.leader =
            partition.leader.filter(|leader| leader.0 != id).or_else(|| partition.isr.first().copied());
        partition.leader_epoch = partition.leader_epoch.next();
        partition.partition_epoch = partition.partition_epoch.next();
        let isr = partition.isr.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        self.tell(format_args!("{id} leaves the ISR: {isr}"));
    }

    /// The controllers do what a leader wants.
    fn commit(&mut self, id: i32) {
        let proposal = self.leader(id).proposal().unwrap().clone();
        let partition = &mut self.assignment.partition;
        partition.isr = proposal.new_isr.iter().map(|member| member.broker_id).collect();
        partition.partition_epoch = partition.partition_epoch.next();
        let answer = IsrAnswer::Committed(partition.clone());
        self.answer_isr(id, answer);
    }

    fn answer_isr(&mut self, id: i32, answer: IsrAnswer) {
        let proposal = self.leader(id).proposal().unwrap().clone();
        self.tell_leader(id, |leader, log, now_ms| {
            leader.isr_answered(&proposal, answer.clone(), log, now_ms)
        });
    }

    fn ask_produce(&mut self, id: i32) {
        let now_ms = self.now_ms;
        for acks in [Acks::Leader, Acks::All] {
            match self.leader(id).check_produce(acks, now_ms) {
                Ok(()) => self.tell(format_args!("{id}: takes records for acks {acks:?}")),
                Err(error) => self.tell(format_args!("{id}: takes none for acks {acks:?}: {error}")),
            }
        }
    }

    fn ask_latest(&mut self, id: i32) {
        let node = &self.nodes[&id];
        let Some(Replica::Leader(leader)) = &node.replica else { panic!("{id} does not lead") };
        match leader.latest_offset(Isolation::ReadUncommitted, &node.log) {
            Ok(latest) => self.tell(format_args!("{id}: latest offset {latest}")),
            Err(error) => self.tell(format_args!("{id}: {error}")),
        }
    }

    fn ask_epoch(&mut self, id: i32, epoch: LeaderEpoch) {
        let node = &self.nodes[&id];
        let Some(Replica::Leader(leader)) = &node.replica else { panic!("{id} does not lead") };
        match leader.end_of_epoch(epoch, &node.log) {
            Some(end) => self.tell(format_args!("{id}: epoch {} ends at {}", end.epoch, end.end)),
            None => self.tell(format_args!("{id}: does not know epoch {epoch}")),
        }
    }

    /// `near? ID RACK OFFSET`; broker N is in rack rN, and broker 3 in r2.
    fn ask_near(&mut self, id: i32, rack: &str, offset: Offset) {
        let racks = ["r1", "r2", "r2"];
        let rack_of = |id: BrokerId| racks.get(usize::try_from(id.0 - 1).unwrap()).copied();
        let near = self.leader(id).preferred_replica(rack, offset, rack_of);
        self.tell(near.map_or_else(|| "here".to_owned(), |id| format!("at broker {id}")));
    }

    fn show(&mut self) {
        for id in 1..=3 {
            let node = &self.nodes[&id];
            let (start, records) = node.log.all();
            let epochs: String = records[start..].iter().map(|(epoch, _)| epoch.to_string()).collect();
            let (start, end, safe) = (node.log.log_start(), node.log.log_end(), node.log.confirmed());
            let log = format!("log {start} to {end}, safe to {safe}, epochs [{epochs}]");
            let line = match &node.replica {
                None => format!("{id} is down: {log}"),
                Some(Replica::Leader(leader)) => {
                    let isr = leader.isr().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                    let ready = if leader.is_ready() { "" } else { ", not ready" };
                    let (epoch, high_watermark) = (leader.leader_epoch(), leader.high_watermark());
                    format!(
                        "{id} leads epoch {epoch}: {log}, high watermark {high_watermark}, ISR {isr}{ready}"
                    )
                }
                Some(Replica::Follower(follower)) => {
                    let leader = follower.leader().map_or_else(|| "nobody".to_owned(), |id| id.to_string());
                    let high_watermark = follower.high_watermark();
                    format!("{id} follows {leader}: {log}, high watermark {high_watermark}")
                }
            };
            self.tell(line);
        }
    }
}

/// `2` or `2@15`.
fn online(word: &str) -> (BrokerId, BrokerEpoch) {
    let (id, epoch) = word.split_once('@').map_or((word, None), |(id, epoch)| (id, Some(epoch)));
    let id: i32 = id.parse().unwrap();
    let epoch = epoch.map_or_else(|| i64::from(id) + 10, |epoch| epoch.parse().unwrap());
    (BrokerId(id), BrokerEpoch(epoch))
}
