//! Records over REST, through any broker: what is written is read in the same bytes, and a stream goes on where it broke
//! off, also when the broker that sent it is killed.

use std::{collections::BTreeMap, time::Duration};

use client::api;
use futures_util::StreamExt as _;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use testkit::{Cluster, Storage};

use crate::{dmq, topic};

const LINES: &str = "application/x-ndjson";

/// Requests to the brokers of a cluster.
struct Rest {
    http: reqwest::Client,
    /// By broker, the lowest id first.
    urls: Vec<(String, String)>,
}

impl Rest {
    async fn start(topics: &[&str]) -> (Cluster, Self) {
        let mut cluster = Cluster::start(dmq(), Storage::Sqlite, |_| {}).await;
        for name in topics {
            cluster.client().call(&api::create_topic(&topic(name, 3, 3))).await.unwrap();
        }
        let members = cluster.local().members().into_iter();
        let urls = members.filter(|it| it.name.starts_with("broker-")).map(|it| (it.name, it.url)).collect();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        (cluster, Self { http, urls })
    }

    fn url(&self, broker: usize, path: &str) -> String {
        format!("{}/api/v1/topics/{path}", self.urls[broker].1)
    }

    async fn post(&self, broker: usize, topic: &str, body: Value) -> (StatusCode, Value) {
        let url = self.url(broker, &format!("{topic}/records"));
        answer(self.http.post(url).json(&body).send().await.unwrap()).await
    }

    async fn get(&self, broker: usize, path: &str) -> (StatusCode, Value) {
        answer(self.http.get(self.url(broker, path)).send().await.unwrap()).await
    }
}

async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    (status, response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_written_and_read_through_any_broker() {
    let (_cluster, rest) = Rest::start(&["orders", "bulk"]).await;
    forms(&rest).await;
    refusals(&rest).await;
    waiting(&rest).await;
    bulk(&rest).await;
}

/// Every form of keys and values comes back as the same bytes, from every broker.
async fn forms(rest: &Rest) {
    let body = json!({"records": [
        {"partition": 1, "key": "k", "value": {"n": 1.50, "big": 12_345_678_901_234_567_890_u64}, "timestamp": 1_700_000_000_000_i64},
        {"partition": 1, "value": "text \u{e9}\n", "headers": [{"key": "h", "value": "1"}, {"key": "h"}]},
        {"partition": 1, "key": {"base64": "/wA="}, "value": null},
        {"partition": 9, "value": "x"},
        {"partition": 1, "value": {"base64": "!"}},
    ]});
    let (status, outcomes) = rest.post(0, "orders", body).await;
    assert_eq!(status, 200, "{outcomes}");
    assert_eq!(outcomes[0], json!({"partition": 1, "offset": 0, "timestamp": 1_700_000_000_000_i64}));
    assert_eq!((&outcomes[1]["offset"], &outcomes[2]["offset"]), (&json!(1), &json!(2)));
    assert_eq!(outcomes[3]["problem"]["code"], "UNKNOWN_PARTITION");
    assert_eq!(outcomes[4]["problem"]["code"], "INVALID_RECORD");
    for broker in 0..3 {
        let (status, page) = rest.get(broker, "orders/partitions/1/records?offset=0&maxWaitMs=5000").await;
        assert_eq!(status, 200, "{page}");
        let records = page["records"].as_array().unwrap();
        assert_eq!(records.len(), 3, "broker {broker}: {page}");
        assert_eq!(records[0]["value"], json!({"n": 1.5, "big": 12_345_678_901_234_567_890_u64}));
        assert_eq!((&records[0]["valueFormat"], &records[0]["key"]), (&json!("json"), &json!("k")));
        assert_eq!(
            (&records[1]["value"], &records[1]["valueFormat"]),
            (&json!("text \u{e9}\n"), &json!("text"))
        );
        assert_eq!(records[1]["headers"], json!([{"key": "h", "value": "1"}, {"key": "h"}]));
        assert_eq!((&records[2]["key"], &records[2]["value"]), (&json!({"base64": "/wA="}), &Value::Null));
        assert_eq!((&page["nextOffset"], &page["highWatermark"]), (&json!(3), &json!(3)));
        let (_, page) = rest.get(broker, "orders/partitions/1/records?offset=1&maxRecords=1").await;
        assert_eq!((&page["records"][0]["offset"], &page["nextOffset"]), (&json!(1), &json!(2)));
    }
    let keyed =
        json!({"records": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}], "acks": "leader"});
    let (_, outcomes) = rest.post(1, "orders", keyed).await;
    assert_eq!(outcomes[0]["partition"], outcomes[1]["partition"], "equal keys belong together");
    let (_, outcomes) = rest.post(2, "orders", json!({"records": [{"value": "x"}], "acks": "none"})).await;
    assert_eq!(outcomes[0]["offset"], Value::Null);
}

