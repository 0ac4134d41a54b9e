//! What tests of partitions share.

use std::{path::Path, sync::Arc};

use commit_log::{Files, disk::sim::SimDisk};
use common::{
    BrokerEpoch, BrokerId, ClusterId, MetadataVersion, Offset, PartitionId, TopicId, TopicName,
    broker_config::Configs, topic_config::TopicConfig,
};
use http_api::{Delta, DeltaSet};
use metadata_core::{Event, command::FEATURE_LEVEL_MAX};
use replica::Assignment;
use uuid::Uuid;

use super::{Partition, PartitionName, PartitionSettings, Services, state::Wanted};
use crate::{
    broker_config::{BrokerConfig, LiveConfig},
    image::MetadataImage,
};

/// Whose the partitions are.
pub(crate) const ME: BrokerId = BrokerId(1);

/// The epoch of all brokers.
pub(crate) const EPOCH: BrokerEpoch = BrokerEpoch(7);

/// A partition with one replica, on this disk; its topic has these settings.
pub(super) fn leader(disk: &SimDisk, settings: &[(&str, &str)]) -> Arc<Partition> {
    let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    partition(disk, &settings, &[], &[ME], &[ME])
}

/// The same, with these brokers in its ISR, all of them ONLINE.
pub(super) fn leader_with(disk: &SimDisk, settings: &[(&str, &str)], isr: &[i32]) -> Arc<Partition> {
    let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let isr: Vec<BrokerId> = isr.iter().copied().map(BrokerId).collect();
    partition(disk, &settings, &[], &isr, &isr)
}

/// A partition on this disk; its topic has these settings, the broker was started with those. The first replica leads.
pub(crate) fn partition(
    disk: &SimDisk,
    settings: &Configs,
    started: &[&str],
    replicas: &[BrokerId],
    isr: &[BrokerId],
) -> Arc<Partition> {
    let files = Files::new(Arc::new(disk.clone()), 64);
    let image = Arc::new(MetadataImage::new(ClusterId("test".into())));
    let event = Arc::new(Event::FeatureLevelChanged { level: FEATURE_LEVEL_MAX });
    let version = MetadataVersion(1);
    let deltas = vec![Delta { version, event }];
    image.advance(&DeltaSet { from_version: MetadataVersion(0), version, deltas }).expect("an event");
    let started = BrokerConfig::parse(started.iter().copied()).expect("settings of brokers");
    let config = LiveConfig::new(ME, started, image);
    let services = Arc::new(Services::on(PartitionSettings::new(ME), config, files));
    let topic = TopicName::new("orders").expect("a topic name");
    let name = PartitionName { topic, topic_id: TopicId(Uuid::nil()), partition: PartitionId(0) };
    let partition = common::Partition {
        leader: replicas.first().copied(),
        replicas: replicas.to_vec(),
        isr: isr.to_vec(),
        ..Default::default()
    };
    let online = replicas.iter().map(|id| (*id, EPOCH)).collect();
    let assignment = Assignment { partition, online };
    let config = Arc::new(TopicConfig::new(settings));
    let partition = Arc::new(Partition::new(name, Wanted { assignment, config }, services));
    partition.open(Path::new("orders-0"), Offset(0));
    partition
}
