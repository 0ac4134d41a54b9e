//! One connection: requests one after the other, within the time limits.
//!
//! The limits are kept by the transport below hyper ([`Timed`]), because only there a connection that waits for
//! its next request is told from one whose request has begun to arrive. Nothing is armed per request: one timer
//! per connection runs to the earliest moment that could matter, and is set again when it was too early.

use std::{
    any::Any,
    convert::Infallible,
    io,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_api::{ErrorCode, Problem, headers};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};
use tower::Service as _;

use super::{
    HttpLimits,
    body::{BusyBody, PatientBody},
};
use crate::tasks::{Stop, panic_message};

/// Serves `stream` until the client closes it, breaks the rules, or `stop` is requested and the request at hand
/// has been answered.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: HttpLimits,
    stop: Stop,
) {
    let activity = Arc::new(Activity::default());
    let transport = Timed::new(stream, limits, Arc::clone(&activity));
    let service = service_fn(move |request| {
        let busy = Busy::begin(Arc::clone(&activity));
        answer(router.clone(), request, peer, limits.body_stall_timeout, busy)
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(transport), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // Clients come and go; what they do wrong is theirs to know.
        tracing::debug!(event = "http.connection_error", %peer, %error, "connection ended");
    }
}

async fn answer(
    mut router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    body_stall_timeout: Duration,
    busy: Busy,
) -> Result<Response<BusyBody>, Infallible> {
    let mut request = request.map(|body| Body::new(PatientBody::new(body, body_stall_timeout)));
    request.extensions_mut().insert(ConnectInfo(peer));
    let answer = AssertUnwindSafe(router.call(request)).catch_unwind().await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => internal_error(panic.as_ref()),
    };
    Ok(response.map(|body| BusyBody::new(body, busy)))
}

/// The answer of a handler that panicked: the process goes on, the client learns that it was not its fault.
fn internal_error(panic: &(dyn Any + Send)) -> Response<Body> {
    tracing::error!(event = "http.handler_panic", "a handler panicked: {}", panic_message(panic));
    let problem = Problem::new(ErrorCode::Internal, "the server failed; its log says how");
    let json = serde_json::to_vec(&problem).expect("a problem has a JSON form");
    let mut response = Response::new(Body::from(json));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(headers::PROBLEM_JSON));
    response
}

/// What a connection is doing: written by its service, read by its transport.
#[derive(Debug, Default)]
struct Activity {
    /// A request is being answered.
    busy: AtomicBool,
    /// Requests so far.
    requests: AtomicU64,
}

/// A request that is being answered, from its head to the last byte of its response.
pub(super) struct Busy(Arc<Activity>);

impl Busy {
    fn begin(activity: Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        activity.busy.store(true, Ordering::Relaxed);
        Self(activity)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

/// A TCP stream whose reads fail when the client is too slow to send a request's head, or idle for too long; and whose writes
/// fail when the client does not read on.
struct Timed {
    stream: TcpStream,
    limits: HttpLimits,
    activity: Arc<Activity>,
    timer: Pin<Box<Sleep>>,
    /// What is being waited for, after how many requests, since when.
    waiting: (Waiting, u64, Instant),
    /// Until when the client has to read on; only while a write waits for it.
    stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For the first byte of a request.
    Idle,
    /// For the rest of a request's head.
    Head,
    /// For nothing: a request is being answered.
    Busy,
}

impl Timed {
    fn new(stream: TcpStream, limits: HttpLimits, activity: Arc<Activity>) -> Self {
        let timer = Box::pin(tokio::time::sleep(limits.header_timeout));
        let waiting = (Waiting::Idle, 0, Instant::now());
        Self { stream, limits, activity, timer, waiting, stalled: None }
    }

    /// Notes what is being waited for; time counts from the first note of the same thing.
    fn note(&mut self, waiting: Waiting) {
        let requests = self.activity.requests.load(Ordering::Relaxed);
        let (was, was_requests, _) = self.waiting;
        if (was, was_requests) != (waiting, requests) {
            self.waiting = (waiting, requests, Instant::now());
        }
    }

    /// What the client is waited for now, given that no bytes are there.
    fn waiting_without_bytes(&self) -> Waiting {
        let requests = self.activity.requests.load(Ordering::Relaxed);
        match self.waiting {
            _ if self.activity.busy.load(Ordering::Relaxed) => Waiting::Busy,
            (Waiting::Head, begun_at, _) if begun_at == requests => Waiting::Head,
            _ => Waiting::Idle,
        }
    }

    /// Until when what is being waited for may take, and what is wrong then.
    fn deadline(&self) -> (Instant, Option<&'static str>) {
        let HttpLimits { header_timeout, idle_timeout, .. } = self.limits;
        match self.waiting {
            (Waiting::Head, _, since) => (since + header_timeout, Some("request head too slow")),
            (Waiting::Idle, 0, since) => (since + header_timeout, Some("no request")),
            (Waiting::Idle, _, since) => (since + idle_timeout, Some("idle for too long")),
            // Nothing is wrong, but hyper, which has a read pending all the while, may not read again when the
            // answer is sent: the timer makes it look.
            (Waiting::Busy, _, since) => (since + idle_timeout, None),
        }
    }

    /// A write as the socket did it, or an error if the client has not read for too long.
    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.limits.answer_stall_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        stalled.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "answer not read")))
    }

    /// Pending until the deadline of what is being waited for; then an error.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (mut deadline, wrong) = self.deadline();
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            match wrong {
                Some(what) if now >= deadline => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)));
                }
                None if now >= deadline => deadline = now + self.limits.idle_timeout,
                _ => {}
            }
            self.timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(result) => {
                if buffer.filled().len() > filled && !self.activity.busy.load(Ordering::Relaxed) {
                    self.note(Waiting::Head);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let waiting = self.waiting_without_bytes();
                self.note(waiting);
                self.poll_deadline(cx)
            }
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.poll_written(cx, written)
    }
}
