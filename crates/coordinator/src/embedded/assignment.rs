//! `ConsumerProtocolAssignment`: the share of a member of a classic group of consumers.

use bytes::{BufMut, Bytes, BytesMut};

use super::read::Reader;
use crate::{Topics, assignment::Assignment};

/// The partitions of a share, as far as their topics exist. Bytes that are no share are an empty one.
pub(crate) fn assigned_partitions(share: &[u8], topics: &Topics) -> Assignment {
    let mut reader = Reader::new(share);
    let named = reader.i16().and_then(|_version| reader.array(Reader::topic_partitions)).unwrap_or_default();
    let known = named.into_iter().filter_map(|(name, partitions)| Some((topics.get(name)?.id, partitions)));
    known.flat_map(|(id, partitions)| partitions.into_iter().map(move |partition| (id, partition))).collect()
}

/// Whether a share says more than partitions: something between the members' assignor and its leader, which only they
/// understand.
pub(crate) fn has_user_data(share: &[u8]) -> bool {
    let mut reader = Reader::new(share);
    let partitions = reader.i16().and_then(|_version| reader.array(Reader::topic_partitions));
    partitions.and_then(|_| reader.i32()).is_some_and(|bytes| bytes > 0)
}

/// The latest version of a share. All say the same, so far.
const VERSION_MAX: i16 = 3;

/// In a version that the reader knows. Topics that are gone are left out.
pub(crate) fn encode_assignment(version: i16, assignment: &Assignment, topics: &Topics) -> Bytes {
    let named: Vec<_> = assignment
        .topics()
        .filter_map(|(id, partitions)| Some((topics.name_of(id)?.as_str(), partitions)))
        .collect();
    let mut bytes = BytesMut::new();
    bytes.put_i16(version.clamp(0, VERSION_MAX));
    put_count(&mut bytes, named.len());
    for (name, partitions) in named {
        // A topic name has at most 249 bytes, by its type.
        bytes.put_i16(i16::try_from(name.len()).unwrap_or(i16::MAX));
        bytes.put_slice(name.as_bytes());
        put_count(&mut bytes, partitions.len());
        for partition in partitions {
            bytes.put_i32(*partition);
        }
    }
    bytes.put_i32(-1);
    bytes.freeze()
}

fn put_count(bytes: &mut BytesMut, count: usize) {
    bytes.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
}

#[cfg(test)]
mod tests {
    use common::{TopicId, TopicName};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::TopicInfo;

    fn topics() -> Topics {
        let info = TopicInfo { id: TopicId(Uuid::from_u128(1)), partitions: 9 };
        [(TopicName::new("t").unwrap(), info)].into_iter().collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let id = TopicId(Uuid::from_u128(1));
        let share: Assignment = [(id, 0), (id, 7)].into_iter().collect();
        let bytes = encode_assignment(3, &share, &topics());
        assert_eq!(bytes.as_ref(), b"\0\x03\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x07\xff\xff\xff\xff");
        assert_eq!(assigned_partitions(&bytes, &topics()), share);
        assert_eq!(encode_assignment(i16::MAX, &share, &topics()), bytes);
        assert_eq!(assigned_partitions(&bytes, &Topics::default()), Assignment::default());
        assert_eq!(assigned_partitions(b"", &topics()), Assignment::default());
    }

    #[test]
    fn user_data_is_more_than_nothing() {
        assert!(has_user_data(b"\0\0\0\0\0\0\0\0\0\x01x"));
        assert!(!has_user_data(b"\0\0\0\0\0\0\0\0\0\0"));
        assert!(!has_user_data(&encode_assignment(0, &Assignment::default(), &topics())));
        assert!(!has_user_data(b""));
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes: Vec<u8>) {
            assigned_partitions(&bytes, &topics());
            has_user_data(&bytes);
        }
    }
}
