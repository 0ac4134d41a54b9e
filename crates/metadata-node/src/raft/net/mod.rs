//! RPCs to other nodes: JSON over HTTP/1.1, one kept-alive connection per peer and purpose.

mod connection;
mod factory;
mod peer;

pub(crate) use connection::{Body, Connection};
pub(crate) use factory::{PeerNews, Peers};
pub(crate) use peer::{PeerClient, REQUEST_HEADER, STORAGE_ID_HEADER, path};
