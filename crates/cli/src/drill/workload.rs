//! The workload of the drills: writers that keep creating topics, changing settings and deleting topics while the cluster
//! is hurt, and write down how every write ended.
//!
//! A writer is its own, impatient client: it gives a node 400 ms, then asks the next one, and pauses 5 ms between
//! attempts, so that an outage is measured to a few milliseconds. Every second writer sends an idempotency key and
//! repeats a write until it is decided; the others give up at the first doubt and leave the write unknown.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use client::{Call, CallError, HttpClient, api};
use common::TopicId;
use http_api::{AlterTopicRequest, CreateTopicRequest, Retry};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, task::JoinSet};

use super::history::{History, Outcome, REGISTER, Record, Write};

/// How many writers there are by default.
pub(crate) const WRITERS: usize = 4;

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(400);

/// Between two attempts at a write.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// Between two writes of one writer: the drill measures an outage, not throughput.
const WRITE_PAUSE: Duration = Duration::from_millis(5);

/// Settings written per topic created.
const SETS_PER_TOPIC: u64 = 8;

/// One topic of so many is kept, so that in the end some must be there and some must not.
const KEPT_OF: u64 = 4;

/// A running workload. Dropping it stops it.
pub(crate) struct Workload {
    shared: Arc<Shared>,
    /// How many writes were acknowledged so far.
    progress: watch::Receiver<usize>,
    writers: JoinSet<()>,
}

struct Shared {
    http: HttpClient,
    /// Base URLs of the metadata nodes.
    nodes: Vec<String>,
    /// Position of the node that is held for the leader.
    leader: AtomicUsize,
    stop: AtomicBool,
    history: Mutex<History>,
    acknowledged: watch::Sender<usize>,
    /// Makes topic names unique to this workload.
    tag: String,
}

impl Workload {
    /// Starts `writers` writers against these nodes.
    pub(crate) fn start(nodes: Vec<String>, writers: usize) -> Self {
        let (acknowledged, progress) = watch::channel(0);
        let shared = Arc::new(Shared {
            http: HttpClient::default(),
            nodes,
            leader: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            history: Mutex::default(),
            acknowledged,
            tag: uuid::Uuid::new_v4().simple().to_string().chars().take(8).collect(),
        });
        let mut tasks = JoinSet::new();
        for id in 0..writers {
            tasks.spawn(Writer { shared: shared.clone(), id, with_keys: id % 2 == 0 }.run());
        }
        Self { shared, progress, writers: tasks }
    }

