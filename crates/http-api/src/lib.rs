//! The two REST APIs as types: that of the metadata nodes and that of the brokers.
//!
//! One file per resource. A request type refuses unknown fields; an answer type tolerates them, so that an older
//! client understands a newer server. Models that stand unchanged in the contract (`Partition`, `Event`, ids) are
//! those of `common` and `metadata-core`.
//!
//! JSON is camelCase, times are Unix milliseconds, ids are numbers. Errors are a [`Problem`] with a stable
//! [`ErrorCode`], which fixes the HTTP status and tells whether a retry makes sense.

pub mod broker_configs;
pub mod brokers;
pub mod cluster;
pub mod controller;
pub mod elections;
pub mod features;
pub mod group_configs;
pub mod group_reading;
pub mod groups;
pub mod headers;
pub mod health;
pub mod heartbeat;
pub mod history;
pub mod internal_topics;
pub mod isr;
pub mod members;
pub mod paths;
pub mod problem;
pub mod producer_ids;
pub mod query;
pub mod raft;
pub mod reassignments;
pub mod records;
mod rejection;
pub mod storage;
pub mod suspicions;
pub mod topics;

pub use brokers::{BrokerInfo, RegisterBrokerRequest, RegisterBrokerResponse};
pub use cluster::{ClusterImage, ClusterMetadata, Delta, DeltaSet};
pub use controller::ControllerInfo;
pub use health::{Check, Livez, ProcessRole, Readiness};
pub use heartbeat::{HeartbeatRequest, HeartbeatResponse};
pub use history::HistoryEntry;
pub use problem::{ErrorCode, Problem, Retry};
pub use raft::{RaftLogEntry, RaftMember, RaftState, RaftStatus, StorageKind};
pub use storage::{MetadataPush, PushAck, StorageStatus, UpdateType};
pub use topics::{AlterTopicRequest, CreateTopicRequest, PartitionLeader, TopicInfo};
