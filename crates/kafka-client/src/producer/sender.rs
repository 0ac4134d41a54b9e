//! The task of a producer: finds leaders, keeps a connection to each, sends what is due, and settles it.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::Arc,
};

use common::{BrokerId, PartitionId};
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{
    accumulator::Place,
    delivery::Obstacle,
    handle::Shared,
    queue::{Batch, Due, Identity, Queue},
    request::{self, Sent},
};
use crate::{
    cluster::{ClusterError, Freshness, Refreshed},
    connection::{CallError, Connection},
    producer::request::PartitionAnswer,
    producer::verdict::Verdict,
};

/// The state of the task.
pub(super) struct Sender {
    shared: Arc<Shared>,
    links: BTreeMap<BrokerId, Link>,
    /// Of an idempotent producer, once it has one.
    identity: Option<Identity>,
    identifying: bool,
    metadata: Freshness,
    /// Counts requests, so that each begins with another partition.
    turn: usize,
    events: FuturesUnordered<BoxFuture<'static, Event>>,
}

/// The connection to a broker.
enum Link {
    /// After so many failures in a row.
    Connecting {
        failures: u32,
    },
    Up {
        connection: Arc<Connection>,
        in_flight: usize,
    },
    Down {
        until: Instant,
        failures: u32,
    },
}

/// What the task waits for.
enum Event {
    Connected(BrokerId, Result<Connection, ClusterError>),
    Refreshed(Refreshed),
    Identified(Result<Identity, ClusterError>),
    Answered(BrokerId, Arc<Connection>, Sent, Answers),
}

/// What a broker says of each batch; `None` with `acks=0`: they are written, as far as anybody knows.
type Answers = Result<Option<Vec<Option<PartitionAnswer>>>, CallError>;

/// What is to be done now, and when to look again.
#[derive(Default)]
struct Plan {
    requests: BTreeMap<BrokerId, Sent>,
    connect: BTreeSet<BrokerId>,
    identify: bool,
    refresh: bool,
    wake: Option<Instant>,
}

