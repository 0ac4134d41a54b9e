//! Serving: requests in, decisions of the pure coordinator, records appended, replies out once these are committed.
//!
//! Everything that waits in the queue is decided at once, and its records go out as one batch. More is decided and appended
//! while earlier batches are on their way to be committed: the coordinator's memory is ahead of the log, but no reply is.
//!
//! While the partition takes no records (too few replicas in sync, a full disk, a leader that may have been replaced), the
//! owner stands still: nothing is decided that could not be kept, and no time passes for sessions. Only heartbeats and
//! questions are answered, as far as the leadership is not in doubt.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    future::pending,
    sync::Arc,
    time::Duration,
};

use commit_log::batch::BuildError;
use coordinator::{Coordinator, Now, Outcome, Request, Token, Topics};
use kafka_wire::EncodeError;
use runtime::clock;
use thiserror::Error;
use tokio::sync::oneshot::error::TryRecvError;

use super::{
    Unavailable,
    batch::{OpenBatch, Replies},
    codec,
    owner::{Answer, Command, Owner},
};
use crate::partition::{Ack, Acknowledged, PartitionError};

/// Requests that are decided together.
const REQUESTS_PER_TURN: usize = 256;

/// Batches that are on their way. No request is taken while there are so many.
const IN_FLIGHT_MAX: usize = 64;

/// How long until it is looked again whether a partition takes records.
const STANDSTILL: Duration = Duration::from_millis(100);

/// Why what was decided cannot be kept.
#[derive(Debug, Error)]
pub(super) enum Lost {
    /// The partition did not take a batch, or cannot say whether it is safe.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// Records do not fit into a batch.
    #[error(transparent)]
    Batch(#[from] BuildError),
    /// A record does not fit into its form.
    #[error(transparent)]
    Record(#[from] EncodeError),
}

/// A batch that is not committed yet, and the replies that wait for it.
#[derive(Debug)]
struct InFlight {
    ack: Ack,
    replies: Replies,
}

/// A loaded coordinator at work.
#[derive(Debug)]
pub(super) struct Serving<'a> {
    owner: &'a mut Owner,
    coordinator: Coordinator,
    /// Who waits, by the token that the request was given.
    waiting: BTreeMap<Token, Answer>,
    next_token: u64,
    batch: OpenBatch,
    in_flight: VecDeque<InFlight>,
    /// Set while the partition takes no records.
    standing: Option<Standing>,
    /// How long it took none, in all, in ms.
    stood_ms: i64,
}

/// A standstill.
#[derive(Debug)]
struct Standing {
    /// By the owner's clock, in ms.
    since_ms: i64,
    why: PartitionError,
}

/// What happens next.
enum Event {
    Requests,
    Acknowledged(Acknowledged),
    /// Topics or settings have changed, the coordinator has something to do, or the partition may take records again: what is
    /// looked at in each turn.
    Else,
}

impl<'a> Serving<'a> {
    pub(super) fn new(owner: &'a mut Owner, coordinator: Coordinator) -> Self {
        Self {
            owner,
            coordinator,
            waiting: BTreeMap::new(),
            next_token: 0,
            batch: OpenBatch::default(),
            in_flight: VecDeque::new(),
            standing: None,
            stood_ms: 0,
        }
    }

    /// Until what was decided cannot be kept; says why. Dropped, everybody who waits learns that this is no coordinator.
    pub(super) async fn run(mut self) -> Lost {
        match self.serve().await {
            Ok(never) => match never {},
            Err(lost) => lost,
        }
    }

    async fn serve(&mut self) -> Result<Infallible, Lost> {
        let topics = self.topics();
        let outcome = self.coordinator.activate(topics, self.now());
        self.take(outcome)?;
        self.append()?;
        self.owner.stage.serve();
        let mut commands = Vec::with_capacity(REQUESTS_PER_TURN);
        loop {
            self.turn(&mut commands).await?;
        }
    }

