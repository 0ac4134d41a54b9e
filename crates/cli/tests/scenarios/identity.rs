//! Scenario 10: a node whose disk was wiped does not rejoin under its old identity by accident. Scenario 11: of two
//! nodes on one database the second refuses to start.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use client::api;
use testkit::{Cluster, Storage, cluster, postgres::PostgresServer};

use crate::{dmq, on_both_databases};

/// Exit code of a node that refuses to start.
const REFUSED: i32 = 3;

/// Runs a metadata node that is expected to end by itself.
async fn metadata_node(services: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(dmq());
    command.args(["metadata-node", "--services"]).arg(services).args(args).stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

on_both_databases!(the_second_node_on_one_database_refuses_to_start);

async fn the_second_node_on_one_database_refuses_to_start(storage: Storage) {
    let cluster = Cluster::start(dmq(), storage, |spec| spec.brokers = 0).await;
    let services = cluster.directory().join("services.json");
    let databases = cluster.databases();
    // The same node a second time, on another port; and another node that was pointed at its database.
    for (id, database) in [("1", &databases[0]), ("2", &databases[0])] {
        let output = metadata_node(&services, &["--id", id, "--port", "0", "--database", database]).await;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(REFUSED), "{said}");
        assert!(said.contains("metadata-1") || said.contains("node 1") || said.contains("in use"), "{said}");
    }
    // Those who were there first are not disturbed.
    assert!(cluster.client().call(&api::topics()).await.is_ok());
    cluster.leader().await;
}

on_both_databases!(a_node_that_lost_its_disk_does_not_rejoin);

async fn a_node_that_lost_its_disk_does_not_rejoin(storage: Storage) {
    let mut cluster = Cluster::start(dmq(), storage, |spec| spec.brokers = 0).await;
    let leader = cluster.leader().await;
    let wiped = cluster.observer().nodes().find(|node| *node != leader.id).unwrap();
    cluster.kill(&cluster::node(wiped)).await;
    let services = cluster.directory().join("services.json");
    let empty = match storage {
        Storage::Sqlite => format!("sqlite:{}", cluster.directory().join("wiped/raft.db").display()),
        Storage::Postgres => {
            let server = PostgresServer::shared();
            server.tcp_url(&server.create_database("wiped").unwrap())
        }
    };
    let output = metadata_node(&services, &["--id", &wiped.to_string(), "--database", &empty]).await;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(REFUSED), "{said}");
    assert!(said.contains("lost its disk") && said.contains("members"), "{said}");

    // It counted for nothing meanwhile; with its own database it is welcome.
    let before = cluster.observer().ask(leader.id, &api::raft_status()).await.unwrap();
    assert_eq!(before.members.len(), 3, "{before:?}");
    cluster.restart(&cluster::node(wiped)).await;
    cluster.ready().await;
    cluster.leader().await;
}