async fn refusals(rest: &Rest) {
    let one = json!({"records": [{"value": "x"}]});
    let code = |(status, problem): (StatusCode, Value)| (status.as_u16(), problem["code"].clone());
    assert_eq!(code(rest.post(0, "absent", one).await), (404, json!("UNKNOWN_TOPIC")));
    assert_eq!(code(rest.post(0, "orders", json!({"records": []})).await), (400, json!("INVALID_REQUEST")));
    let typo = rest.post(0, "orders", json!({"records": [{"valeu": 1}]})).await;
    assert_eq!(code(typo), (400, json!("INVALID_REQUEST")));
    // Nothing was written: the problem of the first is that of the whole.
    let (status, problem) =
        rest.post(0, "orders", json!({"records": [{"value": "x", "partition": 9}]})).await;
    assert_eq!(
        (status.as_u16(), &problem["records"][0]["problem"]["code"]),
        (404, &json!("UNKNOWN_PARTITION"))
    );
    let large = "x".repeat(2 << 20);
    let too_large = rest.post(0, "orders", json!({"records": [{"value": large}]})).await;
    assert_eq!(code(too_large), (413, json!("RECORD_TOO_LARGE")));
    for broker in 0..3 {
        let (status, problem) = rest.get(broker, "orders/partitions/1/records?offset=1000").await;
        assert_eq!((status.as_u16(), &problem["code"]), (416, &json!("OFFSET_OUT_OF_RANGE")), "{problem}");
        assert_eq!(problem["logStartOffset"], 0);
        assert!(problem["logEndOffset"].as_i64().unwrap() >= 3);
    }
    assert_eq!(code(rest.get(0, "orders/partitions/7/records").await), (404, json!("UNKNOWN_PARTITION")));
    assert_eq!(code(rest.get(0, "orders/partitions/x/records").await), (400, json!("INVALID_PARAMETER")));
    assert_eq!(
        code(rest.get(0, "orders/partitions/0/records?ofset=1").await),
        (400, json!("INVALID_PARAMETER"))
    );
    assert_eq!(code(rest.get(0, "orders/stream?partition=7").await), (404, json!("UNKNOWN_PARTITION")));
    let (status, problem) = rest.get(0, "orders/stream?isolation=serializable").await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("INVALID_PARAMETER")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("isolation"), "{problem}");
}

/// A read at the end is answered when there is something to read.
async fn waiting(rest: &Rest) {
    let (_, page) = rest.get(0, "orders/partitions/1/records?offset=latest").await;
    let end = page["nextOffset"].as_i64().unwrap();
    for broker in 0..3 {
        let path = format!("orders/partitions/1/records?offset={}&maxWaitMs=30000", end + broker);
        let broker = usize::try_from(broker).unwrap();
        let write = async {
            let body = json!({"records": [{"partition": 1, "value": format!("late-{broker}")}]});
            rest.post((broker + 1) % 3, "orders", body).await
        };
        let (read, _) = tokio::join!(rest.get(broker, &path), write);
        assert_eq!(read.1["records"][0]["value"], format!("late-{broker}"), "{}", read.1);
    }
}

