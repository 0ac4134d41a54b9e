//! Where a drill plays: the cluster, the workload, and what was seen.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use client::{HttpRequest, MetadataClient, MetadataClientOptions, Reply, api};
use common::{BrokerId, BrokerStatus, NodeId, PartitionId};
use http_api::{
    CreateTopicRequest, ErrorCode, Problem, headers, paths,
    query::{HistoryQuery, RaftLogQuery},
};
use local_cluster::{Leadership, Observer, wait_for};

use super::{
    history::{Findings, History, Outcome, Record, Write},
    records::{
        history::PartitionVerdict,
        workload::{Load, RecordWorkload},
    },
    report::Check,
    stage_records,
    target::Target,
    workload::{WRITERS, Workload},
};
use crate::exit::Failure;

/// How long anything may take that should take a second at most. A drill that waits so long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Within what time a node that cannot write must say so.
pub(crate) const REFUSAL_DEADLINE: Duration = Duration::from_secs(5);

/// So many writes are acknowledged before the first fault and after the last.
const WARM_WRITES: usize = 20;

/// One run of a drill.
pub(crate) struct Stage<'a> {
    /// The cluster.
    pub(crate) target: &'a mut Target,
    /// All metadata nodes from outside.
    pub(crate) observer: Observer,
    /// What keeps writing.
    pub(crate) workload: Workload,
    /// What keeps writing and reading records, if the drill is about them.
    pub(crate) records: Option<RecordWorkload>,
    /// What was seen, over all runs.
    pub(crate) seen: &'a mut Seen,
    /// Writes that the drill made itself.
    own_writes: Vec<Record>,
    /// Metadata version when the run began.
    version_before: common::MetadataVersion,
    /// Brokers that the drill ends itself, so that they may go OFFLINE.
    excused: Vec<BrokerId>,
}

/// What was seen, over all runs.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Samples by name.
    pub(crate) timings: BTreeMap<&'static str, Vec<Duration>>,
    /// Checks by name.
    pub(crate) checks: BTreeMap<&'static str, Check>,
    /// Broken promises.
    pub(crate) findings: Findings,
    /// Verdicts on the records, by partition.
    pub(crate) records: BTreeMap<PartitionId, PartitionVerdict>,
    /// The workload's writes.
    pub(crate) writes: super::history::Counts,
}

impl Seen {
    /// Notes whether something is as it must be.
    pub(crate) fn check(&mut self, name: &'static str, ok: bool, detail: impl FnOnce() -> String) {
        let check = self.checks.entry(name).or_default();
        if ok {
            check.passed += 1;
        } else {
            check.failed += 1;
            check.example.get_or_insert_with(detail);
        }
    }
}

impl<'a> Stage<'a> {
    /// Starts the workload and waits until it is under way.
    pub(crate) async fn open(
        target: &'a mut Target,
        seen: &'a mut Seen,
        load: Option<Load>,
    ) -> Result<Self, Failure> {
        let observer = target.observer()?;
        let leader = observer.agreed_leader(DEADLINE).await.map_err(Failure::failed)?;
        let version_before = observer.ask(leader.id, &api::cluster()).await?.version;
        let workload = Workload::start(observer.urls(), WRITERS);
        if !workload.advance(WARM_WRITES, DEADLINE).await {
            return Err(Failure::failed("no writes are acknowledged, before anything was broken"));
        }
        let records = match load {
            Some(load) => stage_records::start(&observer, &target.brokers()?, load).await?,
            None => None,
        };
        let (own_writes, excused) = (Vec::new(), Vec::new());
        Ok(Self { target, observer, workload, records, seen, own_writes, version_before, excused })
    }

    /// The leader that all nodes agree on.
    pub(crate) async fn leader(&self) -> Result<Leadership, Failure> {
        self.observer.agreed_leader(DEADLINE).await.map_err(Failure::failed)
    }

    /// The leader that all nodes but these agree on.
    pub(crate) async fn leader_without(&self, down: &[NodeId]) -> Result<Leadership, Failure> {
        self.observer.without(down).agreed_leader(DEADLINE).await.map_err(Failure::failed)
    }

    /// Notes how long something took.
    pub(crate) fn time(&mut self, name: &'static str, took: Duration) {
        self.seen.timings.entry(name).or_default().push(took);
    }

    /// Notes whether something is as it must be.
    pub(crate) fn check(&mut self, name: &'static str, ok: bool, detail: impl FnOnce() -> String) {
        self.seen.check(name, ok, detail);
    }

    /// Excuses a broker from staying ONLINE.
    pub(crate) fn excuse(&mut self, broker: BrokerId) {
        self.excused.push(broker);
    }

