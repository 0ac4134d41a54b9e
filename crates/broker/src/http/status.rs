//! `GET /api/v1/storage/status`: what this broker knows and holds.

use std::sync::Arc;

use axum::{Json, extract::State};
use common::{BrokerId, Partition, Topic};
use http_api::{
    StorageStatus,
    storage::{FollowedController, HeartbeatStatus, ReplicaRole, ReplicaStatus},
};
use runtime::clock;

use super::router::Context;
use crate::partition::Partitions;

/// What this broker knows and holds
#[utoipa::path(
    get,
    path = http_api::paths::STORAGE_STATUS,
    tag = "storage",
    operation_id = "storageStatus",
    responses((status = 200, description = "The state of this broker", body = StorageStatus)),
)]
pub(super) async fn status(State(context): State<Arc<Context>>) -> Json<StorageStatus> {
    let link = context.follower.status();
    let broker_id = context.broker_id;
    let partitions =
        context.image.read(|state| state.topics().flat_map(|topic| held_by(broker_id, topic)).collect());
    let partitions = with_storage_errors(partitions, &context.partitions);
    Json(StorageStatus {
        broker_id,
        incarnation_id: context.incarnation_id,
        broker_epoch: link.broker_epoch,
        status: link.broker_status,
        controller: link.controller.map(|controller| FollowedController {
            id: controller.id,
            url: controller.url,
            term: controller.term.max(link.term),
        }),
        metadata_version: link.metadata_version.unwrap_or_default(),
        heartbeat: HeartbeatStatus {
            last_success: link
                .last_success
                .map(|time| clock::unix_ms().saturating_sub(clock::as_ms(context.follower.ago(time)))),
            consecutive_failures: link.consecutive_failures,
            rediscoveries: link.rediscoveries,
        },
        partitions,
    })
}

/// The replicas of `topic` that `broker` holds.
fn held_by(broker: BrokerId, topic: &Topic) -> impl Iterator<Item = ReplicaStatus> + '_ {
    let held = move |partition: &&Partition| partition.replicas.contains(&broker);
    topic.partitions.iter().filter(held).map(move |partition| ReplicaStatus {
        topic_name: topic.topic_name.clone(),
        topic_id: topic.topic_id,
        partition: partition.id,
        role: match partition.leader {
            Some(leader) if leader == broker => ReplicaRole::Leader,
            Some(_) => ReplicaRole::Follower,
            None => ReplicaRole::Offline,
        },
        leader: partition.leader,
        leader_epoch: partition.leader_epoch,
        in_sync: partition.isr.contains(&broker),
        storage_error: None,
    })
}

/// What the disk says; asked outside of the lock of the metadata.
fn with_storage_errors(mut replicas: Vec<ReplicaStatus>, partitions: &Partitions) -> Vec<ReplicaStatus> {
    for replica in &mut replicas {
        let found = partitions.get_by_id(replica.topic_id, replica.partition);
        replica.storage_error =
            found.and_then(|partition| partition.storage_trouble().or_else(|| partition.damage()));
    }
    replicas
}
