//! Who began a connection, from its first bytes.
//!
//! Requests between metadata nodes say who sends them (`"from":<id>` in the head of each body). Brokers say who they are: in
//! `user-agent` to nodes, as client id (`dmq-broker-<id>-...`) to other brokers. A kept-alive connection has one sender for
//! its life.

use common::{BrokerId, NodeId};

/// How much of a connection is looked at: a request's head and the start of its body.
pub(super) const SENDER_BYTES_MAX: usize = 4 * 1024;

/// Who began a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    /// A metadata node.
    Node(NodeId),
    /// A broker.
    Broker(BrokerId),
    /// A client.
    Other,
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Kafka,
}

impl Protocol {
    /// Who sends, from the first bytes of a connection: `None` if more of them are needed.
    pub(super) fn sender_of(self, bytes: &[u8]) -> Option<Sender> {
        match self {
            Self::Http => of_http(bytes),
            Self::Kafka => of_kafka(bytes),
        }
    }
}

fn of_http(bytes: &[u8]) -> Option<Sender> {
    const BETWEEN_NODES: &[u8] = b"POST /api/v1/raft/";
    const FROM: &[u8] = b"\"from\":";
    let prefix = bytes.get(..BETWEEN_NODES.len().min(bytes.len())).unwrap_or_default();
    if !BETWEEN_NODES.starts_with(prefix) {
        return broker_or_other(bytes);
    }
    let after = bytes.windows(FROM.len()).position(|window| window == FROM).map(|at| at + FROM.len());
    let rest = after.and_then(|at| bytes.get(at..)).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // The number may go on in the next bytes.
    if digits > 0 && digits < rest.len() {
        let id =
            rest.get(..digits).and_then(|id| std::str::from_utf8(id).ok()).and_then(|id| id.parse().ok());
        return Some(id.map_or(Sender::Other, Sender::Node));
    }
    (bytes.len() >= SENDER_BYTES_MAX).then_some(Sender::Other)
}

/// A broker by the `user-agent` in the head of its first request, which must be there as a whole.
fn broker_or_other(bytes: &[u8]) -> Option<Sender> {
    const AGENT: &str = "user-agent: dmq-broker/";
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    if end.is_none() && bytes.len() < SENDER_BYTES_MAX {
        return None;
    }
    let head = String::from_utf8_lossy(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
    let head = head.to_ascii_lowercase();
    let id = head.lines().find_map(|line| line.strip_prefix(AGENT)).and_then(|id| id.trim().parse().ok());
    Some(id.map_or(Sender::Other, |id| Sender::Broker(BrokerId(id))))
}

/// A broker by the client id in the header of its first request.
fn of_kafka(bytes: &[u8]) -> Option<Sender> {
    /// Size, API key, API version, correlation id: what stands before the client id.
    const BEFORE_BYTES: usize = 4 + 2 + 2 + 4;
    const CLIENT_ID: &str = "dmq-broker-";
    let length = bytes.get(BEFORE_BYTES..BEFORE_BYTES + 2)?;
    let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    if length > SENDER_BYTES_MAX / 2 {
        // None at all (-1), or none of ours.
        return Some(Sender::Other);
    }
    let id = bytes.get(BEFORE_BYTES + 2..BEFORE_BYTES + 2 + length)?;
    let rest = std::str::from_utf8(id).ok().and_then(|id| id.strip_prefix(CLIENT_ID));
    let number = rest.and_then(|rest| rest.split('-').next()?.parse().ok());
    Some(number.map_or(Sender::Other, |id| Sender::Broker(BrokerId(id))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_or_broker_is_read_from_the_first_http_request() {
        let sender_of = |bytes| Protocol::Http.sender_of(bytes);
        let raft: &[u8] =
            b"POST /api/v1/raft/append-entries HTTP/1.1\r\nhost: x\r\n\r\n{\"header\":{\"from\":2,";
        assert_eq!(sender_of(raft), Some(Sender::Node(NodeId(2))));
        assert_eq!(sender_of(raft.get(..raft.len() - 1).unwrap()), None, "the id may have more digits");
        assert_eq!(sender_of(b"POST /api"), None);
        assert_eq!(sender_of(b"GET /livez HTTP/1.1\r\n"), None, "the head has no end yet");
        assert_eq!(sender_of(b"GET /livez HTTP/1.1\r\n\r\n"), Some(Sender::Other));
        let broker = b"POST /x HTTP/1.1\r\nHost: y\r\nUser-Agent: dmq-broker/101\r\n\r\n";
        assert_eq!(sender_of(broker), Some(Sender::Broker(BrokerId(101))));
    }

    #[test]
    fn a_broker_is_read_from_the_first_kafka_request() {
        let sender_of = |bytes: &[u8]| Protocol::Kafka.sender_of(bytes);
        let request = |id: &[u8]| {
            let length = u16::try_from(id.len()).unwrap().to_be_bytes();
            [&[0, 0, 0, 40, 0, 18, 0, 3, 0, 0, 0, 1], &length[..], id, b"\0"].concat()
        };
        let fetcher = request(b"dmq-broker-103-fetcher");
        assert_eq!(sender_of(&fetcher), Some(Sender::Broker(BrokerId(103))));
        assert_eq!(sender_of(fetcher.get(..20).unwrap()), None, "the id has no end yet");
        assert_eq!(sender_of(&request(b"rdkafka")), Some(Sender::Other));
        let without = [0, 0, 0, 10, 0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff];
        assert_eq!(sender_of(&without), Some(Sender::Other));
    }
}
