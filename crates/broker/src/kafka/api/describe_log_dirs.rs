//! DescribeLogDirs (35), versions 1 to 4: what this broker's replicas take on its disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kafka_wire::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse,
    describe_log_dirs::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
};

use super::{Call, blocking};

/// Since this version the answer says how large the disk is.
const DISK_SINCE: i16 = 4;

pub(super) async fn handle(call: Arc<Call>, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let wanted: Option<BTreeMap<String, BTreeSet<i32>>> = request.topics.map(|topics| {
        let topics = topics.into_iter();
        topics.map(|topic| (topic.topic, topic.partitions.into_iter().collect())).collect()
    });
    let mut topics: BTreeMap<String, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for partition in call.server.partitions.all() {
        let name = partition.name();
        let (topic, index) = (name.topic.as_str(), name.partition.0);
        let is_wanted = wanted
            .as_ref()
            .is_none_or(|wanted| wanted.get(topic).is_some_and(|indexes| indexes.contains(&index)));
        let Some(figures) = partition.figures().filter(|_| is_wanted) else { continue };
        topics.entry(topic.to_owned()).or_default().push(DescribeLogDirsPartition {
            partition_index: index,
            partition_size: i64::try_from(figures.size_bytes).unwrap_or(i64::MAX),
            offset_lag: figures.lag,
            is_future_key: false,
        });
    }
    let dir = call.server.settings.data_dir.clone();
    let disk = blocking(move || nix::sys::statvfs::statvfs(&dir)).await.and_then(Result::ok);
    let bytes = |blocks: Option<u64>| {
        let unit = disk.map_or(0, |disk| disk.fragment_size());
        let bytes = blocks.filter(|_| call.version() >= DISK_SINCE).map(|blocks| blocks.saturating_mul(unit));
        bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
    };
    let result = DescribeLogDirsResult {
        log_dir: call.server.settings.data_dir.display().to_string(),
        topics: topics
            .into_iter()
            .map(|(name, partitions)| DescribeLogDirsTopic { name, partitions })
            .collect(),
        total_bytes: bytes(disk.map(|disk| disk.blocks())),
        usable_bytes: bytes(disk.map(|disk| disk.blocks_available())),
        ..DescribeLogDirsResult::default()
    };
    DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() }
}
