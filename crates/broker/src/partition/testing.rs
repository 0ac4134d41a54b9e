//! What tests of partitions share.

use std::{path::Path, sync::Arc};

use commit_log::{Files, disk::sim::SimDisk};
use common::{BrokerEpoch, BrokerId, Offset, PartitionId, TopicId, TopicName, topic_config::TopicConfig};
use replica::Assignment;
use uuid::Uuid;

use super::{Partition, PartitionName, PartitionSettings, Services, state::Wanted};

/// A partition with one replica, on this disk; its topic has these settings.
pub(super) fn leader(disk: &SimDisk, settings: &[(&str, &str)]) -> Arc<Partition> {
    leader_with(disk, settings, &[1])
}

/// The same, with these brokers in its ISR, all of them ONLINE under epoch 7.
pub(super) fn leader_with(disk: &SimDisk, settings: &[(&str, &str)], isr: &[i32]) -> Arc<Partition> {
    let me = BrokerId(1);
    let isr: Vec<BrokerId> = isr.iter().copied().map(BrokerId).collect();
    let online = isr.iter().map(|id| (*id, BrokerEpoch(7))).collect();
    let files = Files::new(Arc::new(disk.clone()), 64);
    let services = Arc::new(Services::on(PartitionSettings::new(me), files));
    let topic = TopicName::new("orders").expect("a topic name");
    let name = PartitionName { topic, topic_id: TopicId(Uuid::nil()), partition: PartitionId(0) };
    let partition = common::Partition { leader: Some(me), replicas: isr.clone(), isr, ..Default::default() };
    let assignment = Assignment { partition, online };
    let config =
        TopicConfig::new(&settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
    let partition = Arc::new(Partition::new(name, Wanted { assignment, config: Arc::new(config) }, services));
    partition.open(Path::new("orders-0"), Offset(0));
    partition
}
