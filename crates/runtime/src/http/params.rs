//! Path segments and query parameters; what is wrong with one is told with its name and its value.

use axum::{
    extract::{
        FromRequestParts, Path, Query,
        path::{ErrorKind, FailedToDeserializePathParams},
        rejection::PathRejection,
    },
    http::request::Parts,
};
use http_api::{ErrorCode, Problem};
use serde::de::DeserializeOwned;

use super::Refusal;

/// A wrong value is shown only so far.
const SHOWN_CHARS_MAX: usize = 200;

/// The path's variable segments as a `T`.
#[derive(Debug)]
pub struct Segments<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(bad_segment(error)),
            Err(error) => Err(Refusal::because(ErrorCode::Internal, error.body_text())),
        }
    }
}

fn bad_segment(error: FailedToDeserializePathParams) -> Refusal {
    let problem = match error.kind() {
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => {
            invalid(format!("path: `{key}` is `{value}`, which is no {}", type_in_words(expected_type)))
                .with("parameter", key.as_str())
                .with("value", value.as_str())
        }
        ErrorKind::ParseErrorAtIndex { value, expected_type, .. }
        | ErrorKind::ParseError { value, expected_type } => {
            invalid(format!("path: `{value}` is no {}", type_in_words(expected_type)))
                .with("value", value.as_str())
        }
        ErrorKind::DeserializeError { key, value, message } => {
            invalid(format!("path: `{key}` is `{value}`: {message}"))
                .with("parameter", key.as_str())
                .with("value", value.as_str())
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            invalid(format!("path: `{key}` is no valid UTF-8")).with("parameter", key.as_str())
        }
        _ => invalid(error.body_text()),
    };
    problem.into()
}

/// Names what a number may be, in words.
fn type_in_words(rust_type: &str) -> String {
    match rust_type {
        "i32" => format!("whole number from {} to {}", i32::MIN, i32::MAX),
        "u64" => format!("whole number from 0 to {}", u64::MAX),
        other => other.to_owned(),
    }
}

/// The query as a `T`.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        Ok(Self(query_of(parts)?))
    }
}

/// Of a call that takes no parameters: a query is refused, and not passed over.
#[derive(Debug)]
pub struct NoParams;

impl<S: Send + Sync> FromRequestParts<S> for NoParams {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let all = query_of::<Vec<(String, String)>>(parts)?;
        let Some((name, _)) = all.into_iter().next() else { return Ok(Self) };
        let shown: String = name.chars().take(SHOWN_CHARS_MAX).collect();
        Err(invalid(format!("query: there is no parameter `{shown}`; this call takes none"))
            .with("parameter", shown)
            .into())
    }
}

/// The query of a request as a `T`.
///
/// # Errors
/// Names the parameter and its value.
pub fn query_of<T: DeserializeOwned>(parts: &Parts) -> Result<T, Problem> {
    let rejection = match Query::try_from_uri(&parts.uri) {
        Ok(Query(value)) => return Ok(value),
        Err(rejection) => rejection.body_text(),
    };
    let error = rejection.strip_prefix("Failed to deserialize query string: ").unwrap_or(&rejection);
    // "name: what is wrong with its value"; without a name it is about the query as a whole.
    let Some((name, reason)) = error.split_once(": ").filter(|(name, _)| !name.contains(' ')) else {
        return Err(invalid(format!("query: {error}")));
    };
    let problem = match given(parts, name) {
        Some(value) => invalid(format!("query: `{name}` is `{value}`: {reason}")).with("value", value),
        None => invalid(format!("query: `{name}`: {reason}")),
    };
    Err(problem.with("parameter", name))
}

/// What the query says of a parameter.
fn given(parts: &Parts, name: &str) -> Option<String> {
    let Query(all) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).ok()?;
    let (_, value) = all.into_iter().find(|(own, _)| own == name)?;
    Some(value.chars().take(SHOWN_CHARS_MAX).collect())
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidParameter, detail)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        since: Option<u64>,
    }

    fn query(text: &str) -> Result<Wanted, Problem> {
        let (parts, ()) = Request::get(format!("/x?{text}")).body(()).unwrap().into_parts();
        query_of(&parts)
    }

    #[test]
    fn what_is_wrong_with_a_parameter_is_told_with_its_value() {
        assert_eq!(query("since=7").unwrap().since, Some(7));
        let problem = query("since=abc").unwrap_err();
        assert!(problem.detail.starts_with("query: `since` is `abc`: "), "{problem}");
        assert_eq!(
            (&problem.fields["parameter"], &problem.fields["value"]),
            (&"since".into(), &"abc".into())
        );
        assert_eq!(query("sinse=1").unwrap_err().fields["parameter"], "sinse");
    }
}
