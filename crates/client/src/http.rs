//! One HTTP request, one bounded answer. Everything that goes from one node to another passes here.

use std::time::Duration;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use bytes::{Bytes, BytesMut};
use common::ClusterId;
use http_api::headers;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Limits of an [`HttpClient`]. A single request may ask for another timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpOptions {
    /// How long a TCP connection may take to come about.
    pub connect_timeout: Duration,
    /// From the start of a request to the last byte of its answer, unless the request says otherwise.
    pub request_timeout: Duration,
    /// The largest answer that is read; a peer that sends more is refused instead of believed.
    pub body_bytes_max: usize,
    /// Says with every request which cluster it is meant for: a server of another one refuses it. `None` for
    /// clients that take whatever cluster they find.
    pub cluster_id: Option<ClusterId>,
    /// Says with every request who sends it: `user-agent`. `None` for clients that are nobody in particular.
    pub agent: Option<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(5),
            // A full image of 100,000 partitions is about 20 MB.
            body_bytes_max: 256 * 1024 * 1024,
            cluster_id: None,
            agent: None,
        }
    }
}

/// How long an unused connection is kept. Shorter than the servers' idle timeout, so that the client closes
/// first and no request meets a connection that is just being closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// A request to be sent by [`HttpClient::send`].
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// Headers besides those HTTP needs anyway.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; with one, `content-type: application/json` is set.
    pub body: Option<Bytes>,
    /// Instead of [`HttpOptions::request_timeout`].
    pub timeout: Option<Duration>,
}

impl HttpRequest {
    /// A request without a body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Vec::new(), body: None, timeout: None }
    }

    /// `GET url`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// `POST url` with `body` as JSON.
    pub fn post_json(url: impl Into<String>, body: &impl Serialize) -> Self {
        let mut request = Self::new(Method::POST, url);
        request.body = Some(to_json(body));
        request
    }

    /// With a deadline of its own.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// `value` as JSON bytes. Our own request types have string keys only, so this cannot fail.
pub(crate) fn to_json(value: &impl Serialize) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("request types have string keys and no failing serializers"))
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`HttpOptions::body_bytes_max`] long.
    pub body: Bytes,
}

impl Reply {
    /// The body as a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// A header's text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HttpError {
    /// Not a URL that a request can be made from.
    #[error("`{url}` is no usable URL: {detail}")]
    InvalidUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// No connection: the request was certainly not received.
    #[error("cannot connect to {url}: {detail}")]
    Connect {
        /// Where to.
        url: String,
        /// The host answered that nobody listens on that port.
        refused: bool,
        /// The system's words.
        detail: String,
    },
    /// No answer in time: the request may or may not have been carried out.
    #[error("no answer from {url} within {timeout_ms} ms")]
    Timeout {
        /// Who was asked.
        url: String,
        /// The limit.
        timeout_ms: u64,
    },
    /// The connection broke: the request may or may not have been carried out.
    #[error("connection to {url} broke: {detail}")]
    Broken {
        /// Who was asked.
        url: String,
        /// The system's words.
        detail: String,
    },
    /// The answer is longer than this client reads.
    #[error("answer of {url} is longer than {bytes_max} bytes")]
    BodyTooLarge {
        /// Who was asked.
        url: String,
        /// The limit.
        bytes_max: usize,
    },
}

impl HttpError {
    /// Whether the request certainly had no effect, so that even a write without an idempotency key may be sent again.
    pub fn surely_not_received(&self) -> bool {
        matches!(self, Self::InvalidUrl { .. } | Self::Connect { .. })
    }

    /// Whether the host answered that nobody listens there: the process is gone.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Connect { refused: true, .. })
    }
}

/// Sends requests over kept-alive connections. Cheap to clone; clones share the connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: reqwest::Client,
    options: HttpOptions,
}

impl HttpClient {
    /// A client with its own connections.
    pub fn new(options: HttpOptions) -> Self {
        let inner = Self::builder(&options)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .build()
            .expect("a client without TLS and with the system resolver always builds");
        Self { inner, options }
    }

    /// What every client of ours has in common: no proxies from the environment between nodes of a cluster,
    /// redirects followed by [`crate::MetadataClient`] only, no delayed small packets.
    pub(crate) fn builder(options: &HttpOptions) -> reqwest::ClientBuilder {
        let mut every_time = HeaderMap::new();
        if let Some(ClusterId(id)) = &options.cluster_id
            && let Ok(value) = HeaderValue::from_str(id)
        {
            every_time.insert(HeaderName::from_static(headers::CLUSTER_ID), value);
        }
        if let Some(agent) = &options.agent
            && let Ok(value) = HeaderValue::from_str(agent)
        {
            every_time.insert(http::header::USER_AGENT, value);
        }
        reqwest::Client::builder()
            .default_headers(every_time)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(options.connect_timeout)
    }

    /// The limits this client works with.
    pub fn options(&self) -> &HttpOptions {
        &self.options
    }

    /// Sends `request` once and reads the whole answer, whatever its status.
    pub async fn send(&self, request: HttpRequest) -> Result<Reply, HttpError> {
        let timeout = request.timeout.unwrap_or(self.options.request_timeout);
        let mut builder = self.inner.request(request.method, &request.url).timeout(timeout);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        if let Some(body) = request.body {
            builder = builder.header(::http::header::CONTENT_TYPE, "application/json").body(body);
        }
        let fail = |error| classify(error, &request.url, timeout);
        let mut response = builder.send().await.map_err(fail)?;
        let too_large =
            || HttpError::BodyTooLarge { url: request.url.clone(), bytes_max: self.options.body_bytes_max };
        let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if announced > self.options.body_bytes_max {
            return Err(too_large());
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        // Most answers are one chunk, which is then passed on as it came.
        let first = response.chunk().await.map_err(fail)?.unwrap_or_default();
        let mut body = first;
        let mut rest = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            if rest.is_empty() {
                rest.reserve(announced.max(body.len() + chunk.len()));
                rest.extend_from_slice(&body);
            }
            rest.extend_from_slice(&chunk);
            if rest.len() > self.options.body_bytes_max {
                return Err(too_large());
            }
        }
        if !rest.is_empty() {
            body = rest.freeze();
        }
        if body.len() > self.options.body_bytes_max {
            return Err(too_large());
        }
        Ok(Reply { status, headers, body })
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new(HttpOptions::default())
    }
}

/// What a failed request means for its sender.
pub(crate) fn classify(error: reqwest::Error, url: &str, timeout: Duration) -> HttpError {
    let url = url.to_owned();
    // A connect timeout is a timeout and a connect error: nothing was sent.
    if error.is_connect() {
        let refused = io_kind(&error) == Some(std::io::ErrorKind::ConnectionRefused);
        return HttpError::Connect { url, refused, detail: root_cause(error) };
    }
    if error.is_timeout() {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        return HttpError::Timeout { url, timeout_ms };
    }
    if error.is_builder() {
        return HttpError::InvalidUrl { url, detail: root_cause(error) };
    }
    HttpError::Broken { url, detail: root_cause(error) }
}

/// The kind of the system error at the bottom of `error`.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<std::io::ErrorKind> {
    let mut cause = Some(error);
    let mut kind = None;
    while let Some(error) = cause {
        kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(kind);
        cause = error.source();
    }
    kind
}

/// The innermost message: the outer ones repeat the URL and say "error sending request".
fn root_cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        message = inner.to_string();
        cause = inner.source();
    }
    message
}
