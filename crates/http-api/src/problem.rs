//! Errors: `application/problem+json` (RFC 9457) with a stable code.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a caller may do about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Nothing: the same request fails again.
    Never,
    /// The same request may succeed later; nothing was changed.
    Later,
    /// The same request belongs to another node: the one the headers name, or one to be discovered.
    OtherNode,
    /// Nobody knows whether it took effect: repeat it only under its `Idempotency-Key`, or read what came of it.
    OnlyWithIdempotencyKey,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $title:literal, $retry:ident;)*) => {
        /// Every code that a problem may carry. A code never changes its meaning; new ones may come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// A code that this version does not know. Never sent.
            #[serde(other)]
            Unknown,
        }

        impl ErrorCode {
            /// All codes that are sent.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                    Self::Unknown => 500,
                }
            }

            /// What it means in a few words, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                    Self::Unknown => "Unknown problem",
                }
            }

            /// What the caller may do.
            pub const fn retry(self) -> Retry {
                match self {
                    $(Self::$name => Retry::$retry,)*
                    Self::Unknown => Retry::Never,
                }
            }

            const fn variant(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Unknown => "Unknown",
                }
            }
        }
    };
}

error_codes! {
    /// The body is no JSON, or not the JSON that is wanted: an unknown field, a wrong type, a missing field.
    InvalidRequest = 400, "Invalid request body", Never;
    /// A path segment, query parameter or header is not what is wanted.
    InvalidParameter = 400, "Invalid parameter", Never;
    /// A topic name breaks the grammar, or collides with another (`.` and `_` are the same in metric names).
    InvalidTopicName = 400, "Invalid topic name", Never;
    /// A number of partitions out of bounds, or below the present one.
    InvalidPartitions = 400, "Invalid number of partitions", Never;
    /// A replication factor out of bounds, or above the number of brokers.
    InvalidReplicationFactor = 400, "Invalid replication factor", Never;
    /// Replicas that cannot be assigned so.
    InvalidAssignment = 400, "Invalid replica assignment", Never;
    /// An unknown setting, or a value out of its range.
    InvalidConfig = 400, "Invalid setting", Never;
    /// No group can be called so.
    InvalidGroupId = 400, "Invalid group id", Never;
    /// A registration whose fields cannot be.
    InvalidRegistration = 400, "Invalid broker registration", Never;
    /// A feature level that cannot be set.
    InvalidFeatureLevel = 400, "Invalid feature level", Never;
    /// A change of the quorum that cannot be made.
    InvalidMembership = 400, "Invalid change of membership", Never;
    /// A record that cannot be written as it is.
    InvalidRecord = 400, "Invalid record", Never;
    /// The topic belongs to the system.
    InternalTopic = 403, "Internal topic", Never;
    /// No such path.
    NotFound = 404, "No such resource", Never;
    /// No such topic.
    UnknownTopic = 404, "Unknown topic", Never;
    /// The topic has no such partition.
    UnknownPartition = 404, "Unknown partition", Never;
    /// No such broker: register first.
    UnknownBroker = 404, "Unknown broker", Never;
    /// No such member of the quorum.
    UnknownNode = 404, "Unknown metadata node", Never;
    /// No such consumer group.
    UnknownGroup = 404, "Unknown group", Never;
    /// The partition has no leader at present.
    LeaderNotAvailable = 404, "Partition has no leader", Later;
    /// The path exists, but not with this method; `Allow` says which.
    MethodNotAllowed = 405, "Method not allowed", Never;
    /// The topic exists.
    TopicAlreadyExists = 409, "Topic already exists", Never;
    /// Another process holds this broker id and is alive.
    DuplicateBrokerId = 409, "Broker id is in use", Later;
    /// The caller's registration was replaced: register anew.
    StaleBrokerEpoch = 409, "Stale broker epoch", Never;
    /// The broker still holds replicas.
    BrokerHoldsReplicas = 409, "Broker holds replicas", Never;
    /// The caller does not lead the partition, or under another epoch.
    FencedLeaderEpoch = 409, "Fenced leader epoch", Never;
    /// The compare-and-set lost: read, and try again with what was read.
    InvalidUpdateVersion = 409, "Partition changed in between", Never;
    /// A wanted ISR that is no ISR: it lacks the leader, or names a broker twice or one without a replica.
    InvalidIsr = 400, "Invalid ISR", Never;
    /// A wanted ISR member may not be one.
    IneligibleReplica = 409, "Replica may not join the ISR", Never;
    /// A move of replicas was to be cancelled, but there is none.
    NoReassignmentInProgress = 404, "No reassignment in progress", Never;
    /// Another change of the quorum is under way.
    MembershipChangeInProgress = 409, "Membership change in progress", Later;
    /// The group has members; it can be changed from outside when they have gone.
    GroupNotEmpty = 409, "Group has members", Never;
    /// The lease has ended, and its records are given out again.
    LeaseExpired = 409, "Lease has ended", Never;
    /// The body is larger than allowed.
    PayloadTooLarge = 413, "Request body too large", Never;
    /// The record is larger than the topic allows.
    RecordTooLarge = 413, "Record too large", Never;
    /// The body is declared to be something other than JSON.
    UnsupportedMediaType = 415, "Unsupported media type", Never;
    /// The offset lies outside the partition's log.
    OffsetOutOfRange = 416, "Offset out of range", Never;
    /// The request says that it is meant for another cluster.
    WrongCluster = 421, "Wrong cluster", Never;
    /// The idempotency key was used before for another request.
    IdempotencyKeyReused = 422, "Idempotency key was used before", Never;
    /// The cluster would exceed one of its bounds.
    LimitExceeded = 422, "Limit exceeded", Never;
    /// A defect of the server; its log says more.
    Internal = 500, "Internal error", Later;
    /// The node is not the controller.
    NotController = 503, "Not the controller", OtherNode;
    /// The node has just started and may not show its state yet.
    NotReady = 503, "Not ready", Later;
    /// A linearizable read could not be confirmed by a quorum in time.
    QuorumUnavailable = 503, "No quorum", Later;
    /// The node's queue of proposals is full; nothing was proposed.
    Overloaded = 503, "Overloaded", Later;
    /// Fewer replicas are in sync than `min.insync.replicas`: nothing was written.
    NotEnoughReplicas = 503, "Not enough in-sync replicas", Later;
    /// The broker that coordinates the group is not there yet, or is loading.
    CoordinatorNotAvailable = 503, "Group coordinator is not available", Later;
    /// The broker that leads the partition does not answer: nothing was written.
    LeaderUnreachable = 503, "Partition leader does not answer", Later;
    /// The node's database does not answer; or the disk of the partition's leader takes no records, and nothing was written.
    StorageUnavailable = 503, "Storage unavailable", Later;
    /// The process is about to end.
    ShuttingDown = 503, "Shutting down", OtherNode;
    /// The write may or may not take effect: leadership was lost, or the quorum was silent, while waiting.
    CommitUnknown = 504, "Outcome unknown", OnlyWithIdempotencyKey;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_words(f, self.variant(), '_', char::to_ascii_uppercase)
    }
}

