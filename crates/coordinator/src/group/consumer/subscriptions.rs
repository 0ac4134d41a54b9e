//! What the members of a group read: topics by name, and by regular expression.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::{
    GroupError, TopicInfo, Topics,
    records::{ConsumerGroupMemberMetadataValue, RegularExpressionValue},
};

/// Bytes of a regular expression.
const EXPRESSION_BYTES_MAX: usize = 2_048;
/// Bytes that a compiled one may take.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// How deeply its groups may be nested.
const NESTING_MAX: u32 = 50;

/// What is read, by how many.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// Members per topic that is named.
    names: BTreeMap<String, usize>,
    /// Members per expression.
    expressions: BTreeMap<String, usize>,
    /// The topics that each expression stands for. One that is not here has not been looked for.
    pub(super) resolved: BTreeMap<String, RegularExpressionValue>,
}

impl Subscriptions {
    pub(super) fn add(&mut self, member: &ConsumerGroupMemberMetadataValue) {
        for name in &member.subscribed_topic_names {
            *self.names.entry(name.clone()).or_default() += 1;
        }
        if let Some(expression) = &member.subscribed_topic_regex {
            *self.expressions.entry(expression.clone()).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, member: &ConsumerGroupMemberMetadataValue) {
        for name in &member.subscribed_topic_names {
            count_down(&mut self.names, name);
        }
        if let Some(expression) = &member.subscribed_topic_regex {
            count_down(&mut self.expressions, expression);
        }
    }

    pub(super) fn contains(&self, topic: &str) -> bool {
        let is_matched = |value: &RegularExpressionValue| {
            value.topics.binary_search_by(|name| name.as_str().cmp(topic)).is_ok()
        };
        self.names.contains_key(topic) || self.resolved.values().any(is_matched)
    }

    /// Expressions that nobody has any more.
    pub(super) fn obsolete(&self) -> Vec<String> {
        self.resolved
            .keys()
            .filter(|expression| !self.expressions.contains_key(*expression))
            .cloned()
            .collect()
    }

    /// Looks for the topics of those expressions that have not been looked for, or of all. Gives what is new.
    pub(super) fn resolve(
        &self,
        topics: &Topics,
        all: bool,
        now_unix_ms: i64,
    ) -> Vec<(String, RegularExpressionValue)> {
        let mut changed = Vec::new();
        for expression in self.expressions.keys() {
            let known = self.resolved.get(expression);
            if known.is_some() && !all {
                continue;
            }
            let Ok(compiled) = compile(expression) else { continue };
            // Topics of the system too, as in Kafka: clients that want none of them leave them out themselves.
            let named = topics.iter().filter(|(name, _)| compiled.is_match(name.as_str()));
            let named: Vec<String> = named.map(|(name, _)| name.as_str().to_owned()).collect();
            if known.is_none_or(|known| known.topics != named) {
                let value = RegularExpressionValue { topics: named, version: 0, timestamp_ms: now_unix_ms };
                changed.push((expression.clone(), value));
            }
        }
        changed
    }

    /// Those topics that are there.
    pub(super) fn topics<'a>(&'a self, topics: &Topics) -> BTreeMap<&'a str, TopicInfo> {
        let matched = self.resolved.values().flat_map(|value| value.topics.iter().map(String::as_str));
        let all = self.names.keys().map(String::as_str).chain(matched);
        all.filter_map(|name| Some((name, topics.get(name)?))).collect()
    }

    /// A number that changes when the set of topics does, or one of them (FNV-1a).
    pub(super) fn hash(&self, topics: &Topics) -> i64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut mix = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for (name, info) in self.topics(topics) {
            mix(name.as_bytes());
            mix(info.id.0.as_bytes());
            mix(&info.partitions.to_be_bytes());
        }
        hash.cast_signed()
    }
}

fn count_down(counts: &mut BTreeMap<String, usize>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// That an expression is one, and not too large. It has to match a whole name.
pub(super) fn compile(expression: &str) -> Result<Regex, GroupError> {
    let refuse =
        |reason: String| GroupError::InvalidRegularExpression { expression: expression.to_owned(), reason };
    if expression.len() > EXPRESSION_BYTES_MAX {
        let bytes = expression.len();
        return Err(GroupError::InvalidRegularExpression {
            expression: expression.chars().take(64).collect(),
            reason: format!("it has {bytes} bytes; the most is {EXPRESSION_BYTES_MAX}"),
        });
    }
    // On its own first, so that it cannot close the group that is put around it.
    let build = |pattern: &str| {
        let built = RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).nest_limit(NESTING_MAX).build();
        built.map_err(|error| refuse(error.to_string()))
    };
    build(expression)?;
    build(&format!(r"\A(?:{expression})\z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_has_to_match() {
        let matches = |expression: &str, name: &str| compile(expression).unwrap().is_match(name);
        assert!(matches("orders.*", "orders-1") && !matches("orders.*", "my-orders"));
        assert!(matches("a|ab", "ab") && !matches("a|b", "ab"));
        assert!(matches("^a$", "a"));
    }

    #[test]
    fn what_is_wrong_or_too_large_is_refused() {
        for expression in ["(", "a)(b", "(?x) a # b", "((a{500}){500}){500}", &"a".repeat(2_049)] {
            assert!(compile(expression).is_err(), "{expression}");
        }
    }
}
