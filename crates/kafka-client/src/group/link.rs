//! The way to a group's coordinator: found by asking any broker, and again when it has moved.

use std::{sync::Arc, time::Duration};

use common::BrokerId;
use kafka_wire::{ErrorCode, Request, messages::FindCoordinatorRequest};

use super::GroupError;
use crate::{
    address::Address,
    cluster::{Cluster, ClusterError},
    connection::{Connection, SharedConnection},
    versions::Versions,
};

/// The first version of FindCoordinator that asks for several.
const SEVERAL: i16 = 4;

/// A connection of its own to the coordinator of a group, made when it is needed.
#[derive(Debug)]
pub(super) struct Link {
    cluster: Cluster,
    group_id: String,
    connection: SharedConnection<GroupError>,
}

impl Link {
    pub(super) fn new(cluster: Cluster, group_id: String) -> Self {
        Self { cluster, group_id, connection: SharedConnection::default() }
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
            self.connection.forget(&connection);
        }
        Ok(answered?)
    }

    /// The next call looks for the coordinator anew.
    pub(super) fn forget(&self) {
        self.connection.forget_any();
    }

    async fn connection(&self) -> Result<Arc<Connection>, GroupError> {
        let (cluster, group_id) = (self.cluster.clone(), self.group_id.clone());
        let open = async move {
            let (_, address) = find(&cluster, &group_id).await?;
            Ok(Connection::open(&address, &cluster.options().connection).await?)
        };
        self.connection.get(|_| true, open).await
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
    let request = |versions: &Versions| {
        let newest = versions.best::<FindCoordinatorRequest>(i16::MAX);
        let (mut key, mut coordinator_keys) = (group_id.to_owned(), Vec::new());
        if newest.is_some_and(|version| version >= SEVERAL) {
            coordinator_keys.push(std::mem::take(&mut key));
        }
        FindCoordinatorRequest { key, coordinator_keys, ..FindCoordinatorRequest::default() }
    };
    let response = cluster.ask_any(request, |_| true).await?;
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
