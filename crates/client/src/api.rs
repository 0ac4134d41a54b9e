//! Every call of the metadata REST API, one function each. A [`Call`] can be made at the node that leads
//! (`client.call(&api::topic("orders"))`), or once at a certain node (`api::raft_status().send(http, url)`).

use common::{BrokerId, MetadataVersion, NodeId, PartitionId};
use http::Method;
use http_api::{
    AlterTopicRequest, BrokerInfo, ClusterImage, ClusterMetadata, ControllerInfo, CreateTopicRequest,
    HeartbeatRequest, HeartbeatResponse, HistoryEntry, PartitionLeader, RaftLogEntry, RaftMember, RaftStatus,
    RegisterBrokerRequest, RegisterBrokerResponse, TopicInfo,
    broker_configs::{AlterBrokerConfigsRequest, BrokerConfigsInfo},
    elections::{ElectLeadersRequest, ElectLeadersResponse},
    features::{FeatureLevel, SetFeatureLevelRequest},
    group_configs::{AlterGroupConfigsRequest, GroupConfigsInfo},
    groups::{GroupInfo, GroupSummary, ResetGroupRequest, ResetGroupResponse},
    internal_topics::CreateInternalTopicRequest,
    isr::{AlterIsrRequest, AlterIsrResponse},
    members::{AddMemberRequest, MembersResponse, TransferLeaderRequest, TransferLeaderResponse},
    paths,
    producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse},
    query::{ClusterQuery, HistoryQuery, RaftLogQuery},
    reassignments::{ReassignRequest, ReassignResponse, ReassignmentInfo},
    suspicions::{SuspicionRequest, SuspicionResponse},
};

use crate::call::Call;

/// Who leads the quorum. [`crate::ControllerDiscovery`] asks all nodes this.
pub fn controller() -> Call<ControllerInfo> {
    Call::read(paths::CONTROLLER)
}

/// The metadata of the whole cluster.
pub fn cluster() -> Call<ClusterImage> {
    Call::read(paths::CLUSTER)
}

/// What changed after `since`, or everything if that is too long ago.
pub fn cluster_since(since: MetadataVersion) -> Call<ClusterMetadata> {
    let query = ClusterQuery { since: Some(since), ..ClusterQuery::default() };
    Call::read(paths::CLUSTER).query(&query)
}

/// All topics by name.
pub fn topics() -> Call<Vec<TopicInfo>> {
    Call::read(paths::TOPICS)
}

/// One topic.
pub fn topic(name: &str) -> Call<TopicInfo> {
    Call::read(paths::topic(name))
}

/// Creates a topic.
pub fn create_topic(request: &CreateTopicRequest) -> Call<TopicInfo> {
    Call::write(Method::POST, paths::TOPICS).json(request)
}

/// Adds partitions to a topic, or changes its settings.
pub fn alter_topic(name: &str, request: &AlterTopicRequest) -> Call<TopicInfo> {
    Call::write(Method::PATCH, paths::topic(name)).json(request)
}

/// Deletes a topic.
pub fn delete_topic(name: &str) -> Call<()> {
    Call::write(Method::DELETE, paths::topic(name))
}

/// Where the leader of a partition is.
pub fn partition_leader(topic_name: &str, partition: PartitionId) -> Call<PartitionLeader> {
    Call::read(paths::partition_leader(topic_name, partition))
}

/// All brokers by id.
pub fn brokers() -> Call<Vec<BrokerInfo>> {
    Call::read(paths::BROKERS)
}

/// One broker.
pub fn broker(id: BrokerId) -> Call<BrokerInfo> {
    Call::read(paths::broker(id))
}

/// Announces a broker process. Safe to repeat without a key: the same incarnation keeps its registration.
pub fn register_broker(request: &RegisterBrokerRequest) -> Call<RegisterBrokerResponse> {
    Call::leader(Method::POST, paths::BROKERS).json(request)
}

/// Forgets a broker that holds no replicas.
pub fn remove_broker(id: BrokerId) -> Call<()> {
    Call::write(Method::DELETE, paths::broker(id))
}

/// The settings that are kept for one broker, or for all.
pub fn broker_configs(id: Option<BrokerId>) -> Call<BrokerConfigsInfo> {
    Call::read(paths::broker_configs(id))
}

/// Changes settings that are kept for one broker, or for all.
pub fn alter_broker_configs(
    id: Option<BrokerId>,
    request: &AlterBrokerConfigsRequest,
) -> Call<BrokerConfigsInfo> {
    Call::write(Method::PATCH, paths::broker_configs(id)).json(request)
}

/// The groups that have settings of their own.
pub fn all_group_configs() -> Call<Vec<GroupConfigsInfo>> {
    Call::read(paths::GROUP_CONFIGS)
}

/// The settings that are kept for one group.
pub fn group_configs(id: &str) -> Call<GroupConfigsInfo> {
    Call::read(paths::group_configs(id))
}

