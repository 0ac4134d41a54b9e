//! Fetches on their way: a connection to each leader, and what it is asked for next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use common::BrokerId;
use futures_util::FutureExt as _;
use kafka_wire::messages::{FetchRequest, FetchResponse};
use tokio::time::{Duration, Instant};

use super::{
    Consumer,
    assigned::Assigned,
    fetch::{self, Wanted},
};
use crate::{
    cluster::{Cluster, ClusterError, Refreshed},
    connection::{CallError, Connection},
    fetch_session::{self, FetchSession},
};

/// A broker that partitions are fetched from.
pub(super) struct Leader {
    pub(super) link: Link,
    /// What it remembers of us, which may be more than one connection of ours.
    pub(super) session: FetchSession,
}

/// The connection to a broker.
pub(super) enum Link {
    /// After so many failures in a row.
    Connecting {
        failures: u32,
    },
    Up {
        connection: Arc<Connection>,
        busy: bool,
    },
    Down {
        until: Instant,
        failures: u32,
    },
}

/// What the consumer waits for.
pub(super) enum Event {
    Connected(BrokerId, Result<Connection, ClusterError>),
    Refreshed(Refreshed),
    Fetched(BrokerId, Asked, Result<FetchResponse, CallError>),
}

/// What a broker was asked for.
pub(super) struct Asked {
    pub(super) wanted: Vec<Wanted>,
    /// It says nothing of what has not changed.
    pub(super) is_incremental: bool,
}

impl Consumer {
    /// Begins fetches with every leader that is idle, and whatever they need first. Tells when to look again.
    pub(super) fn begin(&mut self) -> Option<Instant> {
        self.changed = false;
        let now = Instant::now();
        let mut rested: Option<Instant> = None;
        let mut by_leader: BTreeMap<BrokerId, Vec<Wanted>> = BTreeMap::new();
        let mut leaderless = false;
        if !self.is_full() {
            for (index, assigned) in &self.partitions {
                if assigned.under_way || assigned.stopped {
                    continue;
                }
                if let Some(at) = assigned.not_before.filter(|at| *at > now) {
                    rested = Some(rested.map_or(at, |rested| rested.min(at)));
                    continue;
                }
                match wanted(&self.cluster, *index, assigned) {
                    Some((broker, want)) => by_leader.entry(broker).or_default().push(want),
                    None => leaderless = true,
                }
            }
        }
        // Nothing that rests is to wait behind a fetch for long.
        let until_rested = rested.map(|at| at.saturating_duration_since(now).max(Duration::from_millis(1)));
        let wait =
            until_rested.map_or(self.options.fetch_max_wait, |rest| rest.min(self.options.fetch_max_wait));
        let mut wake = rested;
        let mut wake_at = |at: Instant| wake = Some(wake.map_or(at, |wake| wake.min(at)));
        for (broker, wanted) in by_leader {
            if let Some(at) = self.begin_with(broker, wanted, wait, now) {
                wake_at(at);
            }
        }
        match self.metadata.due(leaderless) {
            Some(at) if at <= now => self.refresh(now),
            Some(at) => wake_at(at),
            None => {}
        }
        wake
    }

    /// Whether so much lies ready that nothing more is fetched.
    pub(super) fn is_full(&self) -> bool {
        self.ready_bytes >= self.options.fetch_max_bytes
    }

    fn begin_with(
        &mut self,
        broker: BrokerId,
        mut wanted: Vec<Wanted>,
        mut wait: Duration,
        now: Instant,
    ) -> Option<Instant> {
        let leader = self.leaders.entry(broker).or_insert_with(|| Leader {
            link: Link::Down { until: now, failures: 0 },
            session: FetchSession::default(),
        });
        match &mut leader.link {
            Link::Connecting { .. } | Link::Up { busy: true, .. } => None,
            Link::Up { connection, busy } => {
                *busy = true;
                let connection = connection.clone();
                self.turn = self.turn.wrapping_add(1);
                let turn = self.turn % wanted.len().max(1);
                wanted.rotate_left(turn);
                let is_suspect =
                    |want: &Wanted| self.partitions.get(&want.index).is_some_and(|one| one.suspect);
                if let Some(suspect) = wanted.iter().position(is_suspect) {
                    // The others are not to wait for it.
                    (wanted, wait) = (vec![wanted.swap_remove(suspect)], Duration::ZERO);
                }
                for want in &wanted {
                    if let Some(assigned) = self.partitions.get_mut(&want.index) {
                        assigned.under_way = true;
                    }
                }
                let (mut request, version_max) = fetch::request(&wanted, wait, &self.options);
                let version = connection.versions().best::<FetchRequest>(version_max);
                let has_session = version >= Some(fetch_session::VERSION_MIN);
                let is_incremental = has_session && leader.session.is_incremental();
                if has_session {
                    leader.session.put_into(&mut request);
                }
                let asked = Asked { wanted, is_incremental };
                let fetching = async move {
                    let answered =
                        async { connection.start(&request, version_max, wait).await?.answer().await };
                    Event::Fetched(broker, asked, answered.await)
                };
                self.events.push(fetching.boxed());
                None
            }
            Link::Down { until, .. } if *until > now => Some(*until),
            Link::Down { failures, .. } => {
                leader.link = Link::Connecting { failures: *failures };
                let cluster = self.cluster.clone();
                self.events.push(async move { Event::Connected(broker, cluster.open(broker).await) }.boxed());
                None
            }
        }
    }

    fn refresh(&mut self, now: Instant) {
        let names: BTreeSet<Arc<str>> = self.partitions.values().map(|one| one.topic.clone()).collect();
        let asked = self.metadata.ask(names.into_iter().collect(), now);
        self.events.push(asked.map(Event::Refreshed).boxed());
    }

    /// The connection to a broker is gone, and with it what is known of the session.
    pub(super) fn set_down(&mut self, broker: BrokerId) {
        let Some(Leader { link, session }) = self.leaders.get_mut(&broker) else { return };
        let failures = match link {
            Link::Connecting { failures } => failures.saturating_add(1),
            _ => 1,
        };
        *link = Link::Down { until: Instant::now() + self.cluster.backoff(failures), failures };
        session.restart();
    }
}

/// What to fetch of a partition, and from whom, if that is known.
fn wanted(cluster: &Cluster, index: usize, assigned: &Assigned) -> Option<(BrokerId, Wanted)> {
    let topic = cluster.known_topic(&assigned.topic)?;
    let leader = topic.partition(assigned.partition)?.leader?;
    let want = Wanted {
        index,
        topic: assigned.topic.clone(),
        topic_id: topic.id,
        partition: assigned.partition,
        epoch: leader.epoch,
        offset: assigned.position,
    };
    Some((leader.broker, want))
}
