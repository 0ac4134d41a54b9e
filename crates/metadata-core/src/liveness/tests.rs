use common::{ClusterId, IncarnationId, MetadataVersion};
use uuid::Uuid;

use super::*;
use crate::Event;

const SESSION: Duration = Duration::from_secs(3);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A cluster as its events made it.
struct Cluster(State);

impl Cluster {
    fn of(brokers: &[i32]) -> Self {
        let mut cluster = Self(State::new(ClusterId("test".to_owned())));
        brokers.iter().for_each(|id| cluster.register(*id, 1));
        cluster
    }

    fn register(&mut self, id: i32, epoch: i64) {
        self.happens(&Event::BrokerRegistered {
            broker: Broker {
                broker_id: BrokerId(id),
                broker_epoch: BrokerEpoch(epoch),
                incarnation_id: IncarnationId(Uuid::nil()),
                directory_id: None,
                disk_lost_at: None,
                host: "localhost".to_owned(),
                port: 1,
                kafka_port: None,
                rack: None,
                status: BrokerStatus::Online,
            },
        });
    }

    fn set(&mut self, id: i32, status: BrokerStatus) {
        let broker_epoch = self.0.broker(BrokerId(id)).unwrap().broker_epoch;
        self.happens(&Event::BrokerStatusChanged { broker_id: BrokerId(id), broker_epoch, status });
    }

    fn happens(&mut self, event: &Event) {
        self.0.evolve(MetadataVersion(self.0.version().0 + 1), event);
    }

    /// A ledger of a leader that was just elected.
    fn ledger(&self, now: Duration) -> Ledger {
        let mut ledger = Ledger::new(SESSION);
        ledger.activate(now, self.0.brokers());
        ledger
    }
}

fn expired(ledger: &mut Ledger, now: u64, cluster: &Cluster) -> Vec<(i32, i64)> {
    ledger.expired(ms(now), &cluster.0).into_iter().map(|(id, epoch)| (id.0, epoch.0)).collect()
}

fn heartbeat(ledger: &mut Ledger, now: u64, id: i32) {
    ledger.heartbeat(ms(now), BrokerId(id), BrokerEpoch(1));
}

#[test]
fn the_silent_are_named_once_their_session_is_over() {
    let cluster = Cluster::of(&[1, 2]);
    let mut ledger = cluster.ledger(ms(0));
    heartbeat(&mut ledger, 500, 1);
    assert_eq!(ledger.next_deadline(), Some(ms(3_000)));
    assert_eq!(expired(&mut ledger, 2_999, &cluster), []);
    assert_eq!(expired(&mut ledger, 3_000, &cluster), [(2, 1)]);
    assert_eq!(ledger.next_deadline(), Some(ms(3_500)));
    assert!(ledger.is_silent(ms(3_000), BrokerId(2)));
    assert!(!ledger.is_silent(ms(3_000), BrokerId(1)));
    assert!(ledger.is_silent(ms(3_000), BrokerId(9)));
}

/// No failover marks live brokers OFFLINE: a new leader has heard of nobody yet (KAFKA-18138, 17793).
#[test]
fn a_new_leader_gives_everyone_a_full_session() {
    let mut cluster = Cluster::of(&[1, 2, 3]);
    cluster.set(2, BrokerStatus::Offline);
    cluster.set(3, BrokerStatus::Draining);
    let mut ledger = cluster.ledger(ms(0));
    assert_eq!(expired(&mut ledger, 3_000, &cluster), [(1, 1), (3, 1)]);
    // It lost the leadership and comes back much later.
    ledger.activate(ms(60_000), cluster.0.brokers());
    assert_eq!(expired(&mut ledger, 62_999, &cluster), []);
    assert_eq!(expired(&mut ledger, 63_000, &cluster), [(1, 1), (3, 1)]);
}

#[test]
fn whoever_is_named_but_not_fenced_is_named_again() {
    let mut cluster = Cluster::of(&[1]);
    let mut ledger = cluster.ledger(ms(0));
    assert_eq!(expired(&mut ledger, 3_000, &cluster), [(1, 1)]);
    assert_eq!(expired(&mut ledger, 3_001, &cluster), []);
    assert_eq!(expired(&mut ledger, 3_750, &cluster), [(1, 1)]);
    cluster.set(1, BrokerStatus::Offline);
    assert_eq!(expired(&mut ledger, 9_000, &cluster), []);
    assert_eq!(ledger.next_deadline(), None);
}

#[test]
fn a_heartbeat_after_being_named_counts() {
    let cluster = Cluster::of(&[1]);
    let mut ledger = cluster.ledger(ms(0));
    assert_eq!(expired(&mut ledger, 3_000, &cluster), [(1, 1)]);
    heartbeat(&mut ledger, 3_100, 1);
    assert_eq!(expired(&mut ledger, 6_099, &cluster), []);
    assert_eq!(ledger.last_contact(BrokerId(1)), Some(ms(3_100)));
}

/// A registration whose answer was lost, so that its broker never heartbeats, is fenced all the same.
#[test]
fn brokers_that_only_the_state_knows_get_a_session() {
    let mut cluster = Cluster::of(&[]);
    let mut ledger = cluster.ledger(ms(0));
    cluster.register(7, 4);
    assert_eq!(expired(&mut ledger, 10_000, &cluster), []);
    assert_eq!(expired(&mut ledger, 12_999, &cluster), []);
    assert_eq!(expired(&mut ledger, 13_000, &cluster), [(7, 4)]);
}

/// The former incarnation's silence is not held against the new one.
#[test]
fn a_new_registration_gets_a_full_session() {
    let mut cluster = Cluster::of(&[1]);
    let mut ledger = cluster.ledger(ms(0));
    cluster.register(1, 5);
    assert_eq!(expired(&mut ledger, 2_900, &cluster), []);
    assert_eq!(expired(&mut ledger, 3_000, &cluster), []);
    assert_eq!(expired(&mut ledger, 5_900, &cluster), [(1, 5)]);
}

/// The leader hears of a registration before the state that it reads has it.
#[test]
fn a_contact_ahead_of_the_state_is_kept() {
    let mut cluster = Cluster::of(&[1]);
    let mut ledger = cluster.ledger(ms(0));
    ledger.heartbeat(ms(1_000), BrokerId(1), BrokerEpoch(5));
    assert_eq!(expired(&mut ledger, 1_100, &cluster), []);
    cluster.register(1, 5);
    assert_eq!(ledger.last_contact(BrokerId(1)), Some(ms(1_000)));
    assert_eq!(expired(&mut ledger, 4_000, &cluster), [(1, 5)]);
}
