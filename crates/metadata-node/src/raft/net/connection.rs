//! One HTTP/1.1 connection that is driven by whoever waits for an answer on it: no task of its own, no pool, no
//! wake-up from another thread. An RPC stream to a peer is sequential, so it needs exactly one.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use common::NodeId;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited, combinators::UnsyncBoxBody};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use uuid::Uuid;

/// A request body: bytes, or a stream of them.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Largest answer that is read. Answers between nodes are short.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Where a peer listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `host:port`.
    authority: String,
    host: HeaderValue,
}

impl Endpoint {
    /// From a base URL, `http://host:port`.
    pub(crate) fn parse(url: &str) -> Result<Self, CallError> {
        let wrong = || CallError::Url(url.to_owned());
        let uri: http::Uri = url.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong());
        }
        let host = uri.host().ok_or_else(wrong)?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let host = HeaderValue::from_str(&authority).map_err(|_| wrong())?;
        Ok(Self { authority, host })
    }
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("`{0}` is no URL of the form http://host:port")]
    Url(String),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    #[error("connection broke: {0}")]
    Broken(String),
    #[error("{status}: {text}")]
    Refused { status: StatusCode, text: String },
    #[error("unreadable answer: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error(
        "node {id} answers with database {found}, but the cluster knows it by {known}: it has lost what it voted for \
         and acknowledged, and takes no part"
    )]
    ForeignStorage { id: NodeId, known: Uuid, found: Uuid },
}

/// An answer, read to its end.
pub(crate) struct Answer {
    status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// The body of a success; the text of a refusal as an error.
    pub(crate) fn into_body(self) -> Result<Bytes, CallError> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let text = String::from_utf8_lossy(&self.body).chars().take(300).collect();
        Err(CallError::Refused { status: self.status, text })
    }
}

impl CallError {
    /// Nobody is there at all, so that asking again at once is of no use.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Url(_) | Self::Connect(_) | Self::Refused { .. } | Self::ForeignStorage { .. })
    }
}

/// An open connection.
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    /// Reads and writes the socket while it is polled.
    driver: Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>,
    host: HeaderValue,
}

impl Connection {
    pub(crate) async fn open(endpoint: &Endpoint) -> Result<Self, CallError> {
        let stream = TcpStream::connect(endpoint.authority.as_str()).await.map_err(CallError::Connect)?;
        stream.set_nodelay(true).map_err(CallError::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| CallError::Broken(error.to_string()))?;
        Ok(Self { sender, driver: Box::pin(connection), host: endpoint.host.clone() })
    }

    /// Sends one request and reads its answer. After an error, or when dropped halfway, the connection is of no use.
    pub(crate) async fn call(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(http::HeaderName, HeaderValue)],
        body: Body,
    ) -> Result<Answer, CallError> {
        let broken = |error: hyper::Error| CallError::Broken(error.to_string());
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.host.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(|error| CallError::Broken(error.to_string()))?;
        let sender = &mut self.sender;
        let exchange = async move {
            sender.ready().await.map_err(broken)?;
            let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
            let bytes = Limited::new(body, ANSWER_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| CallError::Broken(error.to_string()))?
                .to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body: bytes })
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            // The answer may have arrived together with the end of the connection.
            ended = &mut self.driver => {
                let closed = match ended {
                    Ok(()) => CallError::Broken("closed by the peer".to_owned()),
                    Err(error) => broken(error),
                };
                tokio::select! { biased; answer = exchange => answer, () = std::future::ready(()) => Err(closed) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        assert_eq!(Endpoint::parse("http://localhost:9091").unwrap().authority, "localhost:9091");
        assert_eq!(Endpoint::parse("http://[::1]:9091/").unwrap().authority, "[::1]:9091");
        assert_eq!(Endpoint::parse("http://h").unwrap().authority, "h:80");
        for wrong in ["localhost:9091", "https://h:1", "", "http://"] {
            assert!(Endpoint::parse(wrong).is_err(), "{wrong}");
        }
    }
}