    /// Waits until there is something to do, and does it.
    async fn turn(&mut self, commands: &mut Vec<Command>) -> Result<(), Lost> {
        let event = self.next(commands).await;
        self.look();
        match event {
            Event::Requests => {
                for Command { request, answer } in commands.drain(..) {
                    self.handle(request, answer)?;
                }
            }
            Event::Acknowledged(acknowledged) => {
                acknowledged?;
                self.release()?;
            }
            Event::Else => {}
        }
        self.attend()?;
        self.append()
    }

    /// Does what nobody asks for, in every turn: while there are always more requests, sessions have to end all the same. What
    /// cannot be done because the partition takes no records is left for when it does.
    fn attend(&mut self) -> Result<(), Lost> {
        let Owner { settings, topics, .. } = &mut *self.owner;
        if settings.has_changed().unwrap_or(false) {
            self.coordinator.set_settings(settings.borrow_and_update().clone());
        }
        if self.standing.is_some() {
            return Ok(());
        }
        if topics.has_changed().unwrap_or(false) {
            let topics = self.topics();
            let outcome = self.coordinator.set_topics(topics, self.now());
            self.take(outcome)?;
        }
        let now = self.now();
        if self.coordinator.next_deadline().is_some_and(|due_ms| due_ms <= now.monotonic_ms) {
            let outcome = self.coordinator.tick(now);
            self.take(outcome)?;
        }
        Ok(())
    }

