//! Asking a broker directly which process it is.

use std::time::Duration;

use client::{HttpClient, HttpRequest};
use common::Broker;
use http_api::{Livez, paths};

/// What a direct question to a broker's address brought to light about one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// It answers.
    Alive,
    /// It does not exist any more: nobody listens there, or another process does.
    Gone(String),
    /// Nothing: no answer, or none that says which process it is of.
    Unclear(String),
}

/// Asks the address of `broker` for the process that made its registration.
pub(super) async fn probe(http: &HttpClient, broker: &Broker, timeout: Duration) -> Finding {
    let request = HttpRequest::get(format!("{}{}", broker.url(), paths::LIVEZ)).timeout(timeout);
    match http.send(request).await {
        Ok(reply) => match reply.json::<Livez>() {
            Ok(livez) if livez.incarnation_id == broker.incarnation_id => Finding::Alive,
            Ok(livez) => Finding::Gone(format!("process {} answers there now", livez.incarnation_id)),
            Err(error) => {
                Finding::Unclear(format!("it answers {} and not what it is: {error}", reply.status))
            }
        },
        Err(error) if error.is_refused() => Finding::Gone(error.to_string()),
        Err(error) => Finding::Unclear(error.to_string()),
    }
}
