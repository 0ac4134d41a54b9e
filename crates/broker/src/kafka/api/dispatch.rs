//! How a request gets to its handler, and its response back onto the connection.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use kafka_wire::{
    ApiKey, RequestHeader, encode_response,
    frame::{Frame, Piece},
    header::Incoming,
};
use runtime::Stop;
use tokio::time::Instant;

use super::{
    alter_configs, alter_partition_reassignments, alter_replica_log_dirs, api_versions,
    consumer_group_describe, consumer_group_heartbeat, create_acls, create_partitions, create_topics,
    delete_acls, delete_groups, delete_records, delete_topics, describe_acls, describe_cluster,
    describe_configs, describe_groups, describe_log_dirs, describe_producers, describe_quorum,
    describe_topic_partitions, elect_leaders, fetch, find_coordinator, heartbeat, incremental_alter_configs,
    init_producer_id, join_group, leave_group, list_config_resources, list_groups, list_offsets,
    list_partition_reassignments, metadata, offset_commit, offset_delete, offset_fetch,
    offset_for_leader_epoch, produce, sync_group, unregister_broker, update_features,
};
use crate::kafka::{
    Server,
    limits::Held,
    reader::Request,
    writer::{Answer, Outcome, Pending},
};

/// Who asks.
#[derive(Debug, Clone)]
pub(in crate::kafka) struct Client {
    pub(in crate::kafka) peer: SocketAddr,
    /// Tells long polls that it is time to end.
    pub(in crate::kafka) stop: Stop,
}

/// A request on its way, apart from its body.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) server: Arc<Server>,
    pub(super) client: Client,
    pub(super) header: RequestHeader,
    /// The memory of the request; let go once it is answered, or before by those who need it no longer.
    pub(super) held: Held,
    pub(super) arrived: Instant,
}

/// Begins with a request. What comes of it is waited for in its turn; an error closes the connection.
pub(in crate::kafka) async fn start(
    server: &Arc<Server>,
    client: &Client,
    request: Request,
) -> Result<Pending, String> {
    let arrived = Instant::now();
    let incoming = Incoming::read(&request.bytes).map_err(|error| error.to_string())?;
    let (header, body) = match incoming {
        Incoming::Request { header, body } => (header, body),
        Incoming::UnsupportedApiVersions { correlation_id } => {
            let response = api_versions::unsupported();
            let frame = encode_response(correlation_id, 0, &response).map_err(|error| error.to_string())?;
            server.metrics.request(ApiKey::ApiVersions.name(), arrived.elapsed());
            return Ok(std::future::ready(Outcome::Answer(answer(&frame, Vec::new()))).boxed());
        }
    };
    let key = header.key;
    let (server, client) = (Arc::clone(server), client.clone());
    let call = Call { server, client, header, held: request.held, arrived };
    match key {
        // In a box, so that a connection that is idle has no room for it.
        ApiKey::Produce => Box::pin(produce::start(call, &body)).await,
        ApiKey::Fetch => fetch::start(call, &body),
        ApiKey::ListOffsets => later(call, &body, list_offsets::handle),
        ApiKey::Metadata => later(call, &body, metadata::handle),
        ApiKey::OffsetCommit => Box::pin(offset_commit::start(call, &body)).await,
        ApiKey::OffsetFetch => later(call, &body, offset_fetch::handle),
        ApiKey::FindCoordinator => later(call, &body, find_coordinator::handle),
        ApiKey::JoinGroup => later(call, &body, join_group::handle),
        ApiKey::Heartbeat => later(call, &body, heartbeat::handle),
        ApiKey::LeaveGroup => later(call, &body, leave_group::handle),
        ApiKey::SyncGroup => later(call, &body, sync_group::handle),
        ApiKey::DescribeGroups => later(call, &body, describe_groups::handle),
        ApiKey::ListGroups => later(call, &body, list_groups::handle),
        ApiKey::ApiVersions => later(call, &body, api_versions::handle),
        ApiKey::CreateTopics => later(call, &body, create_topics::handle),
        ApiKey::DeleteTopics => later(call, &body, delete_topics::handle),
        ApiKey::DeleteRecords => later(call, &body, delete_records::handle),
        ApiKey::InitProducerId => later(call, &body, init_producer_id::handle),
        ApiKey::OffsetForLeaderEpoch => later(call, &body, offset_for_leader_epoch::handle),
        ApiKey::DescribeAcls => later(call, &body, describe_acls::handle),
        ApiKey::CreateAcls => later(call, &body, create_acls::handle),
        ApiKey::DeleteAcls => later(call, &body, delete_acls::handle),
        ApiKey::DescribeConfigs => later(call, &body, describe_configs::handle),
        ApiKey::AlterConfigs => later(call, &body, alter_configs::handle),
        ApiKey::DescribeLogDirs => later(call, &body, describe_log_dirs::handle),
        ApiKey::AlterReplicaLogDirs => later(call, &body, alter_replica_log_dirs::handle),
        ApiKey::CreatePartitions => later(call, &body, create_partitions::handle),
        ApiKey::DeleteGroups => later(call, &body, delete_groups::handle),
        ApiKey::ElectLeaders => later(call, &body, elect_leaders::handle),
        ApiKey::IncrementalAlterConfigs => later(call, &body, incremental_alter_configs::handle),
        ApiKey::AlterPartitionReassignments => later(call, &body, alter_partition_reassignments::handle),
        ApiKey::ListPartitionReassignments => later(call, &body, list_partition_reassignments::handle),
        ApiKey::OffsetDelete => later(call, &body, offset_delete::handle),
        ApiKey::DescribeQuorum => later(call, &body, describe_quorum::handle),
        ApiKey::UpdateFeatures => later(call, &body, update_features::handle),
        ApiKey::DescribeProducers => later(call, &body, describe_producers::handle),
        ApiKey::UnregisterBroker => later(call, &body, unregister_broker::handle),
        ApiKey::DescribeCluster => later(call, &body, describe_cluster::handle),
        ApiKey::ListConfigResources => later(call, &body, list_config_resources::handle),
        ApiKey::DescribeTopicPartitions => later(call, &body, describe_topic_partitions::handle),
        ApiKey::ConsumerGroupHeartbeat => later(call, &body, consumer_group_heartbeat::handle),
        ApiKey::ConsumerGroupDescribe => later(call, &body, consumer_group_describe::handle),
    }
}

