//! Groups of the consumer protocol (KIP-848).

use common::TopicId;
use coordinator::{
    api::{Protocol, TopicPartitions},
    records::{
        ClassicMemberMetadata, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataValue,
        CurrentMemberAssignmentValue, RegularExpressionValue,
    },
};
use kafka_wire::group_records::{
    self as wire, consumer_group_current_member_assignment as current,
    consumer_group_member_metadata as member, consumer_group_target_assignment_member as target,
};

use super::{Value, WireValue};

impl Value for ConsumerGroupMetadataValue {
    type Key = wire::ConsumerGroupMetadataKey;

    fn into_wire(self) -> WireValue<Self> {
        WireValue::<Self> { epoch: self.epoch, metadata_hash: self.metadata_hash }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        Self { epoch: value.epoch, metadata_hash: value.metadata_hash }
    }
}

impl Value for ConsumerGroupMemberMetadataValue {
    type Key = wire::ConsumerGroupMemberMetadataKey;

    fn into_wire(self) -> WireValue<Self> {
        let protocol = |Protocol { name, metadata }| member::ClassicProtocol { name, metadata };
        let classic = |classic: ClassicMemberMetadata| member::ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            supported_protocols: classic.supported_protocols.into_iter().map(protocol).collect(),
        };
        WireValue::<Self> {
            instance_id: self.instance_id.map(|id| id.as_str().to_owned()),
            rack_id: self.rack_id,
            client_id: self.client_id,
            client_host: self.client_host,
            subscribed_topic_names: self.subscribed_topic_names,
            subscribed_topic_regex: self.subscribed_topic_regex,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.server_assignor,
            classic_member_metadata: self.classic_member_metadata.map(classic),
        }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        let protocol = |member::ClassicProtocol { name, metadata }| Protocol { name, metadata };
        let classic = |classic: member::ClassicMemberMetadata| ClassicMemberMetadata {
            session_timeout_ms: classic.session_timeout_ms,
            supported_protocols: classic.supported_protocols.into_iter().map(protocol).collect(),
        };
        Self {
            instance_id: value.instance_id.map(Into::into),
            rack_id: value.rack_id,
            client_id: value.client_id,
            client_host: value.client_host,
            subscribed_topic_names: value.subscribed_topic_names,
            subscribed_topic_regex: value.subscribed_topic_regex,
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            server_assignor: value.server_assignor,
            classic_member_metadata: value.classic_member_metadata.map(classic),
        }
    }
}

/// The epoch of a target assignment. When it was made is not kept.
impl Value for i32 {
    type Key = wire::ConsumerGroupTargetAssignmentMetadataKey;

    fn into_wire(self) -> WireValue<Self> {
        WireValue::<Self> { assignment_epoch: self, ..Default::default() }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        value.assignment_epoch
    }
}

/// A member's target assignment.
impl Value for Vec<TopicPartitions> {
    type Key = wire::ConsumerGroupTargetAssignmentMemberKey;

    fn into_wire(self) -> WireValue<Self> {
        let topic = |topic: TopicPartitions| target::TopicPartition {
            topic_id: topic.topic_id.0,
            partitions: topic.partitions,
        };
        WireValue::<Self> { topic_partitions: self.into_iter().map(topic).collect() }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        let topic = |topic: target::TopicPartition| TopicPartitions {
            topic_id: TopicId(topic.topic_id),
            partitions: topic.partitions,
        };
        value.topic_partitions.into_iter().map(topic).collect()
    }
}

impl Value for CurrentMemberAssignmentValue {
    type Key = wire::ConsumerGroupCurrentMemberAssignmentKey;

    fn into_wire(self) -> WireValue<Self> {
        let topic = |topic: TopicPartitions| current::TopicPartitions {
            topic_id: topic.topic_id.0,
            partitions: topic.partitions,
            assignment_epochs: Some(Vec::new()),
        };
        WireValue::<Self> {
            member_epoch: self.member_epoch,
            previous_member_epoch: self.previous_member_epoch,
            state: self.state,
            assigned_partitions: self.assigned_partitions.into_iter().map(topic).collect(),
            partitions_pending_revocation: self
                .partitions_pending_revocation
                .into_iter()
                .map(topic)
                .collect(),
        }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        let topic = |topic: current::TopicPartitions| TopicPartitions {
            topic_id: TopicId(topic.topic_id),
            partitions: topic.partitions,
        };
        Self {
            member_epoch: value.member_epoch,
            previous_member_epoch: value.previous_member_epoch,
            state: value.state,
            assigned_partitions: value.assigned_partitions.into_iter().map(topic).collect(),
            partitions_pending_revocation: value
                .partitions_pending_revocation
                .into_iter()
                .map(topic)
                .collect(),
        }
    }
}

impl Value for RegularExpressionValue {
    type Key = wire::ConsumerGroupRegularExpressionKey;

    fn into_wire(self) -> WireValue<Self> {
        WireValue::<Self> { topics: self.topics, version: self.version, timestamp: self.timestamp_ms }
    }

    fn from_wire(value: WireValue<Self>) -> Self {
        Self { topics: value.topics, version: value.version, timestamp_ms: value.timestamp }
    }
}