    async fn next(&mut self, commands: &mut Vec<Command>) -> Event {
        let stands = self.standing.is_some();
        let deadline = self.coordinator.next_deadline().map(|ms| ms.saturating_add(self.stood_ms));
        let takes_requests = self.in_flight.len() < IN_FLIGHT_MAX;
        let first = self.in_flight.front_mut();
        let Owner { queue, topics, settings, clock, .. } = &mut *self.owner;
        let acknowledged = async {
            match first {
                // The partition is gone, with all that waited.
                Some(first) => (&mut first.ack).await.unwrap_or(Err(PartitionError::Unknown)),
                None => pending().await,
            }
        };
        let due = async {
            match deadline {
                Some(ms) => tokio::time::sleep_until(clock.at(u64::try_from(ms).unwrap_or(0))).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            acknowledged = acknowledged => Event::Acknowledged(acknowledged),
            received = queue.recv_many(commands, REQUESTS_PER_TURN), if takes_requests => match received {
                // Nobody can ask any more: the owner is about to be dropped.
                0 => pending().await,
                _ => Event::Requests,
            },
            () = tokio::time::sleep(STANDSTILL), if stands => Event::Else,
            // They are not seen before they are looked at.
            Ok(()) = settings.changed() => {
                settings.mark_changed();
                Event::Else
            }
            Ok(()) = topics.changed(), if !stands => {
                topics.mark_changed();
                Event::Else
            }
            () = due, if !stands => Event::Else,
        }
    }

    /// Notes whether the partition takes records.
    fn look(&mut self) {
        let now_ms = self.clock_ms();
        match (self.owner.partition.may_append(self.owner.epoch), &mut self.standing) {
            (Ok(()), None) => {}
            (Ok(()), Some(standing)) => {
                self.stood_ms += now_ms - standing.since_ms;
                self.standing = None;
            }
            (Err(why), Some(standing)) => standing.why = why,
            (Err(why), None) => {
                let partition = self.owner.partition.name();
                tracing::warn!(event = "coordinator.stands", %partition, "its groups stand still: {why}");
                self.standing = Some(Standing { since_ms: now_ms, why });
            }
        }
    }

    fn handle(&mut self, request: Request, answer: Answer) -> Result<(), Lost> {
        let refused = match self.standing.as_ref().map(|standing| &standing.why) {
            None => None,
            Some(
                PartitionError::NotEnoughReplicas { .. }
                | PartitionError::Storage(_)
                | PartitionError::NothingAppended(_),
            ) => (!is_question(&request)).then_some(Unavailable::NotAvailable),
            Some(_) => Some(Unavailable::NotCoordinator),
        };
        if let Some(unavailable) = refused {
            let _ = answer.send(Err(unavailable));
            return Ok(());
        }
        self.next_token += 1;
        let token = Token(self.next_token);
        self.waiting.insert(token, answer);
        let outcome = self.coordinator.handle(token, request, self.now());
        self.take(outcome)
    }

    /// Adds an outcome to the open batch.
    fn take(&mut self, outcome: Outcome) -> Result<(), Lost> {
        // Transactions are not served: no client can commit offsets within one.
        let Outcome { records, transaction: _, replies } = outcome;
        if !records.is_empty() {
            let records: Vec<_> = records.into_iter().map(codec::encode).collect::<Result<_, _>>()?;
            if self.batch.is_full() {
                self.append()?;
            }
            let unix_ms = self.now().unix_ms;
            for (key, value) in &records {
                if self.batch.is_too_large() {
                    self.append()?;
                }
                self.batch.add(key, value.as_deref(), unix_ms);
            }
        }
        self.batch.replies.extend(replies);
        Ok(())
    }

    /// Appends the open batch. Its replies go when it is committed, and so does a reply without records: what it tells may
    /// depend on what is on its way.
    fn append(&mut self) -> Result<(), Lost> {
        let (batch, replies) = self.batch.take()?;
        let ack = match batch {
            Some(batch) => self.owner.partition.append_internal(batch, self.owner.epoch)?.ack,
            None => None,
        };
        match (ack, self.in_flight.back_mut()) {
            (Some(ack), _) => self.in_flight.push_back(InFlight { ack, replies }),
            (None, Some(last)) => last.replies.extend(replies),
            (None, None) => self.reply(replies),
        }
        Ok(())
    }

    /// The first batch is committed, and perhaps others with it.
    fn release(&mut self) -> Result<(), Lost> {
        while let Some(first) = self.in_flight.pop_front() {
            self.reply(first.replies);
            match self.in_flight.front_mut().map(|next| next.ack.try_recv()) {
                Some(Ok(acknowledged)) => acknowledged?,
                Some(Err(TryRecvError::Closed)) => return Err(PartitionError::Unknown.into()),
                Some(Err(TryRecvError::Empty)) | None => return Ok(()),
            }
        }
        Ok(())
    }

    fn reply(&mut self, replies: Replies) {
        for (token, reply) in replies {
            if let Some(answer) = self.waiting.remove(&token) {
                // Who asked may have gone.
                let _ = answer.send(Ok(reply));
            }
        }
    }

    fn topics(&mut self) -> Arc<Topics> {
        Arc::clone(&self.owner.topics.borrow_and_update())
    }

    /// The time, as far as it passes for groups.
    fn now(&self) -> Now {
        let clock_ms = self.standing.as_ref().map_or_else(|| self.clock_ms(), |standing| standing.since_ms);
        let unix_ms = i64::try_from(clock::unix_ms()).unwrap_or(i64::MAX);
        Now { monotonic_ms: clock_ms - self.stood_ms, unix_ms }
    }

    fn clock_ms(&self) -> i64 {
        i64::try_from(self.owner.clock.now_ms()).unwrap_or(i64::MAX)
    }
}

/// Whether a request is answered from what is there.
fn is_question(request: &Request) -> bool {
    match request {
        Request::Heartbeat(_)
        | Request::OffsetFetch(_)
        | Request::DescribeGroup(_)
        | Request::ListGroups(_)
        | Request::Survey(_)
        | Request::ConsumerGroupDescribe(_) => true,
        Request::JoinGroup(_)
        | Request::SyncGroup(_)
        | Request::LeaveGroup(_)
        | Request::OffsetCommit(_)
        | Request::TxnOffsetCommit(_)
        | Request::OffsetDelete(_)
        | Request::DeleteGroup(_)
        | Request::ConsumerGroupHeartbeat(_)
        | Request::LeasePositions(_)
        | Request::LeaseRecords(_)
        | Request::LeaseAck(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use commit_log::disk::sim::SimDisk;
    use coordinator::{Settings, api};
    use runtime::clock::Monotonic;
    use tokio::sync::{mpsc, oneshot, watch};
    use uuid::Uuid;

    use super::*;
    use crate::{
        coordinator::{owner::QUEUE_LENGTH, stage::Stage},
        partition::{
            Partition,
            testing::{ME, partition},
        },
    };

    /// An owner of this partition, and who tells it what.
    struct Bench {
        owner: Owner,
        requests: mpsc::Sender<Command>,
        topics: watch::Sender<Arc<Topics>>,
        _settings: watch::Sender<Settings>,
    }

    impl Bench {
        fn new(partition: Arc<Partition>) -> Self {
            let (requests, queue) = mpsc::channel(QUEUE_LENGTH);
            let (topics, told_topics) = watch::channel(Arc::default());
            let at_once = Settings { group_initial_rebalance_delay_ms: 0, ..Settings::default() };
            let (_settings, settings) = watch::channel(at_once);
            let owner = Owner {
                epoch: partition.leader_epoch().unwrap().0,
                partition,
                settings,
                topics: told_topics,
                queue,
                stage: Stage::default(),
                clock: Monotonic::start(),
                lease_budget: coordinator::LeaseBudget::default(),
            };
            Self { owner, requests, topics, _settings }
        }

        fn ask(
            &self,
            request: impl Into<Request>,
        ) -> oneshot::Receiver<Result<coordinator::Reply, Unavailable>> {
            let (answer, reply) = oneshot::channel();
            self.requests.try_send(Command { request: request.into(), answer }).unwrap();
            reply
        }

        /// Topics change, and it has one turn.
        async fn turn(&mut self) {
            self.topics.send(Arc::default()).unwrap();
            let coordinator = Coordinator::new(self.owner.settings.borrow().clone());
            let mut serving = Serving::new(&mut self.owner, coordinator);
            serving.turn(&mut Vec::with_capacity(REQUESTS_PER_TURN)).await.unwrap();
        }
    }

    fn join() -> api::JoinGroup {
        let protocol = api::Protocol { name: "range".into(), metadata: bytes::Bytes::new() };
        api::JoinGroup {
            group_id: "g".into(),
            member_id: coordinator::MemberId::default(),
            group_instance_id: None,
            client_id: "c".into(),
            client_host: "/h".into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![protocol],
            require_known_member_id: false,
            supports_skip_assignment: true,
            fresh_id: Uuid::nil(),
        }
    }

    #[tokio::test]
    async fn topics_and_timers_have_their_turn_however_many_requests_wait() {
        let mut bench = Bench::new(partition(&SimDisk::default(), &BTreeMap::new(), &[], &[ME], &[ME]));
        let mut joined = bench.ask(join());
        for _ in 0..REQUESTS_PER_TURN {
            bench.ask(api::ListGroups::default());
        }
        bench.turn().await;
        assert_eq!(bench.owner.queue.len(), 1, "there is more to do");
        assert!(joined.try_recv().is_ok(), "all have joined, and nobody is waited for");
        assert!(!bench.owner.topics.has_changed().unwrap());
    }

    #[tokio::test]
    async fn topics_that_change_while_no_records_are_taken_are_left_for_later() {
        let settings = [("min.insync.replicas".to_owned(), "2".to_owned())].into();
        let replicas = [ME, common::BrokerId(2)];
        let mut bench = Bench::new(partition(&SimDisk::default(), &settings, &[], &replicas, &[ME]));
        bench.turn().await;
        assert!(bench.owner.topics.has_changed().unwrap());
    }
}
