//! DescribeCluster (60), versions 0 to 2: the brokers, and whom to ask for changes: any of them.

use std::sync::Arc;

use common::BrokerStatus;
use kafka_wire::{
    ErrorCode,
    messages::{DescribeClusterRequest, DescribeClusterResponse, describe_cluster::DescribeClusterBroker},
};

use super::{
    Call,
    operations::{self, if_asked},
};

/// `EndpointType` of brokers; 2 would be controllers, which do not speak Kafka's protocol.
const BROKERS: i8 = 1;

pub(super) async fn handle(call: Arc<Call>, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let settings = &call.server.settings;
    if request.endpoint_type != BROKERS {
        return DescribeClusterResponse {
            error_code: ErrorCode::UNSUPPORTED_ENDPOINT_TYPE,
            error_message: Some("only brokers are described; controllers answer over REST".to_owned()),
            endpoint_type: request.endpoint_type,
            cluster_id: settings.cluster_id.0.clone(),
            controller_id: -1,
            ..DescribeClusterResponse::default()
        };
    }
    let brokers = call.server.image.read(|state| {
        let described = |broker: &common::Broker| {
            let is_fenced = broker.status == BrokerStatus::Offline;
            (!is_fenced || request.include_fenced_brokers).then_some(())?;
            Some(DescribeClusterBroker {
                broker_id: broker.broker_id.0,
                host: broker.host.clone(),
                port: broker.kafka_port?.into(),
                rack: broker.rack.clone(),
                is_fenced,
            })
        };
        state.brokers().filter_map(described).collect()
    });
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: settings.cluster_id.0.clone(),
        controller_id: settings.broker_id.0,
        brokers,
        cluster_authorized_operations: if_asked(
            request.include_cluster_authorized_operations,
            operations::ON_CLUSTER,
        ),
        ..DescribeClusterResponse::default()
    }
}