    /// Waits for the first write acknowledged by another node than `former` after a fault, and notes how long after
    /// the beginning of the fault that was. To be called once the fault is in effect.
    pub(crate) async fn outage(
        &mut self,
        name: &'static str,
        fault: Instant,
        former: Option<&Leadership>,
    ) -> Result<(), Failure> {
        let (now, former) = (Instant::now(), former.map(|former| former.url.as_str()));
        // Without a former controller to exclude, only writes begun with the fault in effect count.
        let since = if former.is_some() { fault } else { now };
        match self.workload.next_acknowledged(since, former, DEADLINE).await {
            Some(at) => self.time(name, at.duration_since(fault)),
            None => {
                let message = format!("no write is acknowledged {} s after the fault", DEADLINE.as_secs());
                return Err(Failure::failed(message));
            }
        }
        Ok(())
    }

    /// Tries to create a topic at one node, once, and notes the write for the checker.
    pub(crate) async fn try_write(&mut self, node: NodeId) -> Result<Reply, String> {
        let topic = format!("drill-probe-{}", uuid::Uuid::new_v4().simple());
        let request = CreateTopicRequest {
            topic_name: topic.clone(),
            num_partitions: Some(1),
            replication_factor: Some(1),
            ..CreateTopicRequest::default()
        };
        let url = format!("{}{}", self.observer.url(node), paths::TOPICS);
        let begun = Instant::now();
        let reply =
            self.observer.http().send(HttpRequest::post_json(url, &request).timeout(REFUSAL_DEADLINE)).await;
        let outcome = match &reply {
            Ok(reply) if reply.status.is_success() => match reply.json::<http_api::TopicInfo>() {
                Ok(topic) => Outcome::Acknowledged(topic.topic_id),
                Err(_) => Outcome::Unknown,
            },
            Ok(reply) if reply.status.as_u16() == 503 => Outcome::Refused(reply.status.to_string()),
            Ok(_) => Outcome::Unknown,
            Err(error) if error.surely_not_received() => Outcome::Refused(error.to_string()),
            Err(_) => Outcome::Unknown,
        };
        let ended = Instant::now();
        let node = self.observer.url(node).to_owned();
        self.own_writes.push(Record { topic, write: Write::Create, node, begun, ended, outcome });
        reply.map_err(|error| error.to_string())
    }

    /// Asks a former controller for writes and heartbeats until it refuses both as it must: 503 with the leader's
    /// name. Until then it may answer that it does not know (503 without a name, 504), but never accept anything.
    pub(crate) async fn must_refuse(&mut self, former: NodeId, leader: &Leadership) -> Result<(), Failure> {
        let begun = Instant::now();
        let brokers = self.target.brokers()?;
        loop {
            let write = self.try_write(former).await;
            self.never_accepted("the former controller acknowledges no write", &write);
            let mut answers = vec![write];
            if let Some(broker) = brokers.first() {
                let url = format!("{}{}", self.observer.url(former), paths::heartbeat(*broker));
                let beat = HttpRequest::new(http::Method::POST, url).timeout(REFUSAL_DEADLINE);
                let beat = self.observer.http().send(beat).await.map_err(|error| error.to_string());
                self.never_accepted("the former controller accepts no heartbeat", &beat);
                answers.push(beat);
            }
            if answers.iter().all(|answer| answer.as_ref().is_ok_and(|reply| names(reply, leader))) {
                self.time("former controller names the new one after", begun.elapsed());
                self.check(NAMES_LEADER, true, String::new);
                return Ok(());
            }
            if begun.elapsed() > REFUSAL_DEADLINE {
                self.check(NAMES_LEADER, false, || answers.iter().map(show).collect::<Vec<_>>().join("; "));
                return Ok(());
            }
        }
    }

    fn never_accepted(&mut self, name: &'static str, answer: &Result<Reply, String>) {
        let accepted = answer.as_ref().is_ok_and(|reply| reply.status.is_success());
        self.check(name, !accepted, || show(answer));
    }

    /// Waits until the controller says that a broker has this status.
    pub(crate) async fn broker_is(&self, broker: BrokerId, status: BrokerStatus) -> Result<(), Failure> {
        let what = format!("broker {broker} is {status:?}");
        let wait = wait_for(&what, DEADLINE, async || {
            let leader = self.observer.agreed_leader(DEADLINE).await.map_err(|error| error.to_string())?;
            let now = self.observer.ask(leader.id, &api::broker(broker)).await;
            match now.map_err(|error| error.to_string())?.status {
                now if now == status => Ok(()),
                now => Err(format!("it is {now:?}")),
            }
        });
        wait.await.map_err(Failure::failed)
    }

