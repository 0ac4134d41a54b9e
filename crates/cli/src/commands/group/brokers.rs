//! Which broker answers for a group: any that does.

use client::{Call, CallError, HttpClient, api};
use common::BrokerStatus;
use http_api::ErrorCode;

use crate::{
    connection::ConnectionArgs,
    exit::{Exit, Failure},
};

/// The brokers that may be asked.
pub(super) struct Brokers {
    http: HttpClient,
    urls: Vec<String>,
}

impl Brokers {
    /// Those that are online.
    pub(super) async fn find(connection: &ConnectionArgs) -> Result<Self, Failure> {
        let brokers = connection.client()?.call(&api::brokers()).await?;
        let online = brokers.into_iter().filter(|broker| broker.status == BrokerStatus::Online);
        let urls: Vec<String> = online.map(|broker| broker.url()).collect();
        if urls.is_empty() {
            return Err(Failure::new(Exit::Unavailable, "no broker is online"));
        }
        Ok(Self { http: connection.http(), urls })
    }

    /// Asks one after the other until one answers; or until one may have done what is not to be done twice.
    pub(super) async fn ask<T: serde::de::DeserializeOwned + 'static>(
        &self,
        call: &Call<T>,
    ) -> Result<T, Failure> {
        let mut last = None;
        for url in &self.urls {
            match call.send(&self.http, url).await {
                Ok(answer) => return Ok(answer),
                Err(CallError::NoAnswer(error)) if !call.is_repeatable() && !error.surely_not_received() => {
                    return Err(CallError::OutcomeUnknown { detail: error.to_string() }.into());
                }
                Err(error) if is_final(&error) => return Err(error.into()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.map_or_else(|| Failure::new(Exit::Unavailable, "no broker answers"), Failure::from))
    }
}

/// Whether another broker would say the same.
fn is_final(error: &CallError) -> bool {
    use ErrorCode::{CoordinatorNotAvailable, NotReady, ShuttingDown};
    match error {
        CallError::Problem(problem) => {
            !matches!(problem.code, CoordinatorNotAvailable | NotReady | ShuttingDown)
        }
        _ => false,
    }
}
