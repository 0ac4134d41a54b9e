//! What an error code in the answer to Produce says about a batch. Pure.

use kafka_wire::ErrorCode;

/// What is to be done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written.
    Written,
    /// It is to be sent again.
    Retry {
        /// Whether the broker may have written it nonetheless.
        uncertain: bool,
        /// Whether another broker leads, perhaps.
        moved: bool,
    },
    /// Its number is not the one that the broker expects.
    OutOfOrder,
    /// It was refused; it may be written nonetheless if `uncertain`.
    Refused {
        /// Whether the broker may have written it nonetheless.
        uncertain: bool,
    },
}

impl Verdict {
    /// Kafka has one code for a full disk and for one that failed in the middle of a batch, and leaves it open; our brokers say
    /// if `nothing_appended`.
    pub(super) fn of(code: ErrorCode, nothing_appended: bool) -> Self {
        match code {
            ErrorCode::KAFKA_STORAGE_ERROR if nothing_appended => {
                Self::Retry { uncertain: false, moved: true }
            }
            // A duplicate is a batch that was written before.
            ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Self::Written,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::UNKNOWN_PRODUCER_ID
            | ErrorCode::INVALID_PRODUCER_EPOCH => Self::OutOfOrder,
            // Checked before anything is written.
            ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::CORRUPT_MESSAGE => {
                Self::Retry { uncertain: false, moved: false }
            }
            ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::INCONSISTENT_TOPIC_ID => {
                Self::Retry { uncertain: false, moved: true }
            }
            // A leader that is deposed says so to those who wait for replicas, too: it had written their batches.
            ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::LEADER_NOT_AVAILABLE
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            | ErrorCode::FENCED_LEADER_EPOCH
            | ErrorCode::REPLICA_NOT_AVAILABLE
            | ErrorCode::BROKER_NOT_AVAILABLE
            | ErrorCode::KAFKA_STORAGE_ERROR => Self::Retry { uncertain: true, moved: true },
            code if code.is_retriable() => Self::Retry { uncertain: true, moved: false },
            code => Self::Refused { uncertain: code == ErrorCode::UNKNOWN_SERVER_ERROR },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_written_is_in_doubt() {
        let uncertain = |code| {
            matches!(
                Verdict::of(code, false),
                Verdict::Retry { uncertain: true, .. } | Verdict::Refused { uncertain: true }
            )
        };
        for code in [
            ErrorCode::REQUEST_TIMED_OUT,
            ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            ErrorCode::UNKNOWN_SERVER_ERROR,
            ErrorCode::KAFKA_STORAGE_ERROR,
        ] {
            assert!(uncertain(code), "{code}");
        }
        for code in [ErrorCode::NOT_ENOUGH_REPLICAS, ErrorCode::MESSAGE_TOO_LARGE, ErrorCode::INVALID_RECORD]
        {
            assert!(!uncertain(code), "{code}");
        }
        let full = Verdict::of(ErrorCode::KAFKA_STORAGE_ERROR, true);
        assert_eq!(full, Verdict::Retry { uncertain: false, moved: true });
    }

    #[test]
    fn every_code_has_a_verdict_and_only_success_is_success() {
        let written: Vec<ErrorCode> =
            ErrorCode::all().filter(|code| Verdict::of(*code, false) == Verdict::Written).collect();
        assert_eq!(written, [ErrorCode::NONE, ErrorCode::DUPLICATE_SEQUENCE_NUMBER]);
    }
}
