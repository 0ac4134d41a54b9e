//! What the APIs of consumer groups share.
//!
//! These files map versions of the protocol to the requests of crate `coordinator` and its replies back. What a group is
//! and may do is decided there; who owns it, and that nothing is told before it is durable, is `crate::coordinator`'s.

use coordinator::api::Call as Ask;

use super::Call;
use crate::coordinator::Unavailable;

/// Names that clients give themselves, and ids of members that they bring along, in bytes. Longer ones do not fit into
/// records beside what is added to them.
pub(super) const NAME_BYTES_MAX: usize = 1024;

impl Call {
    /// Asks the owner of a group. A client is not kept waiting while the process ends.
    pub(super) async fn ask<C: Ask>(&self, group_id: &str, request: C) -> Result<C::Reply, Unavailable> {
        let asked = self.client.stop.or(self.server.groups.ask(group_id, request)).await;
        asked.unwrap_or(Err(Unavailable::NotCoordinator))
    }

    /// How the client calls itself, as far as it is kept.
    pub(super) fn client_id(&self) -> String {
        let name = self.header.client_id.as_deref().unwrap_or_default();
        name.get(..name.floor_char_boundary(NAME_BYTES_MAX)).unwrap_or_default().to_owned()
    }

    /// Where the client comes from, as Kafka writes it.
    pub(super) fn client_host(&self) -> String {
        format!("/{}", self.client.peer.ip().to_canonical())
    }
}
