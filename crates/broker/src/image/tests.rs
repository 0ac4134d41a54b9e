//! Deltas and images, in any order, lead to the same metadata, and never back.

use std::collections::BTreeMap;

use common::{BrokerId, BrokerStatus, IncarnationId};
use http_api::{BrokerInfo, Delta, TopicInfo};
use metadata_core::{ChangeLog, Command, Proposal};
use uuid::Uuid;

use super::*;

/// A controller: applies commands, and answers pulls.
struct Controller {
    state: State,
    log: ChangeLog,
    index: u64,
}

fn cluster() -> ClusterId {
    ClusterId("test".into())
}

fn name(topic: u64) -> TopicName {
    TopicName::new(&format!("t{topic}")).unwrap()
}

impl Controller {
    fn new() -> Self {
        let log = ChangeLog::new(MetadataVersion(0), 1_000, 1 << 20);
        Self { state: State::new(cluster()), log, index: 0 }
    }

    fn apply(&mut self, command: Command) {
        self.index += 1;
        let proposal = Proposal { time_ms: 0, author: "test".into(), request_id: None, command };
        let applied = self.state.apply(MetadataVersion(self.index), &proposal);
        self.log.push(&applied.changes);
    }

    /// One of many commands, some of which are rejected.
    fn step(&mut self, choice: u64) {
        let broker_id = BrokerId(i32::try_from(choice % 3).unwrap());
        let topic = name(choice / 7 % 5);
        let epoch = self.state.broker(broker_id).map(|broker| broker.broker_epoch).unwrap_or_default();
        self.apply(match choice % 9 {
            0 | 1 => Command::RegisterBroker {
                broker_id,
                incarnation_id: IncarnationId(Uuid::from_u64_pair(1, choice)),
                host: "localhost".into(),
                port: 1,
                kafka_port: None,
                rack: None,
                directory_id: None,
                previous_is_gone: true,
            },
            2 | 3 => Command::CreateTopic {
                topic_name: topic,
                topic_id: TopicId(Uuid::from_u64_pair(2, choice)),
                num_partitions: 3,
                replication_factor: 1,
                configs: BTreeMap::new(),
                assignments: None,
                placement_seed: choice,
                internal: false,
            },
            4 => Command::DeleteTopic { topic_name: topic },
            6 => Command::AlterBrokerConfigs {
                broker_id: [None, Some(broker_id)][usize::try_from(choice % 2).unwrap()],
                configs: [(
                    "log.retention.ms".to_owned(),
                    (!choice.is_multiple_of(3)).then(|| choice.to_string()),
                )]
                .into(),
            },
            7 => Command::AlterGroupConfigs {
                group_id: format!("group-{}", choice % 3),
                configs: [(
                    "consumer.session.timeout.ms".to_owned(),
                    (!choice.is_multiple_of(2)).then(|| (50_000 + choice % 9).to_string()),
                )]
                .into(),
            },
            5 => Command::FenceBrokers { brokers: vec![(broker_id, epoch)] },
            _ => Command::AlterTopic {
                topic_name: topic,
                num_partitions: Some(i32::try_from(3 + choice % 5).unwrap()),
                configs: BTreeMap::new(),
                assignments: None,
                placement_seed: choice,
            },
        });
    }

    fn deltas(&self, from_version: MetadataVersion) -> DeltaSet {
        let events = self.log.since(from_version).unwrap();
        let deltas = events.into_iter().map(|(version, event)| Delta { version, event }).collect();
        DeltaSet { from_version, version: self.state.version(), deltas }
    }

    fn image(&self) -> ClusterImage {
        ClusterImage {
            cluster_id: cluster(),
            version: self.state.version(),
            full: true,
            controller_leader_id: None,
            controller_info: None,
            brokers: self.state.brokers().map(|broker| BrokerInfo::new(broker, 0, 0)).collect(),
            broker_configs: self.state.broker_configs().into(),
            group_configs: self
                .state
                .group_configs()
                .iter()
                .map(|(id, it)| (id.to_owned(), it.clone()))
                .collect(),
            feature_level: self.state.feature_level(),
            topics: self.state.topics().map(|topic| TopicInfo::from(topic.as_ref().clone())).collect(),
            total_partitions: self.state.total_partitions(),
            active_metadata_nodes: Vec::new(),
        }
    }

