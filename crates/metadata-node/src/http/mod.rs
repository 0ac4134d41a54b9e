//! The REST API of a metadata node.

pub(crate) mod raft_rpc;
