//! What the broker serves: one table of APIs and versions. The ApiVersions answer and
//! `docs/kafka-compatibility.md` are made from it.
//!
//! A version stands here only if the broker does all that it says, since clients take the highest that both know
//! and do not fall back.

use std::ops::RangeInclusive;

use crate::messages::{ApiKey, api_versions::ApiVersion};

/// An API that the broker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The API.
    pub key: ApiKey,
    /// The versions that are advertised.
    pub advertised: RangeInclusive<i16>,
    /// The versions that are answered; a request of another one closes the connection.
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
    served(ApiKey::OffsetCommit, 2..=10),
    served(ApiKey::OffsetFetch, 1..=10),
    served(ApiKey::FindCoordinator, 0..=6),
    served(ApiKey::JoinGroup, 0..=9),
    served(ApiKey::Heartbeat, 0..=4),
    served(ApiKey::LeaveGroup, 0..=5),
    served(ApiKey::SyncGroup, 0..=5),
    served(ApiKey::DescribeGroups, 0..=6),
    served(ApiKey::ListGroups, 0..=5),
    served(ApiKey::ApiVersions, 0..=4),
    served(ApiKey::CreateTopics, 2..=7),
    served(ApiKey::DeleteTopics, 1..=6),
    served(ApiKey::DeleteRecords, 0..=2),
    served(ApiKey::InitProducerId, 0..=5),
    served(ApiKey::OffsetForLeaderEpoch, 2..=4),
    served(ApiKey::DescribeAcls, 1..=3),
    served(ApiKey::CreateAcls, 1..=3),
    served(ApiKey::DeleteAcls, 1..=3),
    served(ApiKey::DescribeConfigs, 1..=4),
    served(ApiKey::AlterConfigs, 0..=2),
    served(ApiKey::AlterReplicaLogDirs, 1..=2),
    served(ApiKey::DescribeLogDirs, 1..=4),
    served(ApiKey::CreatePartitions, 0..=3),
    served(ApiKey::DeleteGroups, 0..=2),
    served(ApiKey::ElectLeaders, 0..=2),
    served(ApiKey::IncrementalAlterConfigs, 0..=1),
    served(ApiKey::AlterPartitionReassignments, 0..=1),
    served(ApiKey::ListPartitionReassignments, 0..=0),
    served(ApiKey::OffsetDelete, 0..=0),
    served(ApiKey::DescribeQuorum, 0..=2),
    served(ApiKey::UpdateFeatures, 0..=2),
    served(ApiKey::DescribeCluster, 0..=2),
    served(ApiKey::DescribeProducers, 0..=0),
    served(ApiKey::UnregisterBroker, 0..=0),
    served(ApiKey::ConsumerGroupHeartbeat, 0..=1),
    served(ApiKey::ConsumerGroupDescribe, 0..=1),
    served(ApiKey::ListConfigResources, 0..=1),
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

/// What an ApiVersions response lists.
pub fn advertised() -> Vec<ApiVersion> {
    let version = |Served { key, advertised, .. }: &Served| ApiVersion {
        api_key: *key as i16,
        min_version: *advertised.start(),
        max_version: *advertised.end(),
    };
    SERVED.iter().map(version).collect()
}

/// The table of `docs/kafka-compatibility.md`.
pub fn markdown() -> String {
    let mut table = "| key | API | versions | of Kafka 4.3 |\n|---|---|---|---|\n".to_owned();
    for Served { key, advertised, answered } in SERVED {
        let mut versions = words(answered);
        if advertised != answered {
            versions += &format!(" ({} advertised)", words(advertised));
        }
        let kafka = words(&key.schema().versions);
        table += &format!("| {} | {} | {versions} | {kafka} |\n", *key as i16, key.name());
    }
    table
}

fn words(versions: &RangeInclusive<i16>) -> String {
    match (versions.start(), versions.end()) {
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min}\u{2013}{max}"),
    }
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

    #[test]
    fn the_table_in_docs_is_that_of_the_code() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/kafka-compatibility.md");
        let text = std::fs::read_to_string(page).unwrap();
        let (begin, end) = ("<!-- registry: begin -->\n", "<!-- registry: end -->\n");
        let (before, rest) = text.split_once(begin).expect("the page has the two marks");
        let (table, after) = rest.split_once(end).expect("the page has the two marks");
        if std::env::var_os("DMQ_REWRITE").is_some() {
            std::fs::write(page, format!("{before}{begin}{}{end}{after}", markdown())).unwrap();
            return;
        }
        assert_eq!(table, markdown(), "run this test with DMQ_REWRITE=1 and look at the difference");
    }
}
