//! A peer's death is known at once, and a living peer is never taken for dead.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests may panic like the tests")]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{middleware::map_response, response::Response};
use client::{PeerLost, PeerWatch, PeerWatchOptions};
use common::IncarnationId;
use http_api::{Livez, ProcessRole};
use runtime::{Tasks, http::HttpLimits};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};
use uuid::Uuid;

const IS_CHILD: &str = "WATCHED_CHILD";
const LISTENING: &str = "listening: ";

fn livez(incarnation: u128) -> Livez {
    let incarnation_id = IncarnationId(Uuid::from_u128(incarnation));
    Livez { alive: true, role: ProcessRole::Broker, id: 101, incarnation_id }
}

/// A watch of a peer that answers, however busy the machine is.
fn watch() -> PeerWatch {
    watch_within(Duration::from_secs(30))
}

fn watch_within(answer_timeout: Duration) -> PeerWatch {
    PeerWatch::new(PeerWatchOptions { answer_timeout, ..PeerWatchOptions::default() })
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Takes a watch by hand and says which process this is.
async fn accept(listener: &TcpListener, incarnation: u128) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 1024];
    let length = stream.read(&mut request).await.unwrap();
    assert!(request[..length].starts_with(b"GET /livez?watch=true HTTP/1.1\r\n"));
    let line = serde_json::to_string(&livez(incarnation)).unwrap();
    let answer =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{line}\n\r\n", line.len() + 1);
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream
}

/// Is a process of its own when a test below starts it as one; else does nothing.
#[tokio::test]
async fn child() {
    if std::env::var_os(IS_CHILD).is_none() {
        return;
    }
    let tasks = Tasks::new();
    let listener = runtime::http::bind("127.0.0.1", 0).await.unwrap();
    println!("{LISTENING}http://{}", listener.local_addr().unwrap());
    runtime::http::serve(&tasks, listener, runtime::http::livez(&tasks, livez(1)), HttpLimits::default());
    std::future::pending().await
}

/// A process that can be watched, and its URL.
fn start_child() -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(IS_CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.map(Result::unwrap).find_map(|line| Some(line.split_once(LISTENING)?.1.to_owned()));
    (child, url.expect("the child says where it listens"))
}

#[tokio::test]
async fn a_killed_process_is_known_at_once() {
    let (mut child, url) = start_child();
    let watcher = watch();
    let mut lost = std::pin::pin!(watcher.lost(&url, None));
    // It lives, and nothing happens.
    assert!(tokio::time::timeout(Duration::from_millis(300), lost.as_mut()).await.is_err());
    child.kill().unwrap();
    // And not that it is silent: that would be found out when its time is over.
    assert_eq!(lost.await, PeerLost::Refused { url: url.clone() });
    child.wait().unwrap();
}

#[tokio::test]
async fn a_broken_connection_alone_is_no_death() {
    let (listener, url) = listen().await;
    let peer = async {
        for _ in 0..3 {
            drop(accept(&listener, 1).await);
        }
        let held = accept(&listener, 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        held
    };
    let watcher = watch();
    tokio::select! {
        lost = watcher.lost(&url, None) => panic!("taken for dead: {lost}"),
        _held = peer => {}
    }
}

#[tokio::test]
async fn a_restarted_process_is_another_one() {
    let (listener, url) = listen().await;
    let peer = async {
        drop(accept(&listener, 1).await);
        accept(&listener, 2).await
    };
    let watcher = watch();
    let (lost, _held) = tokio::join!(watcher.lost(&url, None), peer);
    let second = livez(2).incarnation_id;
    assert_eq!(lost, PeerLost::Restarted { url: url.clone(), incarnation: second });
    assert!(lost.process_is_gone());
    // Whoever knows the incarnation to expect learns it from the first answer.
    let expected = Some(livez(1).incarnation_id);
    let (lost, _held) = tokio::join!(watcher.lost(&url, expected), accept(&listener, 2));
    assert_eq!(lost, PeerLost::Restarted { url, incarnation: second });
}

#[tokio::test]
async fn a_peer_that_stops_in_good_order_says_so() {
    let tasks = Tasks::new();
    let listener = runtime::http::bind("127.0.0.1", 0).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Notify::new());
    let noted = Arc::clone(&asked);
    let router = runtime::http::livez(&tasks, livez(1)).layer(map_response(move |answer: Response| {
        noted.notify_one();
        std::future::ready(answer)
    }));
    runtime::http::serve(&tasks, listener, router, HttpLimits::default());
    let watcher = watch();
    let stops = async {
        asked.notified().await;
        tasks.drain(Duration::from_secs(30)).await
    };
    let (lost, _) = tokio::join!(watcher.lost(&url, None), stops);
    assert_eq!(lost, PeerLost::Left { url: url.clone() });
    assert!(!lost.process_is_gone());
}

#[tokio::test]
async fn silence_proves_nothing() {
    let (_listener, url) = listen().await;
    let (begun, patience) = (Instant::now(), Duration::from_millis(300));
    let lost = watch_within(patience).lost(&url, None).await;
    assert!(matches!(lost, PeerLost::Silent { .. }), "{lost:?}");
    assert!(!lost.process_is_gone());
    assert!(begun.elapsed() >= patience);
}

#[tokio::test]
async fn a_port_that_closes_late_is_asked_again() {
    let (listener, url) = listen().await;
    let dying = async {
        drop(accept(&listener, 1).await);
        // Still accepts, but drops: the process is being torn down.
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
        drop(listener);
    };
    let watcher = watch();
    let (lost, ()) = tokio::join!(watcher.lost(&url, None), dying);
    assert_eq!(lost, PeerLost::Refused { url });
}

#[tokio::test]
async fn other_servers_cannot_be_watched() {
    let tasks = Tasks::new();
    let listener = runtime::http::bind("127.0.0.1", 0).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(|| async { "hello\n" });
    runtime::http::serve(&tasks, listener, router, HttpLimits::default());
    let lost = watch().lost(&url, None).await;
    assert!(matches!(lost, PeerLost::Unwatchable { .. }), "{lost:?}");
    assert!(!lost.process_is_gone());
}
