//! `ConsumerProtocolSubscription`: what a consumer says when it joins a classic group.

use super::read::Reader;

/// The topics of a subscription; none if it is not one. Fields of later versions follow the topics, and are not needed.
pub(crate) fn subscribed_topics(metadata: &[u8]) -> Option<Vec<&str>> {
    let mut reader = Reader::new(metadata);
    let version = reader.i16()?;
    if version < 0 {
        return None;
    }
    reader.array(Reader::string)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn topics_are_found_whatever_follows() {
        let mut bytes = vec![0, 3, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c'];
        assert_eq!(subscribed_topics(&bytes), Some(vec!["a", "bc"]));
        bytes.extend([0xff; 4]);
        assert_eq!(subscribed_topics(&bytes), Some(vec!["a", "bc"]));
        assert_eq!(subscribed_topics(&bytes[..10]), None);
        assert_eq!(subscribed_topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(subscribed_topics(&[]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            subscribed_topics(&bytes);
        }
    }
}