    /// The image shows what the controller has.
    fn is_shown_by(&self, image: &MetadataImage) {
        assert_eq!(image.version(), self.state.version());
        image.read(|state| {
            assert!(state.topics().eq(self.state.topics()));
            assert!(state.brokers().eq(self.state.brokers()));
            assert_eq!(state.broker_configs(), self.state.broker_configs());
            assert!(state.group_configs().iter().eq(self.state.group_configs().iter()));
            for broker in (0..3).map(BrokerId) {
                assert_eq!(state.leader_partitions(broker), self.state.leader_partitions(broker));
                assert_eq!(state.replica_partitions(broker), self.state.replica_partitions(broker));
            }
        });
    }
}

#[test]
fn deltas_and_images_lead_to_the_same_metadata() {
    let mut controller = Controller::new();
    let level = metadata_core::command::FEATURE_LEVEL_MAX;
    controller.apply(Command::SetFeatureLevel { level, level_max: level });
    let image = MetadataImage::new(cluster());
    let mut choice = 1_u64;
    for round in 0..300 {
        for _ in 0..choice % 4 {
            choice =
                choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 1;
            controller.step(choice);
        }
        choice = choice.wrapping_add(1);
        if round % 10 == 9 {
            image.replace(controller.image()).unwrap();
        } else {
            image.advance(&controller.deltas(image.version())).unwrap();
        }
        controller.is_shown_by(&image);
    }
    assert!(controller.state.topic_count() > 0 && controller.index > 200);
}

#[test]
fn deltas_from_further_back_do_no_harm_and_gaps_are_noticed() {
    let mut controller = Controller::new();
    for choice in [0, 7, 14, 2, 9] {
        controller.step(choice);
    }
    let image = MetadataImage::new(cluster());
    let all = controller.deltas(MetadataVersion(0));
    image.advance(&all).unwrap();
    image.advance(&all).unwrap();
    controller.is_shown_by(&image);

    let gap = DeltaSet { from_version: MetadataVersion(6), version: MetadataVersion(7), deltas: Vec::new() };
    assert!(matches!(image.advance(&gap), Err(ImageError::Gap { .. })));
    let mut backwards = all.clone();
    backwards.deltas.reverse();
    assert!(matches!(image.advance(&backwards), Err(ImageError::Gap { .. })));
    let beyond = DeltaSet { version: MetadataVersion(1), ..all };
    assert!(matches!(image.advance(&beyond), Err(ImageError::Gap { .. })));
    controller.is_shown_by(&image);
}

#[test]
fn an_image_never_goes_back_or_to_another_cluster() {
    let mut controller = Controller::new();
    controller.step(0);
    let old = controller.image();
    controller.step(2);
    let image = MetadataImage::new(cluster());
    image.replace(controller.image()).unwrap();
    assert!(matches!(image.replace(old), Err(ImageError::Older { .. })));
    let foreign = ClusterImage { cluster_id: ClusterId("other".into()), ..controller.image() };
    assert!(matches!(image.replace(foreign), Err(ImageError::WrongCluster { .. })));
    controller.is_shown_by(&image);
}

#[test]
fn changes_name_topics_and_tombstones() {
    let mut controller = Controller::new();
    for choice in [0, 1, 2, 2 + 7] {
        controller.step(choice);
    }
    let image = MetadataImage::new(cluster());
    let changes = image.advance(&controller.deltas(MetadataVersion(0))).unwrap();
    let names: Vec<_> = controller.state.topics().map(|topic| topic.topic_name.clone()).collect();
    assert!(changes.topics.iter().eq(&names) && !names.is_empty());
    assert!(changes.deleted.is_empty() && !changes.full);
    let topic_id = controller.state.topic(names[0].as_str()).unwrap().topic_id;
    controller.apply(Command::DeleteTopic { topic_name: names[0].clone() });
    let changes = image.advance(&controller.deltas(image.version())).unwrap();
    assert!(changes.deleted.iter().eq(&[(names[0].clone(), topic_id)]));
    assert_eq!(image.read(|state| state.broker(BrokerId(0)).unwrap().status), BrokerStatus::Online);
}
