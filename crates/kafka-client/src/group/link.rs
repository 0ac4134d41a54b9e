//! The way to a group's coordinator: found by asking any broker, and again when it has moved.

use std::{sync::Arc, time::Duration};

use common::BrokerId;
use kafka_wire::{ErrorCode, Request, messages::FindCoordinatorRequest};
use tokio::sync::Mutex;

use super::GroupError;
use crate::{
    address::Address,
    cluster::{Cluster, ClusterError},
    connection::Connection,
};

/// The first version of FindCoordinator that asks for several.
const SEVERAL: i16 = 4;

/// A connection of its own to the coordinator of a group, made when it is needed.
#[derive(Debug)]
pub(super) struct Link {
    cluster: Cluster,
    group_id: String,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Link {
    pub(super) fn new(cluster: Cluster, group_id: String) -> Self {
        Self { cluster, group_id, connection: Mutex::new(None) }
    }

    /// Asks the coordinator once. Whatever it says, the next call finds it where it is then. `patience` is how long the request
    /// lets it wait; `told` finds the error code of the answer.
    pub(super) async fn call<R: Request>(
        &self,
        request: &R,
        version_max: i16,
        patience: Duration,
        told: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, GroupError> {
        let connection = self.connection().await?;
        let answered = async { connection.start(request, version_max, patience).await?.answer().await }.await;
        let has_moved = match &answered {
            Ok(response) => {
                matches!(told(response), ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE)
            }
            Err(_) => true,
        };
        if has_moved {
            let mut kept = self.connection.lock().await;
            // Somebody else may have found it again.
            if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &connection)) {
                *kept = None;
            }
        }
        Ok(answered?)
    }

    async fn connection(&self) -> Result<Arc<Connection>, GroupError> {
        let mut kept = self.connection.lock().await;
        if let Some(open) = kept.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        *kept = None;
        let address = find(&self.cluster, &self.group_id).await?.1;
        let connection = Arc::new(Connection::open(&address, &self.cluster.options().connection).await?);
        *kept = Some(connection.clone());
        Ok(connection)
    }
}

impl Cluster {
    /// Which broker coordinates a group; asks once.
    ///
    /// # Errors
    /// If none does now, or no broker answers.
    pub async fn coordinator(&self, group_id: &str) -> Result<BrokerId, GroupError> {
        find(self, group_id).await.map(|(broker, _)| broker)
    }
}

async fn find(cluster: &Cluster, group_id: &str) -> Result<(BrokerId, Address), GroupError> {
    let connection = cluster.any().await?;
    let newest = connection.versions().best::<FindCoordinatorRequest>(i16::MAX);
    let mut request = FindCoordinatorRequest::default();
    if newest.is_some_and(|version| version >= SEVERAL) {
        request.coordinator_keys = vec![group_id.to_owned()];
    } else {
        request.key = group_id.to_owned();
    }
    let response = connection.call(&request).await?;
    let found = match response.coordinators.into_iter().next() {
        Some(found) => (found.error_code, found.node_id, found.host, found.port),
        None => (response.error_code, response.node_id, response.host, response.port),
    };
    let (code, node_id, host, port) = found;
    if !code.is_none() {
        let (group_id, what) = (group_id.to_owned(), "finding its coordinator");
        return Err(GroupError::Refused { group_id, what, code });
    }
    let broker = BrokerId(node_id);
    let address = Address::advertised(&host, port).ok_or(ClusterError::UnknownBroker(broker))?;
    Ok((broker, address))
}
