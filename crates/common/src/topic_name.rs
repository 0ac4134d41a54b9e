//! Topic names and their grammar (Kafka's: `[a-zA-Z0-9._-]{1,249}`, not `.` or `..`).

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// The longest topic name, in bytes: a partition's directory adds `-<id>` and a suffix within 255.
pub const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// A topic name that obeys the grammar. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-zA-Z0-9._-]{1,249}$", example = "orders")]
pub struct TopicName(Arc<str>);

/// Why a string is no topic name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidTopicName {
    /// Empty.
    #[error("topic name is empty; it needs 1 to {TOPIC_NAME_LENGTH_MAX} characters of a-z A-Z 0-9 . _ -")]
    Empty,
    /// Too long.
    #[error("topic name has {length} characters; the most is {TOPIC_NAME_LENGTH_MAX}")]
    TooLong {
        /// How long it is, in bytes.
        length: usize,
    },
    /// A directory's own names.
    #[error("topic name must not be `.` or `..`")]
    Dots,
    /// A character outside the grammar.
    #[error("topic name contains {character:?} at byte {position}; allowed are a-z A-Z 0-9 . _ -")]
    Character {
        /// The first such character.
        character: char,
        /// Where it stands.
        position: usize,
    },
}

impl TopicName {
    /// Checks the grammar.
    pub fn new(name: &str) -> Result<Self, InvalidTopicName> {
        if name.is_empty() {
            return Err(InvalidTopicName::Empty);
        }
        if name.len() > TOPIC_NAME_LENGTH_MAX {
            return Err(InvalidTopicName::TooLong { length: name.len() });
        }
        if name == "." || name == ".." {
            return Err(InvalidTopicName::Dots);
        }
        let bad =
            name.char_indices().find(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')));
        match bad {
            Some((position, character)) => Err(InvalidTopicName::Character { character, position }),
            None => Ok(Self(name.into())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TopicName {
    type Error = InvalidTopicName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<TopicName> for String {
    fn from(name: TopicName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