/// Lines in, lines out.
async fn bulk(rest: &Rest) {
    let mut body = String::new();
    for n in 0..5_000 {
        body.push_str(&format!("{{\"key\": \"{}\", \"value\": {{\"n\": {n}}}}}\n", n % 50));
    }
    body.push_str("{\"value\": \n");
    let url = rest.url(1, "bulk/records");
    let request = rest.http.post(url).header("content-type", LINES).body(body);
    let (status, outcome) = answer(request.send().await.unwrap()).await;
    assert_eq!(status, 200, "{outcome}");
    assert_eq!((&outcome["records"], &outcome["written"]), (&json!(5_001), &json!(5_000)));
    assert_eq!(outcome["problems"][0]["line"], 5_001);
    assert_eq!(outcome["partitions"].as_array().unwrap().len(), 3);

    let mut seen = Vec::new();
    for partition in 0..3 {
        let mut next = "0".to_owned();
        loop {
            let path = format!("bulk/partitions/{partition}/records?offset={next}&maxRecords=1000");
            let request = rest.http.get(rest.url(0, &path)).header("accept", LINES);
            let response = request.send().await.unwrap().error_for_status().unwrap();
            next = response.headers()["x-next-offset"].to_str().unwrap().to_owned();
            let text = response.text().await.unwrap();
            if text.is_empty() {
                break;
            }
            for line in text.lines() {
                let record: Value = serde_json::from_str(line).unwrap();
                seen.push(record["value"]["n"].as_i64().unwrap());
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..5_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_its_key_is_written_once() {
    let (mut cluster, rest) = Rest::start(&["once"]).await;
    let key = uuid::Uuid::new_v4().to_string();
    let body = json!({"records": [{"key": "a", "value": 1}, {"value": "no key"}, {"key": "b", "value": 2}]});
    let send = async |broker: usize, key: &str, body: &Value| {
        let request = rest.http.post(rest.url(broker, "once/records")).header("idempotency-key", key);
        answer(request.json(body).send().await.unwrap()).await
    };
    let (status, first) = send(0, &key, &body).await;
    assert_eq!(status, 200, "{first}");
    for broker in 0..3 {
        assert_eq!(send(broker, &key, &body).await, (status, first.clone()), "through another broker");
    }
    // Also when the leader that wrote it is gone, and when everybody was.
    let partition = first[0]["partition"].as_u64().unwrap();
    let partition = common::PartitionId(i32::try_from(partition).unwrap());
    let leader = cluster.client().call(&api::partition_leader("once", partition)).await.unwrap().broker_id;
    let position = rest.urls.iter().position(|(name, _)| *name == testkit::cluster::broker(leader)).unwrap();
    cluster.kill(&rest.urls[position].0).await;
    assert_eq!(
        send((position + 1) % 3, &key, &body).await,
        (status, first.clone()),
        "after its leader's death"
    );
    for at in [1, 2] {
        cluster.kill(&rest.urls[(position + at) % 3].0).await;
    }
    for (name, _) in &rest.urls {
        cluster.restart(name).await;
    }
    cluster.ready().await;
    assert_eq!(send(0, &key, &body).await, (status, first.clone()), "after everybody's death");
    // Other records, or another key, are another request.
    let other = json!({"records": [{"key": "a", "value": 2}]});
    let (_, second) = send(1, &key, &other).await;
    // The record without a key is where chance put it: maybe there, too.
    let together =
        first.as_array().unwrap().iter().filter(|it| it["partition"] == first[0]["partition"]).count();
    assert_eq!(second[0]["partition"], first[0]["partition"], "{second}");
    assert_eq!(second[0]["offset"].as_u64(), u64::try_from(together).ok(), "{second}");
    let mut stored = 0;
    for partition in 0..3 {
        let (_, page) = rest.get(0, &format!("once/partitions/{partition}/records")).await;
        stored += page["records"].as_array().unwrap().len();
    }
    assert_eq!(stored, 4);
    let refused = async |key: &str, body: Value| {
        let (status, problem) = send(0, key, &body).await;
        (status.as_u16(), problem["code"].clone())
    };
    assert_eq!(refused("no uuid", body.clone()).await, (400, json!("INVALID_PARAMETER")));
    let unsafe_acks = json!({"records": [{"value": "x"}], "acks": "leader"});
    assert_eq!(refused(&key, unsafe_acks).await, (400, json!("INVALID_REQUEST")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_begins_at_a_time() {
    let (_cluster, rest) = Rest::start(&["times"]).await;
    let record = |time: i64| json!({"partition": 0, "value": time.to_string(), "timestamp": time});
    let body = json!({"records": [record(1_000), record(2_000), record(3_000)]});
    assert_eq!(rest.post(0, "times", body).await.0, 200);
    let read = async |broker: usize, from: &str| {
        let (status, page) = rest.get(broker, &format!("times/partitions/0/records?offset={from}")).await;
        assert_eq!(status, 200, "{page}");
        page["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["offset"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    for broker in 0..3 {
        assert_eq!(read(broker, "timestamp:0").await, [0, 1, 2]);
        assert_eq!(read(broker, "timestamp:1001").await, [1, 2]);
        assert_eq!(read(broker, "timestamp:2000").await, [1, 2]);
        assert!(read(broker, "timestamp:3001").await.is_empty(), "it waits for what comes");
    }
    for isolation in ["readUncommitted", "readCommitted", "read_committed"] {
        let path = format!("times/stream?offset=timestamp:2500&partition=0&isolation={isolation}");
        let mut events = Events::open(&rest, 1, &path, None).await;
        assert_eq!(events.next().await.unwrap()["offset"], 2, "{isolation}");
    }
    // Behind the end of the log, a stream goes on at its end.
    let mut events = Events::open(&rest, 2, "times/stream?offset=1000&partition=0", None).await;
    let problem = loop {
        if let Some((told, _)) =
            events.text.split_once("event: problem\ndata: ").and_then(|(_, it)| it.split_once("\n\n"))
        {
            break serde_json::from_str::<Value>(told).unwrap();
        }
        let chunk = events.stream.next().await.unwrap().unwrap();
        events.text.push_str(std::str::from_utf8(&chunk).unwrap());
    };
    assert_eq!((&problem["code"], &problem["logEndOffset"]), (&json!("OFFSET_OUT_OF_RANGE"), &json!(3)));
    assert!(events.text.contains("id: 0:3\nevent: problem"), "{}", events.text);
    long_events(&rest).await;
}

/// Events that are much longer than their records, which come several in an answer, are all sent.
async fn long_events(rest: &Rest) {
    let value = "\u{1}".repeat(100_000);
    let records = vec![json!({"partition": 1, "value": value}); 10];
    assert_eq!(rest.post(0, "times", json!({"records": records})).await.0, 200);
    let mut events = Events::open(rest, 0, "times/stream?offset=earliest&partition=1", None).await;
    for offset in 0..10 {
        let record = events.next().await.unwrap();
        assert_eq!((&record["offset"], &record["value"]), (&json!(offset), &json!(value)));
        assert_eq!(events.id, format!("1:{}", offset + 1));
    }
}

/// Events of a stream: the last id, and the values by partition.
struct Events {
    stream: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    text: String,
    id: String,
}

impl Events {
    async fn open(rest: &Rest, broker: usize, path: &str, id: Option<&str>) -> Self {
        let mut request = rest.http.get(rest.url(broker, path));
        if let Some(id) = id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap().error_for_status().unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { stream: Box::pin(response.bytes_stream()), text: String::new(), id: String::new() }
    }

    /// The next record; `None` once the connection broke.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                assert!(!event.contains("event: problem"), "{event}");
                if let Some(id) = field("id: ") {
                    self.id = id;
                }
                if let Some(data) = field("data: ").filter(|_| !event.contains("event: ")) {
                    return Some(serde_json::from_str(&data).unwrap());
                }
                continue;
            }
            let chunk = self.stream.next().await?.ok()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_where_it_broke_off() {
    const RECORDS: i64 = 300;
    let (mut cluster, rest) = Rest::start(&["events"]).await;
    let mut events = Events::open(&rest, 0, "events/stream?offset=latest", None).await;
    // The first event is an id alone: from here on, nothing is missed.
    while events.id.is_empty() {
        let chunk = events.stream.next().await.unwrap().unwrap();
        events.text.push_str(std::str::from_utf8(&chunk).unwrap());
        if let Some((event, _)) = events.text.split_once("\n\n") {
            events.id = event.strip_prefix("id: ").unwrap().to_owned();
        }
    }
    events.text.clear();

    let mut wanted: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let write = async |n: i64, broker: usize| {
        let body = json!({"records": [{"key": n.to_string(), "value": {"n": n}}]});
        let (status, outcomes) = rest.post(broker, "events", body).await;
        assert_eq!(status, 200, "{outcomes}");
        outcomes[0]["partition"].as_i64().unwrap()
    };
    for n in 0..RECORDS / 2 {
        wanted.entry(write(n, 1).await).or_default().push(n);
    }
    let mut seen: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut note = |record: &Value| {
        let partition = record["partition"].as_i64().unwrap();
        seen.entry(partition).or_default().push(record["value"]["n"].as_i64().unwrap());
    };
    for _ in 0..RECORDS / 4 {
        note(&events.next().await.unwrap());
    }
    // What the client has seen so far; what is on its way to it is lost with the broker.
    let id = events.id.clone();
    let name = rest.urls[0].0.clone();
    cluster.kill(&name).await;
    drop(events);

    for n in RECORDS / 2..RECORDS {
        wanted.entry(write(n, 2).await).or_default().push(n);
    }
    let mut events = Events::open(&rest, 1, "events/stream", Some(&id)).await;
    for _ in RECORDS / 4..RECORDS {
        note(&events.next().await.unwrap());
    }
    assert_eq!(seen, wanted, "nothing lost, repeated or reordered, per partition");
}
