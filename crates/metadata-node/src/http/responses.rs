//! Problems that many operations have in common, for their description in OpenAPI.

use http_api::Problem;
use utoipa::IntoResponses;

/// What every read may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the derive macro only")]
pub(super) enum ReadProblems {
    /// A parameter is not what is wanted
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(#[to_schema] Problem),
    /// A linearizable read was asked for and no quorum confirmed it
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// What every write may answer instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the derive macro only")]
pub(super) enum WriteProblems {
    /// `?redirect=true` was asked for: `Location` is the same request at the controller
    #[response(status = 307, content_type = "application/problem+json")]
    Redirect(#[to_schema] Problem),
    /// A parameter, a header or the body is not what is wanted
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(#[to_schema] Problem),
    /// The body is too large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// The body is not JSON and says so
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(#[to_schema] Problem),
    /// The idempotency key was used for another request, or the cluster would exceed a limit
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(#[to_schema] Problem),
    /// This node is not the controller; `X-Controller-Leader` and `X-Controller-Url` name it if it is known
    #[response(status = 503, content_type = "application/problem+json")]
    NotController(#[to_schema] Problem),
    /// Whether the write takes effect is unknown: repeat it under the same `Idempotency-Key`
    #[response(status = 504, content_type = "application/problem+json")]
    CommitUnknown(#[to_schema] Problem),
}
