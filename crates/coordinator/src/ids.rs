//! Identifiers of groups. Cheap to clone; none has a grammar, they are whatever clients call themselves.

use std::{borrow::Borrow, fmt, sync::Arc};

use common::limits::GROUP_ID_BYTES_MAX;

use crate::GroupError;

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Whether it is the empty string, which stands for "none" in Kafka's protocol.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self("".into())
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id.into())
            }
        }

        /// So that maps are searched with a plain `&str`: the derived order is that of `str`.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

string_id!(
    /// A group (`group.id`).
    GroupId
);
string_id!(
    /// A member of a group: one life of one consumer.
    MemberId
);
string_id!(
    /// A static member (`group.instance.id`, KIP-345): keeps its place over the lives of a consumer.
    InstanceId
);

impl GroupId {
    /// That a group with members may be called so. The empty name is that of consumers that were given none, which may keep
    /// offsets under it, as in Kafka.
    pub(crate) fn check(&self) -> Result<(), GroupError> {
        let is_valid = (1..=GROUP_ID_BYTES_MAX).contains(&self.0.len());
        if is_valid { Ok(()) } else { Err(GroupError::InvalidGroupId) }
    }
}

/// Ties a reply to its request. The caller draws it, never the same one twice for one coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// The producer of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
