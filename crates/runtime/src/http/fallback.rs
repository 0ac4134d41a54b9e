//! Requests that no route takes.

use axum::http::{Method, Uri};
use http_api::{ErrorCode, Problem};

use super::Refusal;

/// A path is shown only so far.
const SHOWN_CHARS_MAX: usize = 200;

/// Nothing is at a path. `elsewhere` has beginnings of paths that another kind of process answers, and says which.
pub fn no_such_path(uri: &Uri, elsewhere: (&[&str], &str)) -> Refusal {
    let shown = shown(uri);
    let (beginnings, whose) = elsewhere;
    let hint = if beginnings.iter().any(|beginning| shown.starts_with(beginning)) {
        whose
    } else {
        "/openapi.json lists what there is"
    };
    Problem::new(ErrorCode::NotFound, format!("there is nothing at `{shown}`; {hint}"))
        .with("path", shown)
        .into()
}

/// A path does not take a method. The `Allow` header is added by axum.
pub async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let shown = shown(&uri);
    let detail = format!("`{shown}` does not take {method}; the `Allow` header says what it takes");
    Problem::new(ErrorCode::MethodNotAllowed, detail)
        .with("path", shown)
        .with("method", method.as_str())
        .into()
}

fn shown(uri: &Uri) -> String {
    uri.path().chars().take(SHOWN_CHARS_MAX).collect()
}
