//! One leader's followers on this broker, and the one connection that they fetch over.

use std::{sync::Arc, time::Duration};

use common::{BrokerId, PartitionId, TopicId};
use kafka_client::{Address, CallError, Connection, ConnectionOptions, FetchSession, fetch_session};
use kafka_wire::{ErrorCode, messages::FetchRequest};
use replica::{FetchAnswer, FetchPosition};
use runtime::Stop;
use tokio::time::Instant;

use super::{
    ReplicationFigures, ReplicationOptions,
    exchange::{self, Heard},
    followed::{Followed, Round, backoff},
};
use crate::{
    follower::{Follower, SuspicionReporter},
    image::SharedImage,
    partition::{Partition, PartitionError, Services, Taken},
};

/// Answers with more records than this are taken in on a thread that may block.
const INLINE_BYTES_MAX: usize = 64 * 1024;

/// What every fetcher of a broker uses.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) options: ReplicationOptions,
    pub(super) image: SharedImage,
    pub(super) link: Follower,
    pub(super) suspicions: SuspicionReporter,
    pub(super) services: Arc<Services>,
    pub(super) figures: ReplicationFigures,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) leader: BrokerId,
    pub(super) shared: Shared,
    pub(super) followed: Arc<Followed>,
}

/// Why a fetch brought nothing.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    /// The metadata do not say where the leader listens, or this broker is not registered.
    #[error("broker {0} has no address yet, or this broker no registration")]
    Unknown(BrokerId),
    /// No answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The leader does not know the fetch session, or knows it otherwise.
    #[error("the fetch session is over: {0:?}")]
    SessionOver(ErrorCode),
    /// An answer for all partitions at once.
    #[error("the leader refuses the fetch: {0:?}")]
    Refused(ErrorCode),
}

/// The way to the leader. What it remembers of the session is not known when the connection breaks.
#[derive(Debug, Default)]
struct Leader {
    connection: Option<Connection>,
    session: FetchSession,
}

/// What a leader said of a partition that was asked for.
struct Answer {
    key: (TopicId, PartitionId),
    partition: Arc<Partition>,
    position: FetchPosition,
    throttled: bool,
    heard: Heard,
}

