//! Consumer groups: who reads what, how far they are, and putting them elsewhere. Any broker answers.

use common::BrokerId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A group in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupSummary {
    /// Its id.
    pub group_id: String,
    /// `classic` or `consumer`.
    pub group_type: String,
    /// Kafka's name of the state: `Stable`, `Empty`, `PreparingRebalance`, ...
    pub state: String,
    /// `consumer`, `connect`, ...; empty if it never had members.
    pub protocol_type: String,
    /// The broker that coordinates it.
    pub coordinator_id: BrokerId,
}

/// A group with its members and its offsets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupInfo {
    /// What there is to say in short.
    #[serde(flatten)]
    pub summary: GroupSummary,
    /// The state in words: `rebalancing for 2.1 s, waiting for member x`.
    pub state_text: String,
    /// The assignor or protocol of the generation; empty while there is none.
    pub protocol: String,
    /// The generation, or the epoch of a group of the consumer protocol.
    pub generation: i32,
    /// The member that assigns, in a classic group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// By member id.
    pub members: Vec<GroupMember>,
    /// Partitions with a committed offset, and those that a member has.
    pub offsets: Vec<GroupOffset>,
    /// Records that are committed by producers and not by the group, in all partitions whose end is known.
    pub lag: i64,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupMember {
    /// Its id.
    pub member_id: String,
    /// Of a static member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// How the client calls itself.
    pub client_id: String,
    /// Where it comes from.
    pub client_host: String,
    /// What it is assigned, as far as that can be read: other protocol types than `consumer` write what they like.
    pub assignment: Vec<AssignedTopic>,
}

/// Partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignedTopic {
    /// The topic.
    pub topic: String,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// How far a group is in a partition. What is not known is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read, as committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// What the client noted beside it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// When it was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<i64>,
    /// Where the partition's log begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_start_offset: Option<i64>,
    /// Where it ends for consumers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_end_offset: Option<i64>,
    /// Records from the committed offset to the end. Never negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// How long ago the first of these records was written, in ms; 0 if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_ms: Option<i64>,
    /// The member that has the partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_id: Option<String>,
}

/// `POST /api/v1/groups/{group}/offsets`: puts a group without members elsewhere, or shows where it would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetGroupRequest {
    /// Where to.
    pub to: ResetTo,
    /// Which partitions; without it all that the group has an offset for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<ResetTopic>>,
    /// Whether to only show what would be done. It is unless `false` is said.
    #[serde(default = "yes")]
    pub dry_run: bool,
}

fn yes() -> bool {
    true
}

/// Where a group is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ResetTo {
    /// At the first record that is there.
    Earliest,
    /// Behind the last record.
    Latest,
    /// At the first record of this time or a later one, in Unix milliseconds; behind the last if there is none.
    Timestamp(i64),
    /// At this offset; or the nearest that there is.
    Offset(i64),
    /// So many records further on, or back; as far as there are any.
    Shift(i64),
}

/// Partitions of a topic to be reset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetTopic {
    /// The topic.
    pub topic: String,
    /// Its partitions; without it all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<Vec<i32>>,
}

/// What was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetGroupResponse {
    /// Of which group.
    pub group_id: String,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Each partition.
    pub partitions: Vec<ResetPartition>,
}

/// A partition that was reset, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetPartition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The committed offset before, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The one after.
    pub to: i64,
    /// Records that are read again (negative) or passed over (positive), as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_dry_run_unless_it_says_otherwise() {
        let read = |text: &str| serde_json::from_str::<ResetGroupRequest>(text);
        let earliest = read(r#"{"to": "earliest"}"#).unwrap();
        assert_eq!((earliest.to, earliest.dry_run), (ResetTo::Earliest, true));
        let shift = read(r#"{"to": {"shift": -5}, "dryRun": false}"#).unwrap();
        assert_eq!((shift.to, shift.dry_run), (ResetTo::Shift(-5), false));
        assert!(read(r#"{"to": "yesterday"}"#).is_err());
        assert!(read(r#"{"to": "latest", "dryrun": false}"#).is_err());
    }
}
