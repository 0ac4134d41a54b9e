//! What can be asked of a coordinator: one file per Kafka API, with its request and its reply; and what only we ask.
//!
//! These are not the messages of the wire: whoever answers clients maps them, and takes care of what depends on versions.
//! [`Call`] ties each request to its reply.

mod call;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod delete_group;
mod describe_group;
mod heartbeat;
mod join_group;
mod lease;
mod leave_group;
mod list_groups;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod survey;
mod sync_group;
mod txn_offset_commit;

pub use call::{Call, Reply, Request};
pub use consumer_group_describe::{
    ConsumerGroupDescribe, ConsumerGroupDescribeReply, ConsumerGroupDescription, ConsumerMemberDescription,
};
pub use consumer_group_heartbeat::{
    ConsumerGroupHeartbeat, ConsumerGroupHeartbeatAnswer, ConsumerGroupHeartbeatReply, TopicPartitions,
};
pub use delete_group::{DeleteGroup, DeleteGroupReply};
pub use describe_group::{DescribeGroup, DescribeGroupReply, GroupDescription, MemberDescription};
pub use heartbeat::{Heartbeat, HeartbeatReply};
pub use join_group::{JoinGroup, JoinGroupReply, JoinRefused, Joined, JoinedMember, Protocol};
pub use lease::{
    LeaseAck, LeaseAckReply, LeaseAcked, LeaseId, LeasePlace, LeasePositions, LeasePositionsReply,
    LeaseRecords, LeaseRecordsReply, LeaseRest, LeasedOffset, LeasedRead, Positions,
};
pub use leave_group::{LeaveGroup, LeaveGroupReply, LeavingMember, LeftMember};
pub use list_groups::{ListGroups, ListGroupsReply, ListedGroup};
pub use offset_commit::{
    CommittedPartition, CommittedTopic, OffsetCommit, OffsetCommitPartition, OffsetCommitReply,
    OffsetCommitTopic,
};
pub use offset_delete::{OffsetDelete, OffsetDeleteReply};
pub use offset_fetch::{FetchedPartition, FetchedTopic, OffsetFetch, OffsetFetchReply, OffsetFetchTopic};
pub use survey::{Survey, SurveyReply, SurveyedGroup, SurveyedOffset};
pub use sync_group::{SyncGroup, SyncGroupReply, Synced};
pub use txn_offset_commit::{TxnOffsetCommit, TxnOffsetCommitReply};