    /// Ends the run: the workload must still make progress; then everything it was told is compared with what every
    /// node holds, and the nodes with each other.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let resumed = self.workload.advance(WARM_WRITES, DEADLINE).await;
        self.seen.check("writes go on afterwards", resumed, || "no writes are acknowledged".to_owned());
        if let Some(records) = self.records {
            stage_records::close(&self.observer, records, self.seen).await?;
        }
        let mut history = self.workload.stop().await;
        history.0.extend(self.own_writes);
        add(&mut self.seen.writes, &history);
        let images = self.observer.images(DEADLINE).await.map_err(Failure::failed)?;
        self.seen.findings.merge(history.check(&images));
        let leader = self.observer.agreed_leader(DEADLINE).await.map_err(Failure::failed)?;
        compare_logs(&self.observer, self.seen).await?;
        let fenced = fenced_since(&self.observer, leader.id, self.version_before).await?;
        let wrongly: Vec<_> = fenced.iter().filter(|broker| !self.excused.contains(broker)).collect();
        self.seen
            .check("no live broker is marked OFFLINE", wrongly.is_empty(), || format!("brokers {wrongly:?}"));
        delete_topics(&self.observer, &history).await
    }
}

const NAMES_LEADER: &str = "the former controller refuses with 503 and names its successor";

fn show(answer: &Result<Reply, String>) -> String {
    match answer {
        Ok(reply) => format!(
            "{} {}: {} {}",
            reply.status,
            headers::CONTROLLER_LEADER,
            reply.header(headers::CONTROLLER_LEADER).unwrap_or("-"),
            String::from_utf8_lossy(&reply.body)
        ),
        Err(error) => error.clone(),
    }
}

/// Whether an answer is the refusal of a node that follows `leader`.
fn names(reply: &Reply, leader: &Leadership) -> bool {
    reply.status.as_u16() == 503
        && reply.header(headers::CONTROLLER_LEADER) == Some(&leader.id.to_string())
        && reply.header(headers::CONTROLLER_URL).is_some()
        && reply.json::<Problem>().is_ok_and(|problem| problem.code == ErrorCode::NotController)
}

fn add(sum: &mut super::history::Counts, history: &History) {
    let counts = history.counts();
    sum.acknowledged += counts.acknowledged;
    sum.refused += counts.refused;
    sum.unknown += counts.unknown;
}

/// Log Matching (Raft, section 5.3): entries of equal index, up to what is committed everywhere, are equal.
async fn compare_logs(observer: &Observer, seen: &mut Seen) -> Result<(), Failure> {
    const ENTRIES: u32 = 1000;
    let statuses = observer.statuses().await;
    let committed = statuses.values().flatten().map(|status| status.commit_index).min().unwrap_or_default();
    let query =
        RaftLogQuery { from: Some(committed.saturating_sub(ENTRIES.into()) + 1), limit: Some(ENTRIES) };
    let mut entries: BTreeMap<u64, (NodeId, http_api::RaftLogEntry)> = BTreeMap::new();
    let mut different = Vec::new();
    for node in observer.nodes() {
        for entry in observer.ask(node, &api::raft_log(&query)).await? {
            if entry.index > committed {
                continue;
            }
            match entries.get(&entry.index) {
                Some((other, same)) if *same != entry => {
                    different
                        .push(format!("index {}: node {other} {same:?}, node {node} {entry:?}", entry.index));
                }
                Some(_) => {}
                None => {
                    entries.insert(entry.index, (node, entry));
                }
            }
        }
    }
    seen.check("the logs of all nodes are equal", different.is_empty(), || different.join("\n"));
    Ok(())
}

/// Brokers that were marked OFFLINE since a version.
async fn fenced_since(
    observer: &Observer,
    leader: NodeId,
    since: common::MetadataVersion,
) -> Result<Vec<BrokerId>, Failure> {
    let mut found = Vec::new();
    let mut since = since;
    loop {
        let query = HistoryQuery { since: Some(since), limit: Some(1000), ..HistoryQuery::default() };
        let page = observer.ask(leader, &api::history(&query)).await?;
        for entry in &page {
            let after = &entry.after;
            if entry.kind == "BROKER_STATUS_CHANGED"
                && after.get("status").and_then(|status| status.as_str()) == Some("OFFLINE")
                && let Some(id) = after.get("brokerId").and_then(serde_json::Value::as_i64)
            {
                found.push(BrokerId(i32::try_from(id).unwrap_or_default()));
            }
        }
        match page.last() {
            Some(last) if page.len() == 1000 && last.version > since => since = last.version,
            _ => return Ok(found),
        }
    }
}

/// A patient client that follows the leader, for what a drill does besides measuring.
pub(crate) fn patient(observer: &Observer) -> MetadataClient {
    MetadataClient::new(observer.http().clone(), observer.urls(), MetadataClientOptions::default())
}

/// Leaves the cluster as it was.
async fn delete_topics(observer: &Observer, history: &History) -> Result<(), Failure> {
    let client = patient(observer);
    let mut own: Vec<&str> = history.0.iter().map(|record| record.topic.as_str()).collect();
    own.sort_unstable();
    for topic in client.call(&api::topics()).await? {
        if own.binary_search(&topic.topic_name.as_str()).is_ok() {
            client.call(&api::delete_topic(topic.topic_name.as_str())).await?;
        }
    }
    Ok(())
}
