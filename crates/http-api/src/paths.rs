//! Paths of both REST APIs: route templates (`{name}` stands for a segment), and functions that fill them in.

use std::fmt::Write as _;

use common::{BrokerId, NodeId, PartitionId};

/// Who is the controller.
pub const CONTROLLER: &str = "/api/v1/metadata/controller";
/// The metadata of the whole cluster, or what changed since a version.
pub const CLUSTER: &str = "/api/v1/metadata/cluster";
/// Topics.
pub const TOPICS: &str = "/api/v1/metadata/topics";
/// One topic.
pub const TOPIC: &str = "/api/v1/metadata/topics/{name}";
/// The leader of one partition.
pub const PARTITION_LEADER: &str = "/api/v1/metadata/topics/{name}/partitions/{partition}/leader";
/// Brokers.
pub const BROKERS: &str = "/api/v1/metadata/brokers";
/// One broker.
pub const BROKER: &str = "/api/v1/metadata/brokers/{id}";
/// Settings that are kept for one broker.
pub const CONFIGS_OF_BROKER: &str = "/api/v1/metadata/brokers/{id}/configs";
/// Settings that are kept for all brokers.
pub const BROKER_CONFIGS: &str = "/api/v1/metadata/broker-configs";
/// Groups that have settings of their own.
pub const GROUP_CONFIGS: &str = "/api/v1/metadata/group-configs";
/// Settings that are kept for one group.
pub const CONFIGS_OF_GROUP: &str = "/api/v1/metadata/groups/{group}/configs";
/// Heartbeats of one broker.
pub const HEARTBEAT: &str = "/api/v1/metadata/heartbeat/{brokerId}";
/// ISR changes.
pub const ISR: &str = "/api/v1/metadata/isr";
/// Reports of brokers that may be dead.
pub const SUSPICIONS: &str = "/api/v1/metadata/suspicions";
/// Elections of leaders.
pub const ELECTIONS: &str = "/api/v1/metadata/elections";
/// Replicas that move to other brokers.
pub const REASSIGNMENTS: &str = "/api/v1/metadata/reassignments";
/// Topics of the system, which brokers ask for.
pub const INTERNAL_TOPICS: &str = "/api/v1/metadata/internal-topics";
/// Blocks of producer ids.
pub const PRODUCER_IDS: &str = "/api/v1/metadata/producer-ids";
/// The feature level.
pub const FEATURES: &str = "/api/v1/metadata/features";
/// The metadata events.
pub const HISTORY: &str = "/api/v1/metadata/history";

/// State of the answering node's Raft.
pub const RAFT_STATUS: &str = "/api/v1/raft/status";
/// The Raft log.
pub const RAFT_LOG: &str = "/api/v1/raft/log";
/// Members of the quorum.
pub const RAFT_MEMBERS: &str = "/api/v1/raft/members";
/// One member of the quorum.
pub const RAFT_MEMBER: &str = "/api/v1/raft/members/{id}";
/// Hands leadership over.
pub const RAFT_TRANSFER_LEADER: &str = "/api/v1/raft/transfer-leader";

/// Brokers: the push of the controller.
pub const STORAGE_METADATA: &str = "/api/v1/storage/metadata";
/// Brokers: what the broker knows and holds.
pub const STORAGE_STATUS: &str = "/api/v1/storage/status";

/// Brokers: writing records.
pub const RECORDS: &str = "/api/v1/topics/{topic}/records";
/// Brokers: reading the records of one partition.
pub const PARTITION_RECORDS: &str = "/api/v1/topics/{topic}/partitions/{partition}/records";
/// Brokers: records as they come.
pub const STREAM: &str = "/api/v1/topics/{topic}/stream";

/// Brokers: consumer groups.
pub const GROUPS: &str = "/api/v1/groups";
/// Brokers: one consumer group.
pub const GROUP: &str = "/api/v1/groups/{group}";
/// Brokers: where a consumer group goes on reading.
pub const GROUP_OFFSETS: &str = "/api/v1/groups/{group}/offsets";

/// Brokers: records for a reader that is no member of the group.
pub const GROUP_POLL: &str = "/api/v1/groups/{group}/poll";
/// Brokers: such records are done.
pub const GROUP_ACK: &str = "/api/v1/groups/{group}/ack";

/// Is the process alive? `?watch=true` keeps the answer open for as long as it lives.
pub const LIVEZ: &str = "/livez";
/// Can the process do its work? `?verbose` says in words what is wrong.
pub const READYZ: &str = "/readyz";
/// Figures for Prometheus.
pub const METRICS: &str = "/metrics";
/// The OpenAPI description of the API that answers.
pub const OPENAPI: &str = "/openapi.json";

/// [`TOPIC`] of the topic `name`, which may be any string.
pub fn topic(name: &str) -> String {
    format!("{TOPICS}/{}", segment(name))
}

/// [`PARTITION_LEADER`] of a partition.
pub fn partition_leader(topic_name: &str, partition: PartitionId) -> String {
    format!("{TOPICS}/{}/partitions/{partition}/leader", segment(topic_name))
}

/// [`BROKER`] of a broker.
pub fn broker(id: BrokerId) -> String {
    format!("{BROKERS}/{id}")
}

/// [`CONFIGS_OF_BROKER`] of a broker; `None`: [`BROKER_CONFIGS`].
pub fn broker_configs(id: Option<BrokerId>) -> String {
    id.map_or_else(|| BROKER_CONFIGS.to_owned(), |id| format!("{BROKERS}/{id}/configs"))
}

/// [`CONFIGS_OF_GROUP`] of a group, whose id may be any string.
pub fn group_configs(id: &str) -> String {
    format!("/api/v1/metadata/groups/{}/configs", segment(id))
}

/// [`HEARTBEAT`] of a broker.
pub fn heartbeat(id: BrokerId) -> String {
    format!("/api/v1/metadata/heartbeat/{id}")
}

/// [`RAFT_MEMBER`] of a node.
pub fn raft_member(id: NodeId) -> String {
    format!("{RAFT_MEMBERS}/{id}")
}

/// [`PARTITION_RECORDS`] of a partition.
pub fn partition_records(topic_name: &str, partition: PartitionId) -> String {
    format!("/api/v1/topics/{}/partitions/{partition}/records", segment(topic_name))
}

/// [`GROUP`] of a group, whose id may be any string.
pub fn group(id: &str) -> String {
    format!("{GROUPS}/{}", segment(id))
}

/// [`GROUP_OFFSETS`] of a group.
pub fn group_offsets(id: &str) -> String {
    format!("{GROUPS}/{}/offsets", segment(id))
}

/// [`GROUP_POLL`] of a group.
pub fn group_poll(id: &str) -> String {
    format!("{GROUPS}/{}/poll", segment(id))
}

/// [`GROUP_ACK`] of a group.
pub fn group_ack(id: &str) -> String {
    format!("{GROUPS}/{}/ack", segment(id))
}

/// One path segment, percent-encoded but for RFC 3986's unreserved characters.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_encoded() {
        assert_eq!(topic("a.b_c-d"), "/api/v1/metadata/topics/a.b_c-d");
        assert_eq!(topic("a b/ü?"), "/api/v1/metadata/topics/a%20b%2F%C3%BC%3F");
        assert_eq!(partition_leader("t", PartitionId(3)), "/api/v1/metadata/topics/t/partitions/3/leader");
    }
}
