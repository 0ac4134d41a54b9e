//! What tests of partitions share.

use std::{path::Path, sync::Arc};

use commit_log::{Files, disk::sim::SimDisk};
use common::{BrokerId, Offset, PartitionId, TopicId, TopicName, topic_config::TopicConfig};
use replica::Assignment;
use uuid::Uuid;

use super::{Partition, PartitionName, PartitionSettings, Services, state::Wanted};

/// A partition with one replica, on this disk; its topic has these settings.
pub(super) fn leader(disk: &SimDisk, settings: &[(&str, &str)]) -> Arc<Partition> {
    let me = BrokerId(1);
    let files = Files::new(Arc::new(disk.clone()), 64);
    let services = Arc::new(Services::on(PartitionSettings::new(me), files));
    let topic = TopicName::new("orders").expect("a topic name");
    let name = PartitionName { topic, topic_id: TopicId(Uuid::nil()), partition: PartitionId(0) };
    let partition =
        common::Partition { leader: Some(me), replicas: vec![me], isr: vec![me], ..Default::default() };
    let assignment = Assignment { partition, online: [].into() };
    let config =
        TopicConfig::new(&settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
    let partition = Arc::new(Partition::new(name, Wanted { assignment, config: Arc::new(config) }, services));
    partition.open(Path::new("orders-0"), Offset(0));
    partition
}
