//! What a member is assigned, as consumers write it (`ConsumerProtocolAssignment`). Brokers need not understand it; people
//! want to read it.

use http_api::groups::AssignedTopic;

/// The topics of an assignment; none where it is something else.
pub(super) fn assigned_topics(mut bytes: &[u8]) -> Vec<AssignedTopic> {
    read(&mut bytes).unwrap_or_default()
}

fn read(bytes: &mut &[u8]) -> Option<Vec<AssignedTopic>> {
    let version = i16::from_be_bytes(take(bytes)?);
    if version < 0 {
        return None;
    }
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(take(bytes)?) {
        let length = usize::try_from(i16::from_be_bytes(take(bytes)?)).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        let mut partitions = Vec::new();
        for _ in 0..i32::from_be_bytes(take(bytes)?) {
            partitions.push(i32::from_be_bytes(take(bytes)?));
        }
        topics.push(AssignedTopic { topic: std::str::from_utf8(name).ok()?.to_owned(), partitions });
    }
    Some(topics)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_anything_else_is_none() {
        let bytes =
            [0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff];
        let read = assigned_topics(&bytes);
        assert_eq!(read, [AssignedTopic { topic: "t".into(), partitions: vec![0, 3] }]);
        for length in 0..20 {
            assert_eq!(assigned_topics(&bytes[..length]), []);
        }
        assert_eq!(assigned_topics(&[0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0]), []);
    }
}
