//! Topic names and their grammar (Kafka's: `[a-zA-Z0-9._-]{1,249}`, not `.` or `..`).

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// The longest topic name, in bytes: a partition's directory adds `-<id>` and a suffix within 255.
pub const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// Where consumer groups keep their offsets.
pub const CONSUMER_OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Where transaction coordinators keep their state.
pub const TRANSACTION_STATE_TOPIC: &str = "__transaction_state";
/// The log that Kafka's controllers keep. Ours keep theirs elsewhere, and leave the name to nobody.
pub const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";
/// The topics that belong to the system.
pub const INTERNAL_TOPICS: [&str; 2] = [CONSUMER_OFFSETS_TOPIC, TRANSACTION_STATE_TOPIC];

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

    /// Whether the topic belongs to the system: clients may neither create, alter nor delete it.
    pub fn is_internal(&self) -> bool {
        INTERNAL_TOPICS.contains(&self.as_str())
    }

    /// The name with each `.` replaced by `_`. Two topics must not share it: in metrics, where `.` is not allowed
    /// in names, they would be one (Kafka's `Topic.hasCollision`).
    pub fn collision_key(&self) -> String {
        self.0.replace('.', "_")
    }
}

/// So that maps by topic name are searched with a plain `&str`: the derived order and hash are those of `str`.
impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grammar() {
        for good in ["a", "orders", "A.b_c-9", "...", &"x".repeat(249), "__consumer_offsets"] {
            assert_eq!(TopicName::new(good).unwrap().as_str(), good);
        }
        assert_eq!(TopicName::new(""), Err(InvalidTopicName::Empty));
        assert_eq!(TopicName::new("."), Err(InvalidTopicName::Dots));
        assert_eq!(TopicName::new(".."), Err(InvalidTopicName::Dots));
        assert_eq!(TopicName::new(&"x".repeat(250)), Err(InvalidTopicName::TooLong { length: 250 }));
        assert_eq!(
            TopicName::new("or/ders"),
            Err(InvalidTopicName::Character { character: '/', position: 2 })
        );
        assert!(TopicName::new("caf\u{e9}").unwrap_err().to_string().contains("at byte 3"));
    }

    #[test]
    fn names_collide_when_they_differ_in_dots_and_underscores_only() {
        let key = |name| TopicName::new(name).unwrap().collision_key();
        assert_eq!(key("a.b_c"), key("a_b.c"));
        assert_ne!(key("a.b"), key("a-b"));
    }

    proptest! {
        #[test]
        fn json_takes_what_the_grammar_takes(text in ".{0,260}") {
            let json = serde_json::to_string(&text).unwrap();
            let parsed = serde_json::from_str::<TopicName>(&json);
            prop_assert_eq!(parsed.is_ok(), TopicName::new(&text).is_ok());
            if let Ok(name) = parsed {
                prop_assert_eq!(serde_json::to_string(&name).unwrap(), json);
            }
        }
    }
}
