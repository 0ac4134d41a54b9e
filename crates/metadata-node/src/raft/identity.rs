//! Who this node is, to the others.

use std::sync::Arc;

use common::{ClusterId, NodeId};
use uuid::Uuid;

use super::wire::{Header, WIRE_VERSION};

/// What every request between nodes says of its sender. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Identity(Arc<Fields>);

#[derive(Debug)]
struct Fields {
    cluster_id: ClusterId,
    node_id: NodeId,
    storage_id: Uuid,
}

/// A request that is not for this node, or not from one it may listen to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misdirected {
    #[error("wire format version {theirs}; this node speaks {WIRE_VERSION}")]
    Version { theirs: u16 },
    #[error("request of cluster `{theirs}`; this node belongs to `{ours}`")]
    Cluster { theirs: ClusterId, ours: ClusterId },
    #[error("request for node {meant}; this is node {here}")]
    Node { meant: NodeId, here: NodeId },
}

impl Identity {
    pub(crate) fn new(cluster_id: ClusterId, node_id: NodeId, storage_id: Uuid) -> Self {
        Self(Arc::new(Fields { cluster_id, node_id, storage_id }))
    }

    pub(crate) fn cluster_id(&self) -> &ClusterId {
        &self.0.cluster_id
    }

    pub(crate) fn node_id(&self) -> NodeId {
        self.0.node_id
    }

    pub(crate) fn storage_id(&self) -> Uuid {
        self.0.storage_id
    }

    /// The header of a request to `to`.
    pub(crate) fn header_to(&self, to: NodeId) -> Header {
        Header {
            version: WIRE_VERSION,
            cluster_id: self.0.cluster_id.clone(),
            from: self.0.node_id,
            storage_id: self.0.storage_id,
            to,
        }
    }

    /// Whether a request with this header is for this node.
    pub(crate) fn check(&self, header: &Header) -> Result<(), Misdirected> {
        if header.version != WIRE_VERSION {
            return Err(Misdirected::Version { theirs: header.version });
        }
        if header.cluster_id != self.0.cluster_id {
            return Err(Misdirected::Cluster {
                theirs: header.cluster_id.clone(),
                ours: self.0.cluster_id.clone(),
            });
        }
        if header.to != self.0.node_id {
            return Err(Misdirected::Node { meant: header.to, here: self.0.node_id });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_for_somebody_else_is_refused() {
        let of = |cluster: &str, node| Identity::new(ClusterId(cluster.into()), NodeId(node), Uuid::nil());
        let here = of("a", 1);
        assert_eq!(here.check(&of("a", 2).header_to(NodeId(1))), Ok(()));
        assert!(matches!(here.check(&of("b", 2).header_to(NodeId(1))), Err(Misdirected::Cluster { .. })));
        assert!(matches!(here.check(&of("a", 2).header_to(NodeId(3))), Err(Misdirected::Node { .. })));
        let mut old = of("a", 2).header_to(NodeId(1));
        old.version += 1;
        assert!(matches!(here.check(&old), Err(Misdirected::Version { .. })));
    }
}
