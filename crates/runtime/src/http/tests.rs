//! The server as clients see it, over real sockets.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use common::IncarnationId;
use http_api::{Livez, ProcessRole};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::{TaskKind, Tasks};

const GRACE: Duration = Duration::from_secs(30);

/// Short enough for a test to wait for, long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(400);

async fn explode() {
    panic!("handler")
}

async fn server(limits: HttpLimits) -> (Tasks, SocketAddr) {
    let tasks = Tasks::new();
    let incarnation_id = IncarnationId("00000000-0000-0000-0000-000000000007".parse().unwrap());
    let livez = super::livez(&tasks, Livez { alive: true, role: ProcessRole::Broker, id: 7, incarnation_id });
    let router = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/slow", get(|| async { tokio::time::sleep(SHORT * 4).await }))
        .route("/panic", get(explode))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .merge(livez);
    let listener = bind("localhost", 0).await.unwrap();
    let address = listener.local_addr().unwrap();
    serve(&tasks, listener, router, limits);
    (tasks, address)
}

struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.until("\r\n\r\n").await
    }

    /// Reads until `end` was read.
    async fn until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).contains(end) {
            let mut byte = [0];
            let read = tokio::time::timeout(GRACE, self.0.read(&mut byte)).await.expect("an answer in time");
            assert_eq!(read.unwrap(), 1, "closed after {:?}", String::from_utf8_lossy(&text));
            text.extend(byte);
        }
        String::from_utf8(text).unwrap()
    }

    /// Waits until the server closes the connection; what it said until then.
    async fn closed(&mut self) -> String {
        let mut text = Vec::new();
        let read = tokio::time::timeout(GRACE, self.0.read_to_end(&mut text)).await.expect("an end in time");
        // A reset ends a connection as well as a FIN.
        let _ = read;
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[tokio::test]
async fn a_connection_serves_requests_one_after_the_other_and_is_drained() {
    let (tasks, address) = server(HttpLimits::default()).await;
    let mut client = Client::connect(address).await;
    assert!(client.get("/hello").await.starts_with("HTTP/1.1 200 OK"));
    client.until("hello").await;
    assert!(client.get("/nowhere").await.starts_with("HTTP/1.1 404"));
    // A request that has begun is answered although the shutdown begins meanwhile.
    client.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.send("").await;
    let mut probe = Client::connect(address).await;
    probe.get("/hello").await;
    assert_eq!(tasks.drain(GRACE).await, Vec::<&str>::new());
    assert!(client.closed().await.starts_with("HTTP/1.1 200 OK"));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_watch_says_who_lives_and_then_that_it_leaves() {
    let (tasks, address) =
        server(HttpLimits { header_timeout: SHORT, idle_timeout: SHORT, ..HttpLimits::default() }).await;
    let mut client = Client::connect(address).await;
    assert!(client.get("/livez?watch=true").await.starts_with("HTTP/1.1 200 OK"));
    client.until("00000000-0000-0000-0000-000000000007").await;
    // Longer than any timeout of an idle connection: a watch is not idle.
    assert!(tokio::time::timeout(SHORT * 3, client.until("leaving\n")).await.is_err());
    tasks.drain(GRACE).await;
    assert!(client.closed().await.contains("leaving\n"));
}

#[tokio::test]
async fn who_sends_nothing_or_half_a_head_is_cut_off() {
    let (_tasks, address) = server(HttpLimits { header_timeout: SHORT, ..HttpLimits::default() }).await;
    let mut silent = Client::connect(address).await;
    let mut slow = Client::connect(address).await;
    slow.send("GET /hello HTTP/1.1\r\nhost:").await;
    assert_eq!(silent.closed().await, "");
    slow.closed().await;
    // Between requests there is more time, but the next head has to hurry again.
    let mut second = Client::connect(address).await;
    second.get("/hello").await;
    second.until("hello").await;
    tokio::time::sleep(SHORT * 2).await;
    second.get("/hello").await;
    second.until("hello").await;
    second.send("GET").await;
    second.closed().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let limits = HttpLimits { header_timeout: SHORT, idle_timeout: SHORT, ..HttpLimits::default() };
    let (_tasks, address) = server(limits).await;
    let mut client = Client::connect(address).await;
    assert!(client.get("/slow").await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(client.closed().await, "");
}

#[tokio::test]
async fn bodies_have_a_largest_size_and_must_not_stand_still() {
    let limits = HttpLimits { body_bytes_max: 10, body_stall_timeout: SHORT, ..HttpLimits::default() };
    let (_tasks, address) = server(limits).await;
    let post =
        |length: usize| format!("POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    let mut client = Client::connect(address).await;
    client.send(&format!("{}0123456789", post(10))).await;
    assert!(client.until("\r\n\r\n10").await.starts_with("HTTP/1.1 200 OK"));
    client.send(&format!("{}0123456789a", post(11))).await;
    assert!(client.until("\r\n\r\n").await.starts_with("HTTP/1.1 413"));
    let mut stalled = Client::connect(address).await;
    stalled.send(&format!("{}0123", post(10))).await;
    assert!(stalled.closed().await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn who_does_not_read_its_answer_is_cut_off() {
    let (tasks, (open, dropped)) = (Tasks::new(), tokio::sync::oneshot::channel::<()>());
    let open = Arc::new(Mutex::new(Some(open)));
    let flood = async move || {
        let open = open.lock().unwrap().take();
        let chunk = Bytes::from_static(&[b'x'; 1 << 16]);
        Body::from_stream(futures_util::stream::repeat_with(move || {
            let _open = &open;
            Ok::<_, Infallible>(chunk.clone())
        }))
    };
    let listener = bind("localhost", 0).await.unwrap();
    let mut client = Client::connect(listener.local_addr().unwrap()).await;
    let router = Router::new().route("/flood", get(flood));
    serve(&tasks, listener, router, HttpLimits { answer_stall_timeout: SHORT, ..HttpLimits::default() });
    client.get("/flood").await;
    // It reads no further, and the answer has no end.
    assert!(tokio::time::timeout(GRACE, dropped).await.expect("an end in time").is_err());
    assert_eq!(tasks.drain(GRACE).await, Vec::<&str>::new());
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let (_tasks, address) = server(HttpLimits { connections_max: 1, ..HttpLimits::default() }).await;
    let mut first = Client::connect(address).await;
    first.get("/hello").await;
    let mut second = Client::connect(address).await;
    assert!(second.closed().await.starts_with("HTTP/1.1 503"));
    first.until("hello").await;
    assert!(first.get("/hello").await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_and_nothing_more() {
    let (tasks, address) = server(HttpLimits::default()).await;
    let mut client = Client::connect(address).await;
    let answer = client.get("/panic").await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("application/problem+json"), "{answer}");
    client.until("}").await;
    assert!(client.get("/hello").await.starts_with("HTTP/1.1 200 OK"));
    assert!(!tasks.stop(TaskKind::Listener).is_requested());
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_address() {
    let (_tasks, address) = server(HttpLimits::default()).await;
    let error = bind("127.0.0.1", address.port()).await.unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen on {address}: the port is in use by another process"));
    let error = bind("no.such.host.invalid", 1).await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot listen on no.such.host.invalid:1: the host does not resolve"),
        "{error}"
    );
}
