//! Knowing within milliseconds that a peer's process died, without asking it again and again.
//!
//! Every server answers `GET /livez?watch=true` with a response that does not end while its process lives: one
//! line, [`Livez`], with the incarnation id that the process drew at its start, then nothing. When the process ends, however it
//! ends, its system closes the connection, and the watcher sees that at once. A broken connection alone proves
//! nothing (a proxy, an idle limit), so the watcher asks again directly:
//!
//! | the second answer | means | [`PeerLost`] |
//! |---|---|---|
//! | connection refused | nobody listens there: the process is gone | `Refused` |
//! | another incarnation | the process is gone, and was started again | `Restarted` |
//! | the same incarnation | only the connection broke: watch on | - |
//! | nothing | the host or the way to it is gone, or the process hangs | `Silent` |
//!
//! A server that leaves in good order says `leaving` as its last line (`Left`). A host that vanishes without a
//! word is found out by TCP keepalive, that is, by the kernel; a process that is paused keeps its connections
//! and is the business of session timeouts. While all is well a watch is one idle connection and no work.

use std::time::Duration;

use common::IncarnationId;
use http_api::{Livez, paths};
use thiserror::Error;
use tokio::time::Instant;

use crate::http::{HttpClient, HttpError, HttpOptions, classify};

/// The last line of a server that shuts down in good order.
pub const LEAVING_LINE: &str = "leaving";

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 256;

/// Pauses between attempts to reach a peer that accepts connections and drops them.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(5);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A stream that lasted this long was a real one, and the next is opened without a pause.
const STREAM_LASTED: Duration = Duration::from_secs(1);

/// How a [`PeerWatch`] checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerWatchOptions {
    /// How long a peer may take to accept a watch before it counts as silent.
    pub answer_timeout: Duration,
    /// After this much silence on the connection the kernel probes whether the host is still there: once, and
    /// twice more a second apart.
    pub keepalive_idle: Duration,
}

impl Default for PeerWatchOptions {
    fn default() -> Self {
        Self { answer_timeout: Duration::from_secs(1), keepalive_idle: Duration::from_secs(5) }
    }
}

/// Why a watch ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeerLost {
    /// The host says that nobody listens there: the process is gone.
    #[error("{url} refuses connections: its process is gone")]
    Refused {
        /// The peer.
        url: String,
    },
    /// Another process answers there: the one that was watched is gone.
    #[error("{url} is served by another process now, incarnation {incarnation}")]
    Restarted {
        /// The peer.
        url: String,
        /// The process that answers now.
        incarnation: IncarnationId,
    },
    /// It said that it is shutting down.
    #[error("{url} is shutting down")]
    Left {
        /// The peer.
        url: String,
    },
    /// No answer: dead host, broken network, or a process that hangs.
    #[error("{url} is silent: {detail}")]
    Silent {
        /// The peer.
        url: String,
        /// What was tried.
        detail: String,
    },
    /// It answers, but not as a server that can be watched.
    #[error("{url} cannot be watched: {detail}")]
    Unwatchable {
        /// The peer.
        url: String,
        /// What it answered.
        detail: String,
    },
}

impl PeerLost {
    /// Whether this proves that the watched process ended. `Silent` proves nothing, and `Left` is not yet an end.
    pub fn process_is_gone(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Restarted { .. })
    }
}

/// Watches peers, each over a connection of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PeerWatch {
    inner: reqwest::Client,
    options: PeerWatchOptions,
}

/// An accepted watch.
struct Stream {
    response: reqwest::Response,
    incarnation: IncarnationId,
    opened: Instant,
}

/// Why there is no stream.
enum OpenError {
    /// Maybe the next attempt gives one.
    NoAnswer(HttpError),
    /// There will be none.
    Lost(PeerLost),
}

impl From<HttpError> for OpenError {
    fn from(error: HttpError) -> Self {
        Self::NoAnswer(error)
    }
}

/// How a stream ended.
enum End {
    Left,
    Broken,
}

impl PeerWatch {
    /// A watcher.
    pub fn new(options: PeerWatchOptions) -> Self {
        let http = HttpOptions { connect_timeout: options.answer_timeout, ..HttpOptions::default() };
        let inner = HttpClient::builder(&http)
            .pool_max_idle_per_host(0)
            .tcp_keepalive(options.keepalive_idle)
            .tcp_keepalive_interval(Duration::from_secs(1))
            .tcp_keepalive_retries(3)
            .build()
            .expect("a client without TLS and with the system resolver always builds");
        Self { inner, options }
    }

