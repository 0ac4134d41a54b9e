//! Groups: members that share the partitions of topics.

mod classic;
mod either;

pub(crate) use classic::ClassicGroup;
pub(crate) use either::{Group, OffsetsOf};
