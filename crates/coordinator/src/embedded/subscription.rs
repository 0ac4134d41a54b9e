//! `ConsumerProtocolSubscription`: what a consumer says when it joins a classic group.

use super::read::Reader;

/// What is needed of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscription<'a> {
    /// Its version, and that of the shares that the consumer reads.
    pub(crate) version: i16,
    /// The topics that it reads.
    pub(crate) topics: Vec<&'a str>,
    /// What it still has (version 1 and above). One that gives everything up before it joins has nothing.
    pub(crate) owned_partitions: Vec<(&'a str, Vec<i32>)>,
    /// Where it is (version 3).
    pub(crate) rack_id: Option<&'a str>,
}

impl<'a> Subscription<'a> {
    /// None if the bytes are no subscription.
    pub(crate) fn parse(metadata: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(metadata);
        let version = reader.i16().filter(|version| *version >= 0)?;
        let topics = reader.array(Reader::string)?;
        let mut subscription = Self { version, topics, ..Self::default() };
        reader.skip_nullable_bytes()?;
        if version >= 1 {
            subscription.owned_partitions = reader.array(Reader::topic_partitions)?;
        }
        if version >= 3 {
            let _generation_id = reader.i32()?;
            subscription.rack_id = reader.nullable_string()?;
        }
        Some(subscription)
    }
}

/// The topics of a subscription; none if it is not one.
pub(crate) fn subscribed_topics(metadata: &[u8]) -> Option<Vec<&str>> {
    Subscription::parse(metadata).map(|subscription| subscription.topics)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_add_to_each_other() {
        let mut bytes = vec![0, 0, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0, 0, 0, 1, 7];
        let topics = vec!["a", "bc"];
        assert_eq!(
            Subscription::parse(&bytes),
            Some(Subscription { topics: topics.clone(), ..Subscription::default() })
        );
        bytes[1] = 3;
        assert_eq!(Subscription::parse(&bytes), None);
        bytes.extend([0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5]);
        bytes.extend([0, 0, 0, 9, 0, 1, b'r']);
        let owned_partitions = vec![("a", vec![0, 5])];
        assert_eq!(
            Subscription::parse(&bytes),
            Some(Subscription { version: 3, topics, owned_partitions, rack_id: Some("r") })
        );
    }

    #[test]
    fn what_is_none_is_refused() {
        assert_eq!(Subscription::parse(&[]), None);
        assert_eq!(Subscription::parse(&[0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Subscription::parse(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(Subscription::parse(&[0, 0, 0, 0, 0, 1, 0, 1, 0xff, 0, 0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            Subscription::parse(&bytes);
        }
    }
}