/// Changes settings that are kept for one group.
pub fn alter_group_configs(id: &str, request: &AlterGroupConfigsRequest) -> Call<GroupConfigsInfo> {
    Call::write(Method::PATCH, paths::group_configs(id)).json(request)
}

/// Tells the leader that a broker is alive.
pub fn heartbeat(id: BrokerId, request: &HeartbeatRequest) -> Call<HeartbeatResponse> {
    Call::leader(Method::POST, paths::heartbeat(id)).json(request)
}

/// Changes ISRs, by compare-and-set.
pub fn alter_isr(request: &AlterIsrRequest) -> Call<AlterIsrResponse> {
    Call::write(Method::POST, paths::ISR).json(request)
}

/// Tells the leader that a broker may be dead, so that it looks for itself at once.
pub fn suspect(request: &SuspicionRequest) -> Call<SuspicionResponse> {
    Call::leader(Method::POST, paths::SUSPICIONS).json(request)
}

/// Gives partitions back to their preferred leaders, or gives those that have none a leader that may lack records.
pub fn elect_leaders(request: &ElectLeadersRequest) -> Call<ElectLeadersResponse> {
    Call::write(Method::POST, paths::ELECTIONS).json(request)
}

/// Moves replicas to other brokers, or cancels moves.
pub fn reassign_partitions(request: &ReassignRequest) -> Call<ReassignResponse> {
    Call::write(Method::POST, paths::REASSIGNMENTS).json(request)
}

/// The moves of replicas that are under way.
pub fn reassignments() -> Call<Vec<ReassignmentInfo>> {
    Call::read(paths::REASSIGNMENTS)
}

/// Creates a topic of the system, on behalf of a broker.
pub fn create_internal_topic(request: &CreateInternalTopicRequest) -> Call<TopicInfo> {
    Call::write(Method::POST, paths::INTERNAL_TOPICS).json(request)
}

/// The consumer groups of the cluster. Brokers answer this, as all calls about groups.
pub fn groups() -> Call<Vec<GroupSummary>> {
    Call::read(paths::GROUPS)
}

/// A consumer group, with its members and its offsets.
pub fn group(id: &str) -> Call<GroupInfo> {
    Call::read(paths::group(id))
}

/// Puts a group without members elsewhere, or shows where it would be. Brokers know no idempotency keys: only the latter may be
/// repeated.
pub fn reset_group(id: &str, request: &ResetGroupRequest) -> Call<ResetGroupResponse> {
    let (method, path) = (Method::POST, paths::group_offsets(id));
    let call = if request.dry_run { Call::write(method, path) } else { Call::leader(method, path) };
    call.json(request)
}

/// Deletes a group without members, with its offsets. Not to be repeated: brokers know no idempotency keys.
pub fn delete_group(id: &str) -> Call<()> {
    Call::leader(Method::DELETE, paths::group(id))
}

/// Asks for a block of producer ids.
pub fn allocate_producer_ids(request: &AllocateProducerIdsRequest) -> Call<AllocateProducerIdsResponse> {
    Call::write(Method::POST, paths::PRODUCER_IDS).json(request)
}

/// The feature level in force.
pub fn feature_level() -> Call<FeatureLevel> {
    Call::read(paths::FEATURES)
}

/// Raises the feature level.
pub fn set_feature_level(request: &SetFeatureLevelRequest) -> Call<FeatureLevel> {
    Call::write(Method::POST, paths::FEATURES).json(request)
}

/// The metadata events.
pub fn history(query: &HistoryQuery) -> Call<Vec<HistoryEntry>> {
    Call::read(paths::HISTORY).query(query)
}

/// The state of the answering node's Raft.
pub fn raft_status() -> Call<RaftStatus> {
    Call::read(paths::RAFT_STATUS)
}

/// Entries of the answering node's Raft log.
pub fn raft_log(query: &RaftLogQuery) -> Call<Vec<RaftLogEntry>> {
    Call::read(paths::RAFT_LOG).query(query)
}

/// Members of the quorum, as the answering node knows them.
pub fn members() -> Call<Vec<RaftMember>> {
    Call::read(paths::RAFT_MEMBERS)
}

/// Adds a node to the quorum. Adding one that is a member already changes nothing, so it can be repeated.
pub fn add_member(request: &AddMemberRequest) -> Call<MembersResponse> {
    Call::write(Method::POST, paths::RAFT_MEMBERS).json(request)
}

/// Takes a node out of the quorum.
pub fn remove_member(id: NodeId) -> Call<MembersResponse> {
    Call::write(Method::DELETE, paths::raft_member(id))
}

/// Hands leadership over.
pub fn transfer_leader(request: &TransferLeaderRequest) -> Call<TransferLeaderResponse> {
    Call::leader(Method::POST, paths::RAFT_TRANSFER_LEADER).json(request)
}