impl Fetcher {
    /// Fetches until it is told to stop. Each pass asks for everything that may be asked for, then waits until all that
    /// came is on disk: the next fetch tells the leader so.
    pub(super) async fn run(self, stop: Stop) {
        let mut leader = Leader::default();
        let (mut failures, mut turn) = (0, 0_usize);
        while !stop.is_requested() {
            turn = turn.wrapping_add(1);
            let now = Instant::now();
            let quota = &self.shared.services.throttles().follower;
            let round = self.followed.round(self.leader, &self.shared.options, quota, turn, now);
            if round.not_safe_yet || round.wanted.is_empty() {
                let due = async {
                    match round.due_at {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = stop.requested() => return,
                    () = self.followed.news() => {}
                    () = due => {}
                }
                continue;
            }
            let Some(fetched) = stop.or(self.fetch(&mut leader, &round)).await else { return };
            match fetched {
                Ok(()) => failures = 0,
                // Once more at once, with everything; a leader that says so again is one that refuses.
                Err(FetchError::SessionOver(code)) if failures == 0 => {
                    leader.session.refused(code);
                    failures = 1;
                }
                Err(error) => {
                    leader.session.restart();
                    self.report(&error, leader.connection.take().is_some(), failures);
                    let pause = tokio::time::sleep(backoff(failures));
                    failures = failures.saturating_add(1);
                    tokio::select! {
                        () = stop.requested() => return,
                        () = self.followed.newcomer(self.leader, &round.partitions) => failures = 0,
                        () = pause => {}
                    }
                }
            }
        }
    }

    /// One request and its answer.
    async fn fetch(&self, leader: &mut Leader, round: &Round) -> Result<(), FetchError> {
        let Leader { connection, session } = leader;
        let unknown = || FetchError::Unknown(self.leader);
        let broker_epoch = self.shared.link.status().broker_epoch.ok_or_else(unknown)?;
        let open = match connection.take().filter(|connection| !connection.is_closed()) {
            Some(open) => open,
            None => self.connect(self.address().ok_or_else(unknown)?).await?,
        };
        let open = connection.insert(open);
        let due_in = round.due_at.map(|at| at.saturating_duration_since(Instant::now()));
        let wait = due_in.map_or(round.wait, |due| due.min(round.wait).max(Duration::from_millis(1)));
        let mut request = exchange::request(&self.shared.options, broker_epoch, &round.wanted, wait);
        session.put_into(&mut request);
        let pending = open.start::<FetchRequest>(&request, i16::MAX, wait).await?;
        let response = tokio::select! {
            response = pending.answer() => response?,
            () = self.followed.newcomer(self.leader, &round.partitions), if !round.grows => {
                // The leader would keep this fetch while the newcomer waits: begin anew with it.
                *connection = None;
                session.restart();
                return Ok(());
            }
        };
        self.shared.figures.fetched();
        if FetchSession::is_over(response.error_code) {
            return Err(FetchError::SessionOver(response.error_code));
        }
        if !response.error_code.is_none() {
            return Err(FetchError::Refused(response.error_code));
        }
        session.answered(response.session_id);
        let answers = exchange::heard(response.responses).filter_map(|(key, heard)| {
            let (partition, position, throttled) = round.partitions.get(&key)?;
            let (partition, position, throttled) = (Arc::clone(partition), *position, *throttled);
            Some(Answer { key, partition, position, throttled, heard })
        });
        let answers: Vec<_> = answers.collect();
        self.take_in(answers).await;
        Ok(())
    }

    async fn connect(&self, address: Address) -> Result<Connection, FetchError> {
        let options = ConnectionOptions {
            client_id: format!("dmq-broker-{}-fetcher", self.shared.options.broker_id),
            connection_setup_timeout: self.shared.options.session_timeout,
            request_timeout: self.shared.options.socket_timeout,
            max_in_flight: 1,
            ..ConnectionOptions::default()
        };
        let connection = Connection::open(&address, &options).await?;
        if connection.versions().best::<FetchRequest>(i16::MAX) < Some(fetch_session::VERSION_MIN) {
            let api = kafka_wire::ApiKey::Fetch;
            return Err(CallError::Version { address, api }.into());
        }
        tracing::debug!(event = "replication.connected", leader = %self.leader, %address, "fetching from it");
        Ok(connection)
    }

    fn address(&self) -> Option<Address> {
        self.shared.image.read(|state| {
            let broker = state.broker(self.leader)?;
            Some(Address::new(broker.host.clone(), broker.kafka_port?))
        })
    }

    /// Appends what came.
    async fn take_in(&self, answers: Vec<Answer>) {
        let records = |answer: &Answer| match &answer.heard {
            Heard::Answer(_, records) => records.len(),
            Heard::Refused(_) => 0,
        };
        let bytes: usize = answers.iter().map(records).sum();
        let throttled = answers.iter().filter(|answer| answer.throttled).map(records).sum();
        if throttled > 0 {
            self.shared.services.throttles().follower.spend(throttled, Instant::now());
        }
        self.shared.figures.received(bytes);
        // What is cut, or deleted because the leader has deleted it, is so durably.
        let blocks = |answer: &Answer| match &answer.heard {
            Heard::Answer(FetchAnswer::Records { log_start, .. }, records) => {
                let begins = answer.partition.is_untouched() && !records.is_empty();
                begins || *log_start > answer.position.log_start
            }
            Heard::Answer(..) => true,
            Heard::Refused(_) => false,
        };
        let (followed, figures) = (Arc::clone(&self.followed), self.shared.figures.clone());
        if bytes <= INLINE_BYTES_MAX && !answers.iter().any(blocks) {
            answers.into_iter().for_each(|answer| take_in_one(&followed, &figures, answer));
            return;
        }
        let work = move || answers.into_iter().for_each(|answer| take_in_one(&followed, &figures, answer));
        match tokio::task::spawn_blocking(work).await {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The process is ending: blocking work is cancelled then, and only then.
            _ => {}
        }
    }

    /// Tells of an error: to the log the first time, to the controller if a connection broke, so that a leader that died
    /// is not waited for.
    fn report(&self, error: &FetchError, was_connected: bool, failures: u32) {
        self.shared.figures.failed();
        if failures == 0 {
            tracing::warn!(event = "replication.fetch_failed", leader = %self.leader, %error, "cannot fetch");
        }
        if was_connected
            && matches!(error, FetchError::Call(CallError::NoAnswer { .. } | CallError::NotSent { .. }))
        {
            self.shared.suspicions.report(self.leader, format!("replication: {error}"));
        }
    }
}

fn take_in_one(followed: &Followed, figures: &ReplicationFigures, answer: Answer) {
    let Answer { key, partition, position, heard, .. } = answer;
    let (name, leader) = (partition.name(), position.leader);
    let failed = || followed.failed(&key, None, Instant::now());
    let taken = match heard {
        Heard::Answer(answer, records) => {
            if !records.is_empty() && partition.is_untouched() {
                partition.touch();
            }
            partition.fetched(&position, &answer, &records)
        }
        Heard::Refused(error) => {
            if followed.failed(&key, Some(error), Instant::now()) {
                tracing::debug!(event = "replication.refused", partition = %name, %leader, ?error, "asking again");
            }
            return;
        }
    };
    match taken {
        Ok(Taken::Progress) => followed.went_on(&key),
        Ok(Taken::Nothing) => {
            failed();
        }
        Ok(Taken::CommittedLost { to }) => {
            figures.committed_lost();
            if failed() {
                tracing::error!(
                    event = "replication.committed_lost", partition = %name, %leader,
                    leader_end = %to, log_end = %position.fetch_offset,
                    "the leader lacks committed records that this replica has: it cuts nothing, and stands still",
                );
            }
        }
        Err(PartitionError::Storage(error)) => {
            if failed() {
                tracing::warn!(event = "replication.not_appended", partition = %name, %leader, "{error}");
            }
        }
        // It is another's by now: its role was told to the router.
        Err(_) => {}
    }
}
