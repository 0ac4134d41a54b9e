//! The scenarios of the control plane, with real processes: each body runs on SQLite and on Postgres.
//!
//! | module | scenario |
//! |---|---|
//! | `election` | 1: one leader per term, and all nodes agree on it |
//! | `discovery` | 2: a starting broker finds the controller at once, also while nodes are down |
//! | `heartbeats` | 3: heartbeats come at the set interval, and every answer tells the version |
//! | `drills` | 4, 5, 8, 9: `dmq drill` kills, pauses, restarts, cuts off; its verdict is the test's |
//! | `catch_up` | 6: a broker that was away catches up by delta, or by a full image |
//! | `durability` | 7: what was acknowledged is on a majority, on all nodes, in SQL, and survives SIGKILL of all |
//! | `identity` | 10, 11: a node that lost its disk, and two nodes on one database |
//! | `replication` | records survive SIGKILL of the brokers that lead, one by one and all at once |
//! | `scripts` | the curl forms in `scripts/` |
//! | `commands` | what operators type |
//! | `metrics` | what `/metrics` shows, and that it moves |
//! | `group_reading` | records over REST as a group, by poll and acknowledgement, while its coordinator is killed |
//! | `records` | records over REST, through any broker, and streams that outlive theirs |

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, and clippy knows only functions marked as tests for ones"
)]

mod catch_up;
mod commands;
mod discovery;
mod drills;
mod durability;
mod election;
mod group_reading;
mod group_rot;
mod heartbeats;
mod identity;
mod metrics;
mod records;
mod replication;
mod scripts;
mod throttle;

use std::path::Path;

use http_api::CreateTopicRequest;

/// The binary that is tested.
fn dmq() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_dmq"))
}

/// One test for each database.
macro_rules! on_both_databases {
    ($body:ident) => {
        mod $body {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$body(testkit::Storage::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$body(testkit::Storage::Postgres).await;
            }
        }
    };
}
use on_both_databases;

/// A topic with these numbers.
fn topic(name: &str, partitions: i64, replication_factor: i64) -> CreateTopicRequest {
    CreateTopicRequest {
        topic_name: name.to_owned(),
        num_partitions: Some(partitions),
        replication_factor: Some(replication_factor),
        ..CreateTopicRequest::default()
    }
}
