//! Reading without being a member: records are leased to whoever asks, one by one, until they are acknowledged. No API of
//! Kafka's; what is acknowledged is committed like any other offset. See `leases`.

use common::{Offset, TopicName};
use uuid::Uuid;

use crate::{GroupError, GroupId};

/// What belongs to one answer of records. The caller draws it, never the same one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub Uuid);

/// Asks where to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasePositions {
    /// Which group. It must have no members.
    pub group_id: GroupId,
    /// In which partitions.
    pub places: Vec<LeasePlace>,
}

/// A partition that is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasePlace {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// Where to begin if the group has committed nothing there: that is then committed.
    pub start: Option<Offset>,
}

/// The answer.
pub type LeasePositionsReply = Result<Positions, GroupError>;

/// Where to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// For each place, in order, the first offset that nobody has; none: the group has not begun there.
    pub free: Vec<Option<Offset>>,
    /// When the next lease ends, in ms from now: then records may be free that are not now.
    pub next_expiry_ms: Option<i64>,
}

/// Leases records that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRecords {
    /// Which group.
    pub group_id: GroupId,
    /// Under which name.
    pub lease: LeaseId,
    /// For how long, in ms.
    pub lease_ms: i64,
    /// What was read.
    pub reads: Vec<LeasedRead>,
}

/// What was read of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedRead {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// From where, as [`Positions`] said.
    pub from: Offset,
    /// To where, exclusive.
    pub to: Offset,
    /// All records that there are in between. Other offsets have none, and need not be acknowledged.
    pub offsets: Vec<Offset>,
}

/// The answer: for each read, in order, the offsets that are leased; somebody else may have been faster.
pub type LeaseRecordsReply = Result<Vec<Vec<Offset>>, GroupError>;

/// Says what became of leased records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseAck {
    /// Which group.
    pub group_id: GroupId,
    /// By which lease.
    pub lease: LeaseId,
    /// The records that are done; none: all of the lease.
    pub records: Option<Vec<LeasedOffset>>,
    /// What is to become of the others.
    pub rest: LeaseRest,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeasedOffset {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// The record's.
    pub offset: Offset,
}

/// What is to become of records that are not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseRest {
    /// They stay leased as they are.
    Stay,
    /// They are given back, and may be leased again at once.
    Release,
    /// They stay leased for so many ms from now.
    Extend(i64),
}

/// The answer.
pub type LeaseAckReply = Result<LeaseAcked, GroupError>;

/// What came of an acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseAcked {
    /// Records that are done by it.
    pub acknowledged: usize,
    /// Records of the lease that are not done.
    pub left: usize,
    /// Where the committed offset is now, of the partitions where it moved.
    pub committed: Vec<LeasedOffset>,
}