    /// Waits until [`History::first_acknowledged`] has something to say, and tells when that was.
    /// `None`: not within `deadline`.
    pub(crate) async fn next_acknowledged(
        &self,
        since: Instant,
        former: Option<&str>,
        deadline: Duration,
    ) -> Option<Instant> {
        let mut progress = self.progress.clone();
        let found = async {
            loop {
                progress.borrow_and_update();
                if let Some(at) = self.history().first_acknowledged(since, former) {
                    return at;
                }
                // An error means that all writers are gone, and none will acknowledge anything any more.
                if progress.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        };
        tokio::time::timeout(deadline, found).await.ok()
    }

    /// Waits until `more` further writes are acknowledged. False: not within `deadline`.
    pub(crate) async fn advance(&self, more: usize, deadline: Duration) -> bool {
        let mut progress = self.progress.clone();
        let goal = *progress.borrow() + more;
        tokio::time::timeout(deadline, progress.wait_for(|count| *count >= goal))
            .await
            .is_ok_and(|r| r.is_ok())
    }

    /// The history so far.
    pub(crate) fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.shared.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets every writer finish the write it is at, and gives the whole history.
    pub(crate) async fn stop(mut self) -> History {
        self.shared.stop.store(true, Ordering::Relaxed);
        while self.writers.join_next().await.is_some() {}
        std::mem::take(&mut *self.history())
    }
}

struct Writer {
    shared: Arc<Shared>,
    id: usize,
    with_keys: bool,
}

impl Writer {
    async fn run(self) {
        for number in 0_u64.. {
            let topic = format!("drill-{}-{}-{number}", self.shared.tag, self.id);
            let create = api::create_topic(&CreateTopicRequest {
                topic_name: topic.clone(),
                num_partitions: Some(1),
                replication_factor: Some(1),
                ..CreateTopicRequest::default()
            });
            let created = self.write(&topic, Write::Create, create, |topic| topic.topic_id).await;
            let Some(id) = created else {
                // Without its topic there is nothing to set.
                if self.stopped() {
                    return;
                }
                continue;
            };
            for value in 1..=SETS_PER_TOPIC {
                let mut request = AlterTopicRequest::default();
                request.configs.insert(REGISTER.to_owned(), Some(value.to_string()));
                let set = api::alter_topic(&topic, &request);
                self.write(&topic, Write::Set(value), set, |topic| topic.topic_id).await;
                if self.stopped() {
                    return;
                }
            }
            if number % KEPT_OF != 0 {
                self.write(&topic, Write::Delete, api::delete_topic(&topic), |()| id).await;
            }
        }
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Makes one write and records its end. The topic's id: it was acknowledged.
    async fn write<T>(
        &self,
        topic: &str,
        write: Write,
        call: Call<T>,
        id: impl Fn(T) -> TopicId,
    ) -> Option<TopicId>
    where
        T: DeserializeOwned,
    {
        tokio::time::sleep(WRITE_PAUSE).await;
        let mut call = call.timeout(ATTEMPT_TIMEOUT);
        if !self.with_keys {
            call.idempotency_key = None;
        }
        // Once an attempt may have been carried out, only a decision under the same key settles it.
        let mut in_doubt = false;
        let (node, begun, outcome) = loop {
            let begun = Instant::now();
            let position = self.shared.leader.load(Ordering::Relaxed) % self.shared.nodes.len().max(1);
            let node = self.shared.nodes.get(position)?;
            match Verdict::of(call.send(&self.shared.http, node).await.map(&id)) {
                Verdict::Acknowledged(id) => break (node, begun, Outcome::Acknowledged(id)),
                Verdict::Refused(why) => break (node, begun, Outcome::Refused(why)),
                Verdict::NotDone { leader } => self.turn_to(position, leader),
                Verdict::InDoubt => {
                    in_doubt = true;
                    self.turn_to(position, None);
                    if !self.with_keys {
                        break (node, begun, Outcome::Unknown);
                    }
                }
            }
            if self.stopped() {
                let outcome =
                    if in_doubt { Outcome::Unknown } else { Outcome::Refused("given up".to_owned()) };
                break (node, begun, outcome);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        };
        let acknowledged = match outcome {
            Outcome::Acknowledged(id) => Some(id),
            Outcome::Refused(_) | Outcome::Unknown => None,
        };
        let (topic, node) = (topic.to_owned(), node.clone());
        let record = Record { topic, write, node, begun, ended: Instant::now(), outcome };
        self.shared.history.lock().unwrap_or_else(PoisonError::into_inner).0.push(record);
        if acknowledged.is_some() {
            self.shared.acknowledged.send_modify(|count| *count += 1);
        }
        acknowledged
    }

    /// Asks another node next: the one that was named, or the one after `asked`, unless a fellow turned already.
    fn turn_to(&self, asked: usize, named: Option<String>) {
        let named = named.and_then(|url| self.shared.nodes.iter().position(|node| *node == url));
        let next = named.unwrap_or_else(|| (asked + 1) % self.shared.nodes.len().max(1));
        let _ = self.shared.leader.compare_exchange(asked, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// What an attempt means for its write.
enum Verdict {
    Acknowledged(TopicId),
    /// Decided: no.
    Refused(String),
    /// Certainly not carried out; another node may do it.
    NotDone {
        leader: Option<String>,
    },
    /// Perhaps carried out.
    InDoubt,
}

impl Verdict {
    fn of(result: Result<TopicId, CallError>) -> Self {
        match result {
            Ok(id) => Self::Acknowledged(id),
            Err(CallError::NotController { leader, .. }) => {
                Self::NotDone { leader: leader.map(|hint| hint.url) }
            }
            Err(CallError::Problem(problem)) => match problem.code.retry() {
                Retry::Never => Self::Refused(format!("{} {problem}", problem.status)),
                Retry::Later | Retry::OtherNode => Self::NotDone { leader: None },
                Retry::OnlyWithIdempotencyKey => Self::InDoubt,
            },
            Err(CallError::NoAnswer(error)) if error.surely_not_received() => Self::NotDone { leader: None },
            Err(CallError::NoLeader(_)) => Self::NotDone { leader: None },
            Err(CallError::NoAnswer(_) | CallError::OutcomeUnknown { .. } | CallError::Unreadable { .. }) => {
                Self::InDoubt
            }
        }
    }
}
