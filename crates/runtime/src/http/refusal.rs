//! Answers other than success: `application/problem+json`.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_api::{ErrorCode, Problem, headers};

/// A request that is not carried out.
#[derive(Debug)]
pub struct Refusal(Box<Problem>);

impl Refusal {
    /// Refuses with a code and a sentence.
    pub fn because(code: ErrorCode, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(headers::PROBLEM_JSON));
        (status, [content_type], body).into_response()
    }
}
