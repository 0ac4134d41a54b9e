//! Scenario 3: heartbeats come at the set interval, and every answer tells the newest version.

use client::{HttpRequest, api};
use common::BrokerId;
use http::Method;
use http_api::{HeartbeatResponse, paths};
use kafka_client::{Address, Connection, ConnectionOptions};
use kafka_wire::messages::{
    DescribeQuorumRequest,
    describe_quorum::{RequestPartitionData, RequestTopicData},
};
use testkit::{BrokerTimings, Cluster, Storage, cluster, eventually};

use crate::{dmq, on_both_databases, topic};

const HEARTBEAT_MS: u64 = 200;

const BROKER: BrokerId = BrokerId(101);

/// So many heartbeats are watched.
const WATCHED: usize = 12;

on_both_databases!(heartbeats_keep_their_interval_and_tell_the_version);

async fn heartbeats_keep_their_interval_and_tell_the_version(storage: Storage) {
    let cluster = Cluster::start(dmq(), storage, |spec| {
        spec.brokers = 1;
        spec.broker = Some(BrokerTimings {
            heartbeat_ms: HEARTBEAT_MS,
            session_timeout_ms: 3000,
            metadata_refresh_ms: 120_000,
        });
    })
    .await;
    let leader = cluster.leader().await;
    let observer = cluster.observer();
    let mut seen: Vec<u64> = Vec::new();
    eventually("enough heartbeats are seen", cluster::DEADLINE, async || {
        let broker =
            observer.ask(leader.id, &api::broker(BROKER)).await.map_err(|error| error.to_string())?;
        if let Some(heard) = broker.last_heartbeat
            && seen.last() != Some(&heard)
        {
            seen.push(heard);
        }
        if seen.len() > WATCHED { Ok(()) } else { Err(format!("{} so far", seen.len())) }
    })
    .await;
    let mut intervals: Vec<u64> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    intervals.sort_unstable();
    // A busy machine holds some of them up, and misses some: that makes intervals longer.
    let (quarter, median) = (intervals[intervals.len() / 4], intervals[intervals.len() / 2]);
    assert!(quarter <= HEARTBEAT_MS * 15 / 10, "intervals {intervals:?} ms");
    assert!(median >= HEARTBEAT_MS * 7 / 10, "intervals {intervals:?} ms");

    // An empty body is a heartbeat of the current epoch.
    let beat = async || {
        let url = format!("{}{}", leader.url, paths::heartbeat(BROKER));
        let reply = observer.http().send(HttpRequest::new(Method::POST, url)).await.unwrap();
        assert_eq!(reply.status, 200);
        reply.json::<HeartbeatResponse>().unwrap()
    };
    let before = beat().await;
    assert!(before.success);
    assert_eq!((before.controller_id, before.controller_term), (leader.id, leader.term));
    cluster.client().call(&api::create_topic(&topic("orders", 1, 1))).await.unwrap();
    let after = beat().await;
    assert!(after.metadata_version > before.metadata_version, "{before:?}, then {after:?}");
    let version = observer.ask(leader.id, &api::cluster()).await.unwrap().version;
    assert_eq!(after.metadata_version, version);
    kafka_clients_see_who_follows(&cluster).await;
}

/// Voters and brokers, each with everything, and heard of after it had that.
async fn kafka_clients_see_who_follows(cluster: &Cluster) {
    let leader = cluster.leader().await;
    let broker = cluster.observer().ask(leader.id, &api::broker(BROKER)).await.unwrap();
    let address = Address::new(broker.host.clone(), broker.kafka_port.unwrap());
    let connection = Connection::open(&address, &ConnectionOptions::default()).await.unwrap();
    let partitions = vec![RequestPartitionData { partition_index: 0 }];
    let topics = vec![RequestTopicData { topic_name: "__cluster_metadata".into(), partitions }];
    let request = DescribeQuorumRequest { topics };
    eventually("all have everything", cluster::DEADLINE, async || {
        let mut answer = connection.call(&request).await.map_err(|error| error.to_string())?;
        let quorum = answer.topics.remove(0).partitions.remove(0);
        let everybody = || quorum.current_voters.iter().chain(&quorum.observers);
        let has_all = everybody().all(|it| {
            it.log_end_offset >= quorum.high_watermark
                && (0..=it.last_fetch_timestamp).contains(&it.last_caught_up_timestamp)
        });
        let ids: Vec<_> = quorum.observers.iter().map(|it| it.replica_id).collect();
        let are_there = quorum.current_voters.len() == answer.nodes.len() && ids == [BROKER.0];
        if has_all && are_there { Ok(()) } else { Err(format!("{quorum:?}")) }
    })
    .await;
}