impl Plan {
    fn wake_at(&mut self, at: Instant) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            metadata: Freshness::new(shared.cluster.clone()),
            shared,
            links: BTreeMap::new(),
            identity: None,
            identifying: false,
            turn: 0,
            events: FuturesUnordered::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let mut plan = self.plan();
            let sent = !plan.requests.is_empty();
            for (broker, sent) in std::mem::take(&mut plan.requests) {
                self.send(broker, sent).await;
            }
            self.begin(&plan);
            if sent {
                // There may be more for the same brokers.
                continue;
            }
            let shared = self.shared.clone();
            tokio::select! {
                Some(event) = self.events.next() => self.handle(event),
                () = shared.wake.notified() => {}
                () = async {
                    match plan.wake {
                        Some(at) => sleep_until(at).await,
                        None => pending().await,
                    }
                } => {}
            }
        }
    }

    /// Looks at every queue: gives up what is too old, takes what is due.
    fn plan(&mut self) -> Plan {
        let now = Instant::now();
        let shared = self.shared.clone();
        let options = &shared.options;
        let linger = if shared.is_flushing() { std::time::Duration::ZERO } else { options.linger };
        let too_old = now.checked_sub(options.delivery_timeout);
        let mut plan = Plan::default();
        let mut due = Vec::new();
        let mut accumulator = shared.accumulator();
        for (place, leader, queue) in accumulator.queues() {
            for batch in too_old.map(|deadline| queue.expired(deadline)).unwrap_or_default() {
                let why = queue.problem.clone().unwrap_or_else(|| "no broker took it in time".into());
                batch.completion.given_up(why);
            }
            if let Some(oldest) = queue.oldest() {
                plan.wake_at(oldest + options.delivery_timeout);
            }
            match queue.due(now, linger) {
                Due::Nothing => {}
                Due::At(at) => plan.wake_at(at),
                Due::Now => due.push((place, leader)),
            }
        }
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn % due.len().max(1);
        due.rotate_left(turn);
        let mut leaderless = false;
        for (place, leader) in due {
            let Some(broker) = leader else {
                leaderless = true;
                continue;
            };
            if !self.is_free(broker, now, &mut plan) {
                continue;
            }
            if options.is_idempotent() && self.identity.is_none() {
                plan.identify = true;
                continue;
            }
            let request = plan.requests.entry(broker).or_default();
            let identity = self.identity.filter(|_| options.is_idempotent());
            if request.has_room(options.request_bytes_max)
                && let Some(batch) = accumulator.queue(place).and_then(|queue| queue.take(identity))
            {
                request.push(place, batch);
            }
        }
        match self.metadata.due(leaderless) {
            Some(at) if at <= now => plan.refresh = true,
            Some(at) => plan.wake_at(at),
            None => {}
        }
        plan
    }

    /// Whether a request can be sent to a broker now; if not, the plan says what to do about it.
    fn is_free(&self, broker: BrokerId, now: Instant, plan: &mut Plan) -> bool {
        match self.links.get(&broker) {
            Some(Link::Up { in_flight, .. }) => *in_flight < self.shared.options.max_in_flight.max(1),
            Some(Link::Connecting { .. }) => false,
            Some(Link::Down { until, .. }) if *until > now => {
                plan.wake_at(*until);
                false
            }
            Some(Link::Down { .. }) | None => {
                plan.connect.insert(broker);
                false
            }
        }
    }

    /// Begins what the plan wants to know.
    fn begin(&mut self, plan: &Plan) {
        for broker in plan.connect.iter().copied() {
            let failures = match self.links.get(&broker) {
                Some(Link::Down { failures, .. }) => *failures,
                _ => 0,
            };
            self.links.insert(broker, Link::Connecting { failures });
            let cluster = self.shared.cluster.clone();
            self.events.push(async move { Event::Connected(broker, cluster.open(broker).await) }.boxed());
        }
        if plan.identify && !self.identifying {
            self.identifying = true;
            let cluster = self.shared.cluster.clone();
            self.events.push(async move { Event::Identified(request::identify(&cluster).await) }.boxed());
        }
        if plan.refresh {
            let names = self.shared.accumulator().names();
            self.events.push(self.metadata.ask(names, Instant::now()).map(Event::Refreshed).boxed());
        }
    }

    async fn send(&mut self, broker: BrokerId, mut sent: Sent) {
        let shared = self.shared.clone();
        let Some(Link::Up { connection, in_flight }) = self.links.get_mut(&broker) else {
            return self.put_back(sent, "the connection ended", false);
        };
        for (place, batch, error) in sent.build() {
            batch.completion.given_up(error.to_string());
            shared.accumulator().queue(place).map(Queue::settled);
        }
        if sent.is_empty() {
            return;
        }
        let connection = connection.clone();
        let request = {
            let accumulator = shared.accumulator();
            sent.request(&shared, |place| accumulator.topic(place).cloned())
        };
        match request::send(&connection, &request, shared.options.acks).await {
            Ok(on_its_way) => {
                *in_flight += 1;
                let answered = async move {
                    let answer = on_its_way.answer().await;
                    let answers = answer.map(|told| told.map(|told| sent.answers(&request, told)));
                    Event::Answered(broker, connection, sent, answers)
                };
                self.events.push(answered.boxed());
            }
            Err(error) => self.failed(broker, sent, &error),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Connected(broker, Ok(connection)) => {
                let connection = Arc::new(connection);
                self.links.insert(broker, Link::Up { connection, in_flight: 0 });
            }
            Event::Connected(broker, Err(error)) => {
                self.set_down(broker);
                self.metadata.doubt();
                self.blame(Some(broker), &error);
            }
            Event::Refreshed(result) => {
                self.metadata.asked(&result, Instant::now());
                match result {
                    Ok(_) => self.take_in_metadata(),
                    Err(error) => self.blame(None, &error),
                }
            }
            Event::Identified(result) => {
                self.identifying = false;
                match result {
                    Ok(identity) => self.identity = Some(identity),
                    Err(error) => self.give_all_up(&error),
                }
            }
            Event::Answered(broker, connection, sent, answers) => {
                if let Some(Link::Up { connection: current, in_flight }) = self.links.get_mut(&broker)
                    && Arc::ptr_eq(current, &connection)
                {
                    *in_flight = in_flight.saturating_sub(1);
                }
                match answers {
                    Ok(Some(answers)) => {
                        for ((place, batch), answer) in sent.into_batches().zip(answers) {
                            self.settle(place, batch, answer);
                        }
                    }
                    Ok(None) => {
                        for (place, batch) in sent.into_batches() {
                            self.shared.accumulator().queue(place).map(Queue::written);
                            batch.completion.written(None);
                        }
                    }
                    Err(error) => self.failed(broker, sent, &error),
                }
            }
        }
    }

    /// Settles a batch by what the broker says of its partition, or puts it back.
    fn settle(&mut self, place: Place, mut batch: Batch, answer: Option<PartitionAnswer>) {
        let shared = self.shared.clone();
        let mut accumulator = shared.accumulator();
        let Some(topic) = accumulator.topic(place).cloned() else { return };
        let Some(queue) = accumulator.queue(place) else { return };
        let now = Instant::now();
        let rested = now + shared.cluster.backoff(queue.failures());
        let Some(answer) = answer else {
            queue.problem = Some("the broker's answer leaves the partition out".into());
            batch.completion.uncertain = true;
            return queue.put_back(batch, rested);
        };
        let code = answer.code;
        match Verdict::of(code, answer.nothing_appended) {
            Verdict::Written => {
                queue.written();
                batch.completion.written(answer.base_offset);
            }
            Verdict::Retry { uncertain, moved } => {
                batch.completion.uncertain |= uncertain;
                queue.problem = Some(Obstacle::said(code, answer.message));
                let partition = PartitionId(i32::try_from(place.partition).unwrap_or(-1));
                let learnt =
                    answer.hint.is_some_and(|hint| shared.cluster.learn(&topic.name, partition, &hint));
                queue.put_back(batch, if learnt { now } else { rested });
                if moved && !learnt {
                    self.metadata.doubt();
                }
                if learnt && let Some(metadata) = shared.cluster.known_topic(&topic.name) {
                    accumulator.register(metadata);
                }
            }
            Verdict::OutOfOrder if shared.options.is_idempotent() => {
                queue.problem = Some(Obstacle::said(code, answer.message));
                let used = queue.identity();
                if queue.put_back_out_of_order(batch, rested) {
                    self.identity = raised(self.identity, used);
                    if let Some(identity) = self.identity {
                        queue.renumber(identity);
                    }
                }
            }
            Verdict::OutOfOrder => {
                queue.settled();
                batch.completion.refused(code, answer.message);
            }
            Verdict::Refused { uncertain } => {
                queue.settled();
                batch.completion.uncertain |= uncertain;
                batch.completion.refused(code, answer.message);
            }
        }
    }

    /// A request came to nothing: its batches are sent again, if that may help.
    fn failed(&mut self, broker: BrokerId, sent: Sent, error: &CallError) {
        if let Some(Link::Up { connection, .. }) = self.links.get(&broker)
            && connection.is_closed()
        {
            self.set_down(broker);
        }
        self.metadata.doubt();
        let uncertain = !error.surely_not_received();
        if error.is_retriable() {
            return self.put_back(sent, &error.to_string(), uncertain);
        }
        for (place, mut batch) in sent.into_batches() {
            self.shared.accumulator().queue(place).map(Queue::settled);
            batch.completion.uncertain |= uncertain;
            batch.completion.given_up(error.to_string());
        }
    }

    fn put_back(&self, sent: Sent, why: &str, uncertain: bool) {
        let now = Instant::now();
        let obstacle = Obstacle::from(why);
        let mut accumulator = self.shared.accumulator();
        for (place, mut batch) in sent.into_batches() {
            batch.completion.uncertain |= uncertain;
            if let Some(queue) = accumulator.queue(place) {
                queue.problem = Some(obstacle.clone());
                queue.put_back(batch, now + self.shared.cluster.backoff(queue.failures()));
            }
        }
    }

    fn set_down(&mut self, broker: BrokerId) {
        let failures = match self.links.get(&broker) {
            Some(Link::Connecting { failures }) => failures.saturating_add(1),
            _ => 1,
        };
        let until = Instant::now() + self.shared.cluster.backoff(failures);
        self.links.insert(broker, Link::Down { until, failures });
    }

    fn take_in_metadata(&self) {
        let mut accumulator = self.shared.accumulator();
        for name in accumulator.names() {
            if let Some(metadata) = self.shared.cluster.known_topic(&name) {
                accumulator.register(metadata);
            }
        }
    }

    /// Notes what is in the way of everything that a broker leads, or of everything.
    fn blame(&self, broker: Option<BrokerId>, error: &ClusterError) {
        let obstacle = Obstacle::from(error.to_string());
        for (_, leader, queue) in self.shared.accumulator().queues() {
            if broker.is_none() || leader == broker {
                queue.problem = Some(obstacle.clone());
            }
        }
    }

    /// Without an identity, nothing can be sent.
    fn give_all_up(&self, error: &ClusterError) {
        let obstacle = Obstacle::from(error.to_string());
        let now = Instant::now();
        for (_, _, queue) in self.shared.accumulator().queues() {
            for batch in queue.expired(now) {
                batch.completion.given_up(obstacle.clone());
            }
        }
    }
}

/// The identity to go on with after the numbers of `used` are out of step: a raised epoch, unless that happened already.
/// `None`: a new identity is needed.
fn raised(current: Option<Identity>, used: Option<Identity>) -> Option<Identity> {
    let current = current?;
    if used != Some(current) {
        return Some(current);
    }
    let epoch = current.epoch.checked_add(1)?;
    Some(Identity { epoch, ..current })
}

#[cfg(test)]
mod tests {
    use commit_log::ProducerId;

    use super::*;

    #[test]
    fn an_epoch_is_raised_once_for_all_partitions_that_need_it() {
        let identity = |epoch| Some(Identity { id: ProducerId(7), epoch });
        assert_eq!(raised(identity(0), identity(0)), identity(1));
        assert_eq!(raised(identity(1), identity(0)), identity(1), "another partition raised it");
        assert_eq!(raised(identity(i16::MAX), identity(i16::MAX)), None);
    }
}
