//! [`JsonBody`]: a strict JSON body. What is wrong with one is told with the field, the value and what would be right.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use http_api::{ErrorCode, Problem};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::{HttpLimits, Refusal};

/// A wrong value is shown only so far.
const SHOWN_CHARS_MAX: usize = 200;

/// The largest JSON body of the routes below it, in bytes: a layer is made of it with `axum::Extension`. Without one it
/// is what [`HttpLimits`] has by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonBytesMax(pub usize);

impl Default for JsonBytesMax {
    fn default() -> Self {
        Self(HttpLimits::default().body_bytes_max)
    }
}

/// The request's body as a `T`.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// Like [`JsonBody`], but the body may be empty, or `null`.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match OptionalJsonBody::from_request(request, state).await?.0 {
            Some(body) => Ok(Self(body)),
            None => Err(Refusal::because(
                ErrorCode::InvalidRequest,
                "the body is empty, or `null`; a JSON object is wanted",
            )),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        let JsonBytesMax(bytes_max) = parts.extensions.get().copied().unwrap_or_default();
        let bytes = read(body, bytes_max).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        // serde would take a list for the fields in their order.
        if bytes.trim_ascii_start().starts_with(b"[") {
            let detail = "the body is a list; a JSON object is wanted";
            return Err(Refusal::because(ErrorCode::InvalidRequest, detail));
        }
        match serde_json::from_slice(&bytes) {
            Ok(body) => Ok(Self(body)),
            Err(_) => Err(explain::<T>(&bytes, &parts.headers)),
        }
    }
}

async fn read(body: axum::body::Body, bytes_max: usize) -> Result<Bytes, Refusal> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {bytes_max} bytes");
            Err(Problem::new(ErrorCode::PayloadTooLarge, detail).with("bound", bytes_max).into())
        }
        // The client went away, or sent broken chunks.
        Err(error) => {
            Err(Refusal::because(ErrorCode::InvalidRequest, format!("the body could not be read: {error}")))
        }
    }
}

/// Reads the body once more, slowly, to find out what is wrong with it.
fn explain<T: DeserializeOwned>(bytes: &[u8], headers: &HeaderMap) -> Refusal {
    let whole: Value = match serde_json::from_slice(bytes) {
        Ok(whole) => whole,
        Err(error) => return no_json(&error, headers),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut deserializer) else {
        return Refusal::because(ErrorCode::InvalidRequest, "the body has something after its JSON");
    };
    let field = error.path().to_string();
    let reason = without_position(&error.inner().to_string());
    if field == "." {
        return Refusal::because(ErrorCode::InvalidRequest, reason);
    }
    let mut problem = Problem::new(ErrorCode::InvalidRequest, format!("`{field}`: {reason}"));
    if let Some(value) = value_at(&whole, error.path()) {
        problem = problem.with("value", shown(value));
    }
    problem.with("field", field).into()
}

/// A body that is no JSON at all. One that does not claim to be is told so, except for the type that `curl -d` sets.
fn no_json(error: &serde_json::Error, headers: &HeaderMap) -> Refusal {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = media_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let may_be_json =
        essence.is_empty() || essence == "application/x-www-form-urlencoded" || essence.ends_with("json");
    if may_be_json {
        let detail = format!("the body is no valid JSON: {error}");
        return Problem::new(ErrorCode::InvalidRequest, detail)
            .with("line", error.line())
            .with("column", error.column())
            .into();
    }
    let detail = format!("the body is `{essence}`; application/json is wanted");
    Problem::new(ErrorCode::UnsupportedMediaType, detail).with("value", essence).into()
}

/// serde_json ends its messages with the position, which the field's name makes superfluous.
fn without_position(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(reason, _)| reason).to_owned()
}

fn value_at<'a>(whole: &'a Value, path: &Path) -> Option<&'a Value> {
    path.iter().try_fold(whole, |value, segment| match segment {
        Segment::Seq { index } => value.get(index),
        Segment::Map { key } => value.get(key),
        Segment::Enum { variant } => value.get(variant),
        Segment::Unknown => None,
    })
}

/// A value for the answer: short ones as they are, long ones as the beginning of their text.
fn shown(value: &Value) -> Value {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        None => value.clone(),
        Some((end, _)) => Value::String(format!("{}...", text.get(..end).unwrap_or_default())),
    }
}
