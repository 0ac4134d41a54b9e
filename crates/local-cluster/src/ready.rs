//! Waiting until processes can do their work.

use std::time::{Duration, Instant};

use client::{HttpClient, HttpRequest};
use futures_util::future::join_all;
use http_api::paths;
use thiserror::Error;

/// Between two questions to one process.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// How long one answer may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Processes that are not ready in time, each with what it said last.
#[derive(Debug, Error)]
#[error("not ready after {} ms: {}", .after.as_millis(), .answers.join("; "))]
pub struct NotReady {
    /// How long they had.
    pub after: Duration,
    /// What each of them said last.
    pub answers: Vec<String>,
}

/// Waits until `GET /readyz` of all these base URLs answers 200. Returns how long that took.
///
/// # Errors
/// If some are not ready within `deadline`.
pub async fn wait_ready(urls: &[String], deadline: Duration) -> Result<Duration, NotReady> {
    let begun = Instant::now();
    let http = HttpClient::default();
    let waits = join_all(urls.iter().map(|url| ready(&http, url, begun + deadline))).await;
    let answers: Vec<String> = waits.into_iter().filter_map(Result::err).collect();
    if answers.is_empty() { Ok(begun.elapsed()) } else { Err(NotReady { after: deadline, answers }) }
}

async fn ready(http: &HttpClient, url: &str, until: Instant) -> Result<(), String> {
    loop {
        let request = HttpRequest::get(format!("{url}{}?verbose", paths::READYZ)).timeout(ASK_TIMEOUT);
        let said = match http.send(request).await {
            Ok(reply) if reply.status.is_success() => return Ok(()),
            Ok(reply) => format!("{url}: {} {}", reply.status, String::from_utf8_lossy(&reply.body)),
            Err(error) => error.to_string(),
        };
        if Instant::now() >= until {
            return Err(said);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}
