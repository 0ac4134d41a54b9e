//! What a client may do with a thing (KIP-430), as sets of Kafka's `AclOperation`s: bit N stands for the operation with code N.
//!
//! There are no ACLs, so whoever asks may do all that can be done, as on a Kafka without an authorizer.

const READ: i32 = 1 << 3;
const WRITE: i32 = 1 << 4;
const CREATE: i32 = 1 << 5;
const DELETE: i32 = 1 << 6;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const CLUSTER_ACTION: i32 = 1 << 9;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;
const IDEMPOTENT_WRITE: i32 = 1 << 12;

/// All that may be done with a topic.
pub(super) const ON_TOPIC: i32 =
    READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;

/// All that may be done with a group.
pub(super) const ON_GROUP: i32 = READ | DELETE | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;

/// All that may be done with the cluster.
pub(super) const ON_CLUSTER: i32 =
    CREATE | ALTER | DESCRIBE | CLUSTER_ACTION | DESCRIBE_CONFIGS | ALTER_CONFIGS | IDEMPOTENT_WRITE;

/// What stands for "not asked for".
pub(super) const NOT_ASKED: i32 = i32::MIN;

/// `all` for a client that wants to know.
pub(super) const fn if_asked(is_asked: bool, all: i32) -> i32 {
    if is_asked { all } else { NOT_ASKED }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_are_those_of_kafka() {
        assert_eq!((ON_TOPIC, ON_GROUP, ON_CLUSTER), (3576, 3400, 8096));
        assert_eq!(if_asked(false, ON_TOPIC), i32::MIN);
    }
}
