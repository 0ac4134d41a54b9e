//! A member of a classic group.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    InstanceId,
    api::{JoinGroup, Protocol},
};

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::group) struct Member {
    pub(in crate::group) instance_id: Option<InstanceId>,
    pub(in crate::group) client_id: String,
    pub(in crate::group) client_host: String,
    pub(in crate::group) session_timeout_ms: i32,
    pub(in crate::group) rebalance_timeout_ms: i32,
    /// What it can do, the best first; no name twice.
    pub(in crate::group) protocols: Vec<Protocol>,
    /// Its share of the generation; empty until the leader has assigned.
    pub(in crate::group) assignment: Bytes,
    /// Its first join has not been answered, so it does not know its id and cannot send heartbeats.
    pub(in crate::group) is_new: bool,
}

impl Member {
    pub(in crate::group) fn new(request: JoinGroup) -> Self {
        Self {
            instance_id: request.group_instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            protocols: distinct(request.protocols),
            assignment: Bytes::new(),
            is_new: true,
        }
    }

    /// What it said under a protocol; empty if it does not know it.
    pub(in crate::group) fn metadata(&self, protocol_name: &str) -> Bytes {
        let found = self.protocols.iter().find(|protocol| protocol.name == protocol_name);
        found.map(|protocol| protocol.metadata.clone()).unwrap_or_default()
    }
}

/// Without those whose name came before.
pub(in crate::group) fn distinct(protocols: Vec<Protocol>) -> Vec<Protocol> {
    // There may be as many as a request has room for.
    let mut names = BTreeSet::new();
    let are_first: Vec<bool> =
        protocols.iter().map(|protocol| names.insert(protocol.name.as_str())).collect();
    let kept = protocols.into_iter().zip(are_first).filter(|(_, is_first)| *is_first);
    kept.map(|(protocol, _)| protocol).collect()
}
