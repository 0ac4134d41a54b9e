//! All requests and replies as one type each, and which belongs to which.

use super::{
    ConsumerGroupDescribe, ConsumerGroupDescribeReply, ConsumerGroupHeartbeat, ConsumerGroupHeartbeatReply,
    DeleteGroup, DeleteGroupReply, DescribeGroup, DescribeGroupReply, Heartbeat, HeartbeatReply, JoinGroup,
    JoinGroupReply, LeaseAck, LeaseAckReply, LeasePositions, LeasePositionsReply, LeaseRecords,
    LeaseRecordsReply, LeaveGroup, LeaveGroupReply, ListGroups, ListGroupsReply, OffsetCommit,
    OffsetCommitReply, OffsetDelete, OffsetDeleteReply, OffsetFetch, OffsetFetchReply, Survey, SurveyReply,
    SyncGroup, SyncGroupReply, TxnOffsetCommit, TxnOffsetCommitReply,
};

/// A request with a reply of its own type: so that whoever sends one through a queue gets back what belongs to it.
pub trait Call: Into<Request> {
    /// What it is answered with.
    type Reply: Send + 'static;

    /// The reply, if it is one to this kind of request.
    fn reply(reply: Reply) -> Option<Self::Reply>;
}

macro_rules! calls {
    ($($name:ident => $reply:ident),* $(,)?) => {
        /// Any request.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        /// Any reply.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Reply {
            $(#[doc = concat!("To a [`", stringify!($name), "`].")] $name($reply),)*
        }

        $(
            impl From<$name> for Request {
                fn from(request: $name) -> Self {
                    Self::$name(request)
                }
            }

            impl Call for $name {
                type Reply = $reply;

                fn reply(reply: Reply) -> Option<$reply> {
                    match reply {
                        Reply::$name(reply) => Some(reply),
                        _ => None,
                    }
                }
            }
        )*
    };
}

calls! {
    JoinGroup => JoinGroupReply,
    SyncGroup => SyncGroupReply,
    Heartbeat => HeartbeatReply,
    LeaveGroup => LeaveGroupReply,
    OffsetCommit => OffsetCommitReply,
    TxnOffsetCommit => TxnOffsetCommitReply,
    OffsetFetch => OffsetFetchReply,
    OffsetDelete => OffsetDeleteReply,
    DescribeGroup => DescribeGroupReply,
    ListGroups => ListGroupsReply,
    DeleteGroup => DeleteGroupReply,
    ConsumerGroupHeartbeat => ConsumerGroupHeartbeatReply,
    ConsumerGroupDescribe => ConsumerGroupDescribeReply,
    Survey => SurveyReply,
    LeasePositions => LeasePositionsReply,
    LeaseRecords => LeaseRecordsReply,
    LeaseAck => LeaseAckReply,
}
