//! A lean Kafka client of our own, for the command line, benchmarks, drills and tests. It works with every broker that
//! speaks Kafka's protocol.
//!
//! | type | what it does |
//! |---|---|
//! | [`Connection`] | one broker: pipelined requests, deadlines, bounds, the version that both sides have |
//! | [`Cluster`] | who leads what, refreshed when a broker says that it is not the leader (KIP-951), and connections |
//! | [`Producer`] | batches, idempotent, in order across retries and changes of leaders |
//! | [`Consumer`] | reads assigned partitions, the next fetch under way while records are looked at |
//! | [`GroupMember`] | is in a consumer group, and says which partitions it has |
//!
//! [`Cluster`] lists offsets, creates and deletes topics as well.
//!
//! Every failure says whether the broker may have carried the request out: a history that is to be checked for lost and
//! repeated records needs to know.

pub mod address;
pub mod admin;
mod backoff;
pub mod cluster;
pub mod connection;
pub mod consumer;
pub mod fetch_session;
mod flight;
pub mod group;
pub mod offsets;
pub mod producer;
#[cfg(test)]
mod stand_in;
pub mod versions;

pub use address::{Address, InvalidAddress};
pub use admin::NewTopic;
pub use cluster::{Cluster, ClusterError, ClusterOptions, Leader, LeaderHint};
pub use connection::{CallError, Connection, ConnectionOptions, Pending, Unanswered};
pub use consumer::{ConsumeError, Consumer, ConsumerOptions, Fetched, IsolationLevel, StartAt};
pub use fetch_session::FetchSession;
pub use group::{Change, ChangeKind, GroupError, GroupMember, GroupOptions, GroupProtocol, GroupView};
pub use offsets::{OffsetSpec, TopicPartition};
pub use producer::{Ack, Acks, Delivery, ProduceError, Producer, ProducerOptions};
pub use versions::Versions;

pub use commit_log::batch::{Compression, NewRecord, Record, RecordHeader};
pub use kafka_wire::ErrorCode;
