//! Which partition of `__consumer_offsets` (or `__transaction_state`) a group (or a transactional id) belongs to.

/// Kafka's choice: the hash of a Java string, its sign bit cleared, modulo the number of partitions. `partitions` below
/// 1 counts as 1.
pub fn partition_of(id: &str, partitions: i32) -> i32 {
    let hash =
        id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    (hash & i32::MAX) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_java_does_it() {
        // "hello".hashCode() == 99162322, "console-consumer".hashCode() == -1389222957.
        assert_eq!(partition_of("hello", i32::MAX), 99_162_322);
        assert_eq!(partition_of("", 50), 0);
        assert_eq!(partition_of("a", 50), 97 % 50);
        assert_eq!(partition_of("polygenelubricants", 50), 0, "the least hash there is");
        assert_eq!(partition_of("anything", 0), 0);
    }
}
