//! The APIs, one file each, and how a request gets to its own.
//!
//! A handler gets its request decoded, and gives the response. It is carried out when its turn on the connection
//! comes; only [`produce`] and [`offset_commit`] do their work at once. What a version does not have is left at its default by the codec, so
//! handlers look at versions only where the meaning differs.

mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod api_versions;
mod configs;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_acls;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod dispatch;
mod elect_leaders;
mod fetch;
mod find_coordinator;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod operations;
mod produce;
mod several;
mod sync_group;
mod topics;
mod unregister_broker;
mod update_features;

use dispatch::{Call, KNOWN_WAIT, blocking};
pub(super) use dispatch::{Client, start};
