//! Scenarios 4, 5, 8 and 9, and more: every drill of `dmq drill`, whose verdict is the test's. The long form of each
//! is the same command with `--times 200`.

use std::process::{Command, Stdio};

use testkit::{Storage, postgres::PostgresServer};

use crate::{dmq, on_both_databases};

/// Runs a drill on a throw-away cluster and fails with its whole report.
async fn passes(drill: &'static str, times: u32, storage: Storage) {
    passes_with(drill, times, &[], storage).await;
}

/// The same with further arguments.
async fn passes_with(drill: &'static str, times: u32, args: &'static [&'static str], storage: Storage) {
    let run = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(dmq());
        command.args(["drill", "run", drill, "--ephemeral", "--times", &times.to_string(), "-o", "json"]);
        command.args(args);
        if storage == Storage::Postgres {
            let server = PostgresServer::shared();
            let urls: Vec<String> =
                (0..3).map(|_| server.tcp_url(&server.create_database("drill").unwrap())).collect();
            command.args(["--databases", &urls.join(",")]);
        }
        command.stdin(Stdio::null()).output().unwrap()
    });
    let output = run.await.unwrap();
    let (report, talk) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // What failed comes first: the report is long, and some show only its beginning.
    assert_eq!(output.status.code(), Some(0), "{}\n{talk}\n{report}", failed_checks(&report));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["verdict"], "PASS");
    assert_eq!(report["times"], times);
    assert!(report["writes"]["acknowledged"].as_u64().unwrap() > 0, "{report}");
}

/// The checks of a report that failed, with their examples.
fn failed_checks(report: &str) -> String {
    let report: serde_json::Value = serde_json::from_str(report).unwrap_or_default();
    let checks = report["checks"].as_object().into_iter().flatten();
    let failed = checks.filter(|(_, check)| check["failed"] != 0);
    failed.map(|(what, check)| format!("NOT {what}: {check}\n")).collect()
}

// Scenario 4: failover after SIGKILL of the leader. Scenario 8: no failover marks a live broker OFFLINE.
on_both_databases!(kill_controller);
async fn kill_controller(storage: Storage) {
    passes("kill-controller", 5, storage).await;
}

on_both_databases!(stop_controller);
async fn stop_controller(storage: Storage) {
    passes("stop-controller", 1, storage).await;
}

// Scenario 5: the old controller, resumed or restarted, refuses writes and heartbeats.
on_both_databases!(pause_controller);
async fn pause_controller(storage: Storage) {
    passes("pause-controller", 2, storage).await;
}

on_both_databases!(restart_old_controller);
async fn restart_old_controller(storage: Storage) {
    passes("restart-old-controller", 3, storage).await;
}

on_both_databases!(partition_controller);
async fn partition_controller(storage: Storage) {
    passes("partition-controller", 1, storage).await;
}

// Scenario 8: a dead broker goes OFFLINE, and its partitions get leaders from the ISR.
on_both_databases!(kill_broker);
async fn kill_broker(storage: Storage) {
    passes("kill-broker", 2, storage).await;
}

// What brokers acknowledged is kept, once and in order, whoever of them dies or stalls. The drills judge every record.
on_both_databases!(kill_partition_leader);
async fn kill_partition_leader(storage: Storage) {
    passes("kill-partition-leader", 2, storage).await;
}

on_both_databases!(pause_partition_leader);
async fn pause_partition_leader(storage: Storage) {
    passes("pause-partition-leader", 1, storage).await;
}

on_both_databases!(partition_broker);
async fn partition_broker(storage: Storage) {
    passes("partition-broker", 1, storage).await;
}

// The network between brokers has nothing to do with the database of the controllers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partition_broker_from_peers() {
    passes("partition-broker-from-peers", 1, Storage::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mute_broker() {
    passes("mute-broker", 1, Storage::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deafen_broker() {
    passes("deafen-broker", 1, Storage::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn isolate_broker() {
    passes("isolate-broker", 1, Storage::Sqlite).await;
}

on_both_databases!(kill_all_brokers);
async fn kill_all_brokers(storage: Storage) {
    passes("kill-all-brokers", 2, storage).await;
}

on_both_databases!(kill_random_brokers);
async fn kill_random_brokers(storage: Storage) {
    passes("kill-random-brokers", 4, storage).await;
}

on_both_databases!(kill_while_moving);
async fn kill_while_moving(storage: Storage) {
    passes_with("kill-while-moving", 3, &["--brokers", "5"], storage).await;
}

// Groups are kept by brokers, whatever the database of the controllers. The long form is `--kills 50 --churns 200`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebalance_storm() {
    passes("rebalance-storm", 1, Storage::Sqlite).await;
}

// Scenario 9: quorum loss and restoration.
on_both_databases!(quorum_loss);
async fn quorum_loss(storage: Storage) {
    passes("quorum-loss", 1, storage).await;
}

on_both_databases!(quorum_restore);
async fn quorum_restore(storage: Storage) {
    passes("quorum-restore", 1, storage).await;
}

on_both_databases!(rolling_restart);
async fn rolling_restart(storage: Storage) {
    passes("rolling-restart", 1, storage).await;
}
