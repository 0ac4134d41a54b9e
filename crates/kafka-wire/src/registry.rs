//! What the broker serves: one table of APIs and versions. The ApiVersions answer and
//! `docs/kafka-compatibility.md` are made from it.
//!
//! A version stands here only if the broker does all that it says, since clients take the highest that both know
//! and do not fall back.

use std::ops::RangeInclusive;

use crate::messages::ApiKey;

/// An API that the broker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The API.
    pub key: ApiKey,
    /// The versions that are advertised.
    pub advertised: RangeInclusive<i16>,
    /// The versions that are answered; all but those of [`Served::since`] are advertised too.
    pub answered: RangeInclusive<i16>,
}

/// In order of the keys.
static SERVED: &[Served] = &[
    // Old librdkafka turns compression off unless version 0 is in the range (KAFKA-18659); a request of such a
    // version closes the connection, as in Kafka.
    Served { key: ApiKey::Produce, advertised: 0..=13, answered: 3..=13 },
    served(ApiKey::Fetch, 4..=18),
    served(ApiKey::ListOffsets, 1..=11),
    served(ApiKey::Metadata, 0..=13),
    served(ApiKey::ApiVersions, 0..=4),
    served(ApiKey::CreateTopics, 2..=7),
    served(ApiKey::DeleteTopics, 1..=6),
    served(ApiKey::DeleteRecords, 0..=2),
    served(ApiKey::InitProducerId, 0..=5),
    served(ApiKey::OffsetForLeaderEpoch, 2..=4),
    served(ApiKey::DescribeConfigs, 1..=4),
    served(ApiKey::AlterConfigs, 0..=2),
    served(ApiKey::DescribeLogDirs, 1..=4),
    served(ApiKey::CreatePartitions, 0..=3),
    served(ApiKey::ElectLeaders, 0..=2),
    served(ApiKey::IncrementalAlterConfigs, 0..=1),
    served(ApiKey::AlterPartitionReassignments, 0..=1),
    served(ApiKey::ListPartitionReassignments, 0..=0),
    served(ApiKey::DescribeQuorum, 0..=2),
    served(ApiKey::UpdateFeatures, 0..=2),
    served(ApiKey::DescribeCluster, 0..=2),
    served(ApiKey::DescribeProducers, 0..=0),
    served(ApiKey::DescribeTopicPartitions, 0..=0),
];

const fn served(key: ApiKey, versions: RangeInclusive<i16>) -> Served {
    Served { key, advertised: *versions.start()..=*versions.end(), answered: versions }
}

/// Every API that the broker serves, in order of the keys.
pub fn all() -> &'static [Served] {
    SERVED
}

/// The row of an API, by its number; `None` if the broker does not serve it.
pub fn find(api_key: i16) -> Option<&'static Served> {
    let index = SERVED.binary_search_by_key(&api_key, |served| served.key as i16).ok()?;
    SERVED.get(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_within_what_the_messages_can_do() {
        assert!(SERVED.is_sorted_by_key(|served| served.key as i16));
        for Served { key, advertised, answered } in SERVED {
            let known = &key.schema().versions;
            assert!(known.contains(answered.start()) && known.contains(answered.end()), "{key:?}");
            assert!(advertised.contains(answered.start()) && advertised.end() == answered.end(), "{key:?}");
        }
    }
}
