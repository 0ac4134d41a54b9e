//! Every bound of the system in one place, with the relations between them proved at compile time.
//!
//! A bound exists so that no input, however hostile, makes a node allocate without end. Bounds that decide what a
//! replicated command does are part of the protocol: nodes that disagree on them would diverge, so changing one
//! takes a new feature level.

// --- Topics and partitions -------------------------------------------------------------------------------------

/// Topics of a cluster.
pub const TOPICS_MAX: usize = 250_000;
/// Partitions of one topic.
pub const PARTITIONS_PER_TOPIC_MAX: usize = 10_000;
/// Partitions of a cluster.
pub const PARTITIONS_MAX: usize = 1_000_000;
/// Replicas of one partition.
pub const REPLICATION_FACTOR_MAX: usize = 64;
/// Bytes of one topic setting's value. The names come from a fixed list, so this bounds a topic's settings too.
pub const TOPIC_CONFIG_VALUE_BYTES_MAX: usize = 4_096;
/// Bytes of all values of one topic's settings together.
pub const TOPIC_CONFIGS_BYTES_MAX: usize = 16_384;

// --- Brokers ---------------------------------------------------------------------------------------------------

/// Registered brokers, the OFFLINE ones included.
pub const BROKERS_MAX: usize = 1_000;
/// Bytes of a broker's host name (RFC 1035 allows 253).
pub const BROKER_HOST_BYTES_MAX: usize = 253;
/// Bytes of a broker's rack name.
pub const BROKER_RACK_BYTES_MAX: usize = 255;

// --- Groups ----------------------------------------------------------------------------------------------------

/// Bytes of a group's id.
pub const GROUP_ID_BYTES_MAX: usize = 1_024;
/// Groups that have settings of their own.
pub const GROUPS_WITH_CONFIGS_MAX: usize = 10_000;

// --- Commands --------------------------------------------------------------------------------------------------

/// ISR changes in one command.
pub const ISR_CHANGES_PER_COMMAND_MAX: usize = 10_000;
/// Partitions named in one election.
pub const ELECTIONS_PER_COMMAND_MAX: usize = 10_000;
/// Partitions of one reassignment.
pub const REASSIGNMENTS_PER_COMMAND_MAX: usize = 10_000;
/// Producer ids in one block (KIP-730).
pub const PRODUCER_ID_BLOCK_SIZE: i32 = 1_000;

// --- Idempotency keys ------------------------------------------------------------------------------------------

/// Requests remembered for idempotency.
pub const REQUESTS_MAX: usize = 16_384;
/// How long a request is remembered at most, in ms.
pub const REQUESTS_AGE_MS_MAX: u64 = 15 * 60 * 1_000;
/// Partitions in all remembered answers together: what bounds the memory they take.
pub const REQUESTS_PARTITIONS_MAX: usize = 250_000;

// --- Change log ------------------------------------------------------------------------------------------------

/// Events that a node keeps for brokers that catch up by delta.
pub const CHANGE_LOG_EVENTS_MAX: usize = 20_000;
/// Estimated bytes of these events in memory.
pub const CHANGE_LOG_BYTES_MAX: usize = 4 * 1_024 * 1_024;

const _: () = {
    assert!(PARTITIONS_MAX >= 100_000, "the design promises 100,000 partitions");
    assert!(PARTITIONS_PER_TOPIC_MAX <= PARTITIONS_MAX, "one topic must fit the cluster");
    assert!(PARTITIONS_PER_TOPIC_MAX <= i32::MAX as usize, "partition ids are i32 in Kafka's protocol");
    assert!(REPLICATION_FACTOR_MAX <= i16::MAX as usize, "replication factors are i16 in Kafka's protocol");
    assert!(REPLICATION_FACTOR_MAX <= BROKERS_MAX, "replicas of a partition live on different brokers");
    assert!(
        TOPIC_CONFIG_VALUE_BYTES_MAX <= TOPIC_CONFIGS_BYTES_MAX,
        "one value must fit the topic's settings"
    );
    assert!(REQUESTS_PARTITIONS_MAX >= PARTITIONS_PER_TOPIC_MAX, "the largest answer must fit");
    assert!(ISR_CHANGES_PER_COMMAND_MAX >= PARTITIONS_PER_TOPIC_MAX, "a topic's ISRs change in one command");
    assert!(PRODUCER_ID_BLOCK_SIZE > 0, "a block holds something");
};
