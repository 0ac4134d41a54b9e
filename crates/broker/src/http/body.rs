//! A strict JSON body: what is wrong with one is told with the field and what would be right.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::StatusCode,
};
use http_api::{ErrorCode, Problem};
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// The largest body. A push has a few hundred bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;

/// The request's body as a `T`.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        if bytes.is_empty() {
            return Err(Refusal::because(
                ErrorCode::InvalidRequest,
                "the body is empty; a JSON object is wanted",
            ));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Ok(value) => match deserializer.end() {
                Ok(()) => Ok(Self(value)),
                Err(error) => Err(Refusal::because(
                    ErrorCode::InvalidRequest,
                    format!("after the JSON object: {error}"),
                )),
            },
            Err(error) => {
                let field = error.path().to_string();
                let reason = error.into_inner();
                let problem = if field == "." {
                    Problem::new(ErrorCode::InvalidRequest, reason.to_string())
                } else {
                    let detail = format!("`{field}`: {reason}");
                    Problem::new(ErrorCode::InvalidRequest, detail).with("field", field)
                };
                Err(problem.into())
            }
        }
    }
}

fn unread(rejection: BytesRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        return Problem::new(ErrorCode::PayloadTooLarge, detail).with("bound", BODY_BYTES_MAX).into();
    }
    Refusal::because(
        ErrorCode::InvalidRequest,
        format!("the body could not be read: {}", rejection.body_text()),
    )
}
