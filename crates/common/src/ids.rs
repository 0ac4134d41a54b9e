//! Identifiers. Each one is a type of its own, so that a broker id can never be passed where a node id is
//! meant. In JSON they are plain numbers (or strings, where noted).

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    };
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    };
}

number_id!(
    /// A metadata node (controller). Never reused: a node that lost its disk comes back under a new id.
    NodeId(u64)
);
number_id!(
    /// A broker, as in Kafka's protocol. Never negative.
    BrokerId(i32)
);
number_id!(
    /// Counts the registrations of brokers: every registration gets a higher one, and a call that carries an
    /// older one is refused (KIP-631).
    BrokerEpoch(i64)
);
number_id!(
    /// Index of a partition within its topic, from 0.
    PartitionId(i32)
);
number_id!(
    /// Raised each time a partition gets another leader (KIP-101).
    LeaderEpoch(i32)
);
number_id!(
    /// Raised each time anything of a partition changes: leader, ISR or replicas (KIP-497).
    PartitionEpoch(i32)
);
number_id!(
    /// The Raft index of the last command that changed the metadata. 0: nothing was ever changed.
    MetadataVersion(u64)
);
number_id!(
    /// A Raft term.
    Term(u64)
);
uuid_id!(
    /// A topic, for ever: a topic that is deleted and created again under its old name has another id (KIP-516).
    TopicId
);
uuid_id!(
    /// One life of a broker process: drawn at its start, so that a restarted broker is told from its former self.
    IncarnationId
);

uuid_id!(
    /// A broker's data directory, drawn when it was made: a disk that was wiped or replaced under the same broker id has
    /// another one (KIP-858).
    DirectoryId
);

impl From<u64> for NodeId {
    fn from(id: u64) -> Self {
        Self(id)
    }
}

impl LeaderEpoch {
    /// The epoch of the next leader.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl PartitionEpoch {
    /// The epoch after one more change.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Names a cluster; nodes and brokers of different clusters refuse each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct ClusterId(pub String);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
