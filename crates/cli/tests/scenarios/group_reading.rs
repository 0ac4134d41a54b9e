//! Reading as a group over REST, with any broker: each record is given to one reader, and when the broker that coordinates
//! the group is killed between poll and acknowledgement, what was not acknowledged comes again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use client::api;
use reqwest::StatusCode;
use serde_json::{Value, json};
use testkit::{Cluster, Storage, until};

use crate::{dmq, topic};

const RECORDS: usize = 300;

/// How long the next coordinator may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Partition and offset.
type Place = (i64, i64);

/// The brokers' REST APIs, by the names of their processes.
struct Rest {
    http: reqwest::Client,
    urls: BTreeMap<String, String>,
}

impl Rest {
    /// A call to one broker after the other: `turn` says which.
    async fn post(&self, turn: usize, path: &str, body: &Value) -> (StatusCode, Value) {
        let url = self.urls.values().nth(turn % self.urls.len()).unwrap();
        let answer = self.http.post(format!("{url}/api/v1/{path}")).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn poll(&self, turn: usize) -> Value {
        let request = json!({"topics": ["jobs"], "maxRecords": 40, "leaseMs": 600_000, "maxWaitMs": 30_000});
        let (status, polled) = self.post(turn, "groups/workers/poll", &request).await;
        assert_eq!(status, 200, "{polled}");
        polled
    }

    async fn group(&self) -> Value {
        let url = self.urls.values().next().unwrap();
        self.http.get(format!("{url}/api/v1/groups/workers")).send().await.unwrap().json().await.unwrap()
    }
}

fn places(polled: &Value) -> BTreeSet<Place> {
    let place = |record: &Value| (record["partition"].as_i64().unwrap(), record["offset"].as_i64().unwrap());
    polled["records"].as_array().unwrap().iter().map(place).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_share_a_group_and_outlive_its_coordinator() {
    let mut cluster = Cluster::start(dmq(), Storage::Sqlite, |_| {}).await;
    cluster.client().call(&api::create_topic(&topic("jobs", 3, 3))).await.unwrap();
    let members = cluster.local().members().into_iter();
    let urls = members.filter(|it| it.name.starts_with("broker-")).map(|it| (it.name, it.url)).collect();
    let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
    let mut rest = Rest { http, urls };
    let records: Vec<Value> = (0..RECORDS).map(|n| json!({"value": n, "partition": n % 3})).collect();
    let (status, written) = rest.post(0, "topics/jobs/records", &json!({"records": records})).await;
    assert_eq!(status, 200, "{written}");

    // Any broker gives them out, and no record twice.
    let (done, open) = (rest.poll(0).await, rest.poll(1).await);
    assert_eq!((places(&done).len(), places(&open).len()), (40, 40));
    assert!(places(&done).is_disjoint(&places(&open)));
    let (status, acked) = rest.post(2, "groups/workers/ack", &json!({"lease": done["lease"]})).await;
    assert_eq!((status.as_u16(), &acked["acknowledged"]), (200, &json!(40)));

    // The coordinator dies between poll and acknowledgement.
    let coordinator = rest.group().await["coordinatorId"].as_i64().unwrap();
    let name = format!("broker-{coordinator}");
    cluster.kill(&name).await;
    rest.urls.remove(&name).unwrap();
    let late = json!({"lease": open["lease"]});
    until("the next coordinator answers", DEADLINE, async || {
        let (status, answer) = rest.post(0, "groups/workers/ack", &late).await;
        assert!(status == 409 || status == 503, "{answer}");
        status == 409
    })
    .await;

    // Everything that is not committed comes again, and nothing that is: two readers by turns, on what brokers there are.
    let mut seen: BTreeSet<Place> = BTreeSet::new();
    let mut turn = 0;
    while seen.len() < RECORDS - 40 {
        let polled = rest.poll(turn).await;
        let places = places(&polled);
        assert!(!places.is_empty(), "{} of {RECORDS} were seen", seen.len() + 40);
        assert!(places.is_disjoint(&seen), "nobody gave them back");
        seen.extend(places);
        let ack = json!({"lease": polled["lease"]});
        let (status, acked) = rest.post(turn + 1, "groups/workers/ack", &ack).await;
        assert_eq!((status.as_u16(), &acked["left"]), (200, &json!(0)), "{acked}");
        turn += 1;
    }
    assert!(places(&open).is_subset(&seen), "what was not acknowledged");
    let all: BTreeSet<Place> = seen.union(&places(&done)).copied().collect();
    assert_eq!(all.len(), RECORDS);
    until("nothing is left", DEADLINE, async || rest.group().await["lag"] == 0).await;
}
