//! Scenario 2: a starting broker finds the controller in under 200 ms when there is one, also while one or two nodes
//! are down.

use std::time::{Duration, Instant};

use client::{ControllerDiscovery, HttpClient, api};
use common::{BrokerId, BrokerStatus, NodeId};
use testkit::{Cluster, Leadership, Storage, cluster, eventually};

use crate::{dmq, on_both_databases};

/// Within what time the controller must be found. Waiting for a node costs a second each time; whatever else the machine does
/// holds some attempts up, but not all.
const DISCOVERY_MAX: Duration = Duration::from_millis(200);
const ATTEMPTS: usize = 20;

const BROKER: BrokerId = BrokerId(101);

on_both_databases!(a_starting_broker_finds_the_controller);

async fn a_starting_broker_finds_the_controller(storage: Storage) {
    // Of five nodes two may be down.
    let mut cluster = Cluster::start(dmq(), storage, |spec| {
        spec.nodes = 5;
        spec.brokers = 1;
    })
    .await;
    let leader = cluster.leader().await;
    finds(&cluster, &leader).await;
    let others: Vec<NodeId> = cluster.observer().nodes().filter(|node| *node != leader.id).collect();
    // One is dead and refuses connections at once; one is paused and answers nothing at all.
    cluster.kill(&cluster::node(others[0])).await;
    finds(&cluster, &leader).await;
    cluster.pause(&cluster::node(others[1]));
    finds(&cluster, &leader).await;
    cluster.kill(&cluster::broker(BROKER)).await;
    is_online(&cluster, &leader, false).await;
    cluster.restart(&cluster::broker(BROKER)).await;
    is_online(&cluster, &leader, true).await;
    cluster.resume(&cluster::node(others[1]));
}

/// As a broker does it: with connections of its own, all of them new.
async fn finds(cluster: &Cluster, leader: &Leadership) {
    let mut quickest = Duration::MAX;
    for _ in 0..ATTEMPTS {
        let discovery = ControllerDiscovery::new(HttpClient::default(), cluster.observer().urls());
        let begun = Instant::now();
        let found = discovery.find().await.unwrap();
        quickest = quickest.min(begun.elapsed());
        assert_eq!((found.id, &found.url, found.term), (leader.id, &leader.url, leader.term));
        if quickest < DISCOVERY_MAX {
            return;
        }
    }
    panic!("discovery took {quickest:?}");
}

async fn is_online(cluster: &Cluster, leader: &Leadership, wanted: bool) {
    eventually(&format!("the broker is online: {wanted}"), cluster::DEADLINE, async || {
        let broker =
            cluster.observer().ask(leader.id, &api::broker(BROKER)).await.map_err(|e| e.to_string())?;
        match (broker.status == BrokerStatus::Online) == wanted {
            true => Ok(()),
            false => Err(format!("{:?}", broker.status)),
        }
    })
    .await;
}