    /// Resolves when the process at `base_url` is lost. With `incarnation`, only that process is the right one;
    /// without, the first that answers is. Dropping the future ends the watch.
    pub async fn lost(&self, base_url: &str, incarnation: Option<IncarnationId>) -> PeerLost {
        let url = base_url.trim_end_matches('/').to_owned();
        let mut known = incarnation;
        let mut pause = Duration::ZERO;
        loop {
            tokio::time::sleep(pause).await;
            let stream = match self.open_patiently(&url).await {
                Ok(stream) => stream,
                Err(lost) => return lost,
            };
            if *known.get_or_insert(stream.incarnation) != stream.incarnation {
                return PeerLost::Restarted { url, incarnation: stream.incarnation };
            }
            let opened = stream.opened;
            match stream.end().await {
                End::Left => return PeerLost::Left { url },
                End::Broken if opened.elapsed() >= STREAM_LASTED => pause = Duration::ZERO,
                // It may be dying, so soon; but if it just does not hold streams, slower each time.
                End::Broken => pause = next_pause(pause),
            }
        }
    }

    /// Opens a stream; a connection that is accepted and dropped is tried again until the answer timeout, since
    /// that is what a process looks like whose listener is closed last.
    async fn open_patiently(&self, url: &str) -> Result<Stream, PeerLost> {
        let deadline = Instant::now() + self.options.answer_timeout;
        let mut pause = RETRY_PAUSE_MIN;
        loop {
            let error = match tokio::time::timeout_at(deadline, self.open(url)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(OpenError::Lost(lost))) => return Err(lost),
                Ok(Err(OpenError::NoAnswer(error))) => error,
                Err(_) => HttpError::Timeout {
                    url: url.to_owned(),
                    timeout_ms: u64::try_from(self.options.answer_timeout.as_millis()).unwrap_or(u64::MAX),
                },
            };
            let url = url.to_owned();
            match error {
                HttpError::Connect { refused: true, .. } => return Err(PeerLost::Refused { url }),
                HttpError::Broken { .. } if Instant::now() + pause < deadline => {}
                HttpError::Connect { .. } | HttpError::Timeout { .. } | HttpError::Broken { .. } => {
                    return Err(PeerLost::Silent { url, detail: error.to_string() });
                }
                HttpError::InvalidUrl { .. } | HttpError::BodyTooLarge { .. } => {
                    return Err(PeerLost::Unwatchable { url, detail: error.to_string() });
                }
            }
            tokio::time::sleep(pause).await;
            pause = next_pause(pause);
        }
    }

    /// One attempt: connect, ask, read the first line.
    async fn open(&self, url: &str) -> Result<Stream, OpenError> {
        let fail = |error| classify(error, url, self.options.answer_timeout);
        let mut response =
            self.inner.get(format!("{url}{}?watch=true", paths::LIVEZ)).send().await.map_err(fail)?;
        let unwatchable = |detail| OpenError::Lost(PeerLost::Unwatchable { url: url.to_owned(), detail });
        if !response.status().is_success() {
            return Err(unwatchable(format!("it answered {}", response.status())));
        }
        let mut bytes = Vec::new();
        while !bytes.contains(&b'\n') {
            let Some(chunk) = response.chunk().await.map_err(fail)? else {
                let detail = "it ended before it named itself".to_owned();
                return Err(HttpError::Broken { url: url.to_owned(), detail }.into());
            };
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LINE_BYTES_MAX {
                return Err(unwatchable(format!("its first line is longer than {LINE_BYTES_MAX} bytes")));
            }
        }
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let livez = serde_json::from_slice::<Livez>(lines.next().unwrap_or_default())
            .map_err(|error| unwatchable(format!("its first line says something else: {error}")))?;
        if lines.next() == Some(LEAVING_LINE.as_bytes()) {
            return Err(OpenError::Lost(PeerLost::Left { url: url.to_owned() }));
        }
        Ok(Stream { response, incarnation: livez.incarnation_id, opened: Instant::now() })
    }
}

impl Default for PeerWatch {
    fn default() -> Self {
        Self::new(PeerWatchOptions::default())
    }
}

impl Stream {
    /// Waits, for as long as the peer lives.
    async fn end(mut self) -> End {
        let mut last = Vec::new();
        while let Ok(Some(chunk)) = self.response.chunk().await {
            last.extend_from_slice(&chunk);
            if last.len() > LINE_BYTES_MAX {
                last.clear();
            }
            if String::from_utf8_lossy(&last).lines().any(|line| line == LEAVING_LINE) {
                return End::Left;
            }
        }
        End::Broken
    }
}

fn next_pause(pause: Duration) -> Duration {
    (pause * 2).clamp(RETRY_PAUSE_MIN, RETRY_PAUSE_MAX)
}
