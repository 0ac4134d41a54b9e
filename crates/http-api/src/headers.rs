//! Names of the headers that are ours, in the lower case that `http::HeaderName::from_static` wants.

/// Id of the Raft leader, on answers of a node that is not the leader.
pub const CONTROLLER_LEADER: &str = "x-controller-leader";
/// Base URL of the Raft leader, on answers of a node that is not the leader.
pub const CONTROLLER_URL: &str = "x-controller-url";
/// A UUID that makes a write safe to retry: the same key is applied once.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The UUID in an `Idempotency-Key`: quoted, as in the header's draft standard, or bare.
pub fn parse_idempotency_key<T: std::str::FromStr>(text: &str) -> Option<T> {
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    bare.parse().ok()
}
/// Which cluster a request is meant for. Nodes and brokers send it with every request; whoever belongs to another
/// cluster refuses with `WRONG_CLUSTER`.
pub const CLUSTER_ID: &str = "x-cluster-id";
/// Id of the broker that hands a read on to the leader, which is done once only.
pub const FORWARDED_BY: &str = "x-forwarded-by-broker";
/// Where to read on, where an answer is lines of records.
pub const NEXT_OFFSET: &str = "x-next-offset";
/// Up to where records are committed, where an answer is lines of records.
pub const HIGH_WATERMARK: &str = "x-high-watermark";
/// Where a stream of events broke off: the id of its last event.
pub const LAST_EVENT_ID: &str = "last-event-id";
/// The media type of every error body (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