/// Writes `CamelCase` as words with `separator` between them.
fn write_words(
    f: &mut impl fmt::Write,
    variant: &str,
    separator: char,
    case: fn(&char) -> char,
) -> fmt::Result {
    for (position, character) in variant.chars().enumerate() {
        if position > 0 && character.is_ascii_uppercase() {
            f.write_char(separator)?;
        }
        f.write_char(case(&character))?;
    }
    Ok(())
}

/// An error answer. `fields` name the thing, the value and the bound: `topicName`, `field`, `value`, `bound`, ...
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI for the kind of problem: `urn:dmq:problem:topic-already-exists`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The kind of problem in a few words.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong this time, in a sentence.
    pub detail: String,
    /// For programs.
    pub code: ErrorCode,
    /// Further members that name the thing, the value and the bound.
    #[serde(flatten)]
    pub fields: BTreeMap<String, Value>,
}

impl Problem {
    /// A problem with nothing but a sentence.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let mut kind = String::from("urn:dmq:problem:");
        // Writing to a String cannot fail.
        let _ = write_words(&mut kind, code.variant(), '-', char::to_ascii_lowercase);
        Self {
            kind: kind.into(),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code,
            fields: BTreeMap::new(),
        }
    }

    /// Adds a member that names a thing, a value or a bound. One that already has a meaning is left as it is.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        debug_assert!(!matches!(name, "type" | "title" | "status" | "detail" | "code"), "{name} is taken");
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_the_serialized_name() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.to_string());
            assert!((400..=599).contains(&code.status()), "{code}");
        }
    }

    #[test]
    fn problem_is_flat_and_round_trips() {
        let problem =
            Problem::new(ErrorCode::TopicAlreadyExists, "topic `a` already exists").with("topicName", "a");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:dmq:problem:topic-already-exists",
                "title": "Topic already exists",
                "status": 409,
                "detail": "topic `a` already exists",
                "code": "TOPIC_ALREADY_EXISTS",
                "topicName": "a",
            })
        );
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }

    #[test]
    fn a_newer_servers_code_is_understood_as_unknown() {
        let json = r#"{"type":"x","title":"x","status":418,"detail":"x","code":"TEAPOT"}"#;
        let problem: Problem = serde_json::from_str(json).unwrap();
        assert_eq!(problem.code, ErrorCode::Unknown);
        assert_eq!(problem.status, 418);
    }
}
