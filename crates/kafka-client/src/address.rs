//! Where a broker listens.

use std::{fmt, str::FromStr};

/// Kafka's default port.
const DEFAULT_PORT: u16 = 9092;

/// A host and a port. The name is resolved when a connection is made, each time anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Name or IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address like localhost:9092")]
pub struct InvalidAddress(String);

impl Address {
    /// An address of its parts.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The address that a broker gives of itself; `None` if the port is none.
    pub(crate) fn advertised(host: &str, port: i32) -> Option<Self> {
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        (!host.is_empty()).then(|| Self::new(host, port))
    }

    /// Addresses with commas between them, as in `bootstrap.servers`.
    ///
    /// # Errors
    /// If one of them is none, or there are none.
    pub fn list(text: &str) -> Result<Vec<Self>, InvalidAddress> {
        let addresses: Vec<Self> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        if addresses.is_empty() { Err(InvalidAddress(text.to_owned())) } else { Ok(addresses) }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    /// `host:port`, `[::1]:port`, or a host alone for port 9092.
    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(invalid)?;
                (host, rest.strip_prefix(':'))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| invalid())?,
            None => DEFAULT_PORT,
        };
        let plain = !host.is_empty() && !host.contains(['/', ' ', '@']);
        if plain && port > 0 { Ok(Self::new(host, port)) } else { Err(invalid()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_kafka_writes_them() {
        let read = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(read("localhost:19092").unwrap(), "localhost:19092");
        assert_eq!(read("broker").unwrap(), "broker:9092");
        assert_eq!(read("[::1]:9093").unwrap(), "[::1]:9093");
        for wrong in ["", ":9092", "a:0", "a:x", "http://a:1", "[::1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Address::list("a:1, b:2,").unwrap().len(), 2);
        assert!(Address::list(" , ").is_err());
    }
}
