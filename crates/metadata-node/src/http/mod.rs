//! The REST API of a metadata node.