/// A request that is carried out when its turn comes.
fn later<R, F>(
    call: Call,
    body: &Bytes,
    handle: impl FnOnce(Arc<Call>, R) -> F + Send + 'static,
) -> Result<Pending, String>
where
    R: kafka_wire::Request + Send + 'static,
    R::Response: Send,
    F: Future<Output = R::Response> + Send,
{
    let request = R::from_body(body, call.header.version).map_err(|error| error.to_string())?;
    let call = Arc::new(call);
    let outcome = async move {
        let response = handle(Arc::clone(&call), request).await;
        call.answer(&response, Vec::new(), Held::default())
    };
    Ok(outcome.boxed())
}

impl Call {
    /// The outcome of a request that was answered so. `records` stand in the places of the response's deferred records.
    pub(super) fn answer<R: kafka_wire::Response>(
        &self,
        response: &R,
        records: Vec<Vec<Bytes>>,
        held: Held,
    ) -> Outcome {
        self.server.metrics.request(self.header.key.name(), self.arrived.elapsed());
        match encode_response(self.header.correlation_id, self.header.version, response) {
            Ok(frame) => Outcome::Answer(Answer { _held: held, ..answer(&frame, records) }),
            Err(error) => {
                tracing::error!(event = "kafka.unencodable", "an answer that cannot be sent: {error}");
                Outcome::Close(error.to_string())
            }
        }
    }

    /// The version of the request.
    pub(super) fn version(&self) -> i16 {
        self.header.version
    }
}

/// Does something that blocks on a thread that may. `None`: the process is ending.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

/// How long an answer waits for this broker to know what the controllers have done already.
pub(super) const KNOWN_WAIT: Duration = Duration::from_secs(5);

/// The pieces of a frame, with records in the places that were left for them.
fn answer(frame: &Frame, records: Vec<Vec<Bytes>>) -> Answer {
    let mut records = records.into_iter();
    let mut pieces = Vec::new();
    for piece in frame.pieces() {
        match piece {
            Piece::Bytes(bytes) => pieces.push(bytes),
            Piece::Deferred(_) => pieces.extend(records.next().unwrap_or_default()),
        }
    }
    Answer { pieces, _held: Held::default() }
}
